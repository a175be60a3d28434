package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// newListCommand returns the command that lists the shipped scenarios.
func newListCommand() *cobra.Command {
	var labels map[string]string
	var output string
	command := &cobra.Command{
		Use:   "list",
		Short: "List the shipped scenarios with their labels and what each one shows",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			shipped, err := shippedScenarios()
			if err != nil {
				return err
			}
			chosen, err := withLabels(shipped, labels)
			if err != nil {
				return err
			}
			return printScenarios(command.OutOrStdout(), chosen, output)
		},
	}
	command.Flags().StringToStringVarP(&labels, "label", "l", nil, "only scenarios with this label, as key=value; may be repeated")
	command.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return command
}

// withLabels returns the scenarios that have all the labels. If there is none, the error names the labels that exist.
func withLabels(all []shippedScenario, labels map[string]string) ([]shippedScenario, error) {
	var chosen []shippedScenario
	for _, each := range all {
		if hasLabels(each.scenario.Metadata.Labels, labels) {
			chosen = append(chosen, each)
		}
	}
	if len(chosen) > 0 {
		return chosen, nil
	}
	var known []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		known = append(known, knownValues(all, key))
	}
	return nil, usagef("no shipped scenario has the labels %s; %s", labelText(labels), strings.Join(known, "; "))
}

// knownValues says which values of a label the scenarios have, or which labels there are.
func knownValues(all []shippedScenario, key string) string {
	keys, values := map[string]bool{}, map[string]bool{}
	for _, each := range all {
		for k, v := range each.scenario.Metadata.Labels {
			keys[k] = true
			if k == key {
				values[v] = true
			}
		}
	}
	if len(values) == 0 {
		return fmt.Sprintf("there is no label %s, expected one of %s", key, strings.Join(slices.Sorted(maps.Keys(keys)), ", "))
	}
	return fmt.Sprintf("%s is one of %s", key, strings.Join(slices.Sorted(maps.Keys(values)), ", "))
}

// listedScenario is a scenario as a machine reads the list.
type listedScenario struct {
	Name        string            `json:"name"`
	Control     bool              `json:"control"` // expected to fail
	Labels      map[string]string `json:"labels"`
	Description string            `json:"description"`
	File        string            `json:"file"` // below scenarios/ of a checkout
}

func printScenarios(out io.Writer, chosen []shippedScenario, format string) error {
	switch format {
	case "text":
		return printScenariosAsText(out, chosen)
	case "json":
		listed := make([]listedScenario, len(chosen))
		for i, each := range chosen {
			m := each.scenario.Metadata
			listed[i] = listedScenario{m.Name, each.scenario.Spec.Control != nil, m.Labels, strings.TrimSpace(m.Description), each.file}
		}
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(listed)
	default:
		return usagef("--output is %q; expected text or json", format)
	}
}

func printScenariosAsText(out io.Writer, chosen []shippedScenario) error {
	for _, each := range chosen {
		metadata := each.scenario.Metadata
		_, err := fmt.Fprintf(out, "%s [%s]\n    %s\n", path.Join(path.Dir(each.file), metadata.Name), labelText(metadata.Labels),
			strings.ReplaceAll(strings.TrimSpace(metadata.Description), "\n", "\n    "))
		if err != nil {
			return fmt.Errorf("print the list of scenarios: %w", err)
		}
	}
	return nil
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
