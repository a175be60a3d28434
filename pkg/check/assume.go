package check

import (
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// AssumeDisks states that the evidence of nodes is complete; what says what is known of them.
func (f *Finding) AssumeDisks(nodes []string, what string) bool {
	missing := f.model.DiskMissing(nodes)
	return f.Assume(len(missing) == 0, "the witness's records of each node %s are complete%s", what, wording.Except(missing))
}

// assumeUnbroken states that nothing of a kind of object was missed in a time.
func (f *Finding) assumeUnbroken(w Window, kind string) {
	for _, gap := range f.model.Blind(w.From, w.To, kind) {
		if !gap.Outage {
			f.Assume(false, "no change of a %s was missed (those of %s until %s were)", strings.ToLower(kind), wording.Duration(gap.Data.For),
				wording.Duration(f.model.Offset(gap.At)))
		}
	}
}

// assumeInService states that no driver may have been on its way out already when a fault hit it, which was seen only later.
func (f *Finding) assumeInService(losses []model.DriverLoss) {
	for _, b := range losses {
		if b.Driver.Pod.MayHaveBeenLeaving(b.Fault.Began.At) {
			f.Assume(false, "%s was in service when fault %s began to act (nobody saw whether it was being deleted then)", b.Driver, b.Fault.Name)
		}
	}
}

// AssumeClocks states what comparing the times of processes with each other and with the harness's needs.
func (f *Finding) AssumeClocks(processes ...*model.Process) {
	for _, doubt := range f.model.ClockDoubts(processes...) {
		f.Assume(false, "%s", doubt)
	}
}
