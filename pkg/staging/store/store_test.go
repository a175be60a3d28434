package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
)

func open(t testing.TB, location string) *Store {
	t.Helper()
	s, err := Open(context.Background(), location)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func owner() staging.Owner {
	return staging.Owner{Namespace: "ns", Labels: map[string]string{"a": "b"}, Type: staging.OwnerTypePod}
}

func add(t testing.TB, s *Store, data []byte) Entry {
	t.Helper()
	u, err := s.Begin(t.Context(), uuid.NewString())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write(data); err != nil {
		t.Fatal(err)
	}
	entry, err := u.Commit(t.Context(), Entry{Owner: owner(), Created: time.Now().UTC(), SecretSHA256: HashSecret("secret")})
	if err != nil {
		t.Fatal(err)
	}
	return entry
}

func readAll(t testing.TB, s *Store, entry Entry) ([]byte, error) {
	t.Helper()
	r, err := s.Open(t.Context(), entry)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}

func ids(t testing.TB, s *Store) []string {
	t.Helper()
	var all []string
	for id, err := range s.IDs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, id)
	}
	return all
}

// Each storage keeps to the same contract.
func TestStorages(t *testing.T) {
	t.Parallel()
	for name, location := range map[string]string{"memory": Memory, "file": "file://" + t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, location)
			if err := s.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Entry(t.Context(), uuid.NewString()); !errors.Is(err, ErrNotFound) {
				t.Errorf("unknown bundle: %v", err)
			}
			data := bytes.Repeat([]byte("0123456789"), 20_000)
			entry := add(t, s, data)
			sum := sha256.Sum256(data)
			if entry.Size != int64(len(data)) || entry.SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("entry %+v", entry)
			}
			known, err := s.Entry(t.Context(), entry.ID)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(entry, known); diff != "" {
				t.Errorf("entry (-want +got):\n%s", diff)
			}
			if got, err := readAll(t, s, known); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			for _, want := range []bool{false, true} {
				if got, err := s.Downloaded(t.Context(), entry.ID); err != nil || got != want {
					t.Errorf("downloaded: %t, %v, want %t", got, err, want)
				}
				if err := s.MarkDownloaded(t.Context(), entry.ID); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff([]string{entry.ID}, ids(t, s)); diff != "" {
				t.Errorf("bundles (-want +got):\n%s", diff)
			}
			for range 2 {
				if err := s.Remove(t.Context(), entry.ID); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.Entry(t.Context(), entry.ID); !errors.Is(err, ErrNotFound) {
				t.Errorf("removed bundle: %v", err)
			}
			if got, err := s.Downloaded(t.Context(), entry.ID); err != nil || got {
				t.Errorf("removed bundle: downloaded %t, %v", got, err)
			}
		})
	}
}

func TestOnlyMemoryForgets(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]bool{Memory: false, "file://" + t.TempDir(): true} {
		first := open(t, location)
		entry := add(t, first, []byte("bytes"))
		// Another server on the same place sees it at once, whether the first one lives or not.
		_, err := open(t, location).Entry(t.Context(), entry.ID)
		if (err == nil) != want || err != nil && !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: a second server says %v", location, err)
		}
	}
}

func TestUploadsThatAreNotCommittedAreNotSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, "file://"+dir)
	for name, end := range map[string]func(*Upload) error{
		"aborted": func(u *Upload) error { return u.Abort() },
		"committed after its time": func(u *Upload) error {
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := u.Commit(ended, Entry{}); !errors.Is(err, context.Canceled) {
				return errors.Join(errors.New("it was committed"), err)
			}
			return nil
		},
	} {
		u, err := s.Begin(t.Context(), uuid.NewString())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Write([]byte("half")); err != nil {
			t.Fatal(err)
		}
		if err := end(u); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, sub := range []string{"data", "index", "partial"} {
		if entries, err := os.ReadDir(filepath.Join(dir, sub)); err != nil || len(entries) > 0 {
			t.Errorf("%s holds %v, %v", sub, entries, err)
		}
	}
}

