package assembly

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// beside opens files of a directory that it writes first.
func beside(t *testing.T, files map[string]string) opener {
	t.Helper()
	directory := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(_ context.Context, name string) (*os.File, error) { return os.Open(filepath.Join(directory, name)) }
}

func TestWhatAnImageHasToRun(t *testing.T) {
	t.Parallel()
	open := beside(t, map[string]string{"etl.jar": "x", "lib.jar": "y", "etl.py": "z"})
	for name, test := range map[string]struct {
		application scenario.Application
		conf        map[string]scenario.ConfValue
		want        image.Application
		beside      []string
	}{
		"a jar beside the scenario": {
			scenario.Application{Main: "etl.jar", MainClass: "A", Jars: []string{"lib.jar", "local:///opt/more.jar"}}, nil,
			image.Application{Inside: []string{"/opt/more.jar"}}, []string{"etl.jar", "lib.jar"},
		},
		"Python in the image": {
			scenario.Application{Main: "local:///opt/etl.py"}, nil, image.Application{Python: true, Inside: []string{"/opt/etl.py"}}, nil,
		},
		"Python beside": {scenario.Application{Main: "etl.py"}, nil, image.Application{Python: true}, nil},
		"Python of an archive": {
			scenario.Application{Main: "etl.py", Archives: []string{"env.tgz#env"}},
			map[string]scenario.ConfValue{
				"spark.pyspark.python": scenario.Plain("./env/bin/python"), "spark.pyspark.driver.python": scenario.Plain("/usr/bin/python3"),
			},
			image.Application{Python: true, Interpreter: "/usr/bin/python3"}, nil,
		},
		"SQL":                     {scenario.Application{Main: "s3a://b/report.sql"}, nil, image.Application{SQL: true}, nil},
		"sparkchaos' application": {scenario.Application{MainClass: "A"}, nil, image.Application{Inside: []string{image.WorkloadsJar}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, closeJars, err := applicationOf(t.Context(), scenario.Workload{Application: test.application, Conf: test.conf}, open)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range test.beside {
				if got.Beside[name] == nil {
					t.Errorf("%s is not looked at", name)
				}
				delete(got.Beside, name)
			}
			if err := closeJars(); err != nil || len(got.Beside) > 0 {
				t.Errorf("%v, left %v", err, got.Beside)
			}
			got.Beside = nil
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// unseen is progress that nobody looks at.
type unseen struct{}

func (unseen) Say(string, ...any) {}

func (unseen) Await(string, time.Duration, func() string) func() { return func() {} }

func TestGivenImagesThatAreRefused(t *testing.T) {
	t.Parallel()
	take := GivenImage(t.TempDir(), unseen{})
	w := scenario.Workload{Application: scenario.Application{Main: "local:///opt/etl.py"}, ImageArchive: "etl.tar"}
	_, err := take(t.Context(), w, beside(t, map[string]string{"etl.tar": strings.Repeat("no tar ", 200)}))
	const told = "spec.workload.imageArchive: image archive"
	if err == nil || !strings.Contains(err.Error(), told) || !strings.Contains(err.Error(), "docker save") {
		t.Errorf("a file that is no image: %v", err)
	}
	if _, err := take(t.Context(), w, beside(t, nil)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := NoGivenImage(t.Context(), w, nil); err == nil || !strings.Contains(err.Error(), "spec.workload.image") {
		t.Errorf("a cluster that pulls: %v", err)
	}
}
