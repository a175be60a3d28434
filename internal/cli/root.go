// Package cli is sparkchaos' command line: one file a command. It alone prints to the user and decides exit codes.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/internal/stagingcli"
	"github.com/sparkchaos/sparkchaos/internal/usage"
)

// Streams are the process' standard streams.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// NewRoot returns the command "sparkchaos" with the subcommands that this operating system has.
func NewRoot() *cobra.Command { return newRootOn(runtime.GOOS) }

// newRootOn returns the command as an operating system has it.
func newRootOn(system string) *cobra.Command {
	root := newGroup("sparkchaos", "Does a Spark application on Kubernetes survive losing its nodes and pods?",
		newChaosMeshCommand(os.Getenv),
		newCacheCommand(os.Getenv),
		newCheckCommand(os.Getenv),
		newAdviseCommand(os.Getenv),
		newCleanupCommand(os.Getenv),
		newClusterCommand(os.Getenv),
		newComponentsCommand(os.Getenv),
		newDiffCommand(),
		newDoctorCommand(os.Getenv),
		newExplainCommand(),
		newGateCommand(os.Getenv),
		newImageCommand(os.Getenv),
		newImportCommand(),
		newInitCommand(),
		newKindCommand(os.Getenv),
		newLintCommand(),
		newListCommand(os.Getenv),
		newManCommand(),
		newPartsCommand(os.Getenv),
		newPlanCommand(),
		newRenderCommand(os.Getenv),
		newReportCommand(os.Getenv),
		newRunCommand(os.Getenv),
		newSchemaCommand(),
		newServeCommand(),
		newSetupCommand(os.Getenv),
		newShowCommand(),
		stagingcli.New(),
		newTellCommand(os.Getenv),
		newUninstallCommand(os.Getenv),
		newVersionCommand(),
		newWatchCommand(os.Getenv),
	)
	if system != linux {
		withoutOwnClusters(root, system)
	}
	// Main prints errors; usage under each of them would hide what they say.
	root.SilenceErrors, root.SilenceUsage = true, true
	root.Version = versionLine()
	root.SetVersionTemplate("sparkchaos {{.Version}}\n")
	return root
}

// Main runs a command line, given without the program's name, and returns the code to exit with. SIGINT and SIGTERM
// end the command's context, so that it can undo what it did; a later one ends the process at once (see interrupts).
func Main(args []string, streams Streams) int { return interruptibly(NewRoot(), args, streams) }

func interruptibly(root *cobra.Command, args []string, streams Streams) int {
	ctx, stop := catchInterrupts(context.Background(), streams.Err)
	defer stop()
	return int(execute(ctx, root, args, streams))
}

func execute(ctx context.Context, root *cobra.Command, args []string, streams Streams) ExitCode {
	started := false
	noteStart(root, &started)
	usage.Plain(root)
	root.SetArgs(append([]string{}, args...)) // of none at all cobra would take the process's own
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	command, err := root.ExecuteContextC(ctx)
	if err != nil && !started {
		// Whatever cobra refuses before a command starts is about arguments and flags.
		err = usagef("%w\nsee \"%s --help\"", err, command.CommandPath())
	}
	if message := messageOf(err); message != "" {
		fmt.Fprintf(streams.Err, "sparkchaos: %s\n", printable.Lines(message))
	}
	return codeOf(err)
}

// noteStart makes each command of a tree tell when its own code begins to run.
func noteStart(command *cobra.Command, started *bool) {
	if run := command.RunE; run != nil {
		command.RunE = func(command *cobra.Command, args []string) error {
			*started = true
			return run(command, args)
		}
	}
	for _, child := range command.Commands() {
		noteStart(child, started)
	}
}

// newGroup returns a command that only holds others, and refuses names that are none of them.
func newGroup(use, short string, children ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.Join(command.Help(), exitWith(ExitUsage))
			}
			hint := fmt.Sprintf("see %q", command.CommandPath()+" --help")
			if near := command.SuggestionsFor(args[0]); len(near) > 0 {
				hint = "did you mean " + strings.Join(near, " or ") + "?"
			}
			return usagef("there is no command %q; %s", command.CommandPath()+" "+args[0], hint)
		},
		SuggestionsMinimumDistance: 2,
	}
	group.AddCommand(children...)
	return group
}
