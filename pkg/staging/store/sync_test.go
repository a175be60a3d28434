package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

var errFakeDisk = errors.New("the disk does not answer")

// fakeSync notes what is made durable and fails from a call on.
type fakeSync struct {
	calls  []string // the files' directories, relative to the store's
	failAt int      // number of the call, from 0; negative: none fails
}

// storeWith returns a store on files whose syncs are noted.
func storeWith(t *testing.T, f *fakeSync) (s *Store, dir string) {
	t.Helper()
	dir = t.TempDir()
	files, err := openFiles(dir, func(file *os.File) error {
		name, err := filepath.Rel(dir, file.Name())
		if err != nil {
			return err
		}
		if strings.HasPrefix(name, partialDir) {
			name = partialDir // its own name is a random one
		}
		f.calls = append(f.calls, name)
		if f.failAt >= 0 && len(f.calls) > f.failAt {
			return errFakeDisk
		}
		return file.Sync()
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := files.close(); err != nil {
			t.Error(err)
		}
	})
	f.calls = nil // of the opening
	return &Store{name: "files", data: files, index: shared{files}}, dir
}

// SIGKILL cannot show that bytes are on the disk: the kernel keeps what it was given. The order of syncs can.
func TestAnAcknowledgedBundleIsOnTheDisk(t *testing.T) {
	t.Parallel()
	f := &fakeSync{failAt: -1}
	s, _ := storeWith(t, f)
	add(t, s, []byte("bytes"))
	// Each file's bytes before its name, and the bundle's before its index entry.
	if diff := cmp.Diff([]string{partialDir, "data", partialDir, "index"}, f.calls); diff != "" {
		t.Errorf("made durable (-want +got):\n%s", diff)
	}
}

func TestWhatCannotBeMadeDurableIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	for failAt, name := range []string{"the bytes", "the name of the bytes", "the index entry", "the name of the index entry"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fakeSync{failAt: -1}
			s, dir := storeWith(t, f)
			f.failAt = failAt
			u, err := s.Begin(t.Context(), uuid.NewString())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := u.Write([]byte("bytes")); err != nil {
				t.Fatal(err)
			}
			if _, err := u.Commit(t.Context(), Entry{Owner: owner()}); !errors.Is(err, errFakeDisk) {
				t.Errorf("Commit = %v, want %v", err, errFakeDisk)
			}
			if len(f.calls) <= failAt {
				t.Errorf("only %v were made durable", f.calls)
			}
			if got := ids(t, s); len(got) > 0 {
				t.Errorf("bundles that nobody was told of are served: %v", got)
			}
			for _, sub := range []string{"data", "index", partialDir} {
				if entries, err := os.ReadDir(filepath.Join(dir, sub)); err != nil || len(entries) > 0 {
					t.Errorf("%s holds %v, %v", sub, entries, err)
				}
			}
		})
	}
}
