package anchor

import (
	"encoding/json"
	"fmt"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// FaultArgs are the arguments of anchors that await a fault's step.
type FaultArgs struct {
	Fault string `json:"fault" ref:"fault"` // its name in the scenario
}

func faultLandedKind() kind {
	return kindOf(scenario.AnchorFaultLanded, "Another fault was proven to have landed.", toNotice, FaultArgs{},
		func(a FaultArgs) string { return fmt.Sprintf("the fault %s has landed", a.Fault) },
		func(a FaultArgs, _ int64) Anchor { return &faultStep{fault: a.Fault, awaited: history.FaultLanded} })
}

func faultRecoveredKind() kind {
	return kindOf(scenario.AnchorFaultRecovered, "Another fault was proven to have been undone.", toNotice, FaultArgs{},
		func(a FaultArgs) string { return fmt.Sprintf("the fault %s is undone", a.Fault) },
		func(a FaultArgs, _ int64) Anchor { return &faultStep{fault: a.Fault, awaited: history.FaultRecovered} })
}

// faultStep awaits one step of one fault. It happens once in a run, so it counts whenever it was.
type faultStep struct {
	fault, awaited string
	last           string
	reached        []int64
}

// Observe implements Anchor.
func (a *faultStep) Observe(e history.Event) (bool, []int64) {
	var fault history.FaultData
	if e.Source != history.Fault || json.Unmarshal(e.Data, &fault) != nil || fault.Fault != a.fault {
		return a.reached != nil, a.reached
	}
	a.last = e.Type
	if fault.Reason != "" {
		a.last += ": " + fault.Reason
	}
	if e.Type == a.awaited && a.reached == nil {
		a.reached = []int64{e.Seq}
	}
	return a.reached != nil, a.reached
}

// Seen implements Anchor.
func (a *faultStep) Seen() string {
	if a.last == "" {
		return fmt.Sprintf("nothing was seen of the fault %s", a.fault)
	}
	return fmt.Sprintf("the last that was seen of the fault %s is %s", a.fault, a.last)
}
