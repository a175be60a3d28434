package scenario

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// attached are the lines of a workload that somebody else starts, with more.
func attached(more ...string) []string {
	return append(found("attach: {namespace: etl}"), more...)
}

// found are the lines of a workload that somebody else starts, with the line that says where.
func found(attach string) []string {
	return []string{"application: {name: orders}", "launcher: attach", attach}
}

func TestWhatAttachRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines []string
		want  []string // parts of the problems, in their order
	}{
		"all that it takes": {attached("executors: {instances: 3}", "witness: off"), nil},
		"no namespace":      {[]string{"application: {name: orders}", "launcher: attach"}, []string{"workload.attach: missing"}},
		"another launcher": {[]string{anApplication, "attach: {namespace: etl}"}, []string{
			"workload.attach: is for an application that somebody else starts",
		}},
		"a selector": {found(`attach: {namespace: etl, driver: "app in orders"}`), []string{
			`attach.driver: "app in orders" is no label selector`,
		}},
		"the same pods": {found("attach: {namespace: etl, driver: app=orders, executors: app=orders}"), []string{
			"attach.executors: selects the same pods as driver",
		}},
		"a launch": {attached("image: i", "witness: on", "driver: {memory: 1g, template: {metadata: {labels: {a: b}}}}",
			"executors: {instances: 2, cores: 2}", "storage: local", "conf: {spark.x: y}", "manifests: [a.yaml]",
			"stagingServer: {storage: none}"), []string{
			"workload.image: is for an application that sparkchaos launches", "workload.witness: is for", "workload.driver.memory: is for",
			"workload.driver.template: is for", "workload.executors.cores: is for", "workload.stagingServer.storage: is for",
			"workload.manifests: is for", "workload.storage: is for", "workload.conf: is for",
		}},
		"an application": {[]string{
			"application: {name: orders, main: a.py, args: [b]}", "launcher: attach", "attach: {namespace: etl}",
		}, []string{
			"application.main: is for an application", "application.args: is for an application",
		}},
	} {
		_, err := Load("f.yaml", []byte(workloadWith(c.lines...)), fakeCatalogue())
		var problems *Error
		if errors.As(err, &problems); problems == nil && err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q in it", name, err, want)
			}
		}
		if len(c.want) == 0 && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Settings of applications that a run launches have no defaults for one that somebody else launches.
func TestDefaultsOfAttach(t *testing.T) {
	t.Parallel()
	s, err := Load("f.yaml", []byte(workloadWith(attached()...)), fakeCatalogue())
	if err != nil {
		t.Fatal(err)
	}
	Default(s)
	want := Workload{
		Application: Application{Name: "orders"}, Launcher: LauncherAttach, Witness: WitnessOff, Executors: Executors{Instances: 2},
		Attach: &Attach{Namespace: "etl", Driver: "spark-role=driver", Executors: "spark-role=executor", Within: Duration(5 * time.Minute)},
	}
	if diff := cmp.Diff(want, s.Spec.Workload); diff != "" {
		t.Errorf("workload (-want +got):\n%s", diff)
	}
	if s.Spec.Workload.Witnessed() || !s.Spec.Watched() {
		t.Error("it is witnessed, or not watched")
	}
}
