package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func TestWatchRefusesBeforeAnythingStarts(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"nowhere":               {nil, "--namespace is missing"},
		"no namespace":          {[]string{"--namespace", "E T L"}, "attach.namespace"},
		"no selector":           {[]string{"--namespace", "etl", "--driver", "app in orders"}, "is no label selector"},
		"no invariant":          {[]string{"--namespace", "etl", "--expect", "driverRescheduld: {within: 1m}"}, "did you mean driverRescheduled"},
		"no arguments":          {[]string{"--namespace", "etl", "--expect", "completes"}, "within"},
		"no YAML":               {[]string{"--namespace", "etl", "--expect", "{"}, `--expect "{"`},
		"a time that is none":   {[]string{"--namespace", "etl", "--for", "-1m"}, "--for and --within"},
		"a file for runs":       {[]string{"--namespace", "etl", "--out", file}, "it is a file; expected a directory"},
		"a kind that is none":   {[]string{"--namespace", "etl", "--cluster", "cloud"}, "cloud"},
		"a context not allowed": {[]string{"--namespace", "etl", "--cluster", "existing", "--context", "prod"}, "--allow-context"},
	} {
		code, out := runCLI(t, append([]string{"watch"}, tt.args...)...)
		if code != int(ExitUsage) || !strings.Contains(out, tt.says) {
			t.Errorf("%s: exit %d, want %d; %q does not say %q", name, code, ExitUsage, out, tt.says)
		}
	}
}

func TestTheFlagsOfWatchAreAScenario(t *testing.T) {
	t.Parallel()
	flags := watchFlags{
		attach: scenario.Attach{Namespace: "etl", Driver: "app=orders"}, out: "runs", within: 90e9,
		expect: []string{"driverKept", "completes: {within: 10m}"},
	}
	s, err := flags.scenario()
	if err != nil {
		t.Fatal(err)
	}
	want := scenario.Workload{
		Application: scenario.Application{Name: "watched"}, Launcher: scenario.LauncherAttach,
		Attach: &scenario.Attach{Namespace: "etl", Driver: "app=orders", Within: 90e9},
	}
	if diff := cmp.Diff(want, s.Spec.Workload); diff != "" {
		t.Errorf("workload (-want +got):\n%s", diff)
	}
	if len(s.Spec.Expect) != 2 || s.Spec.Expect[0].Name != "driverKept" || s.Spec.Expect[1].Name != "completes" {
		t.Errorf("expected is %+v, want what the flags say", s.Spec.Expect)
	}
}

func FuzzExpectation(f *testing.F) {
	for _, seed := range []string{"driverKept", "completes: {within: 10m}", "{", "- a", "", "a: b: c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		flags := watchFlags{attach: scenario.Attach{Namespace: "etl"}, out: t.TempDir(), expect: []string{text}}
		s, err := flags.scenario()
		if err == nil && (len(s.Spec.Expect) != 1 || s.Spec.Workload.Attach.Namespace != "etl") {
			t.Errorf("%q gives %+v", text, s.Spec)
		}
	})
}
