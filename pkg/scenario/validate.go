package scenario

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
)

// report takes one problem at the path of the field that has it.
type report func(path, format string, args ...any)

// validate finds what the types alone cannot: contradictions and references to nothing. Parts that could not be
// decoded are empty and are passed over; they were reported already.
func validate(s *Scenario, catalogue Catalogue, how options, report report) {
	validateTiming(s.Spec.Cluster.Timing, report)
	launchOf(s.Spec.Workload).check(s.Spec.Workload, report)
	checkUnattached(s.Spec.Workload, report)
	checkOverlays(s.Spec.Workload, report)
	checkManifests(s.Spec.Workload, report)
	checkOutputs(s.Spec.Workload, how.plainSecrets, report)
	for _, c := range components() {
		c.check(s.Spec.Workload, report)
	}
	CheckConf("spec.workload.conf", s.Spec.Workload.Conf, how.plainSecrets, report)
	if !how.plainSecrets {
		checkPlainSecrets(s.Spec.Workload, report)
	}
	if !s.Spec.Workload.Attached() {
		checkApplication(s.Spec.Workload.Application, report)
	}
	checkImage(s.Spec.Workload, report)
	checkUnwitnessed(s.Spec, catalogue, report)
	validateFaults(s.Spec.Faults, catalogue, report)
	validateComponents(s.Spec, report)
	validateExpectations(s, catalogue, report)
	if s.Spec.Control != nil {
		validateControl(*s.Spec.Control, s.Spec, report)
	}
}

func validateTiming(t Timing, report report) {
	if t.Knobs == nil {
		return
	}
	const at = "spec.cluster.timing"
	knobs := t.Resolve()
	if time.Duration(knobs.NodeLeaseDuration)%time.Second != 0 {
		report(at+".nodeLeaseDuration", "%s is no whole number of seconds, which is all that kubelet takes", knobs.NodeLeaseDuration)
	}
	if knobs.NodeMonitorGracePeriod <= knobs.NodeStatusUpdateFrequency {
		report(at+".nodeMonitorGracePeriod", "%s is not longer than nodeStatusUpdateFrequency (%s): healthy nodes would be taken for dead; "+
			"want several times as long",
			knobs.NodeMonitorGracePeriod, knobs.NodeStatusUpdateFrequency)
	}
	// Kubelet renews the lease every quarter of its duration; the node controller counts the newer of status and lease.
	if knobs.NodeMonitorGracePeriod <= knobs.NodeLeaseDuration/4 {
		report(at+".nodeMonitorGracePeriod", "%s is not longer than a quarter of nodeLeaseDuration (%s): healthy nodes would be taken for "+
			"dead; want it as long as the lease",
			knobs.NodeMonitorGracePeriod, knobs.NodeLeaseDuration)
	}
}

func validateDriver(driver Driver, report report) {
	if driver.Kind != DriverPod {
		return
	}
	if driver.PodReplacementPolicy != "" {
		report("spec.workload.driver.podReplacementPolicy", "a bare Pod is never replaced; leave it out or write kind: Job")
	}
	if driver.BackoffLimit != nil {
		report("spec.workload.driver.backoffLimit", "a bare Pod is never replaced; leave it out or write kind: Job")
	}
}

// validateComponents finds faults at components that the workload does not have.
func validateComponents(spec Spec, report report) {
	present := map[string]bool{}
	for _, c := range components() {
		present[c.role] = c.present(spec.Workload)
	}
	for i, fault := range spec.Faults {
		for _, of := range selected(fault.Inject.Args) {
			if isManifestRole(of) && len(spec.Workload.Manifests) == 0 {
				report(fmt.Sprintf("spec.faults[%d].inject.%s", i, fault.Inject.Name), "targets %s, but the workload has no manifests; see "+
					"spec.workload.manifests", of)
			}
			if has, component := present[of]; component && !has {
				report(fmt.Sprintf("spec.faults[%d].inject.%s", i, fault.Inject.Name),
					"targets the %s, but the workload has none; see spec.workload.%s", of, of)
			}
		}
	}
}

// selected returns the roles that the selectors among a fault's arguments name.
func selected(args any) []string {
	v := reflect.ValueOf(args)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil
	}
	var roles []string
	for _, f := range strictyaml.Fields(v.Elem().Type()) {
		switch selector := v.Elem().FieldByIndex(f.Index).Interface().(type) {
		case NodeSelector:
			roles = append(roles, selector.Of)
		case PodSelector:
			roles = append(roles, selector.Of)
		}
	}
	return roles
}

func validateFaults(faults []Fault, catalogue Catalogue, report report) {
	first := map[string]int{}
	for i, fault := range faults {
		at := fmt.Sprintf("spec.faults[%d]", i)
		if earlier, double := first[fault.Name]; double && fault.Name != "" {
			report(at+".name", "%q is the name of spec.faults[%d] already; each fault needs its own", fault.Name, earlier)
		} else {
			first[fault.Name] = i
		}
		if fault.Recover == nil {
			continue
		}
		if entry, ok := Find(catalogue.Faults, fault.Inject.Name); ok && entry.Instant {
			report(at+".recover", "%s leaves nothing to recover; leave this out", fault.Inject.Name)
		}
		if fault.Recover.Delay != (Span{}) && fault.Recover.When.Delay != (Span{}) {
			report(at+".recover.delay", "the delay is given twice, beside when and inside it; keep one")
		}
	}
	validateReferences(faults, report)
	validateOrder(faults, report)
}

