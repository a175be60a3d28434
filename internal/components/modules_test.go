package components

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

// A program without a checkout unpacks modules with the keys of the lock.
func TestEmbeddedModulesAreThoseOfTheLock(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	source, err := unpackModules(embeddedModules, cache)
	if err != nil {
		t.Fatal(err)
	}
	want, err := Components()
	if err != nil {
		t.Fatal(err)
	}
	got, err := resolve(Recipes(), source)
	if err != nil {
		t.Fatal(err)
	}
	if err := compare(want, got); err != nil {
		t.Error(err)
	}
	if got, err := Source(t.TempDir(), cache); err == nil {
		t.Errorf("a directory that was named and is no checkout: %s", got)
	}
}

func TestSourceIsTheCheckoutWhereThereIsOne(t *testing.T) {
	t.Parallel()
	want, err := filepath.Abs(checkout)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Source("", t.TempDir()); err != nil || got != want {
		t.Errorf("Source = %s, %v; want %s", got, err, want)
	}
}

// A directory that was damaged, or that a killed process left half-made, is written again.
func TestDamagedModulesAreUnpackedAnew(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	source, err := unpackModules(embeddedModules, cache)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func() error{
		"changed": func() error {
			return os.WriteFile(filepath.Join(source, "components/runc/go.mod"), []byte("module x\n"), 0o644)
		},
		"missing": func() error { return os.Remove(filepath.Join(source, "components/runc/go.sum")) },
		"more": func() error {
			return os.WriteFile(filepath.Join(source, "components/runc/evil.go"), []byte("package x\n"), 0o644)
		},
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		again, err := unpackModules(embeddedModules, cache)
		if err != nil || again != source || !whole(source, embeddedModules) {
			t.Errorf("%s: %s, %v", name, again, err)
		}
	}
	left, err := os.ReadDir(filepath.Join(cache, "sources"))
	if err != nil || len(left) != 1 {
		t.Errorf("%d directories are left, %v", len(left), err)
	}
}

func TestArchivesWithNamesOutsideAreRefused(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	_, err := unpackModules([]byte("-- ../outside/go.mod --\nmodule x\n"), cache)
	if err == nil {
		t.Error("a name outside of the directory was accepted")
	}
	if _, err := os.Stat(filepath.Join(cache, "sources", "outside")); err == nil {
		t.Error("a file was written outside of the directory")
	}
}

func TestOwnModuleOfAProgramOfACheckout(t *testing.T) {
	t.Parallel()
	if _, err := OwnModule(t.Context()); err == nil || !strings.Contains(err.Error(), "--source CHECKOUT") {
		t.Errorf("OwnModule of a test binary: %v", err)
	}
}

// The go command has the modules that this one depends on, so no network is needed.
func TestModuleSourceIsComparedWithItsDigest(t *testing.T) {
	t.Parallel()
	sums, err := os.ReadFile(filepath.Join(checkout, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	var module debug.Module
	for line := range strings.Lines(string(sums)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "github.com/google/go-cmp" && !strings.HasSuffix(f[1], "/go.mod") {
			module = debug.Module{Path: f[0], Version: f[1], Sum: f[2]}
		}
	}
	directory, err := moduleSource(t.Context(), module)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(directory, "go.mod")); err != nil {
		t.Error(err)
	}
	module.Sum = "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	if _, err := moduleSource(t.Context(), module); err == nil || !strings.Contains(err.Error(), "was changed") {
		t.Errorf("another digest: %v", err)
	}
	module.Version = "v0.0.999"
	if _, err := moduleSource(t.Context(), module); err == nil || !strings.Contains(err.Error(), "--source CHECKOUT") {
		t.Errorf("a version that there is not: %v", err)
	}
}
