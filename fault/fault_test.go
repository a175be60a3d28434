package fault

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/entrytest"
	"github.com/sparkchaos/sparkchaos/pkg/faults/catalogue"
	"github.com/sparkchaos/sparkchaos/pkg/faults/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/faults/machine"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func TestEachFaultOfTheCatalogueHasItsConstructor(t *testing.T) {
	t.Parallel()
	entrytest.Match(t, catalogue.All().Entries(), []scenario.Choice{
		NodePowerOff(NodeOfDriver()), NodeShutdown(NodeOfExecutor(1)), NodeIsolate(NodeOfAnyExecutor()), NodeFreeze(NodeNamed("worker-1")),
		NodeOutOfService("lose-node"), NodeCordon(NodeOf(scenario.OfDriver)), NodeDrain(NodeOfDriver()),
		NodeTaint(NodeOfDriver(), "example.com/maintenance", "NoExecute"),
		PodKill(Driver()), PodEvict(AnyExecutor()), PodFailure(PodOf(scenario.OfDriver)), ContainerKill(PodNamed("p")),
		NetworkPartition(Driver(), Executor(0)), NetworkDelay(Driver(), Executor(0), 100*time.Millisecond),
		NetworkLoss(Driver(), Executor(0), 50),
		Bandwidth(Driver(), "1mbit"), ClockSkew(Driver(), time.Minute), CPUStress(Driver(), 2), MemoryStress(Driver(), "256MB"),
	})
}

func TestArgumentsThatAreRarelyGiven(t *testing.T) {
	t.Parallel()
	got := NodePowerOff(NodeOfDriver(), func(a *machine.NodePowerOffArgs) { a.DryRun = true })
	if diff := cmp.Diff(&machine.NodePowerOffArgs{Node: NodeOfDriver(), DryRun: true}, got.Args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	back := ClockSkew(Driver(), -time.Minute)
	if diff := cmp.Diff(&chaosmesh.ClockSkewArgs{Pod: Driver(), Behind: scenario.Duration(time.Minute)}, back.Args); diff != "" {
		t.Errorf("a clock that is set back (-want +got):\n%s", diff)
	}
}
