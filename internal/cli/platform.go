package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// linux is the operating system that has all commands: clusters of this machine are made of its kernel's namespaces.
const linux = "linux"

// onLinuxAlone are the commands for clusters that are made on this machine, and for what they are made of. Any other command is about files
// or about existing clusters, and each operating system has it.
func onLinuxAlone() []string {
	return []string{
		"cluster down", "cluster kubeconfig", "cluster list", "cluster load", "cluster logs", "cluster shell",
		"cluster status", "cluster up",
		"components", "image", "kind", "setup",
	}
}

// withoutOwnClusters hides the commands that an operating system does not have. Whoever calls one is told where it works.
func withoutOwnClusters(root *cobra.Command, system string) {
	for _, path := range onLinuxAlone() {
		command, _, err := root.Find(strings.Fields(path))
		if err != nil {
			panic(err) // the tests find all of them
		}
		hide(command, system)
	}
}

func hide(command *cobra.Command, system string) {
	command.RemoveCommand(command.Commands()...)
	command.ResetFlags()
	command.Hidden, command.DisableFlagParsing, command.Args, command.ValidArgs = true, true, cobra.ArbitraryArgs, nil
	command.RunE = func(command *cobra.Command, _ []string) error {
		return usagef("%s is for clusters that are made on this machine, which is done on Linux only, and this is %s: use a Linux machine, or a "+
			"virtual one; what reads files and stored runs works here, and runs on existing clusters do", command.CommandPath(), system)
	}
}
