package scenario

import (
	"fmt"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

const (
	// defaultDrivers and defaultExecutors select by the label that Spark gives to pods in cluster mode.
	defaultDrivers   = history.SparkRoleLabel + "=" + OfDriver
	defaultExecutors = history.SparkRoleLabel + "=" + OfExecutor
	// defaultAttachWithin is how long a driver is waited for.
	defaultAttachWithin = 5 * time.Minute
)

// Attach says where an application is found that somebody else starts.
type Attach struct {
	// in which the application's pods are
	Namespace string `json:"namespace" pattern:"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$" like:"etl"`
	// label selector of the drivers' pods; default spark-role=driver
	Driver string `json:"driver,omitempty" like:"app=orders,spark-role=driver"`
	// label selector of the executors' pods; default spark-role=executor. Of those that have an owner, the driver's alone count
	Executors string `json:"executors,omitempty" like:"app=orders,spark-role=executor"`
	// how long a driver is waited for; default 5m
	Within Duration `json:"within,omitempty" min:"1s"`
}

// Attached reports whether somebody else starts the application: nothing of it is made, changed or removed.
func (w Workload) Attached() bool { return LauncherOf(w) == LauncherAttach }

// Watched reports whether an application that somebody else starts is only looked at.
func (s Spec) Watched() bool { return s.Workload.Attached() && len(s.Faults) == 0 }

func byAttaching() launch {
	return launch{name: LauncherAttach, fill: fillAttached, check: checkAttached}
}

// fillAttached sets all the defaults that such a workload has: the rest is the application's own.
func fillAttached(w *Workload) {
	w.Witness = WitnessOff
	fill(&w.Executors.Instances, defaultInstances)
	if w.Attach == nil {
		return // which lint refuses
	}
	attach := *w.Attach
	fill(&attach.Driver, defaultDrivers)
	fill(&attach.Executors, defaultExecutors)
	fill(&attach.Within, Duration(defaultAttachWithin))
	w.Attach = &attach
}

// checkAttached finds what cannot be said of an application that is there already.
func checkAttached(w Workload, report report) {
	const at = "spec.workload"
	if w.Attach == nil {
		report(at+".attach", "missing; write the namespace of the application that somebody else starts, as attach: {namespace: etl}")
	} else {
		checkSelectors(*w.Attach, report)
	}
	rest := w
	rest.Launcher, rest.Attach, rest.Application.Name, rest.Executors.Instances = "", nil, "", 0
	if rest.Witness == WitnessOff {
		rest.Witness = ""
	}
	for _, field := range given("", rest) {
		report(at+field, "is for an application that sparkchaos launches, but with launcher: %s somebody else does; leave it out",
			LauncherAttach)
	}
}

// checkSelectors finds selectors that Kubernetes would refuse, or that select drivers and executors alike.
func checkSelectors(a Attach, report report) {
	for _, one := range []struct{ field, text string }{{"driver", a.Driver}, {"executors", a.Executors}} {
		selector, err := labels.Parse(one.text)
		switch at := "spec.workload.attach." + one.field; {
		case one.text == "":
		case err != nil:
			report(at, "%q is no label selector: %v; write it as kubectl's --selector takes it, like app=orders,%s", one.text, err,
				defaultDrivers)
		case selector.Empty():
			report(at, "%q selects every pod; name labels that the %s's pods alone have", one.text, one.field)
		}
	}
	if a.Driver != "" && a.Driver == a.Executors {
		report("spec.workload.attach.executors", "selects the same pods as driver; name labels that executors alone have")
	}
}

// given returns the paths of the fields of a struct that are set, the outermost that have no fields of their own.
func given(at string, value any) []string {
	var all []string
	v := reflect.ValueOf(value)
	for _, f := range strictyaml.Fields(v.Type()) {
		field := v.FieldByIndex(f.Index)
		if field.IsZero() {
			continue
		}
		path := fmt.Sprintf("%s.%s", at, f.Name)
		if field.Kind() == reflect.Struct && len(strictyaml.Fields(field.Type())) > 0 {
			all = append(all, given(path, field.Interface())...)
			continue
		}
		all = append(all, path)
	}
	return all
}

// checkUnattached refuses where to find an application that the run launches itself.
func checkUnattached(w Workload, report report) {
	if w.Attach != nil && !w.Attached() {
		report("spec.workload.attach", "is for an application that somebody else starts; leave it out or write launcher: %s", LauncherAttach)
	}
}
