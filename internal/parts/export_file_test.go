package parts_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/parts"
)

func TestExportedFileIsImported(t *testing.T) {
	// Not parallel: others pack parts in the cache that all tests share, in which nothing must be left of it.
	from := newMaker(t)
	file := filepath.Join(t.TempDir(), "parts.tar.zst")
	if err := from.Export(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	to, said := newcomer(t)
	if err := to.Import(t.Context(), file, parts.Wanted{}); err != nil {
		t.Fatal(err)
	}
	if _, err := components.Locate(to.Env.Cache); err != nil {
		t.Error(err)
	}
	checkRecords(t, to.Env.Cache)
	if err := to.Import(t.Context(), file, parts.Wanted{}); err != nil || !strings.Contains(said.String(), "received and verified 0 parts") {
		t.Errorf("the second import: %v\n%s", err, said)
	}
	if left, err := filepath.Glob(filepath.Join(from.Env.Cache, "parts", "packing")); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	testDamagedFiles(t, content)
}

func testDamagedFiles(t *testing.T, content []byte) {
	t.Helper()
	for name, tc := range map[string]struct {
		content []byte
		want    string
	}{
		"empty":     {nil, "truncated or damaged"},
		"no zstd":   {[]byte("PK\x03\x04 this is a zip file"), "magic number"},
		"truncated": {content[:len(content)/2], "unexpected EOF"},
		"damaged":   {flipped(content, len(content)/3), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "parts.tar.zst")
			if err := os.WriteFile(file, tc.content, 0o600); err != nil {
				t.Fatal(err)
			}
			to, _ := newcomer(t)
			err := to.Import(t.Context(), file, parts.Wanted{})
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), file) {
				t.Errorf("Import = %v, want an error with %q and the file", err, tc.want)
			}
			if _, err := components.Locate(to.Env.Cache); err == nil {
				t.Error("all components are there")
			}
		})
	}
}

func flipped(content []byte, at int) []byte {
	content = bytes.Clone(content)
	content[at]++
	return content
}
