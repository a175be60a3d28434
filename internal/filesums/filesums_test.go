package filesums_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/filesums"
)

// newTree returns a directory with recorded digests whose files changed long enough ago for a check to be kept.
func newTree(t *testing.T) filesums.Tree {
	t.Helper()
	tree := filesums.Tree{Dir: t.TempDir(), Seen: filepath.Join(t.TempDir(), "checked", "tree.json")}
	if err := os.MkdirAll(filepath.Join(tree.Dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"bin/program": "one two three", "readme": "text"} {
		if err := os.WriteFile(filepath.Join(tree.Dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("program", filepath.Join(tree.Dir, "bin", "link")); err != nil {
		t.Fatal(err)
	}
	if err := tree.Record(); err != nil {
		t.Fatal(err)
	}
	return tree
}

// checkKept checks until the result is kept: files that changed within the last second are read again by the next check.
func checkKept(t *testing.T, tree filesums.Tree) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if err := tree.Check(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(tree.Seen); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no check was kept")
		}
	}
}

func TestWhatChangedIsFound(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(dir string) error
		want   string
	}{
		"a byte, and the time of the change put back": {func(d string) error {
			file := filepath.Join(d, "bin", "program")
			info, err := os.Stat(file)
			return errors.Join(err, os.WriteFile(file, []byte("one twO three"), 0o644), os.Chtimes(file, info.ModTime(), info.ModTime()))
		}, "bin/program has the SHA-256"},
		"a file of the same size in its place": {func(d string) error {
			other := filepath.Join(d, "other")
			return errors.Join(os.WriteFile(other, []byte("ONE two three"), 0o644), os.Rename(other, filepath.Join(d, "bin", "program")))
		}, "bin/program has the SHA-256"},
		"truncated": {func(d string) error { return os.Truncate(filepath.Join(d, "bin", "program"), 3) }, "bin/program has the SHA-256"},
		"everything removed": {func(d string) error {
			return errors.Join(os.RemoveAll(filepath.Join(d, "bin")), os.Remove(filepath.Join(d, "readme")))
		}, "readme is missing"},
		"removed": {func(d string) error { return os.Remove(filepath.Join(d, "readme")) }, "readme is missing"},
		"added":   {func(d string) error { return os.WriteFile(filepath.Join(d, "new"), nil, 0o644) }, "new does not belong to it"},
		"a link that leads elsewhere": {func(d string) error {
			link := filepath.Join(d, "bin", "link")
			return errors.Join(os.Remove(link), os.Symlink("/bin/true", link))
		}, "bin/link has the SHA-256"},
		"a pipe":          {func(d string) error { return syscall.Mkfifo(filepath.Join(d, "pipe"), 0o600) }, "want only files"},
		"no digests":      {func(d string) error { return os.Remove(filepath.Join(d, filesums.Name)) }, "digests are not recorded"},
		"digests changed": {func(d string) error { return os.WriteFile(filepath.Join(d, filesums.Name), nil, 0o644) }, "does not belong to it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tree := newTree(t)
			checkKept(t, tree)
			if err := tc.change(tree.Dir); err != nil {
				t.Fatal(err)
			}
			for how, check := range map[string]func() error{"Check": tree.Check, "Verify": tree.Verify} {
				if err := check(); err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("%s = %v, want an error with %q", how, err, tc.want)
				}
			}
		})
	}
}

// Verify finds what only a full reading can find: here a kept check says that all was seen as it is now.
func TestVerifyReadsWhatCheckBelieves(t *testing.T) {
	t.Parallel()
	tree, other := newTree(t), newTree(t)
	checkKept(t, tree)
	program := filepath.Join(tree.Dir, "bin", "program")
	if err := os.WriteFile(program, []byte("one two thrEe"), 0o644); err != nil {
		t.Fatal(err)
	}
	// As a disk that loses a byte: the digests recorded are the old ones, and what was seen is the file as it is.
	recorded, err := os.ReadFile(filepath.Join(other.Dir, filesums.Name))
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Record(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(tree.Seen); err != nil {
		t.Fatal(err)
	}
	checkKept(t, tree)
	seen, err := os.ReadFile(tree.Seen)
	if err != nil {
		t.Fatal(err)
	}
	forged := strings.Replace(string(seen), filesums.SumOf(t, tree), filesums.SumOf(t, other), 1)
	if err := errors.Join(os.WriteFile(filepath.Join(tree.Dir, filesums.Name), recorded, 0o644),
		os.WriteFile(tree.Seen, []byte(forged), 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := tree.Check(); err != nil {
		t.Errorf("Check read the files: %v", err)
	}
	if err := tree.Verify(); err == nil || !strings.Contains(err.Error(), "bin/program has the SHA-256") {
		t.Errorf("Verify = %v", err)
	}
}

// Before anything was seen, no files are not what was seen.
func TestEmptiedTreeThatWasNeverChecked(t *testing.T) {
	t.Parallel()
	tree := newTree(t)
	if err := errors.Join(os.RemoveAll(filepath.Join(tree.Dir, "bin")), os.Remove(filepath.Join(tree.Dir, "readme"))); err != nil {
		t.Fatal(err)
	}
	if err := tree.Check(); err == nil || !strings.Contains(err.Error(), "readme is missing") {
		t.Errorf("Check = %v", err)
	}
}

func TestSpecialFilesHaveNoDigest(t *testing.T) {
	t.Parallel()
	tree := newTree(t)
	tree.Special = true
	if err := syscall.Mkfifo(filepath.Join(tree.Dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(tree.Record(), tree.Check(), tree.Verify()); err != nil {
		t.Error(err)
	}
}

func TestSums(t *testing.T) {
	t.Parallel()
	sums, err := newTree(t).Sums()
	if err != nil || len(sums) != 3 || len(sums["bin/program"]) != 64 {
		t.Errorf("%v, %v", sums, err)
	}
}

// The results of checks are kept in the cache for its own directories, and nowhere for others.
func TestIn(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]filesums.Tree{
		"/cache/components/runc": {Dir: "/cache/components/runc", Seen: "/cache/checked/components/runc.json"},
		"/cache/images/spark/k":  {Dir: "/cache/images/spark/k", Seen: "/cache/checked/images/spark/k.json"},
		"/elsewhere/k":           {Dir: "/elsewhere/k"},
	} {
		if got := filesums.In("/cache", dir); got != want {
			t.Errorf("%s: got %+v, want %+v", dir, got, want)
		}
	}
}
