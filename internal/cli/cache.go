package cli

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/cache"
	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/internal/table"
	"github.com/sparkchaos/sparkchaos/internal/wording"
)

// newCacheCommand returns `sparkchaos cache`.
func newCacheCommand(getenv func(string) string) *cobra.Command {
	return newGroup("cache", "List what lies in the cache, and remove what is not needed any more",
		newCacheListCommand(getenv), newCachePruneCommand(getenv))
}

func newCacheListCommand(getenv func(string) string) *cobra.Command {
	var output string
	verify := false
	command := &cobra.Command{
		Use:   "list",
		Short: "List what lies in the cache, and what removing it would free",
		Long: `List what lies in the cache. "Frees" is less than "Size" where files are shared with others by hard links:
clusters share those of the templates. The total counts each file once.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			directory, err := paths.Cache(getenv)
			if err != nil {
				return err
			}
			if output != "table" && output != "json" {
				return usagef("--output is %q; expected table or json", output)
			}
			listing, err := cache.List(directory)
			if err != nil {
				return err
			}
			if output == "json" {
				err = printJSON(command.OutOrStdout(), listing)
			} else {
				err = writeCacheTable(command.OutOrStdout(), directory, listing)
			}
			if err != nil || !verify {
				return err
			}
			return verifyCache(command.ErrOrStderr(), directory, listing)
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	command.Flags().BoolVar(&verify, "verify", false, "read every file and compare it with the SHA-256 that was recorded when it was made")
	return command
}

func writeCacheTable(out io.Writer, directory string, listing cache.Listing) error {
	t := table.New("Kind", "Name", "Size", "Frees", "Last used")
	for _, entry := range listing.Entries {
		t.Add(entry.Kind, entry.Name, wording.Megabytes(entry.Bytes), wording.Megabytes(entry.Freed), entry.Used.Format(time.DateTime))
	}
	if err := t.Render(out); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s in %s\n", wording.Megabytes(listing.Bytes), directory)
	return err
}

// verifyCache reads all that has digests.
func verifyCache(out io.Writer, directory string, listing cache.Listing) error {
	var problems []error
	verified := 0
	for _, entry := range listing.Entries {
		there, err := entry.Verify()
		problems = append(problems, err)
		if there {
			verified++
		}
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("%w\nwhat is damaged is built again when it is needed, or by \"sparkchaos setup\"", err)
	}
	_, err := fmt.Fprintf(out, "verified %d entries with digests in %s\n", verified, directory)
	return err
}

// keptStages is how many versions of a thing stay in the cache: those of other checkouts and branches are needed again.
const keptStages = 3

func newCachePruneCommand(getenv func(string) string) *cobra.Command {
	latest, dryRun := false, false
	command := &cobra.Command{
		Use:   "prune",
		Short: "Remove older versions from the cache, and what killed builds left",
		Long: fmt.Sprintf(`Of each kind of entry the %d that were used last stay, and the components that this program was made for. What a
cluster of this machine uses, and what is being built, is kept, too. All that is removed can be built again.`, keptStages),
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			directory, err := paths.Cache(getenv)
			if err != nil {
				return err
			}
			needed, err := neededComponents(directory)
			if err != nil {
				return err
			}
			before, err := cache.List(directory)
			if err != nil {
				return err
			}
			choice := cache.Choice{Keep: keptStages, Needed: needed, InUse: cache.Running(), Lock: cache.Lock(directory)}
			if latest {
				choice.Keep = 1
			}
			if dryRun {
				return writeRemoved(command.OutOrStdout(), "would be removed", cache.Superfluous(before, choice))
			}
			removed, problems := cache.Prune(before, choice)
			after, err := cache.List(directory)
			if err := errors.Join(writeRemoved(command.OutOrStdout(), "removed", removed), problems, err); err != nil {
				return err
			}
			_, err = fmt.Fprintf(command.OutOrStdout(), "%s before, %s now, in %s\n", wording.Megabytes(before.Bytes),
				wording.Megabytes(after.Bytes), directory)
			return err
		},
	}
	command.Flags().BoolVar(&latest, "keep-latest", false, "keep one of each kind, the one that was used last")
	command.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be removed")
	return command
}

// neededComponents returns where those are that this program was made for.
func neededComponents(directory string) ([]string, error) {
	all, err := components.Components()
	var needed []string
	for _, component := range all {
		needed = append(needed, component.Directory(directory))
	}
	return needed, err
}

func writeRemoved(out io.Writer, done string, removed []cache.Removed) error {
	var problems []error
	for _, each := range removed {
		what := done
		if each.Kept != "" {
			what = "kept: " + each.Kept
		}
		_, err := fmt.Fprintf(out, "%s: %s\n", filepath.Join(each.Kind, each.Name), what)
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}