// validateReferences finds faults whose arguments name no other fault of the scenario.
func validateReferences(faults []Fault, report report) {
	for i, fault := range faults {
		others := slices.DeleteFunc(faultNames(faults), func(name string) bool { return name == fault.Name })
		for _, reference := range references(fault.Inject.Args) {
			if !slices.Contains(others, reference.name) {
				report(fmt.Sprintf("spec.faults[%d].inject.%s.%s", i, fault.Inject.Name, reference.field),
					"no other fault is called %q; %s", reference.name, strictyaml.Suggest(reference.name, others))
			}
		}
	}
}

func validateExpectations(s *Scenario, catalogue Catalogue, report report) {
	if len(s.Spec.Expect) == 0 {
		report("spec.expect", "names no invariant, so nothing could be violated; known are %s", strings.Join(Names(catalogue.Invariants), ", "))
	}
	first := map[string]int{}
	for i, expectation := range s.Spec.Expect {
		at := fmt.Sprintf("spec.expect[%d]", i)
		if expectation.Name == "" {
			continue
		}
		if earlier, double := first[expectation.Name]; double {
			report(at+"."+expectation.Name, "is expected by spec.expect[%d] already; keep one", earlier)
		} else {
			first[expectation.Name] = i
		}
		if entry, _ := Find(catalogue.Invariants, expectation.Name); entry.Baseline && !s.Spec.Baseline {
			report(at+"."+expectation.Name, "compares with the baseline, but there is none; write spec.baseline: true")
		}
		if entry, _ := Find(catalogue.Invariants, expectation.Name); entry.Files &&
			!slices.ContainsFunc(s.Spec.Workload.Output, Output.HasFiles) {
			report(at+"."+expectation.Name, "judges the files of the workload's outputs, but none has a path; see spec.workload.output")
		}
		for _, reference := range references(expectation.Args) {
			if !slices.ContainsFunc(s.Spec.Faults, func(f Fault) bool { return f.Name == reference.name }) {
				report(at+"."+expectation.Name+"."+reference.field, "no fault is called %q; %s", reference.name,
					strictyaml.Suggest(reference.name, faultNames(s.Spec.Faults)))
			}
		}
	}
}

func validateControl(control Control, spec Spec, report report) {
	const violated, notLanded = "spec.control.violated", "spec.control.notLanded"
	switch {
	case control.EndsIn == "violation" && len(control.Violated) == 0:
		report(violated, "missing; name the invariants that this control must violate")
	case control.EndsIn == "inconclusive" && len(control.Violated) > 0:
		report(violated, "a control that ends inconclusive violates nothing; leave this out or write endsIn: violation")
	}
	switch {
	case control.EndsIn == "inconclusive" && len(control.NotLanded) == 0:
		report(notLanded, "missing; name the faults that must not land: whatever else makes the run inconclusive proves nothing")
	case control.EndsIn == "violation" && len(control.NotLanded) > 0:
		report(notLanded, "a fault that does not land makes the run inconclusive; leave this out or write endsIn: inconclusive")
	}
	expected := make([]string, 0, len(spec.Expect))
	for _, expectation := range spec.Expect {
		expected = append(expected, expectation.Name)
	}
	for i, name := range control.Violated {
		if !slices.Contains(expected, name) {
			report(fmt.Sprintf("%s[%d]", violated, i), "%q is not expected in spec.expect, so it cannot be violated; %s", name,
				strictyaml.Suggest(name, expected))
		}
	}
	faults := faultNames(spec.Faults)
	for i, name := range control.NotLanded {
		if !slices.Contains(faults, name) {
			report(fmt.Sprintf("%s[%d]", notLanded, i), "no fault is called %q; %s", name, strictyaml.Suggest(name, faults))
		}
	}
	reportTwice(violated, control.Violated, report)
	reportTwice(notLanded, control.NotLanded, report)
}

func reportTwice(at string, names []string, report report) {
	for i, name := range names {
		if slices.Index(names, name) < i {
			report(fmt.Sprintf("%s[%d]", at, i), "%q is named twice; keep one", name)
		}
	}
}

func faultNames(faults []Fault) []string {
	names := make([]string, 0, len(faults))
	for _, fault := range faults {
		if fault.Name != "" {
			names = append(names, fault.Name)
		}
	}
	return names
}

// reference is an argument that names a fault of the scenario.
type reference struct{ field, name string }

// references returns the arguments with the tag ref:"fault".
func references(args any) []reference {
	v := reflect.ValueOf(args)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil
	}
	var found []reference
	for _, f := range strictyaml.Fields(v.Elem().Type()) {
		if name := v.Elem().FieldByIndex(f.Index); f.Tag.Get("ref") == "fault" && name.Kind() == reflect.String && name.String() != "" {
			found = append(found, reference{field: f.Name, name: name.String()})
		}
	}
	return found
}
