package anchor

import (
	"fmt"

	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// FaultArgs are the arguments of anchors that await a fault's step.
type FaultArgs struct {
	Fault string `json:"fault" ref:"fault"` // its name in the scenario
}

func faultLandedKind() Kind {
	return kindOf(scenario.AnchorFaultLanded, "Another fault was proven to have landed.", toNotice, FaultArgs{},
		func(a FaultArgs) string { return fmt.Sprintf("the fault %s has landed", a.Fault) },
		func(a FaultArgs) Anchor {
			return faultStep{fault: a.Fault, step: func(f *model.Fault) model.Moment { return f.Landed }}
		})
}

func faultRecoveredKind() Kind {
	return kindOf(scenario.AnchorFaultRecovered, "Another fault was proven to have been undone.", toNotice, FaultArgs{},
		func(a FaultArgs) string { return fmt.Sprintf("the fault %s is undone", a.Fault) },
		func(a FaultArgs) Anchor {
			return faultStep{fault: a.Fault, step: func(f *model.Fault) model.Moment { return f.Recovered }}
		})
}

// faultStep awaits one step of one fault. It happens once in a run, so it counts no matter when it happened.
type faultStep struct {
	fault string
	step  func(*model.Fault) model.Moment
}

// Reached implements Anchor.
func (a faultStep) Reached(m *model.Model, _ int64) (bool, []int64) {
	fault := m.Fault(a.fault)
	if fault == nil || a.step(fault).Never() {
		return false, nil
	}
	return true, []int64{a.step(fault).Seq}
}

// Seen implements Anchor.
func (a faultStep) Seen(m *model.Model, _ int64) string {
	fault := m.Fault(a.fault)
	if fault == nil {
		return fmt.Sprintf("nothing was seen of the fault %s", a.fault)
	}
	last := fault.Step
	if fault.StepReason != "" {
		last += ": " + fault.StepReason
	}
	return fmt.Sprintf("last seen of the fault %s: %s", a.fault, last)
}
