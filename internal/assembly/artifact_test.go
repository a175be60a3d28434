package assembly

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func TestArtifactsComeFromTheScenariosDirectoryAlone(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	dir := filepath.Join(top, "scenario")
	for path, content := range map[string]string{filepath.Join(dir, "files", "a.txt"): "inside", filepath.Join(top, "b.txt"): "outside"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(top, filepath.Join(dir, "up")); err != nil {
		t.Fatal(err)
	}
	finder := NewArtifacts(dir, filepath.Join(top, "cache"))
	shipped := NewArtifacts("", filepath.Join(top, "cache"))
	for _, tc := range []struct {
		finder Artifacts
		name   string
		want   string // a part of the content; empty: refused
	}{
		{finder, "files/a.txt", "inside"}, {finder, "../b.txt", ""}, {finder, filepath.Join(top, "b.txt"), ""}, {finder, "up/b.txt", ""},
		{finder, "files/../files/a.txt", ""}, {finder, "files", ""}, {finder, "none.txt", ""}, {finder, "/etc/passwd", ""},
		{finder, "files/dictionary.txt", "\n"}, {shipped, "files/dictionary.txt", "\n"}, {shipped, "files/a.txt", ""},
	} {
		file, err := tc.finder.Find(t.Context(), tc.name)
		if err != nil {
			if tc.want != "" {
				t.Errorf("%s: %v", tc.name, err)
			}
			continue
		}
		content, err := io.ReadAll(file)
		if err = errors.Join(err, file.Close()); err != nil || tc.want == "" || !strings.Contains(string(content), tc.want) {
			t.Errorf("%s: read %q, %v; want %q", tc.name, content, err, tc.want)
		}
	}
}

func TestAMissingManifestIsToldBeforeARun(t *testing.T) {
	t.Parallel()
	w := scenario.Workload{Manifests: []string{"minio.yaml"}}
	if err := CheckArtifacts(w, t.TempDir()); err == nil || !strings.Contains(err.Error(), "minio.yaml") {
		t.Errorf("got %v, want the manifest named", err)
	}
}
