package plan

import (
	"fmt"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/anchor"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

type fakeNodeArgs struct {
	Node   scenario.NodeSelector `json:"node"`
	DryRun bool                  `json:"dryRun,omitempty"`
}

func (a *fakeNodeArgs) Choose(executors int, pick func(int) int) { a.Node.Choose(executors, pick) }

type fakePodArgs struct {
	Pod   scenario.PodSelector `json:"pod"`
	Grace *scenario.Duration   `json:"grace,omitempty" min:"1s"`
	Force bool                 `json:"force,omitempty"`
}

func (a *fakePodArgs) Choose(executors int, pick func(int) int) { a.Pod.Choose(executors, pick) }

type fakeBoundArgs struct {
	Within scenario.Duration `json:"within"`
}

func fakeBound(since scenario.Since) func(any) scenario.Bound {
	return func(args any) scenario.Bound {
		return scenario.Bound{Within: time.Duration(args.(*fakeBoundArgs).Within), Since: since}
	}
}

type fakeNone struct{}

func fakeNodeFault(name string, needs ...cluster.Action) scenario.Entry {
	return scenario.Entry{
		Name: name, Doc: "A node is lost.", Args: func() any { return &fakeNodeArgs{} },
		Check:  func(args any) []string { return args.(*fakeNodeArgs).Node.Problems("node") },
		Phrase: func(args any) string { return fmt.Sprintf("do %s to %s", name, args.(*fakeNodeArgs).Node) },
		Needs: func(any) []string {
			var names []string
			for _, action := range needs {
				names = append(names, string(action))
			}
			return names
		},
	}
}

func fakeCatalogue() scenario.Catalogue {
	return scenario.Catalogue{
		Faults: []scenario.Entry{
			fakeNodeFault("nodePowerOff", cluster.PowerOff, cluster.PowerOn),
			fakeNodeFault("nodeFreeze", cluster.Freeze, cluster.Thaw),
			{Name: "podKill", Doc: "A pod is deleted.", Args: func() any { return &fakePodArgs{} }, Instant: true},
		},
		Anchors: anchor.Entries(),
		Invariants: []scenario.Entry{
			{Name: "completes", Doc: "The application ends well.", Args: func() any { return &fakeBoundArgs{} },
				Bound: fakeBound(scenario.SinceLaunch)},
			{Name: "replaced", Doc: "It is replaced.", Args: func() any { return &fakeBoundArgs{} }, Bound: fakeBound(scenario.SinceFault)},
			{Name: "recovers", Doc: "It recovers.", Args: func() any { return &fakeBoundArgs{} }, Bound: fakeBound(scenario.SinceFault)},
			{Name: "gone", Doc: "The old ones are gone.", Args: func() any { return &fakeBoundArgs{} }, Bound: fakeBound(scenario.SinceDriverEnd)},
			{Name: "nothingLeftBehind", Doc: "Nothing is left.", Args: func() any { return &fakeNone{} },
				Phrase: func(any) string { return "nothing of the run is left" }},
		},
	}
}

func fakeCapabilities(actions ...cluster.Action) Capabilities {
	return Capabilities{Kind: "fake", Actions: actions}
}
