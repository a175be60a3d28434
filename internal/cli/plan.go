package cli

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
)

// newPlanCommand returns the command that prints what a run of a scenario would do.
func newPlanCommand() *cobra.Command {
	var seed uint64
	chosen := newClusterChoice()
	var format string
	var plainSecrets bool
	command := &cobra.Command{
		Use:   "plan SCENARIO",
		Short: "Resolve a scenario into a concrete plan and print it; the same seed gives the same plan",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			s, err := loadScenario(args[0], plainSecretsOption(plainSecrets)...)
			if err != nil {
				return err
			}
			p, err := makePlan(s, seed, chosen)
			if err != nil {
				return err
			}
			encoded, err := encodePlan(p, format)
			if err != nil {
				return err
			}
			_, err = command.OutOrStdout().Write(encoded)
			return err
		},
	}
	command.Flags().Uint64Var(&seed, "seed", 1, "seed of all random choices; run picks one unless it is given")
	chosen.addKind(command.Flags(), "cluster type to plan for")
	chosen.addFlags(command.Flags(), cluster.ToPlan)
	addPlainSecrets(command.Flags(), &plainSecrets)
	command.Flags().StringVarP(&format, "output", "o", "yaml", "yaml or json")
	return command
}

func encodePlan(p *plan.Plan, format string) ([]byte, error) {
	switch format {
	case "yaml":
		return plan.Marshal(p)
	case "json":
		compact, err := p.MarshalJSON()
		if err != nil {
			return nil, err
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, compact, "", "  "); err != nil {
			return nil, fmt.Errorf("indent the plan's JSON: %w", err)
		}
		indented.WriteByte('\n')
		return indented.Bytes(), nil
	default:
		return nil, usagef("--output is %q; expected yaml or json", format)
	}
}
