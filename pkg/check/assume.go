package check

import (
	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// AssumeDisks states that the evidence of nodes is complete; what says what is known of them.
func (f *Finding) AssumeDisks(nodes []string, what string) bool {
	missing := f.model.DiskMissing(nodes)
	return f.Assume(len(missing) == 0, "the witness's records of each node %s are complete%s", what, wording.Except(missing))
}

// AssumeClocks states what comparing the times of processes with each other and with the harness's needs.
func (f *Finding) AssumeClocks(processes ...*model.Process) {
	for _, doubt := range f.model.ClockDoubts(processes...) {
		f.Assume(false, "%s", doubt)
	}
}
