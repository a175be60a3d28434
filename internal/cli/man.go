package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/reference"
	faultcatalogue "github.com/sparkchaos/sparkchaos/pkg/faults/catalogue"
	"github.com/sparkchaos/sparkchaos/scenarios"
	"github.com/sparkchaos/sparkchaos/schema"
)

// newManCommand returns the command that writes the manual pages.
func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIRECTORY",
		Short: "Write the manual pages of all commands and of scenario files",
		Long: `Write the manual pages into a directory: sparkchaos-COMMAND.1 for each command, and sparkchaos-scenario.5 with every field,
fault, anchor and invariant of a scenario file.`,
		Example: `  sparkchaos man man && man -l man/sparkchaos-run.1`,
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if err := reference.Man(referenceSource(command.Root()), args[0]); err != nil {
				return fmt.Errorf("man: %w", err)
			}
			return nil
		},
	}
}

// referenceSource returns what the reference is written from.
func referenceSource(root *cobra.Command) reference.Source {
	return reference.Source{
		Root: root, Catalogue: catalogue(), Faults: faultcatalogue.All().Kinds(), Schema: schema.Scenario(), Scenarios: scenarios.Files(),
	}
}
