package cli

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func TestInitWritesAScenarioThatLints(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	file := filepath.Join(directory, "first.yaml")
	if err := os.WriteFile(filepath.Join(directory, "etl.py"), []byte("print()"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"init", file, "--image", "example.com/etl:1", "--main", "etl.py", "--", "--days=3"}
	if code, _, message := run(t.Context(), NewRoot(), args...); code != ExitPass {
		t.Fatalf("init ended with %d: %s", code, message)
	}
	if code, _, message := run(t.Context(), NewRoot(), "lint", file); code != ExitPass {
		t.Errorf("lint ended with %d: %s", code, message)
	}
	archived := filepath.Join(directory, "archived.yaml")
	if code, _, message := run(t.Context(), NewRoot(), "init", archived, "--image", "etl.tar.gz", "--main", "etl.py"); code != ExitPass {
		t.Errorf("init with an archive ended with %d: %s", code, message)
	}
	if s, err := loadScenario(archived); err != nil || s.Spec.Workload.ImageArchive != "etl.tar.gz" || s.Spec.Workload.Image != "" {
		t.Errorf("the scenario with an archive: %v", err)
	}
	if code, told, _ := run(t.Context(), NewRoot(), "lint", archived); code != ExitUsage || !strings.Contains(told, "etl.tar.gz") {
		t.Errorf("lint without the archive ended with %d: %s; want it refused", code, told)
	}
	if code, _, message := run(t.Context(), NewRoot(), args...); code != ExitUsage || !strings.Contains(message, "is there already") {
		t.Errorf("init over a file ended with %d: %s; want it refused", code, message)
	}
	if code, _, message := run(t.Context(), NewRoot(), "init", filepath.Join(directory, "x.yaml"), "--main", "etl.jar"); code != ExitUsage ||
		!strings.Contains(message, "mainClass") {
		t.Errorf("a jar without its class ended with %d: %s; want it refused", code, message)
	}
}

func TestAskForAnApplication(t *testing.T) {
	t.Parallel()
	var a scenario.Application
	var image string
	answers := iotest.OneByteReader(strings.NewReader("example.com/etl:1\nlocal:///opt/etl.jar\ncom.example.Etl\n"))
	if err := ask(t.Context(), answers, io.Discard, &a, &image); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(scenario.Application{Main: "local:///opt/etl.jar", MainClass: "com.example.Etl"}, a); diff != "" ||
		image != "example.com/etl:1" {
		t.Errorf("image %q and application (-want +got):\n%s", image, diff)
	}
}

func TestImportPrintsAScenario(t *testing.T) {
	t.Parallel()
	code, out, message := run(t.Context(), NewRoot(), "import", "spark-submit", "--", "--class", "A", "local:///a.jar", "-x")
	if code != ExitPass {
		t.Fatalf("import ended with %d: %s", code, message)
	}
	s, err := scenario.Load("imported.yaml", []byte(out), catalogue())
	if err != nil {
		t.Fatal(err)
	}
	want := scenario.Application{Name: "a", Main: "local:///a.jar", MainClass: "A", Args: []string{"-x"}}
	if diff := cmp.Diff(want, s.Spec.Workload.Application); diff != "" {
		t.Errorf("application (-want +got):\n%s", diff)
	}
	for _, args := range [][]string{{"import", "spark-submit", "--", "--oops"}, {"import", "job", "/none.yaml"},
		{"import", "sparkapplication", writeFile(t, "a.yaml", "a: b")}} {
		if code, _, message := run(t.Context(), NewRoot(), args...); code != ExitUsage {
			t.Errorf("%v ended with %d: %s; want an error of usage", args, code, message)
		}
	}
}
