package cli

import (
	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/assembly"
	"github.com/sparkchaos/sparkchaos/internal/submission"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// newImportCommand returns `sparkchaos import`.
func newImportCommand() *cobra.Command {
	sparkSubmit := &cobra.Command{
		Use:   "spark-submit -- ARGUMENTS",
		Short: "Write the scenario of an application that spark-submit launches, from its arguments",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			imported, err := submission.SparkSubmit(args)
			return writeImported(command, "arguments", imported, err)
		},
	}
	return newGroup("import", "Convert how an application is launched today into a scenario",
		sparkSubmit,
		newImportFileCommand("sparkapplication", "an operator launches, from its SparkApplication (kubeflow's or Apache's)",
			submission.SparkApplication),
		newImportFileCommand("job", "a Job of Kubernetes launches with spark-submit", submission.Job),
	)
}

func newImportFileCommand(kind, what string, read func([]byte) (submission.Imported, error)) *cobra.Command {
	return &cobra.Command{
		Use:   kind + " FILE",
		Short: "Write the scenario of an application that " + what,
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			text, err := assembly.ReadDocument(args[0])
			if err != nil {
				return usagef("import: %w", err)
			}
			imported, err := read(text)
			return writeImported(command, args[0], imported, err)
		},
	}
}

// writeImported prints the scenario of what was read. If it has mistakes of its own, they are reported first.
func writeImported(command *cobra.Command, from string, imported submission.Imported, err error) error {
	if err != nil {
		return usagef("import %s: %w", from, err)
	}
	text, err := imported.YAML()
	if err != nil {
		return err
	}
	if _, err := scenario.Load("the scenario of "+from, text, catalogue()); err != nil {
		return withCode(ExitUsage, err)
	}
	_, err = command.OutOrStdout().Write(text)
	return err
}
