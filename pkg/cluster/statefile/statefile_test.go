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
