package cli

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/reference"
)

// TestReferenceIsCurrent compares docs/reference with the code. With -update it writes the folder anew.
func TestReferenceIsCurrent(t *testing.T) {
	t.Parallel()
	want, err := reference.Pages(referenceSource(NewRoot()))
	if err != nil {
		t.Fatal(err)
	}
	directory := filepath.Join("..", "..", "docs", "reference")
	if *update {
		writePages(t, directory, want)
	}
	have := map[string]string{}
	err = filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		relative, _ := filepath.Rel(directory, path)
		have[filepath.ToSlash(relative)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(have, want); diff != "" {
		t.Errorf("docs/reference is not current; run make reference (-have +want):\n%s", diff)
	}
}

func writePages(t *testing.T, directory string, pages map[string]string) {
	t.Helper()
	if err := os.RemoveAll(directory); err != nil {
		t.Fatal(err)
	}
	for name, content := range pages {
		path := filepath.Join(directory, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// The reference is the same on every machine: no flag has a default that depends on who is asking, and where.
func TestReferenceDoesNotDependOnTheMachine(t *testing.T) {
	pages := func() map[string]string {
		pages, err := reference.Pages(referenceSource(NewRoot()))
		if err != nil {
			t.Fatal(err)
		}
		return pages
	}
	before := pages()
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "SPARKCHAOS_CACHE", "SPARKCHAOS_STATE", "KUBECONFIG"} {
		t.Setenv(name, t.TempDir())
	}
	t.Setenv("GITHUB_STEP_SUMMARY", filepath.Join(t.TempDir(), "summary"))
	t.Chdir(t.TempDir())
	if diff := cmp.Diff(before, pages()); diff != "" {
		t.Errorf("another environment gives another reference (-before +after):\n%s", diff)
	}
}

func TestManualPages(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "man1")
	if code, out, message := run(t.Context(), NewRoot(), "man", directory); code != ExitPass || out != "" || message != "" {
		t.Fatalf("exit code %d, %s, %s", code, out, message)
	}
	for name, wants := range map[string][]string{
		"sparkchaos.1":             {".TH", "sparkchaos-run(1)"},
		"sparkchaos-run.1":         {"repeat", "driver-node-power-off"},
		"sparkchaos-cluster-up.1":  {"OPTIONS", "cluster"},
		"sparkchaos-scenario.5":    {"nodePowerOff", "executorsRegistered", "atMostOneDriver", "tolerationSeconds"},
		"sparkchaos-staging-url.1": nil,
	} {
		content, err := os.ReadFile(filepath.Join(directory, name))
		if (err != nil) != (wants == nil) {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range wants {
			if !strings.Contains(string(content), want) {
				t.Errorf("%s: no %q", name, want)
			}
		}
	}
	if !t.Failed() {
		formatPages(t, directory)
	}
}

// formatPages has groff format the pages, where there is one.
func formatPages(t *testing.T, directory string) {
	t.Helper()
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Log("groff is missing: the pages were not formatted")
		return
	}
	pages, err := filepath.Glob(filepath.Join(directory, "*.[15]"))
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		out, err := exec.Command(groff, "-t", "-man", "-Tutf8", "-P-cbou", page).Output()
		if err != nil || !strings.Contains(string(out), "NAME") || len(out) < 200 {
			t.Errorf("%s: %d bytes, %v", filepath.Base(page), len(out), err)
		}
	}
}
