package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/assembly"
	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// newLintCommand returns the command that checks scenario files without running anything.
func newLintCommand() *cobra.Command {
	var plainSecrets bool
	command := &cobra.Command{
		Use:   "lint SCENARIO...",
		Short: "Check scenario files and report every mistake, with line and column",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			bad := 0
			for _, argument := range args {
				text, err := lint(argument, plainSecretsOption(plainSecrets)...)
				var invalid *scenario.Error
				var lacking *lackingFiles
				if errors.As(err, &invalid) || errors.As(err, &lacking) {
					bad++
					text = err.Error()
				} else if err != nil {
					return err
				}
				fmt.Fprintln(command.OutOrStdout(), printable.Lines(text))
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

// lackingFiles says which files a scenario names that cannot be found.
type lackingFiles struct {
	scenario string
	cause    error
}

// Error implements error: one line a file.
func (l *lackingFiles) Error() string {
	return l.scenario + ": " + strings.ReplaceAll(l.cause.Error(), "\n", "\n"+l.scenario+": ")
}

// lint returns the line that says that a scenario is valid, or what is wrong with it.
func lint(argument string, how ...scenario.Option) (string, error) {
	text, shipped, err := assembly.ReadScenario(argument)
	if err != nil {
		return "", err
	}
	s, err := scenario.Load(argument, text, catalogue(), how...)
	if err != nil {
		return "", err
	}
	if err := assembly.CheckArtifacts(s.Spec.Workload, assembly.BesideOf(argument, shipped)); err != nil {
		return "", &lackingFiles{scenario: argument, cause: err}
	}
	return fmt.Sprintf("%s: %s is valid", printable.Line(argument), s.Metadata.Name), nil
}
