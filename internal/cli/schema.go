package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/schema"
)

// newSchemaCommand returns the command that prints the JSON Schema of scenario files.
func newSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of scenario files, for editors",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(command.OutOrStdout(), schema.Scenario())
			return err
		},
	}
}
