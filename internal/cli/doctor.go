package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// diagnosis describes one cluster type on this machine.
type diagnosis struct {
	kind string
	cluster.Diagnosis
}

// newDoctorCommand returns `sparkchaos doctor`.
func newDoctorCommand(getenv func(string) string) *cobra.Command {
	var fix, yes bool
	command := &cobra.Command{
		Use: "doctor", Short: "Check which cluster types work on this machine, and how to fix what is missing", Args: cobra.NoArgs,
		Long: `Check for each cluster type whether it works on this machine, how it would be made here, and what is missing, with the
command that fixes it. Exit code 3 if no cluster type works.

Without --fix nothing is changed. With --fix it installs packages of the distribution (as root, on Debian), builds components, and
raises limits of the kernel until the next boot, each after a question that --yes answers. Then it checks again; what it still names
is left to you.`,
		RunE: func(command *cobra.Command, _ []string) error {
			look := func() ([]diagnosis, error) { return diagnose(command.Context(), getenv) }
			all, err := look()
			if err != nil {
				return err
			}
			out := command.OutOrStdout()
			works := printDiagnoses(out, all)
			if fix {
				say := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
				ask := questioner(command.Context(), yes, say, os.Stdin, command.ErrOrStderr())
				mended := doctorFixes(getenv, out, command.ErrOrStderr()).mend(command.Context(), all, say, ask)
				if all, err = look(); err != nil {
					return errors.Join(mended, err)
				}
				works = printDiagnoses(out, all)
				if mended != nil {
					return mended
				}
			}
			if !works {
				return exitWith(ExitError)
			}
			return nil
		},
	}
	command.Flags().BoolVar(&fix, "fix", false, "fix what is named, as far as this program can")
	command.Flags().BoolVarP(&yes, yesFlag, "y", false, "with --fix: do not ask")
	return command
}

// diagnose looks at this machine for each kind of cluster.
func diagnose(ctx context.Context, getenv func(string) string) ([]diagnosis, error) {
	choice := newClusterChoice()
	env, err := choice.environment(getenv, func(string) {})
	if err != nil {
		return nil, err
	}
	note := inotifyNote(os.ReadFile)
	var all []diagnosis
	for _, kind := range choice.kinds {
		d := diagnosis{kind: kind.Name, Diagnosis: kind.Diagnose(ctx, env)}
		if note != "" && !kind.Foreign && kind.Unavailable == nil {
			d.Notes, d.Remedies = append(d.Notes, note), append(d.Remedies, raiseInotify)
		}
		all = append(all, d)
	}
	return all, nil
}

// inotifyNote says when the kernel may refuse the nodes of several clusters; empty if it will not.
func inotifyNote(read func(string) ([]byte, error)) string {
	content, err := read(inotifyFile)
	if err != nil {
		return ""
	}
	instances, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil || instances >= inotifyEnough {
		return ""
	}
	return fmt.Sprintf("%s is %d, which all nodes of all clusters share: with too many of them kubelet fails with \"too many open files\"; "+
		"fix it with `sysctl %s=%d`", inotifySetting, instances, inotifySetting, inotifyEnough)
}

// printDiagnoses prints what was found and reports whether any cluster type works.
func printDiagnoses(out io.Writer, all []diagnosis) (any bool) {
	for _, d := range all {
		if d.Lacks == nil {
			any = true
			fmt.Fprintf(out, "%s: ready\n", d.kind)
		} else {
			fmt.Fprintf(out, "%s: does not work here\n  - %s\n", d.kind, strings.ReplaceAll(d.Lacks.Error(), "\n", "\n  - "))
		}
		for _, note := range d.Notes {
			fmt.Fprintf(out, "  %s\n", note)
		}
	}
	return any
}
