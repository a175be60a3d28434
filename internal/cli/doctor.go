package cli

import (
	"context"
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
	return &cobra.Command{
		Use: "doctor", Short: "Check which cluster types work on this machine, and how to fix what is missing", Args: cobra.NoArgs,
		Long: `Check for each cluster type whether it works on this machine, how it would be made here, and what is missing, with the
command that fixes it. Nothing is changed. Exit code 3 if no cluster type works.`,
		RunE: func(command *cobra.Command, _ []string) error {
			all, err := diagnose(command.Context(), getenv)
			if err != nil {
				return err
			}
			if !printDiagnoses(command.OutOrStdout(), all) {
				return exitWith(ExitError)
			}
			return nil
		},
	}
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
			d.Notes = append(d.Notes, note)
		}
		all = append(all, d)
	}
	return all, nil
}

// inotifyNote says when the kernel may refuse the nodes of several clusters; empty if it will not.
func inotifyNote(read func(string) ([]byte, error)) string {
	const setting, enough = "fs.inotify.max_user_instances", 512 // kind's own advice
	content, err := read("/proc/sys/" + strings.ReplaceAll(setting, ".", "/"))
	if err != nil {
		return ""
	}
	instances, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil || instances >= enough {
		return ""
	}
	return fmt.Sprintf("%s is %d, which all nodes of all clusters share: with too many of them kubelet fails with \"too many open files\"; "+
		"fix it with `sysctl %s=%d`", setting, instances, setting, enough)
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
