//go:build !linux

package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// errNotLinux says what this system cannot do, and where it can be done.
func errNotLinux() error {
	return fmt.Errorf("the embedded cluster is made of Linux' namespaces and control groups, this is %s: use a Linux machine, or a virtual one; judging and reporting stored runs works here, and runs on existing clusters do", runtime.GOOS)
}

// newClusterCommand says that there is no embedded cluster on this system.
func newClusterCommand(func(string) string) *cobra.Command {
	return &cobra.Command{
		Use: "cluster", Short: "A real multi-node Kubernetes cluster on this machine (Linux only)", DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error { return errNotLinux() },
	}
}

// usableKinds are the kinds of clusters that runs on this system can have left something in.
func usableKinds() []string { return []string{existingKind} }

func newClusters(string, string, string, func(string)) (runner.Clusters, error) {
	return nil, errNotLinux()
}
