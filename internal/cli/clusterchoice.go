package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/kinds"
)

// clusterChoice is which cluster a command means.
type clusterChoice struct {
	kind, name string
	yes        bool // existing clusters may be disturbed as shown
	kinds      []cluster.Kind
	flags      []*pflag.FlagSet
	owners     map[string]string // kinds of clusters, by the flags that are theirs alone
}

// newClusterChoice returns the choice of somebody who gave no flag.
func newClusterChoice() *clusterChoice {
	all := kinds.All()
	return &clusterChoice{kind: all[0].Name, name: defaultCluster, kinds: all, owners: map[string]string{}}
}

// addKind adds the flag that chooses the kind.
func (c *clusterChoice) addKind(flags *pflag.FlagSet, usage string) {
	flags.StringVar(&c.kind, clusterFlag, c.kind, usage+": "+c.titles())
}

// addFlags adds the flags of all kinds for what a cluster is used for.
func (c *clusterChoice) addFlags(flags *pflag.FlagSet, uses ...cluster.Use) {
	c.flags = append(c.flags, flags)
	for _, use := range uses {
		for _, kind := range c.kinds {
			before := map[string]bool{}
			flags.VisitAll(func(f *pflag.Flag) { before[f.Name] = true })
			kind.AddFlags(flags, use)
			flags.VisitAll(func(f *pflag.Flag) {
				if !before[f.Name] {
					c.owners[f.Name] = kind.Name
				}
			})
		}
		if use == cluster.ToReach {
			flags.BoolVarP(&c.yes, yesFlag, "y", false,
				"do not ask before disturbing an existing cluster, or before a clean-up step that cannot be proven to be safe")
		}
	}
}

// titles lists the kinds with what their clusters are.
func (c *clusterChoice) titles() string {
	var titles []string
	for _, kind := range c.kinds {
		titles = append(titles, kind.Name+" ("+kind.Title+")")
	}
	last := len(titles) - 1
	return strings.Join(titles[:last], ", ") + ", or " + titles[last]
}

// of returns the kind that was chosen.
func (c *clusterChoice) of() (cluster.Kind, error) {
	for _, kind := range c.kinds {
		if kind.Name == c.kind {
			return kind, nil
		}
	}
	return cluster.Kind{}, usagef("cluster kind %q is not known; expected one of %s", c.kind, strings.Join(kinds.Names(), ", "))
}

// clusterName returns the name that runs and records know the cluster by, or refuses one that cannot be a cluster's.
func (c *clusterChoice) clusterName() (string, error) {
	kind, err := c.of()
	if err != nil {
		return "", err
	}
	return kind.ClusterName(c.name)
}

// checkFlags refuses flags that mean nothing to clusters of the kind that was chosen: who gave one expects something of it.
func (c *clusterChoice) checkFlags() error {
	var errs []error
	for _, flags := range c.flags {
		flags.Visit(func(f *pflag.Flag) {
			if owner := c.owners[f.Name]; owner != "" && owner != c.kind {
				errs = append(errs, usagef("--%s is for clusters of the kind %s, and this one is of the kind %s: leave it out, or give --%s %s",
					f.Name, owner, c.kind, clusterFlag, owner))
			}
		})
	}
	return errors.Join(errs...)
}

// checkRun refuses a run for which an option is missing, and options of other kinds.
func (c *clusterChoice) checkRun() error {
	kind, err := c.of()
	if err != nil {
		return err
	}
	return errors.Join(c.checkFlags(), kind.CheckRun())
}

// provider returns the provider of the kind that was chosen.
func (c *clusterChoice) provider(getenv func(string) string, progress func(line string)) (cluster.Provider, error) {
	kind, err := c.of()
	if err != nil {
		return nil, err
	}
	env, err := c.environment(getenv, progress)
	if err != nil {
		return nil, err
	}
	return kind.New(env)
}

// environment is what this program gives to the kinds of clusters.
func (c *clusterChoice) environment(getenv func(string) string, progress func(line string)) (cluster.Environment, error) {
	state, err := paths.State(getenv)
	if err != nil {
		return cluster.Environment{}, err
	}
	if err := paths.CheckState(state); err != nil {
		return cluster.Environment{}, err
	}
	cache, err := paths.Cache(getenv)
	if err != nil {
		return cluster.Environment{}, err
	}
	return cluster.Environment{State: state, Cache: cache, Progress: progress, Allow: asker(c.yes, progress, os.Stdin, os.Stderr)}, nil
}

// here refuses a kind whose clusters are not made on this machine.
func (c *clusterChoice) here(format string, args ...any) error {
	kind, err := c.of()
	if err == nil && kind.Foreign {
		return usagef("%s", fmt.Sprintf(format, args...))
	}
	return err
}
