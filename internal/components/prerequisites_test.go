package components

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMissingPrerequisitesAreNamedTogether(t *testing.T) {
	needy := Component{Recipe: Recipe{Name: "needy", CGO: true, PkgConfig: []string{"libnowhere"}}, Version: "v1.0.0"}
	plain := Component{Recipe: Recipe{Name: "plain"}, Version: "v1.0.0"}
	t.Setenv("PATH", t.TempDir())
	t.Setenv("CC", "nocompiler -O2")
	err := checkPrerequisites(t.Context(), []Component{plain, needy})
	if err == nil {
		t.Fatal("nothing is missing on an empty PATH")
	}
	for _, want := range []string{
		"compiled with Go", "needy v1.0.0 needs a C compiler", "nocompiler", "needy v1.0.0 needs the development files of libnowhere",
		"sparkchaos setup", "libseccomp-devel",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "plain v1.0.0 needs") {
		t.Errorf("a component without C code is said to need something:\n%v", err)
	}
}

func TestWhatIsThereIsNotMissed(t *testing.T) {
	directory := t.TempDir()
	for _, program := range []string{"go", "gcc", "pkg-config"} {
		if err := os.WriteFile(filepath.Join(directory, program), []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", directory)
	t.Setenv("CC", "")
	needy := Component{Recipe: Recipe{Name: "needy", CGO: true, PkgConfig: []string{"libseccomp"}}}
	if err := checkPrerequisites(t.Context(), []Component{needy}); err != nil {
		t.Error(err)
	}
}
