package statefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a", "state.json")
	var got map[string]int
	if err := Read(file, &got); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read = %v though there is none", err)
	}
	for _, n := range []int{1, 2} {
		if err := Write(file, map[string]int{"n": n}); err != nil {
			t.Fatal(err)
		}
		if err := Read(file, &got); err != nil || got["n"] != n {
			t.Errorf("read %v, %v; want %d", got, err, n)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(file)); err != nil || len(entries) != 1 {
		t.Errorf("beside it lie %v, %v", entries, err)
	}
}

func TestDamageIsNamed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got map[string]int
	if err := Read(file, &got); err == nil || !strings.Contains(err.Error(), file+" is damaged") {
		t.Errorf("Read = %v, want the file's name", err)
	}
}

// A removal that is interrupted leaves the record, by which the rest is found.
func TestTheRecordIsRemovedLast(t *testing.T) {
	t.Parallel()
	parent, elsewhere := t.TempDir(), t.TempDir()
	for _, file := range []string{"cluster.json", "a", "shared/z"} {
		if err := Write(filepath.Join(parent, "lab", file), 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := Write(filepath.Join(elsewhere, "kept"), 1); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(parent, "lab", "link")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	if err := removeContent(root, "lab", "cluster.json"); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Join(parent, "lab")); err != nil || len(left) != 1 || left[0].Name() != "cluster.json" {
		t.Errorf("before the record there were left %v, %v", left, err)
	}
	if err := RemoveDirectory(parent, "lab", "cluster.json"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(parent, "lab")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left: %v", err)
	}
	if _, err := os.Stat(filepath.Join(elsewhere, "kept")); err != nil {
		t.Errorf("behind a link: %v", err)
	}
	for name, missing := range map[string]string{"lab": parent, "none": filepath.Join(parent, "none")} {
		if err := RemoveDirectory(missing, name, "cluster.json"); err != nil {
			t.Errorf("what is not there: %v", err)
		}
	}
	if err := RemoveDirectory(parent, "../"+filepath.Base(elsewhere), "cluster.json"); err == nil {
		t.Error("a way out of the parent was taken")
	}
	if _, err := os.Stat(filepath.Join(elsewhere, "kept")); err != nil {
		t.Errorf("out of the parent: %v", err)
	}
}

func TestOnlyHolds(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	for _, file := range []string{"shared", ".new-1", ".cluster.json42"} {
		if err := os.WriteFile(filepath.Join(directory, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := OnlyHolds(directory, "cluster.json", "shared", "kubeconfig"); err != nil || len(names) != 1 || names[0] != "shared" {
		t.Errorf("OnlyHolds = %v, %v", names, err)
	}
	if _, err := OnlyHolds(directory, "cluster.json", "kubeconfig"); err == nil ||
		!strings.Contains(err.Error(), "holds shared and no cluster.json") {
		t.Errorf("with something else: %v", err)
	}
	if _, err := OnlyHolds(filepath.Join(directory, "none"), "cluster.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a directory: %v", err)
	}
}
