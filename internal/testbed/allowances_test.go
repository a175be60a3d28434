package testbed

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func TestVariablesAndSecretFilesAreReadAsAllowed(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	dir := filepath.Join(top, "scenario")
	for path, content := range map[string]string{
		filepath.Join(dir, "in.txt"): "inside\r\n\n", filepath.Join(top, "out.txt"): "two\nlines\n",
		filepath.Join(dir, "huge.txt"): strings.Repeat("x", maxSecretFile+1),
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(top, "out.txt")
	if err := os.Symlink(out, filepath.Join(dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		allowed []string
		want    string // empty: refused
	}{
		{"in.txt", nil, "inside"}, {out, nil, ""}, {"../out.txt", nil, ""}, {"link.txt", nil, ""}, {"huge.txt", nil, ""}, {"none.txt", nil, ""},
		{out, []string{out}, "two\nlines"}, {"../out.txt", []string{out}, "two\nlines"}, {"../out.txt", []string{"../out.txt"}, "two\nlines"},
		{"link.txt", []string{filepath.Join(dir, "link.txt")}, "two\nlines"}, {out, []string{top}, ""}, {"/dev/zero", []string{"/dev/zero"}, ""},
	} {
		got, err := Allowances{Files: tc.allowed}.secretFile(dir)(tc.name)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%s with --allow-file %q: %.20q, %v; want %q", tc.name, tc.allowed, got, err, tc.want)
		}
	}
	read := Allowances{Env: []string{"A", "B"}}.variable(func(name string) (string, bool) { return "of " + name, name != "B" })
	for name, want := range map[string]string{"A": "of A", "B": "", "C": ""} {
		if got, err := read(name); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestNothingIsAllowedByItself(t *testing.T) {
	t.Parallel()
	w := scenario.Workload{Conf: map[string]scenario.ConfValue{"spark.a": {FromFile: "below.txt"}, "spark.b": scenario.Plain("b")}}
	if err := (Allowances{}).Check(w, "/somewhere"); err != nil {
		t.Errorf("a file below the scenario takes no flag: %v", err)
	}
	w.Conf["spark.c"] = scenario.ConfValue{FromEnv: "PATH"}
	if err := (Allowances{}).Check(w, "/somewhere"); err == nil {
		t.Error("PATH was given away")
	}
}
