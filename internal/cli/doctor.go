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

// diagnosis is what can be said of one kind of cluster on this machine.
type diagnosis struct {
	kind  string
	lacks error    // what keeps it from being made, each with what mends it; nil: it can be made
	notes []string // what one should know of it
}

// newDoctorCommand returns `sparkchaos doctor`.
func newDoctorCommand(getenv func(string) string) *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Say which kinds of cluster this machine can have, and what mends what is missing", Args: cobra.NoArgs,
		Long: `Say of each kind of cluster whether this machine can have it, which way it is made here, and what is missing, with the
command that mends it. Nothing is changed. Exit code 3 if no kind can be had.`,
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

// diagnoseExisting looks for contexts; whether a cluster answers is not asked of any that was not allowed.
func diagnoseExisting() diagnosis {
	contexts, err := existing.Contexts("")
	if err == nil && len(contexts) == 0 {
		err = errors.New("no context was found: set KUBECONFIG, or name the file with --kubeconfig")
	}
	d := diagnosis{kind: existingKind, lacks: err}
	if err == nil {
		d.notes = append(d.notes, fmt.Sprintf("the kubeconfig has the contexts %s; each is worked on only with --allow-context", strings.Join(contexts, ", ")))
	}
	return d
}

// printDiagnoses prints what was found and says whether any kind can be had.
func printDiagnoses(out io.Writer, all []diagnosis) (any bool) {
	for _, d := range all {
		if d.lacks == nil {
			any = true
			fmt.Fprintf(out, "%s: ready\n", d.kind)
		} else {
			fmt.Fprintf(out, "%s: cannot be had here\n  - %s\n", d.kind, strings.ReplaceAll(d.lacks.Error(), "\n", "\n  - "))
		}
		for _, note := range d.notes {
			fmt.Fprintf(out, "  %s\n", note)
		}
	}
	return any
}

// needsRoot says that a kind of cluster is only for root, and why.
func needsRoot(why string) error {
	if os.Geteuid() == 0 {
		return nil
	}
	return fmt.Errorf("root is needed, this is user %d: %s; run it with sudo", os.Geteuid(), why)
}
