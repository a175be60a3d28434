package cli

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/internal/table"
	"github.com/sparkchaos/sparkchaos/internal/wording"
)

func newComponentsCommand(getenv func(string) string) *cobra.Command {
	return newGroup("components", "Build, list and locate the programs that clusters on this machine consist of",
		newComponentsBuildCommand(getenv),
		newComponentsListCommand(getenv),
		newComponentsPathCommand(getenv),
	)
}

func newComponentsBuildCommand(getenv func(string) string) *cobra.Command {
	var source string
	var names []string
	for _, recipe := range components.Recipes() {
		names = append(names, recipe.Name)
	}
	command := &cobra.Command{
		Use:       "build [COMPONENT...]",
		ValidArgs: names,
		Args:      cobra.OnlyValidArgs,
		Short:     "Build the components that are missing in the cache, once per machine",
		Long: `Build the components that are missing in the cache, from the Go module proxy. Their versions are pinned by the nested modules
below components/ of a checkout, or by those that are embedded in this program. Without names, the components that clusters
need are built; those that only tests need (versitygw) are built by name. A build is added to the cache atomically, and
concurrent builds wait for each other. The cache is $` + paths.CacheVariable + `, or "sparkchaos" in the user's cache directory.`,
		RunE: func(command *cobra.Command, names []string) error {
			cache, err := paths.Cache(getenv)
			if err != nil {
				return err
			}
			root, err := components.Source(source, cache)
			if err != nil {
				return withCode(ExitUsage, err)
			}
			return components.Build(command.Context(), components.Options{
				Source: root, Cache: cache, Only: names, Progress: command.ErrOrStderr(),
			})
		},
	}
	command.Flags().StringVar(&source, "source", "", "a checkout of sparkchaos, or a directory in one (default: the one around the working "+
		"directory, or what is embedded in this program)")
	return command
}

// listedComponent is one entry of "components list -o json".
type listedComponent struct {
	Name      string               `json:"name"`
	Version   string               `json:"version"`
	Key       string               `json:"key"`
	Built     bool                 `json:"built"`
	Bytes     int64                `json:"bytes"`
	Directory string               `json:"directory"`
	Programs  []components.Program `json:"programs"`
}

func newComponentsListCommand(getenv func(string) string) *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "list",
		Short: "List the components and whether they are built",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			write, err := listWriter(output)
			if err != nil {
				return err
			}
			cache, err := paths.Cache(getenv)
			if err != nil {
				return err
			}
			listed, err := listComponents(cache)
			if err != nil {
				return err
			}
			return write(command.OutOrStdout(), listed)
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return command
}

func listWriter(output string) (func(io.Writer, []listedComponent) error, error) {
	switch output {
	case "table":
		return writeComponentTable, nil
	case "json":
		return func(out io.Writer, listed []listedComponent) error { return printJSON(out, listed) }, nil
	default:
		return nil, usagef("--output is %q; expected table or json", output)
	}
}

func listComponents(cache string) ([]listedComponent, error) {
	all, err := components.Components()
	if err != nil {
		return nil, err
	}
	listed := make([]listedComponent, 0, len(all))
	for _, component := range all {
		entry := listedComponent{
			Name: component.Name, Version: component.Version, Key: component.Key,
			Built: component.Built(cache), Directory: component.Directory(cache), Programs: component.Programs(),
		}
		if entry.Built {
			if entry.Bytes, err = component.Size(cache); err != nil {
				return nil, err
			}
		}
		listed = append(listed, entry)
	}
	return listed, nil
}

func writeComponentTable(out io.Writer, listed []listedComponent) error {
	t := table.New("Component", "Version", "State", "Size", "Directory")
	for _, entry := range listed {
		state, size := "missing", "-"
		if entry.Built {
			state, size = "built", wording.Megabytes(entry.Bytes)
		}
		t.Add(entry.Name, entry.Version, state, size, entry.Directory)
	}
	return t.Render(out)
}

func newComponentsPathCommand(getenv func(string) string) *cobra.Command {
	return &cobra.Command{
		Use:   "path [PROGRAM...]",
		Short: "Print the paths of programs, or of the directory with all components",
		Example: `  sparkchaos components path kubectl
  "$(sparkchaos components path kubectl)" --kubeconfig "$KUBECONFIG" get nodes`,
		RunE: func(command *cobra.Command, programs []string) error {
			cache, err := paths.Cache(getenv)
			if err != nil {
				return err
			}
			set, err := components.Locate(cache)
			if err != nil {
				return err
			}
			if len(programs) == 0 {
				fmt.Fprintln(command.OutOrStdout(), filepath.Join(cache, "components"))
				return nil
			}
			for _, program := range programs {
				path := set.Path(components.Program(program))
				if path == "" {
					if path, err = components.LocateOnDemand(cache, components.Program(program)); err != nil {
						return usagef("%w; \"sparkchaos components list -o json\" names all programs", err)
					}
				}
				fmt.Fprintln(command.OutOrStdout(), path)
			}
			return nil
		},
	}
}