func TestHalfUploadsAreRemovedByAge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, "file://"+dir)
	kept := add(t, s, []byte("whole"))
	orphan := uuid.NewString()
	partial := filepath.Join(dir, "partial", orphan+"-1")
	for _, file := range []string{partial, filepath.Join(dir, "data", orphan)} {
		if err := os.WriteFile(file, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.RemoveHalfUploads(t.Context(), time.Now().Add(-time.Hour)); err != nil || n != 0 {
		t.Errorf("removed %d that may be another server's, %v", n, err)
	}
	if n, err := s.RemoveHalfUploads(t.Context(), time.Now().Add(time.Hour)); err != nil || n != 2 {
		t.Errorf("removed %d, %v, want 2", n, err)
	}
	if data, err := readAll(t, s, kept); err != nil || string(data) != "whole" {
		t.Errorf("a whole bundle: %q, %v", data, err)
	}
	// An index that cannot be looked into proves nothing about the bytes.
	if err := os.Rename(filepath.Join(dir, "index"), filepath.Join(dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	if n, err := s.RemoveHalfUploads(t.Context(), time.Now().Add(time.Hour)); err == nil || n != 0 {
		t.Errorf("without an index, removed %d, %v", n, err)
	}
	if _, err := s.Entry(t.Context(), kept.ID); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("without an index, a bundle is %v: want an error that does not say that it never was", err)
	}
	if err := s.Check(t.Context()); err == nil {
		t.Error("a store without its index is ready")
	}
}

// A download that ends with its bundle leaves no mark of it for ever.
func TestMarksOfRemovedBundlesDoNotStay(t *testing.T) {
	t.Parallel()
	s := open(t, "file://"+t.TempDir())
	entry := add(t, s, []byte("bytes"))
	if err := s.Remove(t.Context(), entry.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.MarkDownloaded(t.Context(), entry.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("mark of a removed bundle: %v, want %v", err, ErrNotFound)
	}
	if marked, err := s.Downloaded(t.Context(), entry.ID); err != nil || marked {
		t.Errorf("the mark is there: %t, %v", marked, err)
	}
	// A server may end before it looks a second time. Marks of bundles that are there stay.
	if err := put(t.Context(), s.index, downloadedPrefix+entry.ID, nil); err != nil {
		t.Fatal(err)
	}
	kept := add(t, s, []byte("bytes"))
	if err := s.MarkDownloaded(t.Context(), kept.ID); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		before time.Time
		left   bool
	}{{time.Now().Add(-time.Hour), true}, {time.Now().Add(time.Hour), false}} {
		if _, err := s.RemoveHalfUploads(t.Context(), step.before); err != nil {
			t.Fatal(err)
		}
		if marked, err := s.Downloaded(t.Context(), entry.ID); err != nil || marked != step.left {
			t.Errorf("mark of the removed bundle: %t, %v, want %t", marked, err, step.left)
		}
		if marked, err := s.Downloaded(t.Context(), kept.ID); err != nil || !marked {
			t.Errorf("mark of the other bundle: %t, %v", marked, err)
		}
	}
}

func TestUsageAndServersOfAStore(t *testing.T) {
	t.Parallel()
	for name, location := range map[string]string{"memory": Memory, "file": "file://" + t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, location)
			before, err := s.Usage(t.Context())
			if err != nil || before != 0 {
				t.Errorf("an empty store takes %d bytes, %v", before, err)
			}
			for range 3 {
				add(t, s, make([]byte, 10_000))
			}
			if used, err := s.Usage(t.Context()); err != nil || used < 30_000 || used > 33_000 {
				t.Errorf("three bundles of 10,000 bytes take %d, %v", used, err)
			}
			if free, bounded, err := s.Free(); err != nil || !bounded || free <= 0 {
				t.Errorf("free: %d bytes, bounded %t, %v", free, bounded, err)
			}
			if longest, err := s.LongestTransfer(t.Context()); err != nil || longest != 0 {
				t.Errorf("longest transfer %s, %v, want none", longest, err)
			}
			for _, d := range []time.Duration{time.Minute, 3 * time.Hour, time.Hour, time.Hour} {
				if err := s.Announce(t.Context(), d); err != nil {
					t.Fatal(err)
				}
			}
			if longest, err := s.LongestTransfer(t.Context()); err != nil || longest != 3*time.Hour {
				t.Errorf("longest transfer %s, %v, want 3h", longest, err)
			}
		})
	}
}

