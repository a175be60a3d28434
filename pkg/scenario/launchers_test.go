package scenario

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
)

// workloadWith is a scenario whose workload has the lines.
func workloadWith(lines ...string) string {
	return strings.Join(slices.Concat([]string{
		"apiVersion: sparkchaos.dev/v1alpha1", "kind: Scenario", "metadata: {name: x}", "spec:", "  workload:",
	}, indented(lines), []string{"  expect:", "  - completes: {within: 1m}"}), "\n")
}

func indented(lines []string) []string {
	var all []string
	for _, line := range lines {
		all = append(all, "    "+line)
	}
	return all
}

const anApplication = "application: {name: app, mainClass: a.B}"

func TestWhatALauncherRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines []string
		want  []string // parts of the problems, in their order
	}{
		"nothing": {[]string{anApplication, "launcher: spark-submit", "driver: {memory: 1g, nodeName: n1}"}, nil},
		"the Job": {[]string{anApplication, "launcher: job", "driver: {kind: Job, backoffLimit: 1}"}, nil},
		"a typo":  {[]string{anApplication, "launcher: sparksubmit"}, []string{`workload.launcher: "sparksubmit"`}},
		"a pod": {[]string{anApplication, "driver: {kind: Pod, backoffLimit: 1}"},
			[]string{"driver.backoffLimit: a bare Pod is never replaced"}},
		"job only": {[]string{anApplication, "launcher: spark-submit", "driver: {kind: Job, podReplacementPolicy: Failed, backoffLimit: 1, " +
			"job: {activeDeadlineSeconds: 60}}"}, []string{
			"driver.kind: is for a driver that sparkchaos makes", "driver.podReplacementPolicy: is for", "driver.backoffLimit: is how many",
			"driver.job: is for",
		}},
		"settings": {[]string{anApplication, "launcher: spark-submit", "conf:", "  spark.driver.host: x", "  spark.my.secret: {fromEnv: S}",
			"  spark.submit.deployMode: client"}, []string{
			"conf.spark.driver.host: is the driver's address", "conf.spark.my.secret: is secret, but in cluster mode",
			"conf.spark.submit.deployMode: is cluster",
		}},
		"files": {[]string{"application: {name: app, main: a.py, pyFiles: [b.py, \"local:///c.py\"], archives: [\"local:///d.zip\"]}",
			"launcher: spark-submit"}, []string{
			`application.pyFiles[0]: "b.py" is where the driver alone`, `application.archives[0]: "local:///d.zip" is where the driver alone`,
		}},
		"an operator": {[]string{anApplication, "launcher: sparkApplication", "driver: {restartPolicy: OnFailure, backoffLimit: 2}"}, nil},
		"no failures counted": {[]string{anApplication, "launcher: apacheSparkApplication", "driver: {kind: Job, backoffLimit: 2}"}, []string{
			"driver.kind: is for a driver that sparkchaos makes, but Apache's operator makes it",
			"driver.backoffLimit: is how many failed drivers are replaced",
		}},
		"no operator": {[]string{anApplication, "driver: {restartPolicy: Never}"}, []string{"driver.restartPolicy: is for an operator"}},
		"SQL": {[]string{"application: {name: app, main: \"local:///a.sql\"}", "launcher: spark-submit"},
			[]string{"application.main: is a SQL script"}},
	} {
		_, err := Load("f.yaml", []byte(workloadWith(c.lines...)), fakeCatalogue())
		var problems *Error
		if err != nil && !errors.As(err, &problems) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		if err != nil {
			got = strings.Split(err.Error(), "\n")
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: got %q, want %d problems", name, got, len(c.want))
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(got[i], want) {
				t.Errorf("%s: got %q, want %q in it", name, got[i], want)
			}
		}
	}
}

func TestEveryLauncherIsInTheSchema(t *testing.T) {
	t.Parallel()
	for _, field := range strictyaml.Fields(reflect.TypeFor[Workload]()) {
		if field.Name == "launcher" {
			if diff := cmp.Diff(LauncherNames(), strings.Split(field.Tag.Get("enum"), "|")); diff != "" {
				t.Errorf("launchers and the enum of the field (-want +got):\n%s", diff)
			}
			return
		}
	}
	t.Error("no field launcher")
}

func TestDefaultsOfALauncher(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"": DriverJob, LauncherJob: DriverJob, LauncherSparkSubmit: "", LauncherSparkApplication: ""} {
		s := &Scenario{Spec: Spec{Workload: Workload{Launcher: name}}}
		Default(s)
		if got := s.Spec.Workload.Driver; got.Kind != want || (got.BackoffLimit != nil) != (want == DriverJob) || got.Memory != defaultMemory {
			t.Errorf("launcher %q: driver %s", name, fmt.Sprint(got))
		}
	}
}
