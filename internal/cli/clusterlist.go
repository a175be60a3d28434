package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/internal/table"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
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
		Use: "list", Aliases: []string{"ls"}, Short: "List the clusters of this user on this machine, of every cluster type",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return usagef("output %q: expected json, or none for a table", output)
			}
			state, err := paths.State(getenv)
			if err != nil {
				return err
			}
			listed, err := listClusters(command, getenv)
			if err != nil {
				return err
			}
			if output == "json" {
				return printJSON(command.OutOrStdout(), listed)
			}
			return printClusters(command.OutOrStdout(), state, listed, time.Now())
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "", "output format; json or, by default, a table")
	return command
}

// listClusters finds the clusters of all kinds that are made on this machine. What cannot be found out about one is part of its state.
func listClusters(command *cobra.Command, getenv func(string) string) ([]listedCluster, error) {
	listed := []listedCluster{}
	choice := newClusterChoice()
	env, err := choice.environment(getenv, func(string) {})
	if err != nil {
		return nil, err
	}
	for _, kind := range choice.kinds {
		if kind.Unavailable != nil {
			continue
		}
		provider, err := kind.New(env)
		if err != nil {
			return nil, err
		}
		of, err := listKind(command.Context(), provider)
		if err != nil {
			return nil, err
		}
		listed = append(listed, of...)
	}
	return listed, nil
}

// listKind lists the clusters of one kind; none if the kind cannot list them.
func listKind(ctx context.Context, provider cluster.Provider) ([]listedCluster, error) {
	lister, ok := provider.(cluster.Lister)
	if !ok {
		return nil, nil
	}
	names, err := provider.Names()
	if err != nil {
		return nil, err
	}
	var listed []listedCluster
	for _, name := range names {
		s := lister.Summary(ctx, name)
		c := listedCluster{Kind: provider.Kind(), Name: name, State: s.State, Nodes: s.Nodes, Created: s.Created}
		if exclusive, ok := provider.(cluster.Exclusive); ok {
			if c.HeldBy, err = exclusive.Holder(name); err != nil {
				return nil, err
			}
		}
		listed = append(listed, c)
	}
	return listed, nil
}

func printClusters(out io.Writer, state string, listed []listedCluster, now time.Time) error {
	if len(listed) == 0 {
		_, err := fmt.Fprintf(out, "there is no cluster in %s; `sparkchaos cluster up` makes one\n", state)
		return err
	}
	clusters := table.New("Kind", "Name", "State", "Nodes", "Age", "Held by")
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
		clusters.Add(c.Kind, c.Name, c.State, nodes, age, holder)
	}
	return clusters.Render(out)
}
