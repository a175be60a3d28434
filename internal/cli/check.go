package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos"
	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/internal/regular"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

// historyFile is the record in a run directory.
const historyFile = report.HistoryFile

func newCheckCommand(getenv func(string) string) *cobra.Command {
	var output string
	var verify bool
	command := &cobra.Command{
		Use:   "check RUNDIR",
		Short: "Re-evaluate a stored run offline, and exit with the code of its verdict",
		Long: `Judge the history of a run directory again and write verdict.json. No cluster is needed. The same history gives the same
verdict, byte for byte; a verdict.json that differs is reported and replaced.

Exit codes: pass 0, violation 1, inconclusive 2, error 3.`,
		Example: `  sparkchaos check runs/latest
  sparkchaos check runs/latest -o json | jq .results
  sparkchaos check runs/latest --verify`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			format, err := checkFormat(output)
			if err != nil {
				return err
			}
			verdict, err := judgeDirectory(command.Context(), args[0])
			if err != nil {
				return err
			}
			if err := settleVerdict(command, args[0], verdict, verify); err != nil {
				return err
			}
			if err := tellStrangers(command, args[0], verdict, verify); err != nil {
				return err
			}
			_, info, err := report.Load(args[0])
			if err != nil {
				return err
			}
			if err := printReports(command, getenv, []report.Format{format}, verdict, info); err != nil {
				return err
			}
			return exitWith(codeOfVerdict(verdict.Verdict))
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "table", "how to print the verdict: table or json")
	command.Flags().BoolVar(&verify, "verify", false, "do not write verdict.json; fail (3) unless it is the verdict that the history gives")
	return command
}

func checkFormat(output string) (report.Format, error) {
	switch format := report.Format(output); format {
	case report.Table, report.JSON:
		return format, nil
	default:
		return "", usagef("--output: %q is unknown; want table or json", output)
	}
}

func judgeDirectory(ctx context.Context, directory string) (check.RunVerdict, error) {
	verdict, err := sparkchaos.Judge(ctx, directory, sparkchaos.Catalogue())
	if errors.Is(err, fs.ErrNotExist) {
		return check.RunVerdict{}, usagef("%w; give a run directory, like runs/latest", err)
	}
	return verdict.RunVerdict, err
}

// settleVerdict compares a verdict with the one that is stored, and stores it.
func settleVerdict(command *cobra.Command, directory string, verdict check.RunVerdict, verify bool) error {
	judged, err := report.EncodeVerdict(verdict)
	if err != nil {
		return err
	}
	path := filepath.Join(directory, report.VerdictFile)
	stored, err := regular.ReadFile(path, report.MaxFileBytes)
	absent := errors.Is(err, fs.ErrNotExist)
	if err != nil && !absent {
		return err
	}
	switch {
	case !absent && bytes.Equal(stored, judged):
		return nil
	case verify && absent:
		return fmt.Errorf("there is nothing to verify: %w", err)
	case verify:
		return fmt.Errorf("%s is not what the history gives: %s", path, difference(stored, verdict))
	case !absent:
		fmt.Fprintln(command.ErrOrStderr(), printable.Lines(fmt.Sprintf("sparkchaos: %s is replaced: %s", path, difference(stored, verdict))))
	}
	return report.WriteFiles(directory, verdict, report.RunInfo{Directory: directory}, report.JSON)
}

// tellStrangers names the files of the run directory that are not those of the history, and, where a directory is verified,
// another release that recorded it. To verify a directory is to find none of the files.
func tellStrangers(command *cobra.Command, directory string, verdict check.RunVerdict, verify bool) error {
	others, err := strangers(directory)
	if err != nil {
		return err
	}
	for _, other := range others {
		fmt.Fprintln(command.ErrOrStderr(), printable.Lines("sparkchaos: "+other))
	}
	if recorded, judged := verdict.Recorded, programVersion(); verify && recorded != "" && recorded != judged {
		fmt.Fprintln(command.ErrOrStderr(), printable.Lines(fmt.Sprintf("sparkchaos: release %s recorded the run, release %s judges it", recorded,
			judged)))
	}
	if verify && len(others) > 0 {
		return fmt.Errorf("%s is not as the run left it: %s", directory, others[0])
	}
	return nil
}

// difference says in what a stored verdict differs from the one judged now.
func difference(stored []byte, judged check.RunVerdict) string {
	old, err := report.DecodeVerdict(stored)
	switch {
	case err != nil:
		return err.Error()
	case old.HistorySHA256 != judged.HistorySHA256:
		return "it was judged from another history (SHA-256 " + old.HistorySHA256 + ", now " + judged.HistorySHA256 + ")"
	case old.Verdict != judged.Verdict:
		return fmt.Sprintf("it says %s, the history gives %s (%s)", old.Verdict, judged.Verdict, judged.Reason)
	default:
		return "the verdict is the same, its details are not; it was judged by another release, or changed"
	}
}

// codeOfVerdict returns what to exit with after a verdict.
func codeOfVerdict(verdict check.Verdict) ExitCode {
	switch verdict {
	case check.Pass:
		return ExitPass
	case check.Violation:
		return ExitViolation
	case check.Inconclusive:
		return ExitInconclusive
	default:
		return ExitError
	}
}
