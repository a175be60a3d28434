// Package stagingserver is the resource staging server as a component of a workload: it keeps the application's jar and
// files, which the harness uploads before the launch and each pod of the application fetches before it starts.
package stagingserver

import (
	"fmt"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

const (
	// port is where the server listens in its pods and behind its Service.
	port = 10000
	// name is that of the server's objects.
	name = "staging"
)

// Component is the staging server.
type Component struct {
	bundle *bundle // what it is to serve; nil before Preflight, and if pods fetch nothing
}

var (
	_ launcher.Component      = Component{}
	_ launcher.Explainer      = Component{}
	_ launcher.Extender       = Component{}
	_ launcher.Preflighter    = Component{}
	_ launcher.Fingerprinter  = Component{}
	_ launcher.VariableReader = Component{}
	_ launcher.PodImageUser   = Component{}
	_ launcher.Filler         = (*part)(nil)
	_ launcher.Waiter         = (*part)(nil)
	_ launcher.Preparer       = (*part)(nil)
	_ launcher.Verifier       = (*part)(nil)
)

// Name implements launcher.Component.
func (Component) Name() string { return "the staging server" }

// Roles implements launcher.Component.
func (Component) Roles() []string { return []string{scenario.OfStagingServer} }

// UsesPodImage implements launcher.PodImageUser.
func (Component) UsesPodImage(w scenario.Workload) bool { return w.StagingServer.Enabled() }

// Variables implements launcher.VariableReader: they are the credentials of the object storage.
func (Component) Variables(w scenario.Workload) (path string, names []string) {
	return "spec.workload.stagingServer.credentials", w.StagingServer.Credentials
}

// Validate implements launcher.Component.
func (Component) Validate(l launcher.Launch) []error {
	if server := l.Workload.StagingServer; server.Enabled() && l.Env.PodImage == "" {
		return []error{fmt.Errorf("workload: stagingServer.storage is %s, but the environment names no image of the staging server",
			server.Storage)}
	}
	return nil
}

// Explain implements launcher.Explainer.
func (Component) Explain(w scenario.Workload) string {
	server := w.StagingServer
	if !server.Enabled() {
		return ""
	}
	storage := "on the cluster's shared storage, which outlives its pods"
	switch {
	case server.Storage == scenario.StagingMemory:
		storage = "in its own pod; they are lost with the pod"
	case server.URL != "":
		storage = "at " + server.URL
	}
	rate := ""
	if server.FetchRate != "" {
		rate = fmt.Sprintf(", %s bytes a second", server.FetchRate)
	}
	return fmt.Sprintf("Staging server: %s, keeps artifacts %s. Driver and executors fetch %s from it before they start%s.",
		pods(server.Replicas), storage, strings.Join(scenario.Artifacts(w.Application), ", "), rate)
}

func pods(n int) string {
	if n == 1 {
		return "1 pod"
	}
	return fmt.Sprintf("%d pods", n)
}
