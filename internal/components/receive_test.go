package components

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/internal/filesums"
)

func TestReceivedBuildsAreWholeOrNotThere(t *testing.T) {
	t.Parallel()
	built := newHello(t)
	if _, err := built.build(t.Context(), t); err != nil {
		t.Fatal(err)
	}
	component := built.components[0]
	broken := errors.New("the connection broke")
	for name, tc := range map[string]struct {
		change func(dir string) error
		want   string
	}{
		"whole":              {func(string) error { return nil }, ""},
		"half":               {func(string) error { return broken }, broken.Error()},
		"without a program":  {func(d string) error { return os.Remove(filepath.Join(d, "bin", "hello")) }, "has no executable"},
		"with another one":   {func(d string) error { return write(d, "mount", "") }, "does not belong to it"},
		"without digests":    {func(d string) error { return os.Remove(filepath.Join(d, filesums.Name)) }, "not recorded"},
		"with another bytes": {func(d string) error { return write(d, "hello", "x") }, "has the SHA-256"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache := t.TempDir()
			fill := func(dir string) error {
				return errors.Join(os.CopyFS(dir, os.DirFS(component.Directory(built.cache))), tc.change(dir))
			}
			err := Receive(t.Context(), cache, component, nil, fill)
			if tc.want == "" {
				if _, err2 := locate(built.components, cache); err != nil || err2 != nil {
					t.Errorf("%v, %v", err, err2)
				}
				never := func(string) error { return errors.New("filled again") }
				if err := Receive(t.Context(), cache, component, nil, never); err != nil {
					t.Errorf("what is there was received again: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Receive = %v, want an error with %q", err, tc.want)
			}
			if left, err := os.ReadDir(root(cache)); err != nil || len(left) != 1 { // the lock
				t.Errorf("left %v, %v", left, err)
			}
		})
	}
}

// write puts a program into a component's directory.
func write(directory, name, content string) error {
	return os.WriteFile(filepath.Join(directory, "bin", name), []byte(content), 0o755)
}
