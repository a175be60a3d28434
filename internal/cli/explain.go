package cli

import (
	"bytes"
	"io"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// newExplainCommand returns the command that says a plan in plain sentences.
func newExplainCommand() *cobra.Command {
	var seed uint64
	chosen := newClusterChoice()
	var planFile string
	var plainSecrets bool
	command := &cobra.Command{
		Use:   "explain SCENARIO | --plan FILE",
		Short: "Describe in plain sentences what a scenario or a plan does and expects",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if err := checkWhatToRun(command, args, planFile); err != nil {
				return err
			}
			p, err := planOf(args, planFile, seed, chosen, plainSecretsOption(plainSecrets)...)
			if err != nil {
				return err
			}
			var text bytes.Buffer
			if err := plan.Explain(&text, p, catalogue(), components.All()); err != nil {
				return err
			}
			_, err = io.WriteString(command.OutOrStdout(), printable.Lines(text.String()))
			return err
		},
	}
	command.Flags().Uint64Var(&seed, "seed", 1, "seed of all random choices of a scenario; run picks one unless it is given")
	chosen.addKind(command.Flags(), "cluster type to plan for")
	chosen.addFlags(command.Flags(), cluster.ToPlan)
	addPlainSecrets(command.Flags(), &plainSecrets)
	command.Flags().StringVar(&planFile, "plan", "", "explain this plan instead of a scenario")
	return command
}

// planOf reads the plan, or makes it of the scenario that the first argument names.
func planOf(args []string, planFile string, seed uint64, chosen *clusterChoice, how ...scenario.Option) (*plan.Plan, error) {
	if planFile != "" {
		return loadPlan(planFile, how...)
	}
	s, err := loadScenario(args[0], how...)
	if err != nil {
		return nil, err
	}
	return makePlan(s, seed, chosen)
}
