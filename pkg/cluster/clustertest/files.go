package clustertest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Place writes a file with all directories above it.
func Place(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Tree returns all files below a directory.
func Tree(t *testing.T, directory string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(directory, func(path string, _ os.DirEntry, err error) error {
		found = append(found, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// ChecksNamesFirst expects that functions on clusters and nodes refuse each bad name before they change a file. It makes a state directory
// that holds the given record, a path below it, beside a file of somebody else's. functions returns what is called with the names.
func ChecksNamesFirst(t *testing.T, record, content string, functions func(state string) map[string]func(name string) error) {
	t.Helper()
	parent := t.TempDir()
	state := filepath.Join(parent, "state")
	Place(t, filepath.Join(parent, "victim", "file"), "")
	Place(t, filepath.Join(state, record), content)
	before := Tree(t, parent)
	RefusesNames(t, functions(state))
	if diff := cmp.Diff(before, Tree(t, parent)); diff != "" {
		t.Errorf("files changed (-before +after):\n%s", diff)
	}
}
