package check

import (
	"github.com/sparkchaos/sparkchaos/internal/wording"
)

// assumeDisks states that the evidence of nodes is complete; what says what is known of them.
func (f *finding) assumeDisks(nodes []string, what string) bool {
	missing := f.model.diskMissing(nodes)
	return f.assume(len(missing) == 0, "the witness's records of each node %s are complete%s", what, wording.Except(missing))
}

// assumeClocks states what comparing the times of processes with each other and with the harness's needs.
func (f *finding) assumeClocks(processes ...*Process) {
	for _, doubt := range f.model.ClockDoubts(processes...) {
		f.assume(false, "%s", doubt)
	}
}
