package anchor

import (
	"fmt"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

func driverInitializingKind() Kind {
	return kindOf("driverInitializing", "A driver's pod begins to fetch its artifacts from the staging server, before its container starts.",
		toStart, None{},
		func(None) string { return "the driver begins to fetch its artifacts" },
		func(None) Anchor { return driverInitializing{} })
}

// driverInitializing relies on the init container's own report: the API server shows it as running only a second later.
type driverInitializing struct{}

// Reached implements Anchor.
func (driverInitializing) Reached(m *model.Model, since int64) (bool, []int64) {
	last := m.Artifacts.Last
	if last == nil || last.Outcome != history.ArtifactsFetching {
		return false, nil
	}
	return newer(since, last.At.Seq)
}

// Seen implements Anchor.
func (driverInitializing) Seen(m *model.Model, _ int64) string {
	last := m.Artifacts.Last
	if last == nil {
		return "no driver has begun to fetch artifacts"
	}
	return fmt.Sprintf("last seen of a driver's artifacts: pod %s: %s", last.Pod, last.Outcome)
}
