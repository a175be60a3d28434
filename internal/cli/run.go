package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sparkchaos/sparkchaos"
	"github.com/sparkchaos/sparkchaos/internal/assembly"
	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/internal/testbed"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// runFlags are the flags of `run`.
type runFlags struct {
	plan        string
	seed        uint64
	cluster     *clusterChoice
	out         string
	keepCluster bool
	// keepOnFailure keeps the cluster of the first run that does not pass, and makes no further ones.
	keepOnFailure bool
	repeat        int
	allowed       testbed.Allowances
	wait          time.Duration
	plain         bool // lines that stay, also on a terminal
	reports       ciReports
}

// defaultCluster is the name of a cluster when the user gives none.
const defaultCluster = "sparkchaos"

// newRunCommand returns `sparkchaos run`.
func newRunCommand(getenv func(string) string) *cobra.Command {
	flags := runFlags{cluster: newClusterChoice()}
	command := &cobra.Command{
		Use:   "run SCENARIO… | --plan FILE",
		Short: "Launch a workload, inject faults, record what happens, and judge the record",
		Long: `For each scenario (a file, or the name of a shipped one), launch the workload, inject the faults at their anchors, record
what happens, judge the record, and report. All faults are recovered from at the end, also after Ctrl-C.

Only one run at a time uses a cluster. A second one is refused with a message that says which run holds the cluster and
since when; with --wait it waits for the cluster instead.

Exit codes: pass 0, violation 1, inconclusive 2, cluster or environment error 3, clean-up incomplete 4, usage 64,
interrupted 130. With several runs, the last words are a table of them, the worst first, and the exit code is that of the worst one,
in this order: violation, error, inconclusive, clean-up incomplete, pass.

On a terminal the last lines show the run as it is: what is awaited and for how much longer, faults, drivers with their executors,
and nodes. Elsewhere, in CI (CI is set), with NO_COLOR or TERM=dumb, and with --plain, only lines that stay are printed.

In GitHub Actions, where GITHUB_STEP_SUMMARY is set, all runs are added to the job summary and failures are annotated.`,
		Example: `  sparkchaos run driver-node-power-off
  sparkchaos run scenarios/*.yaml --seed 7
  sparkchaos run --plan runs/latest/plan.yaml --repeat 5`,
		RunE: func(command *cobra.Command, args []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			planned, err := planRuns(command, args, flags)
			if err != nil {
				return err
			}
			return carryOutAll(command, getenv, planned, flags, func(runs []report.Run) error {
				return errors.Join(printRuns(command.OutOrStdout(), getenv, runs), flags.reports.write(command.OutOrStdout(), getenv, runs))
			})
		},
	}
	f := command.Flags()
	f.StringVar(&flags.plan, "plan", "", "run this plan instead of scenarios")
	f.Uint64Var(&flags.seed, "seed", 0, "seed of all random choices; 0 picks one, which the plan and every report name")
	flags.cluster.addKind(f, "cluster type")
	f.StringVar(&flags.cluster.name, "cluster-name", defaultCluster,
		"name of the cluster; if it is already running it is reused and left running")
	f.StringVar(&flags.out, "out", "runs", "directory in which the directories of the runs are created")
	f.BoolVar(&flags.keepCluster, "keep-cluster", false, "do not remove the cluster that was created for the run")
	f.BoolVar(&flags.keepOnFailure, "keep-on-failure", false,
		"embedded, kind: do not remove the cluster of the first run that does not pass, and start no further runs")
	f.IntVar(&flags.repeat, "repeat", 1, "number of times to run each scenario")
	addAllowances(&flags.allowed, f)
	addWait(f, &flags.wait)
	addPlain(f, &flags.plain)
	flags.reports.addFlags(f)
	flags.cluster.addFlags(f, cluster.ToReach, cluster.ToRun)
	return command
}

// check refuses a cluster that cannot be meant, and a run for which an option is missing.
func (f runFlags) check() error {
	if _, err := f.cluster.of(); err != nil {
		return err
	}
	_, unnamed := f.cluster.clusterName()
	return errors.Join(unnamed, f.cluster.checkRun(), checkWait(f), checkKeep(f))
}

// plannedRun is a plan and, if it came from one, the scenario's own text.
type plannedRun struct {
	plan     *plan.Plan
	scenario []byte
	beside   string // directory of the file that it came from; empty if it was shipped

	repetition report.Repetition
}

