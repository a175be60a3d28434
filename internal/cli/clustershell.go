package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// newClusterShellCommand returns `sparkchaos cluster shell`.
func newClusterShellCommand(getenv func(string) string, open openCluster) *cobra.Command {
	return &cobra.Command{
		Use: "shell [NODE] [-- COMMAND…]", Short: "Open a shell that has kubectl for the cluster, or one on a node",
		Long: `Open a shell on this machine with kubectl in its PATH and KUBECONFIG for the cluster, or a shell on a node, including
control-plane. A command after -- runs instead of the shell. Runs are not kept from starting meanwhile: they see what you change.`,
		Example: `  sparkchaos cluster shell
  sparkchaos cluster shell -- kubectl get pods --all-namespaces
  sparkchaos cluster shell worker-1 -- ip link`,
		RunE: func(command *cobra.Command, args []string) error {
			node, called, err := splitShellArgs(args, command.ArgsLenAtDash())
			if err != nil {
				return err
			}
			own, err := open(command)
			if err != nil {
				return err
			}
			c, ok := own.(cluster.Enterable)
			if !ok {
				return fmt.Errorf("%s: the cluster %s cannot do that", command.CommandPath(), own.Name())
			}
			var line, environment []string
			if node == "" {
				line, environment, err = shellHere(getenv, c, called)
			} else {
				line, environment, err = shellThere(command.Context(), c, node, called)
			}
			if err != nil {
				return err
			}
			return become(line, environment)
		},
	}
}

// splitShellArgs takes apart what stands before and after a dash; dash is the number of arguments before it, negative if there is none.
func splitShellArgs(args []string, dash int) (node string, called []string, err error) {
	if dash >= 0 {
		args, called = args[:dash], args[dash:]
	}
	switch {
	case len(args) > 1:
		return "", nil, usagef("%q: expected one node; a command stands after --", args)
	case dash >= 0 && len(called) == 0:
		return "", nil, usagef("no command stands after --")
	case len(args) == 0:
		return "", called, nil
	default:
		return args[0], called, withCode(ExitUsage, cluster.CheckNode(args[0]))
	}
}

// shellHere returns the command line and the environment of a shell, or of a command, of this machine.
func shellHere(getenv func(string) string, c cluster.Enterable, called []string) (line, environment []string, err error) {
	cache, err := paths.Cache(getenv)
	if err != nil {
		return nil, nil, err
	}
	path := getenv("PATH")
	// Without the component, the machine's own kubectl will do.
	if set, err := components.Locate(cache); err == nil && set.Path(components.Kubectl) != "" {
		path += string(filepath.ListSeparator) + filepath.Dir(set.Path(components.Kubectl))
	}
	if len(called) == 0 {
		called = []string{cmp.Or(getenv("SHELL"), "bash")}
	}
	return called, append(os.Environ(), "KUBECONFIG="+c.KubeconfigFile(), "PATH="+path), nil
}

// shellThere returns the same for a node.
func shellThere(ctx context.Context, c cluster.Enterable, node string, called []string) (line, environment []string, err error) {
	if len(called) == 0 {
		called = []string{"bash"}
	}
	terminal := term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd()))
	line, err = c.Enter(ctx, node, terminal, called...)
	return line, os.Environ(), err
}
