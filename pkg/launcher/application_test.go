package launcher_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	. "github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// commandOf returns what follows the settings on the driver's command line.
func commandOf(t *testing.T, w scenario.Workload) []string {
	t.Helper()
	o, err := Render(w, environment(), components.All())
	if err != nil {
		t.Fatal(err)
	}
	args := o.Driver.Spec.Containers[0].Args
	for i := len(args) - 1; i >= 0; i-- {
		if args[i] == "--conf" {
			return args[i+2:]
		}
	}
	return args
}

func TestCommandOfAnApplication(t *testing.T) {
	t.Parallel()
	const staged = "/opt/sparkchaos/artifacts/"
	for _, tc := range []struct {
		application scenario.Application
		want        []string
	}{
		{scenario.Application{MainClass: "A"}, []string{"--class", "A", "local://" + WorkloadsJar}},
		{scenario.Application{MainClass: "A", Main: "b/a.jar", Args: []string{"-x"}},
			[]string{"--class", "A", "local://" + staged + "a.jar", "-x"}},
		{scenario.Application{MainClass: "A", Main: "https://x/a.jar"}, []string{"--class", "A", "https://x/a.jar"}},
		{scenario.Application{Main: "a.py", Args: []string{"-x"}}, []string{"local://" + staged + "a.py", "-x"}},
		{scenario.Application{Main: "local:///opt/a.R"}, []string{"local:///opt/a.R"}},
		{
			scenario.Application{Main: "a.sql", Args: []string{"--database", "d"}},
			[]string{"--class", "org.apache.spark.sql.hive.thriftserver.SparkSQLCLIDriver", "spark-internal", "-f", staged + "a.sql", "--database",
				"d"},
		},
		{
			scenario.Application{Main: "s3a://x/a.sql"},
			[]string{"--class", "org.apache.spark.sql.hive.thriftserver.SparkSQLCLIDriver", "spark-internal", "-f", "s3a://x/a.sql"},
		},
	} {
		w := wordCount()
		tc.application.Name = "app"
		w.Application = tc.application
		if slices.Contains(scenario.Artifacts(w.Application), w.Application.Main) {
			w.StagingServer = stagedWordCount().StagingServer
		}
		if diff := cmp.Diff(tc.want, commandOf(t, w)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tc.application, diff)
		}
	}
}

func TestPythonHasRoomBesideTheHeap(t *testing.T) {
	t.Parallel()
	w := wordCount()
	w.Application = scenario.Application{Name: "etl", Main: "local:///a.py"}
	w.Driver.Memory = "2000m"
	o, err := Render(w, environment(), components.All())
	if err != nil {
		t.Fatal(err)
	}
	limit := o.Driver.Spec.Containers[0].Resources.Limits.Memory()
	if want := int64(2800) << 20; limit.Value() != want {
		t.Errorf("the driver's limit is %d bytes, want %d", limit.Value(), want)
	}
	if got := SettingsOf(w, environment(), components.All())["spark.executor.memoryOverheadFactor"]; got != "0.4" {
		t.Errorf("the executors' factor is %q, want 0.4", got)
	}
}
