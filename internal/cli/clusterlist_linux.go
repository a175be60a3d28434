package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/olekukonko/tablewriter"
	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/kind"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/locks"
)

// listedCluster is a row of `cluster list`.
type listedCluster struct {
	Kind    string          `json:"kind"`
	Name    string          `json:"name"`
	State   string          `json:"state"`
	Nodes   int             `json:"nodes"` // workers; 0 if it is not known
	Created time.Time       `json:"created,omitzero"`
	HeldBy  *cluster.Holder `json:"heldBy,omitempty"`
}

// newClusterListCommand returns `sparkchaos cluster list`.
func newClusterListCommand(getenv func(string) string) *cobra.Command {
	var output string
	command := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the clusters of this user on this machine, of every kind that is made here", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return usagef("output %q: expected json, or none for a table", output)
			}
			state, err := paths.State(getenv)
			if err != nil {
				return err
			}
			listed, err := listClusters(command, state)
			if err != nil {
				return err
			}
			if output == "json" {
				encoder := json.NewEncoder(command.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(listed)
			}
			return printClusters(command.OutOrStdout(), state, listed, time.Now())
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "", "json for a machine to read")
	return command
}

// listClusters finds the clusters whose files are in the state directory. What cannot be found out about one is part of its state.
func listClusters(command *cobra.Command, state string) ([]listedCluster, error) {
	machines, containers := embedded.Provider{State: state, Progress: func(string) {}}, kind.Provider{State: state}
	listed := []listedCluster{}
	names, err := machines.Names()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		s := machines.Summary(name)
		listed = append(listed, listedCluster{Kind: embeddedKind, Name: name, State: s.State, Nodes: s.Nodes, Created: s.Created})
	}
	if names, err = containers.Names(); err != nil {
		return nil, err
	}
	for _, name := range names {
		s := containers.Summary(command.Context(), name)
		listed = append(listed, listedCluster{Kind: kindKind, Name: name, State: s.State, Nodes: s.Nodes, Created: s.Created})
	}
	for i, c := range listed {
		if listed[i].HeldBy, err = locks.In(state, c.Kind).Holder(c.Name); err != nil {
			return nil, err
		}
	}
	return listed, nil
}

func printClusters(out io.Writer, state string, listed []listedCluster, now time.Time) error {
	if len(listed) == 0 {
		_, err := fmt.Fprintf(out, "there is no cluster in %s; `sparkchaos cluster up` makes one\n", state)
		return err
	}
	table := tablewriter.NewTable(out)
	table.Header("kind", "name", "state", "nodes", "age", "held by")
	for _, c := range listed {
		nodes, age, holder := "-", "-", "-"
		if c.Nodes > 0 {
			nodes = fmt.Sprint(c.Nodes)
		}
		if !c.Created.IsZero() {
			age = now.Sub(c.Created).Round(time.Second).String()
		}
		if c.HeldBy != nil {
			holder = c.HeldBy.String()
		}
		if err := table.Append(c.Kind, c.Name, c.State, nodes, age, holder); err != nil {
			return err
		}
	}
	return table.Render()
}
