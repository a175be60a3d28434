package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// newLintCommand returns the command that checks scenario files without running anything.
func newLintCommand() *cobra.Command {
	var plainSecrets bool
	command := &cobra.Command{
		Use:   "lint FILE...",
		Short: "Tell everything that is wrong with scenario files, with line and column",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			bad := 0
			for _, file := range args {
				s, err := loadScenario(file, plainSecretsOption(plainSecrets)...)
				var invalid *scenario.Error
				switch {
				case errors.As(err, &invalid):
					bad++
					fmt.Fprintln(command.OutOrStdout(), printable.Lines(invalid.Error()))
				case err != nil:
					return err
				default:
					fmt.Fprintf(command.OutOrStdout(), "%s: %s is valid\n", printable.Line(file), s.Metadata.Name)
				}
			}
			if bad > 0 {
				return usagef("%d of %d scenarios are not valid", bad, len(args))
			}
			return nil
		},
	}
	addPlainSecrets(command.Flags(), &plainSecrets)
	return command
}
