package anchor

import (
	"fmt"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

func driverInitializingKind() kind {
	return kindOf("driverInitializing", "A driver's pod begins to fetch its artifacts from the staging server, before its container starts.", toStart, None{},
		func(None) string { return "the driver begins to fetch its artifacts" },
		func(_ None, since int64) Anchor { return &driverInitializing{since: since} })
}

// driverInitializing relies on the word of the init container itself: the API server shows it as running a second later.
type driverInitializing struct {
	since int64
	last  string
}

// Observe implements Anchor.
func (a *driverInitializing) Observe(e history.Event) (bool, []int64) {
	r, ok := record(e, history.ArtifactsFetching, history.ArtifactsFetched, history.ArtifactsRefused, history.ArtifactsUnreachable)
	if !ok || r.Role != "driver" {
		return false, nil
	}
	a.last = fmt.Sprintf("pod %s: %s", r.PodName, r.Type)
	if r.Type != history.ArtifactsFetching {
		return false, nil
	}
	return newer(a.since, e.Seq)
}

// Seen implements Anchor.
func (a *driverInitializing) Seen() string {
	if a.last == "" {
		return "no driver has begun to fetch artifacts"
	}
	return "the last that was seen of a driver's artifacts is " + a.last
}
