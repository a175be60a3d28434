package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/assembly"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// newChaosMeshCommand returns `sparkchaos chaos-mesh`.
func newChaosMeshCommand(getenv func(string) string) *cobra.Command {
	chosen := newClusterChoice()
	open := func(command *cobra.Command) (assembly.ChaosMesh, error) {
		provider, name, err := clustersAt(command, getenv, chosen)
		if err != nil {
			return assembly.ChaosMesh{}, err
		}
		c, err := provider.Open(name)
		if err != nil {
			return assembly.ChaosMesh{}, err
		}
		cache, err := paths.Cache(getenv)
		if err != nil {
			return assembly.ChaosMesh{}, err
		}
		say := func(line string) { fmt.Fprintln(command.ErrOrStderr(), line) }
		return assembly.ChaosMeshOn(c, assembly.Supplies{Cache: cache, Images: assembly.ReferencesOf(provider), Say: say})
	}
	group := newGroup("chaos-mesh", "Install, remove and inspect Chaos Mesh, which some faults need",
		newChaosMeshInstallCommand(open), newChaosMeshUninstallCommand(open), newChaosMeshStatusCommand(open))
	flags := group.PersistentFlags()
	chosen.addKind(flags, "cluster type")
	flags.StringVar(&chosen.name, "name", defaultCluster, "name of the cluster")
	chosen.addFlags(flags, cluster.ToReach)
	return group
}

func newChaosMeshInstallCommand(open func(*cobra.Command) (assembly.ChaosMesh, error)) *cobra.Command {
	return &cobra.Command{
		Use: "install", Short: "Install Chaos Mesh unless it is installed and works; a run does this itself when its plan needs it",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			m, err := open(command)
			if err != nil {
				return err
			}
			made, err := m.Install(command.Context())
			if err != nil {
				return err
			}
			words := "Chaos Mesh is installed"
			if !made {
				words = "Chaos Mesh works there already"
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), words)
			return err
		},
	}
}

func newChaosMeshUninstallCommand(open func(*cobra.Command) (assembly.ChaosMesh, error)) *cobra.Command {
	return &cobra.Command{
		Use: "uninstall", Short: "Remove a Chaos Mesh that sparkchaos installed and all its resources, after recovering from " +
			"its faults", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			m, err := open(command)
			if err != nil {
				return err
			}
			existed, err := m.Uninstall(command.Context())
			if err != nil {
				return err
			}
			words := "Chaos Mesh is removed"
			if !existed {
				words = "Chaos Mesh is not installed"
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), words)
			return err
		},
	}
}

func newChaosMeshStatusCommand(open func(*cobra.Command) (assembly.ChaosMesh, error)) *cobra.Command {
	var output string
	command := &cobra.Command{
		Use: "status", Short: "Show whether Chaos Mesh is installed, by whom, and whether it works", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			m, err := open(command)
			if err != nil {
				return err
			}
			status, err := m.Status(command.Context())
			if err != nil {
				return err
			}
			switch output {
			case "json":
				return json.NewEncoder(command.OutOrStdout()).Encode(status)
			case "text":
				_, err = fmt.Fprintln(command.OutOrStdout(), status)
				return err
			default:
				return usagef("--output %q: expected text or json", output)
			}
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return command
}
