package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/assembly"
	"github.com/sparkchaos/sparkchaos/internal/components"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, commit and platform of sparkchaos, and the components that it was made for",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			all, err := components.Components()
			if err != nil {
				return err
			}
			fmt.Fprintf(command.OutOrStdout(), "sparkchaos %s\n", versionLine())
			for _, component := range all {
				fmt.Fprintf(command.OutOrStdout(), "%s\n", component)
			}
			return nil
		},
	}
}

// programVersion is that of this program.
func programVersion() string { return assembly.Version() }

// versionLine is what is printed of this program: version, commit, Go and platform.
func versionLine() string { return programVersion() + " " + runtime.GOOS + "/" + runtime.GOARCH }
