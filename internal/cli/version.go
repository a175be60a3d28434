package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/assembly"
	"github.com/sparkchaos/sparkchaos/internal/components"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of sparkchaos and of the components that it uses",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			all, err := components.Components()
			if err != nil {
				return err
			}
			fmt.Fprintf(command.OutOrStdout(), "sparkchaos %s\n", programVersion())
			for _, component := range all {
				fmt.Fprintf(command.OutOrStdout(), "%s\n", component)
			}
			return nil
		},
	}
}

// programVersion is that of this program.
func programVersion() string { return assembly.Version() }