// planRuns plans everything before anything starts, so that no mistake is found half-way.
func planRuns(command *cobra.Command, args []string, flags runFlags) ([]plannedRun, error) {
	if err := checkWhatToRun(command, args, flags.plan); err != nil {
		return nil, err
	}
	if err := checkOut(flags.out); err != nil {
		return nil, err
	}
	if flags.repeat < 1 {
		return nil, usagef("--repeat %d: expected 1 or more", flags.repeat)
	}
	if flags.plan != "" {
		p, err := loadPlan(flags.plan, flags.allowed.Options()...)
		if err != nil {
			return nil, err
		}
		beside := filepath.Dir(flags.plan)
		return []plannedRun{{plan: p, beside: beside}}, errors.Join(withCode(ExitUsage, flags.allowed.Check(p.Workload, beside)),
			assembly.CheckArtifacts(p.Workload, beside))
	}
	if flags.seed == 0 {
		flags.seed = uint64(rand.Uint32()) + 1 // the plan and every report say which
	}
	var planned []plannedRun
	var errs []error
	for _, arg := range args {
		one, err := planRun(arg, flags)
		errs = append(errs, err)
		planned = append(planned, one)
	}
	return planned, errors.Join(errs...)
}

// checkWhatToRun refuses a command line without a scenario or plan, and one with both.
func checkWhatToRun(command *cobra.Command, args []string, plan string) error {
	see := fmt.Sprintf("\nsee %q", command.CommandPath()+" --help")
	switch {
	case plan == "" && len(args) == 0:
		return usagef("no scenario is given: name a file or a shipped scenario (`sparkchaos list` shows them), or give --plan FILE%s", see)
	case plan != "" && len(args) > 0:
		return usagef("--plan %s and the scenario %s exclude each other: give one of them%s", plan, args[0], see)
	default:
		return nil
	}
}

// checkOut refuses a directory of runs that cannot be one.
func checkOut(out string) error {
	if info, err := os.Stat(out); err == nil && !info.IsDir() {
		return usagef("--out %s: it is a file; expected a directory, which is made if it is missing", out)
	}
	return nil
}

func planRun(arg string, flags runFlags) (plannedRun, error) {
	text, shipped, err := assembly.ReadScenario(arg)
	if err != nil {
		return plannedRun{}, err
	}
	return planText(arg, assembly.BesideOf(arg, shipped), text, flags)
}

// planText plans a run of a scenario; file is its name for messages, beside the directory of the files that it names.
func planText(file, beside string, text []byte, flags runFlags) (plannedRun, error) {
	s, err := scenario.Load(file, text, catalogue(), flags.allowed.Options()...)
	if err != nil {
		return plannedRun{}, withCode(ExitUsage, err)
	}
	p, err := makePlan(s, flags.seed, flags.cluster)
	if err != nil {
		return plannedRun{}, err
	}
	one := plannedRun{plan: p, scenario: text, beside: beside}
	return one, errors.Join(withCode(ExitUsage, flags.allowed.Check(p.Workload, one.beside)), assembly.CheckArtifacts(p.Workload, one.beside))
}

// carryOutAll runs plans on the cluster that the flags of a command mean, and lets conclude report all runs.
func carryOutAll(
	command *cobra.Command, getenv func(string) string, planned []plannedRun, flags runFlags, conclude func([]report.Run) error,
) error {
	ctx, show := command.Context(), newProgress(command.ErrOrStderr(), getenv, flags.plain)
	source, options, err := harness(command, getenv, flags, show)
	if err != nil {
		return err
	}
	lab, err := sparkchaos.Reserve(ctx, source, options...)
	if err != nil {
		return refused(ctx, err, flags.wait)
	}
	defer func() { _ = lab.Close() }() // no run leaves anything to be removed by it
	defer sayKept(lab, flags.keepCluster, show)
	keeper := newKeeper(lab, flags.keepOnFailure && !flags.keepCluster, show)
	worst, runs := carryOutEach(command, getenv, lab, planned, flags.repeat, keeper, show)
	if err := conclude(runs); err != nil {
		worst = worst.or(outcome{code: codeOf(err), err: err})
	}
	switch {
	case ctx.Err() != nil:
		return withCode(ExitInterrupted, worst.interrupted())
	case worst.err != nil:
		return withCode(worst.code, worst.err)
	default:
		return exitWith(worst.code)
	}
}

// carryOutEach runs the plans one after the other until the command is interrupted.
func carryOutEach(
	command *cobra.Command, getenv func(string) string, lab *sparkchaos.Cluster, planned []plannedRun, repeat int, keeper failureKeeper,
	show *progress,
) (outcome, []report.Run) {
	worst := outcome{code: ExitPass}
	var runs []report.Run
	for _, one := range planned {
		for n := 1; n <= repeat; n++ {
			if repeat > 1 {
				one.repetition = report.Repetition{Number: n, Of: repeat}
			}
			if repeat > 1 || len(planned) > 1 {
				show.Say("run %s, %d of %d", one.plan.Scenario.Name, n, repeat)
			}
			result, run := carryOut(command, getenv, lab, one)
			goOn, err := keeper.after(command.Context(), result, len(planned)*repeat-len(runs)-1)
			if err != nil {
				result = result.or(outcome{code: ExitCleanUpLeftovers, err: err})
			}
			worst, runs = worst.or(result), append(runs, run)
			if command.Context().Err() != nil || !goOn {
				return worst, runs
			}
		}
	}
	return worst, runs
}

