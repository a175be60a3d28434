package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/existing"
)

// diagnosis describes one cluster type on this machine.
type diagnosis struct {
	kind  string
	lacks error    // what is missing, each with its fix; nil: nothing
	notes []string // further information
}

// newDoctorCommand returns `sparkchaos doctor`.
func newDoctorCommand(getenv func(string) string) *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Check which cluster types work on this machine, and how to fix what is missing", Args: cobra.NoArgs,
		Long: `Check for each cluster type whether it works on this machine, how it would be made here, and what is missing, with the
command that fixes it. Nothing is changed. Exit code 3 if no cluster type works.`,
		RunE: func(command *cobra.Command, _ []string) error {
			state, err := paths.State(getenv)
			if err != nil {
				return err
			}
			cache, err := paths.Cache(getenv)
			if err != nil {
				return err
			}
			all := append(diagnose(command.Context(), state, cache), diagnoseExisting())
			if !printDiagnoses(command.OutOrStdout(), all) {
				return exitWith(ExitError)
			}
			return nil
		},
	}
}

// diagnoseExisting lists the contexts of the kubeconfig. It contacts no cluster, because none was allowed.
func diagnoseExisting() diagnosis {
	contexts, err := existing.Contexts("")
	if err == nil && len(contexts) == 0 {
		err = errors.New("no context was found: set KUBECONFIG, or name the file with --kubeconfig")
	}
	d := diagnosis{kind: existingKind, lacks: err}
	if err == nil {
		d.notes = append(d.notes, fmt.Sprintf("the kubeconfig has the contexts %s; each is used only if --allow-context names it", strings.Join(contexts, ", ")))
	}
	return d
}

// printDiagnoses prints what was found and reports whether any cluster type works.
func printDiagnoses(out io.Writer, all []diagnosis) (any bool) {
	for _, d := range all {
		if d.lacks == nil {
			any = true
			fmt.Fprintf(out, "%s: ready\n", d.kind)
		} else {
			fmt.Fprintf(out, "%s: does not work here\n  - %s\n", d.kind, strings.ReplaceAll(d.lacks.Error(), "\n", "\n  - "))
		}
		for _, note := range d.notes {
			fmt.Fprintf(out, "  %s\n", note)
		}
	}
	return any
}

// needsRoot returns an error with the reason unless the process runs as root.
func needsRoot(why string) error {
	if os.Geteuid() == 0 {
		return nil
	}
	return fmt.Errorf("root is needed, this is user %d: %s; run it with sudo", os.Geteuid(), why)
}
