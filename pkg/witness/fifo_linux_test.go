package witness

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAFIFOCostsAnErrorAndNoHang has what any pod can make in the witness's directory.
func TestAFIFOCostsAnErrorAndNoHang(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(directory, "a-1.ndjson"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("b-1.ndjson", filepath.Join(directory, "link-1.ndjson")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, "b-1.ndjson"), []byte(text(t, record("b", 1))), 0o600); err != nil {
		t.Fatal(err)
	}
	sparse, err := os.Create(filepath.Join(directory, "sparse-1.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	if err := sparse.Truncate(4 << 40); err != nil {
		t.Fatal(err)
	}
	if err := sparse.Close(); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(directory)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	data, err := Collect(ctx, "n", root.FS(), "/", NewInbox(new(fakeHistory).add))
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(data.Errors, "\n")
	for _, want := range []string{"/a-1.ndjson is not read: it is no regular file", "/link-1.ndjson is not read: it is no regular file",
		"/sparse-1.ndjson is not read: it has 4398046511104 bytes"} {
		if !strings.Contains(got, want) {
			t.Errorf("errors %q, want %q", got, want)
		}
	}
	if data.Records != 1 || len(data.Errors) != 3 {
		t.Errorf("collection %+v, want the one record and three errors", data)
	}
}
