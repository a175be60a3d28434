package cli

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

func newTellCommand(getenv func(string) string) *cobra.Command {
	return &cobra.Command{
		Use:   "tell RUNDIR",
		Short: "Tell the story of a stored run in plain sentences",
		Long: `Tell what happened in a run: what ran where, which faults were injected and how they were proven to land, who noticed them
and when, what recovered, what it cost, and what was not observed. Each sentence ends with the numbers of the events that
prove it; "sparkchaos show" prints an event. No cluster is needed. The exit code is 0 if the story could be told, whatever
the verdict is.`,
		Example: `  sparkchaos tell runs/latest`,
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			verdict, info, err := loadRun(args[0])
			if err != nil {
				return err
			}
			story, err := report.Story(verdict, info)
			if err != nil {
				return err
			}
			if len(story.Paragraphs) == 0 {
				return usagef("%s has no %s that this release reads: there is nothing to tell", args[0], report.HistoryFile)
			}
			out := command.OutOrStdout()
			if _, err := out.Write(report.StoryText(story, verdict, info, report.StyleFor(out, getenv))); err != nil {
				return fmt.Errorf("print the story: %w", err)
			}
			return nil
		},
	}
}

// loadRun reads a run directory that was judged; one that is not there is a mistake of the caller's.
func loadRun(directory string) (check.RunVerdict, report.RunInfo, error) {
	verdict, info, err := report.Load(directory)
	if errors.Is(err, fs.ErrNotExist) {
		return verdict, info, withCode(ExitUsage, err)
	}
	return verdict, info, err
}
