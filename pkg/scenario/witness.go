package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The values of a workload's witness.
const (
	WitnessOn  = "on"
	WitnessOff = "off"
)

// sourceVariable begins the variables with the address of the words that the harness serves beside the witness.
const sourceVariable = "$(SPARKCHAOS_SOURCE_"

// Witnessed reports whether drivers and executors report what they do.
func (w Workload) Witnessed() bool { return w.Witness != WitnessOff && !w.Attached() }

// ReadsWords reports whether a workload is given the address of the words that the harness serves.
func (w Workload) ReadsWords() bool {
	given := slices.AppendSeq(slices.Clone(w.Application.Args), maps.Values(PlainConf(w)))
	return slices.ContainsFunc(given, func(s string) bool { return strings.Contains(s, sourceVariable) })
}

// checkUnwitnessed finds what cannot be had of a workload without the witness. What invariants lack of it is reported by their results.
func checkUnwitnessed(spec Spec, catalogue Catalogue, report report) {
	if spec.Workload.Witnessed() {
		return
	}
	why, instead := "which is off", "or write witness: on"
	if spec.Workload.Attached() {
		why, instead = "which an application that somebody else starts has not", "or have the run launch the application"
	}
	if spec.Baseline {
		report("spec.baseline", "a run is compared with its baseline by what the witness reports, %s; leave baseline out %s", why, instead)
	}
	if spec.Workload.ReadsWords() {
		report("spec.workload.witness", "the application reads the words of %s…), which are served beside the witness; write witness: on",
			sourceVariable)
	}
	var without []string
	for _, anchor := range catalogue.Anchors {
		if !anchor.Witness {
			without = append(without, anchor.Name)
		}
	}
	check := func(at string, moment Moment) {
		if entry, known := Find(catalogue.Anchors, moment.Anchor.Name); known && entry.Witness {
			report(at+"."+entry.Name, "only the witness shows it, %s; await something that Kubernetes shows (%s) with a delay, %s", why,
				strings.Join(without, ", "), instead)
		}
	}
	for i, fault := range spec.Faults {
		at := fmt.Sprintf("spec.faults[%d]", i)
		check(at+".when", fault.When)
		if fault.Recover != nil {
			check(at+".recover.when", fault.Recover.When)
		}
	}
}
