package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/internal/table"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/report/runs"
)

// newListCommand returns the command that lists the shipped scenarios.
func newListCommand(getenv func(string) string) *cobra.Command {
	var labels map[string]string
	var output, directory string
	command := &cobra.Command{
		Use:   "list",
		Short: "List the shipped scenarios with their labels, how long they take and what each one shows",
		Long: `List the shipped scenarios: their labels, what each one shows, and how long it takes: the median of its newest runs in the
directory of runs. Nothing is said of how long a scenario takes that has no run there that was judged.`,
		Example: `  sparkchaos list
  sparkchaos list --label tier=smoke --label component=driver
  sparkchaos list -o yaml`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if !slices.Contains([]string{"table", "json", "yaml"}, output) {
				return usagef("--output is %q; expected table, json or yaml", output)
			}
			shipped, err := shippedScenarios()
			if err != nil {
				return err
			}
			chosen, err := withLabels(shipped, labels)
			if err != nil {
				return err
			}
			past, err := durations(directory)
			if err != nil {
				return err
			}
			return printScenarios(command.OutOrStdout(), getenv, listed(chosen, past), output)
		},
	}
	command.Flags().StringToStringVarP(&labels, "label", "l", nil, "only scenarios with this label, as key=value; may be repeated")
	command.Flags().StringVarP(&output, "output", "o", "table", "table, json or yaml")
	command.Flags().StringVar(&directory, "runs", "runs", "directory of the runs that tell how long scenarios take")
	return command
}

// runsLooked is how many runs of a scenario tell how long it takes: the newest ones.
const runsLooked = 5

// durations returns how long the newest runs in a directory took, by their scenarios. A directory that is not there has none.
func durations(directory string) (map[string][]time.Duration, error) {
	root, err := os.OpenRoot(directory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look how long scenarios took: %w; --runs names the directory of runs", err)
	}
	defer func() { _ = root.Close() }() // opened for reading only
	all, err := runs.List(root.FS())
	if err != nil {
		return nil, fmt.Errorf("look how long scenarios took: %w", err)
	}
	took := map[string][]time.Duration{}
	for _, run := range all {
		if run.Problem != "" || run.Verdict == check.Error || len(took[run.Scenario]) == runsLooked {
			continue
		}
		info, err := report.LoadInfo(filepath.Join(directory, filepath.FromSlash(run.Path)))
		if err == nil && info.Took > 0 && !info.Interrupted { // a run that cannot be read tells nothing
			took[run.Scenario] = append(took[run.Scenario], info.Took)
		}
	}
	return took, nil
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
	File        string            `json:"file"`               // below scenarios/ of a checkout
	Runs        int               `json:"runs"`               // by which it is known how long it takes
	Expected    float64           `json:"expected,omitempty"` // how long it takes, in seconds; absent if nobody knows
}

// listed returns scenarios as they are listed, with what past runs of them took.
func listed(chosen []shippedScenario, past map[string][]time.Duration) []listedScenario {
	all := make([]listedScenario, len(chosen))
	for i, each := range chosen {
		m := each.scenario.Metadata
		all[i] = listedScenario{
			Name: m.Name, Control: each.scenario.Spec.Control != nil, Labels: m.Labels,
			Description: strings.TrimSpace(m.Description), File: each.file,
		}
		if took := past[m.Name]; len(took) > 0 {
			all[i].Runs, all[i].Expected = len(took), median(took).Round(100*time.Millisecond).Seconds()
		}
	}
	return all
}

func printScenarios(out io.Writer, getenv func(string) string, all []listedScenario, format string) error {
	switch format {
	case "json":
		return printJSON(out, all)
	case "yaml":
		content, err := yaml.Marshal(all)
		if err != nil {
			return fmt.Errorf("print the list of scenarios: %w", err)
		}
		_, err = out.Write(content)
		return err
	default:
		return scenarioTable(all, report.StyleFor(out, getenv).Width).Render(out)
	}
}

// scenarioTable returns the list for a terminal of so many columns; 0 is without limit.
func scenarioTable(all []listedScenario, width int) *table.Table {
	t := table.New("Scenario", "Labels", "Takes", "Shows")
	t.Width = width
	for _, each := range all {
		takes := "-"
		if each.Runs > 0 {
			takes = time.Duration(each.Expected * float64(time.Second)).Round(time.Second).String()
		}
		t.Add(path.Join(path.Dir(each.File), each.Name), labelText(each.Labels), takes, firstSentence(each.Description))
	}
	return t
}

// firstSentence returns the begin of a description as one line.
func firstSentence(text string) string {
	text = printable.Line(text)
	if end := strings.Index(text, ". "); end >= 0 {
		return text[:end+1]
	}
	return text
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

// median returns the duration in the middle.
func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