// refused explains why a cluster cannot be used.
func refused(ctx context.Context, err error, patience time.Duration) error {
	var left *sparkchaos.CleanUpError
	switch {
	case ctx.Err() != nil:
		return withCode(ExitInterrupted, err)
	case errors.As(err, &left):
		return withCode(ExitCleanUpLeftovers, err)
	case patience == 0 && isHeld(err):
		return fmt.Errorf("%w; --wait waits for it, and --cluster-name takes another cluster", err)
	default:
		return err
	}
}

// outcome is what a run means for the exit code.
type outcome struct {
	code ExitCode
	err  error // what is still to be said; nil if the report says it all
	left bool  // the clean-up is incomplete
}

// severity orders exit codes: a violation is never hidden by other trouble.
func (o outcome) severity() int {
	for i, code := range []ExitCode{ExitPass, ExitCleanUpLeftovers, ExitInconclusive, ExitUsage, ExitError, ExitViolation} {
		if o.code == code {
			return i
		}
	}
	return 0
}

func (o outcome) or(other outcome) outcome {
	errs := errors.Join(o.err, other.err)
	if other.severity() > o.severity() {
		o.code = other.code
	}
	o.err, o.left = errs, o.left || other.left
	return o
}

// interrupted says what an interrupt left.
func (o outcome) interrupted() error {
	if o.left {
		return fmt.Errorf("interrupted; the run directory is kept\n%w", o.err)
	}
	return errors.Join(errors.New("interrupted; the faults were undone, the run directory is kept"), o.err)
}

// carryOut runs one plan and prints the verdict.
func carryOut(command *cobra.Command, getenv func(string) string, lab *sparkchaos.Cluster, one plannedRun) (outcome, report.Run) {
	verdict, err := lab.Carry(command.Context(), sparkchaos.Planned{
		Plan: one.plan, Scenario: one.scenario, Beside: one.beside, Repetition: one.repetition,
	})
	if verdict.Directory == "" { // reports of all runs must not look as if it had never been asked for
		failed := check.RunVerdict{Scenario: one.plan.Scenario.Name, Seed: one.plan.Seed, Verdict: check.Error, Reason: fmt.Sprint(err)}
		return outcome{code: ExitError, err: err}, report.Run{Verdict: failed}
	}
	if err == nil {
		err = printRun(command, getenv, verdict)
	}
	return outcomeOf(verdict, err), report.Run{Verdict: verdict.RunVerdict, Info: verdict.Info}
}

func printRun(command *cobra.Command, getenv func(string) string, verdict sparkchaos.Verdict) error {
	if err := printReports(command, getenv, []report.Format{report.Table}, verdict.RunVerdict, verdict.Info); err != nil {
		return err
	}
	_, err := fmt.Fprintf(command.OutOrStdout(), "run directory: %s\n", verdict.Directory)
	return err
}

// printRuns ends the reports of several runs with a table of all of them.
func printRuns(out io.Writer, getenv func(string) string, runs []report.Run) error {
	if len(runs) < 2 {
		return nil
	}
	content, err := report.RenderRuns(runs, report.StyleFor(out, getenv))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\n%s", content)
	return err
}

// outcomeOf weighs what a run came to: its verdict, whether it could be judged and reported, and how the run ended. A
// report that cannot be written hides no violation.
func outcomeOf(verdict sparkchaos.Verdict, report error) outcome {
	result := outcome{code: codeOfVerdict(verdict.RunVerdict.Verdict)}
	if verdict.Trouble != nil {
		trouble := outcome{code: ExitError, err: verdict.Trouble}
		if verdict.RunVerdict.Verdict == check.Error && isOption(verdict.Trouble) { // the scenario asks for what cannot be, not the machine
			result.code, trouble.code = ExitUsage, ExitUsage
		}
		result = result.or(trouble)
	}
	if report != nil {
		result = result.or(outcome{code: ExitError, err: report})
	}
	if verdict.LeftBehind != nil {
		left := fmt.Errorf("the clean-up is incomplete, `sparkchaos cleanup` tries again: %w", verdict.LeftBehind)
		result = result.or(outcome{code: ExitCleanUpLeftovers, err: left, left: true})
	}
	return result
}