func TestDamagedBundlesAreNotServed(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("x"), 100_000)
	for name, damage := range map[string]func([]byte) []byte{
		"shorter":     func(b []byte) []byte { return b[:len(b)-1] },
		"longer":      func(b []byte) []byte { return append(b, 'x') },
		"empty":       func([]byte) []byte { return nil },
		"first byte":  func(b []byte) []byte { b[0]++; return b },
		"last byte":   func(b []byte) []byte { b[len(b)-1]++; return b },
		"middle byte": func(b []byte) []byte { b[len(b)/2]++; return b },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := open(t, "file://"+dir)
			entry := add(t, s, data)
			if err := os.WriteFile(filepath.Join(dir, "data", entry.ID), damage(bytes.Clone(data)), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := readAll(t, s, entry)
			if !errors.Is(err, ErrDamaged) || int64(len(got)) >= entry.Size {
				t.Errorf("%d of %d bytes, %v: want less than all, and ErrDamaged", len(got), entry.Size, err)
			}
		})
	}
}

func TestDamagedIndexIsNoUnknownBundle(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"cut": `{"id":"`, "empty": "", "of another": `{"id":"x","sha256":"1","secretSHA256":"2"}`} {
		dir := t.TempDir()
		s := open(t, "file://"+dir)
		entry := add(t, s, []byte("x"))
		if err := os.WriteFile(filepath.Join(dir, "index", entry.ID+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Entry(t.Context(), entry.ID); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, "file://"+dir)
	entry := add(t, s, []byte("x"))
	if !entry.Admits("secret") || entry.Admits("") || entry.Admits("secret ") || entry.Admits(entry.SecretSHA256) {
		t.Error("Admits is wrong")
	}
	index, err := os.ReadFile(filepath.Join(dir, "index", entry.ID+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(index), `"secret"`) {
		t.Errorf("the secret itself is stored: %s", index)
	}
}

func TestIDsAreNoPaths(t *testing.T) {
	t.Parallel()
	s := open(t, "file://"+t.TempDir())
	for _, id := range []string{"", "..", "../index/x", "%2e%2e", strings.ToUpper(uuid.NewString()), "urn:uuid:" + uuid.NewString(),
		strings.Repeat("0", 32)} {
		if _, err := s.Entry(t.Context(), id); !errors.Is(err, ErrNotFound) {
			t.Errorf("Entry(%q) = %v", id, err)
		}
		if _, err := s.Begin(t.Context(), id); err == nil {
			t.Errorf("Begin(%q) succeeded", id)
		}
		if err := s.Remove(t.Context(), id); err == nil {
			t.Errorf("Remove(%q) succeeded", id)
		}
	}
}

func TestLocations(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		"":                   "want \"memory\"",
		"disk":               "want \"memory\"",
		"ftp://x/y":          "want \"memory\"",
		"file://host/x":      "absolute path",
		"file:relative":      "absolute path",
		"file:///dev/null/x": "storage file:///dev/null/x",
		"s3://b?nonsense=1":  "storage s3://b",
		"://":                "missing protocol scheme",
	} {
		if _, err := Open(t.Context(), location); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q) = %v, want %q", location, err, want)
		}
	}
}
