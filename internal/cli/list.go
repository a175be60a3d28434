package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// newListCommand returns the command that lists the shipped scenarios.
func newListCommand() *cobra.Command {
	var labels map[string]string
	command := &cobra.Command{
		Use:   "list",
		Short: "List the shipped scenarios with their labels and what each shows",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			shipped, err := shippedScenarios()
			if err != nil {
				return err
			}
			for _, each := range shipped {
				metadata := each.scenario.Metadata
				if !hasLabels(metadata.Labels, labels) {
					continue
				}
				fmt.Fprintf(command.OutOrStdout(), "%s [%s]\n    %s\n", metadata.Name, labelText(metadata.Labels),
					strings.ReplaceAll(strings.TrimSpace(metadata.Description), "\n", "\n    "))
			}
			return nil
		},
	}
	command.Flags().StringToStringVarP(&labels, "label", "l", nil, "only scenarios with this label, as key=value; repeat it for several")
	return command
}

func hasLabels(have, want map[string]string) bool {
	for key, value := range want {
		if have[key] != value {
			return false
		}
	}
	return true
}

func labelText(labels map[string]string) string {
	var words []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, key+"="+labels[key])
	}
	return strings.Join(words, " ")
}