// harness returns the cluster that the flags of a command mean, and how it is used.
func harness(
	command *cobra.Command, getenv func(string) string, flags runFlags, show *progress,
) (sparkchaos.Source, []sparkchaos.Option, error) {
	kind, err := flags.cluster.of()
	if err != nil {
		return sparkchaos.Source{}, nil, err
	}
	ctx, cleanUp := command.Context(), cleanUpCommand(command.Flags())
	say := func(line string) { show.Say("%s", line) }
	underway := func(u *runner.Underway) func() {
		return interruptsOf(ctx).during(interruptible{
			undoing: u.Undoing, left: u.Left, cleanUp: cleanUp, leave: func() { show.Hide() },
		}, show.Say)
	}
	allow := asker(flags.cluster.yes, say, os.Stdin, os.Stderr)
	confirm := questioner(ctx, flags.cluster.yes, show.Say, os.Stdin, os.Stderr)
	options := []sparkchaos.Option{
		sparkchaos.Getenv(getenv), sparkchaos.RunsIn(flags.out), sparkchaos.Wait(flags.wait), sparkchaos.Progress(show),
		sparkchaos.Allow(func(ctx context.Context, name, shown string) error {
			defer show.Hide()()
			return allow(ctx, name, shown)
		}),
		sparkchaos.Confirm(func(question string) error {
			defer show.Hide()()
			return confirm(question)
		}),
		sparkchaos.AllowEnv(flags.allowed.Env...), sparkchaos.AllowFile(flags.allowed.Files...),
		sparkchaos.CommandLine("a command `run`", given(command.Flags()), cleanUp), sparkchaos.Underway(underway),
	}
	if flags.keepCluster || flags.keepOnFailure {
		options = append(options, sparkchaos.Keep())
	}
	return sparkchaos.Of(kind, flags.cluster.name), options, nil
}

// clusterFlag names the cluster type.
const clusterFlag = "cluster"

// yesFlag answers the questions of one command. It is not repeated in the command line that runs a run again: that run asks again.
const yesFlag = "yes"

// given returns the flags that say which cluster is meant and were given, as they are to be given again.
func given(flags *pflag.FlagSet) []string {
	known := pflag.NewFlagSet("", pflag.ContinueOnError)
	newClusterChoice().addFlags(known, cluster.ToReach, cluster.ToRun)
	addAllowances(new(testbed.Allowances), known)
	return givenAmong(flags, known)
}

// cleanUpCommand is the command line that cleans up after a run that was started with the flags.
func cleanUpCommand(flags *pflag.FlagSet) string {
	known := pflag.NewFlagSet("", pflag.ContinueOnError)
	newClusterChoice().addFlags(known, cluster.ToReach)
	line := "sparkchaos cleanup"
	for _, flag := range givenAmong(flags, known) {
		line += " " + printable.ShellWord(flag)
	}
	return line
}

func givenAmong(flags, known *pflag.FlagSet) []string {
	var again []string
	flags.Visit(func(f *pflag.Flag) {
		if f.Name == yesFlag || f.Name != clusterFlag && known.Lookup(f.Name) == nil {
			return
		}
		values := []string{f.Value.String()}
		if several, ok := f.Value.(pflag.SliceValue); ok {
			values = several.GetSlice()
		}
		for _, value := range values {
			again = append(again, "--"+f.Name+"="+value)
		}
	})
	return again
}

// newCleanupCommand returns `sparkchaos cleanup`.
func newCleanupCommand(getenv func(string) string) *cobra.Command {
	flags := runFlags{cluster: newClusterChoice()}
	command := &cobra.Command{
		Use: "cleanup", Short: "Clean up after runs that were killed: recover from their faults, remove their objects", Args: cobra.NoArgs,
		Long: `Clean up after runs that were killed: recover from their faults and remove their objects, on all clusters of this machine.
With --cluster existing, also after runs that any machine started on that cluster; what may be disturbed there is shown
first, and you are asked to confirm it.

Only the cluster and the machines that an undo record names are touched. If they cannot be proven to be the same ones (a
record without the cluster's identity, a machine that has to be switched off and on), you are asked to confirm; --yes
confirms without asking.`,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := flags.cluster.checkRun(); err != nil {
				return err
			}
			source, options, err := harness(command, getenv, flags, newProgress(command.ErrOrStderr(), getenv, flags.plain))
			if err != nil {
				return err
			}
			lab, err := sparkchaos.Prepare(source, options...)
			if err != nil {
				return err
			}
			return refused(command.Context(), lab.CleanUp(command.Context()), 0)
		},
	}
	command.Flags().StringVar(&flags.cluster.kind, clusterFlag, flags.cluster.kind, "existing: also clean up an existing cluster")
	addPlain(command.Flags(), &flags.plain)
	flags.cluster.addFlags(command.Flags(), cluster.ToReach)
	return command
}
