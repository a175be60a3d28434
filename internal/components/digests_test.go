package components

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/internal/filesums"
)

// A build that is not what was built is not used, and built again.
func TestChangedBuildsAreNotUsed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(directory string) error
		want   string
	}{
		"a program was replaced": {func(d string) error {
			return os.WriteFile(filepath.Join(d, "bin", "hello"), []byte("#!/bin/sh\necho other\n"), 0o755)
		}, "bin/hello has the SHA-256"},
		"one byte changed": {func(d string) error {
			file := filepath.Join(d, "bin", "hello")
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			data[len(data)/2]++
			return os.WriteFile(file, data, 0o755)
		}, "bin/hello has the SHA-256"},
		"a program was added": {func(d string) error {
			return os.WriteFile(filepath.Join(d, "bin", "mount"), []byte("x"), 0o755)
		}, "bin/mount does not belong to it"},
		"a link leads elsewhere": {func(d string) error {
			link := filepath.Join(d, "bin", "greet")
			if err := os.Remove(link); err != nil {
				return err
			}
			return os.Symlink("/bin/true", link)
		}, "bin/greet has the SHA-256"},
		"the digests are gone": {func(d string) error { return os.Remove(filepath.Join(d, filesums.Name)) }, "digests are not recorded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHello(t)
			if _, err := h.build(t.Context(), t); err != nil {
				t.Fatal(err)
			}
			if err := tc.change(h.components[0].Directory(h.cache)); err != nil {
				t.Fatal(err)
			}
			_, err := locate(h.components, h.cache)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "sparkchaos setup") {
				t.Errorf("locate = %v, want an error with %q and what to do", err, tc.want)
			}
			progress, err := h.build(t.Context(), t)
			if err != nil {
				t.Fatal(err)
			}
			// A build that is only older than the digests need not be made again.
			if rebuilt := strings.Contains(progress, "built in"); rebuilt == strings.Contains(tc.want, "not recorded") {
				t.Errorf("built again: %t\n%s", rebuilt, progress)
			}
			if _, err := locate(h.components, h.cache); err != nil {
				t.Errorf("after it was built again: %v", err)
			}
		})
	}
}

// BenchmarkVerify tells what it costs to check a build of the size of a cluster's components, 300 MB.
func BenchmarkVerify(b *testing.B) {
	c := Component{Recipe: Recipe{Name: "large"}, Version: "v1.0.0", Key: strings.Repeat("0", 64)}
	cache := b.TempDir()
	if err := os.MkdirAll(c.Bin(cache), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Bin(cache), "program"), make([]byte, 300_000_000), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := record(c.Directory(cache)); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(300_000_000)
	for b.Loop() {
		if err := c.Verify(cache); err != nil {
			b.Fatal(err)
		}
	}
}
