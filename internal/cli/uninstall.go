package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// newUninstallCommand returns `sparkchaos uninstall`.
func newUninstallCommand(getenv func(string) string) *cobra.Command {
	var yes, force bool
	command := &cobra.Command{
		Use: "uninstall", Short: "Remove the cache, the state and all clusters that sparkchaos made on this machine", Args: cobra.NoArgs,
		Long: `Remove the cache and the state directory. It asks first, and shows what goes. While there are clusters, or runs that were not
cleaned up after, nothing is removed, unless by --force: then the clusters go first, those that a run holds, too.

Of a directory that SPARKCHAOS_CACHE or SPARKCHAOS_STATE names only what sparkchaos made in it is removed. What is left is named: run
directories, packages of the distribution, images in a container engine, and the program itself.`,
		RunE: func(command *cobra.Command, _ []string) error {
			say := func(format string, args ...any) { fmt.Fprintf(command.OutOrStdout(), format+"\n", args...) }
			cache, state, err := paths.OwnDirectories(getenv)
			if err != nil {
				return err
			}
			u := uninstall{cache: cache, state: state, force: force, say: say,
				ask: questioner(command.Context(), yes, say, os.Stdin, command.ErrOrStderr())}
			if u.clusters, err = clustersHere(getenv); err != nil {
				return fmt.Errorf("look for clusters, of which none must be left: %w", err)
			}
			return u.do(command.Context())
		},
	}
	command.Flags().BoolVarP(&yes, yesFlag, "y", false, "do not ask")
	command.Flags().BoolVar(&force, "force", false, "remove clusters that are there, and forget runs that were not cleaned up after")
	return command
}

// clusterHere is a cluster of this machine.
type clusterHere struct {
	provider cluster.Provider
	name     string
}

func (c clusterHere) String() string { return c.provider.Kind() + " cluster " + c.name }

// clustersHere returns all clusters that were made on this machine, half-made ones too.
func clustersHere(getenv func(string) string) ([]clusterHere, error) {
	choice := newClusterChoice()
	env, err := choice.environment(getenv, func(string) {})
	if err != nil {
		return nil, err
	}
	var all []clusterHere
	for _, kind := range choice.kinds {
		if kind.Unavailable != nil || kind.Foreign {
			continue
		}
		provider, err := kind.New(env)
		if err != nil {
			return nil, err
		}
		names, err := provider.Names()
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			all = append(all, clusterHere{provider, name})
		}
	}
	return all, nil
}

// uninstall is what is to be removed, and how it is asked about.
type uninstall struct {
	cache, state paths.Own
	clusters     []clusterHere
	force        bool
	say          func(format string, args ...any)
	ask          func(question string) error
}

func (u uninstall) do(ctx context.Context) error {
	runs, err := u.runs()
	if err != nil {
		return err
	}
	if err := u.refuse(runs); err != nil {
		return err
	}
	what := []string{u.cache.Directory, u.state.Directory}
	for _, c := range u.clusters {
		what = append(what, "the "+c.String())
	}
	for _, run := range runs {
		what = append(what, "the record of run "+run+", which was not cleaned up after")
	}
	u.say("what goes:\n  %s", strings.Join(what, "\n  "))
	if err := u.ask("Remove all of it?"); err != nil {
		return err
	}
	if err := u.takeDown(ctx); err != nil {
		return withCode(ExitCleanUpLeftovers, fmt.Errorf("%w\nthe cache and the state were not removed: a second call goes on", err))
	}
	// The state goes last: with it goes what is known.
	if err := errors.Join(u.remove(u.cache), u.remove(u.state)); err != nil {
		return withCode(ExitCleanUpLeftovers, err)
	}
	u.say("left: run directories, packages of the distribution, images in a container engine, and the program itself%s", u.program())
	return nil
}

// runs returns the IDs of runs that have not cleaned up: they go on, or were killed.
func (u uninstall) runs() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(u.state.Directory, "runs"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for runs that were not cleaned up after: %w", err)
	}
	var ids []string
	for _, entry := range entries {
		if id, ok := strings.CutSuffix(entry.Name(), ".json"); ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// refuse keeps from removing what is in use.
func (u uninstall) refuse(runs []string) error {
	if u.force {
		return nil
	}
	var errs []error
	for _, c := range u.clusters {
		errs = append(errs, fmt.Errorf("the %s exists: `sparkchaos cluster down --cluster %s --name %s` removes it", c, c.provider.Kind(),
			c.name))
	}
	for _, run := range runs {
		errs = append(errs, fmt.Errorf("run %s goes on, or was killed and its faults were not undone: wait for its end, or call "+
			"`sparkchaos cleanup`", run))
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w\nnothing was removed; --force removes the clusters, and forgets the runs", errors.Join(errs...))
}

func (u uninstall) takeDown(ctx context.Context) error {
	var errs []error
	for _, c := range u.clusters {
		if _, err := takeDown(ctx, c.provider, c.name, true); err != nil {
			errs = append(errs, fmt.Errorf("remove the %s: %w", c, err))
			continue
		}
		u.say("the %s is gone", c)
	}
	return errors.Join(errs...)
}

func (u uninstall) remove(own paths.Own) error {
	left, err := own.Remove()
	if err != nil {
		return err
	}
	if len(left) > 0 {
		u.say("%s is cleared; sparkchaos did not make, and left: %s", own.Directory, strings.Join(left, ", "))
		return nil
	}
	u.say("%s is gone", own.Directory)
	return nil
}

// program says where this program is.
func (u uninstall) program() string {
	executable, err := os.Executable()
	if err != nil {
		return ""
	}
	return " (" + executable + ")"
}
