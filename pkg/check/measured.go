package check

import "github.com/sparkchaos/sparkchaos/pkg/model"

// Phases returns the phases of the recovery from each fault that landed, as recoveryWithin measures them, whether or not the plan asks for
// that invariant. A phase that was not seen to end, or that the next fault cut short, is left out.
func Phases(m *model.Model) []Phase {
	var phases []Phase
	incarnations := m.Incarnations()
	for _, fault := range m.Landed() {
		steps, _ := recovery(m, incarnations, fault, RecoveryArgs{})
		for _, s := range steps {
			if !s.cut && !s.from.Never() && !s.to.Never() {
				phases = append(phases, Phase{Fault: fault.Name, Name: s.name, Duration: s.took(), From: s.from.Seq, To: s.to.Seq})
			}
		}
	}
	return phases
}
