package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/kinds"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/image"
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
	repeat      int
	allowed     allowances
	wait        time.Duration
}

// defaultCluster is the name of a cluster when the user gives none.
const defaultCluster = "sparkchaos"

// newRunCommand returns `sparkchaos run`.
func newRunCommand(getenv func(string) string) *cobra.Command {
	flags := runFlags{cluster: newClusterChoice()}
	command := &cobra.Command{
		Use:   "run SCENARIO… | --plan FILE",
		Short: "Launch a workload, inject faults, record what happens, and judge the record",
		Long: `Launch the workload of each scenario (a file, or the name of a shipped one), inject its faults at their anchors,
record everything, judge the record, and report. All faults are undone at the end, also after Ctrl-C.

Only one run at a time uses a cluster. A second one is refused with a message that says which run holds the cluster and
since when; with --wait it waits for the cluster instead.

Exit codes: pass 0, violation 1, inconclusive 2, cluster or environment error 3, clean-up incomplete 4, usage 64,
interrupted 130. With several runs, the exit code is that of the worst one, in this order: violation, error, inconclusive,
clean-up incomplete, pass.`,
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
			return carryOutAll(command, getenv, planned, flags)
		},
	}
	f := command.Flags()
	f.StringVar(&flags.plan, "plan", "", "run a stored plan instead of scenarios")
	f.Uint64Var(&flags.seed, "seed", 0, "decides every random choice; 0 picks a seed, which the plan and every report name")
	flags.cluster.addKind(f, "cluster type")
	f.StringVar(&flags.cluster.name, "cluster-name", defaultCluster, "name of the cluster; if it is already running it is reused and left running")
	f.StringVar(&flags.out, "out", "runs", "directory in which each run gets a directory of its own")
	f.BoolVar(&flags.keepCluster, "keep-cluster", false, "do not remove the cluster that was made for the run")
	f.IntVar(&flags.repeat, "repeat", 1, "how often to run each scenario")
	flags.allowed.add(f)
	addWait(f, &flags.wait)
	flags.cluster.addFlags(f, cluster.ToReach, cluster.ToRun)
	return command
}

// check refuses a cluster that cannot be meant, and a run for which an option is missing.
func (f runFlags) check() error {
	if _, err := f.cluster.of(); err != nil {
		return err
	}
	_, unnamed := f.cluster.clusterName()
	return errors.Join(unnamed, f.cluster.checkRun(), checkWait(f))
}

// plannedRun is a plan and, if it came from one, the scenario's own text.
type plannedRun struct {
	plan     *plan.Plan
	scenario []byte
	beside   string // directory of the file that it came from; empty if it was shipped
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
		p, err := loadPlan(flags.plan, plainSecretsOption(flags.allowed.plainSecrets)...)
		if err != nil {
			return nil, err
		}
		beside := filepath.Dir(flags.plan)
		return []plannedRun{{plan: p, beside: beside}}, errors.Join(flags.allowed.check(p.Workload, beside), checkArtifacts(p.Workload, beside))
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
	text, shipped, err := readScenario(arg)
	if err != nil {
		return plannedRun{}, err
	}
	s, err := scenario.Load(arg, text, catalogue(), plainSecretsOption(flags.allowed.plainSecrets)...)
	if err != nil {
		return plannedRun{}, withCode(ExitUsage, err)
	}
	p, err := makePlan(s, flags.seed, flags.cluster)
	if err != nil {
		return plannedRun{}, err
	}
	one := plannedRun{plan: p, scenario: text, beside: besideOf(arg, shipped)}
	return one, errors.Join(flags.allowed.check(p.Workload, one.beside), checkArtifacts(p.Workload, one.beside))
}

func carryOutAll(command *cobra.Command, getenv func(string) string, planned []plannedRun, flags runFlags) error {
	options, err := runOptions(command, getenv, flags)
	if err != nil {
		return err
	}
	find, err := artifactFinder(getenv)
	if err != nil {
		return err
	}
	release, err := holdCluster(command.Context(), options, flags.wait)
	if err != nil {
		return err
	}
	defer release()
	if err := cleanUpBefore(command.Context(), options, flags); err != nil {
		return err
	}
	defer sayKept(options)
	worst := outcome{code: ExitPass}
	for _, one := range planned {
		for n := 1; n <= flags.repeat; n++ {
			if flags.repeat > 1 || len(planned) > 1 {
				options.Progress.Say("run %s, %d of %d", one.plan.Scenario.Name, n, flags.repeat)
			}
			options.Plan, options.Scenario = one.plan, one.scenario
			options.Artifact, options.SecretFile = find(one.beside), flags.allowed.secretFile(one.beside)
			worst = worst.or(carryOut(command, getenv, options))
			if command.Context().Err() != nil {
				return withCode(ExitInterrupted, worst.interrupted())
			}
		}
	}
	if worst.err != nil {
		return withCode(worst.code, worst.err)
	}
	return exitWith(worst.code)
}

// outcome is what a run means for the exit code.
type outcome struct {
	code ExitCode
	err  error // what is still to be said; nil if the report says it all
	left bool  // the clean-up is incomplete
}

// severity orders exit codes: a violation is never hidden by other trouble.
func (o outcome) severity() int {
	for i, code := range []ExitCode{ExitPass, ExitCleanUpLeftovers, ExitInconclusive, ExitError, ExitViolation} {
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

// carryOut runs one plan, judges its record and reports.
func carryOut(command *cobra.Command, getenv func(string) string, options runner.Options) outcome {
	options.Underway = &runner.Underway{}
	end := interruptsOf(command.Context()).during(
		interruptible{undoing: options.Underway.Undoing, left: options.Underway.Left, cleanUp: options.CleanUp}, options.Progress.Say)
	finished, err := runner.Run(command.Context(), options)
	end()
	if err != nil {
		return outcome{code: ExitError, err: err}
	}
	judgeContext := context.WithoutCancel(command.Context()) // an interrupted run is judged and reported, too
	verdict, err := judgeDirectory(judgeContext, string(finished.Directory))
	if err == nil {
		err = reportRun(command, getenv, finished.Directory, verdict)
	}
	return outcomeOf(verdict.Verdict, err, finished)
}

// outcomeOf weighs what a run came to: its verdict, whether it could be judged and reported, and how the run ended. A
// report that cannot be written hides no violation.
func outcomeOf(verdict check.Verdict, report error, finished runner.Finished) outcome {
	result := outcome{code: codeOfVerdict(verdict)}
	if report != nil {
		result = result.or(outcome{code: ExitError, err: report})
	}
	if finished.Err != nil {
		result = result.or(outcome{code: ExitError, err: finished.Err})
	}
	if finished.LeftBehind != nil {
		left := fmt.Errorf("the clean-up is incomplete, `sparkchaos cleanup` tries again: %w", finished.LeftBehind)
		result = result.or(outcome{code: ExitCleanUpLeftovers, err: left, left: true})
	}
	return result
}

// cleanUpBefore cleans up after runs that were killed on the cluster that a run is about to use. One that belongs to others is asked
// for first: before, nothing is done to it.
func cleanUpBefore(ctx context.Context, options runner.Options, flags runFlags) error {
	if err := confirmed(ctx, options.Clusters); err != nil {
		return err
	}
	clean := cleanUpOptions(ctx, options, flags)
	clean.Only = options.ClusterName
	return cleanedUp(ctx, runner.CleanUpDead(ctx, clean))
}

func cleanUpOptions(ctx context.Context, options runner.Options, flags runFlags) runner.CleanUpOptions {
	say := options.Progress.Say
	return runner.CleanUpOptions{
		Active: options.Active, Clusters: options.Clusters, ChaosMesh: options.ChaosMesh, Say: say,
		Confirm: questioner(ctx, flags.cluster.yes, say, os.Stdin, os.Stderr),
	}
}

// cleanUpAll cleans up after runs that were killed, on clusters of each kind.
func cleanUpAll(ctx context.Context, getenv func(string) string, options runner.Options, flags runFlags) error {
	var errs []error
	for _, kind := range kinds.All() {
		if kind.Unavailable != nil {
			continue // no run on this system can have left something in it
		}
		clean := cleanUpOptions(ctx, options, flags)
		if clean.Clusters.Kind() != kind.Name {
			others := newClusterChoice()
			others.kind = kind.Name
			provider, err := others.provider(getenv, sayLine(options.Progress))
			if err != nil {
				errs = append(errs, err)
				continue
			}
			clean.Clusters = provider
		}
		errs = append(errs, runner.CleanUpDead(ctx, clean))
	}
	return cleanedUp(ctx, errors.Join(errs...))
}

// cleanedUp gives the trouble of a clean-up its exit code.
func cleanedUp(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return withCode(ExitInterrupted, err)
	}
	return withCode(ExitCleanUpLeftovers, err)
}

// confirmed asks whether a cluster that others use may be disturbed, if it is one.
func confirmed(ctx context.Context, provider cluster.Provider) error {
	confirming, ok := provider.(cluster.Confirming)
	if !ok {
		return nil
	}
	return confirming.Confirm(ctx)
}

func sayLine(show runner.Progress) func(line string) {
	return func(line string) { show.Say("%s", line) }
}

func reportRun(command *cobra.Command, getenv func(string) string, directory runner.Directory, verdict check.RunVerdict) error {
	if err := report.WriteFiles(string(directory), verdict, report.RunInfo{Directory: string(directory)}, report.JSON); err != nil {
		return err
	}
	verdict, info, err := report.Load(string(directory))
	if err != nil {
		return err
	}
	if err := report.WriteFiles(string(directory), verdict, info, report.Kept()...); err != nil {
		return err
	}
	if err := printReports(command, getenv, []report.Format{report.Table}, verdict, info); err != nil {
		return err
	}
	_, err = fmt.Fprintf(command.OutOrStdout(), "run directory: %s\n", directory)
	return err
}

// runOptions are what all runs of one command have in common.
func runOptions(command *cobra.Command, getenv func(string) string, flags runFlags) (runner.Options, error) {
	show := newProgress(command.ErrOrStderr())
	state, err := paths.State(getenv)
	if err != nil {
		return runner.Options{}, err
	}
	cache, err := paths.Cache(getenv)
	if err != nil {
		return runner.Options{}, err
	}
	name, err := flags.cluster.clusterName()
	if err != nil {
		return runner.Options{}, err
	}
	clusters, err := flags.cluster.provider(getenv, sayLine(show))
	if err != nil {
		return runner.Options{}, err
	}
	options := runner.Options{
		Runs: flags.out, ClusterName: name, Flags: given(command.Flags()), CleanUp: cleanUpCommand(command.Flags()),
		KeepCluster: flags.keepCluster, Clusters: clusters,
		Image: cachedImage(image.Spark, cache, show), Staging: cachedImage(image.Staging, cache, show), Baselines: filepath.Join(cache, "baselines"),
		ChaosMesh: chaosMeshOn(imagesOf(cache), referencesOf(clusters), sayLine(show)),
		Variable:  flags.allowed.variable(os.LookupEnv),
		Active:    runner.ActiveRuns{Dir: filepath.Join(state, "runs")}, Progress: show, Version: programVersion(),
	}
	if puller, ok := clusters.(cluster.Puller); ok {
		references := puller.References()
		options.Image = imageNamed(references.Spark, "--image", "Spark's")
		options.Staging = imageNamed(references.Pod, "--staging-image", "that of the harness's own program for pods")
	}
	if clouded, ok := clusters.(cluster.Clouded); ok {
		secret, err := clouded.CloudSecret()
		if err != nil {
			return runner.Options{}, err
		}
		if secret != nil {
			options.CloudSecret = &faults.CloudSecret{Namespace: secret.Namespace, Name: secret.Name}
		}
	}
	return options, nil
}

// clusterFlag names the cluster type.
const clusterFlag = "cluster"

// yesFlag answers the questions of one command. It is never among the flags that are given again: whoever does asks again.
const yesFlag = "yes"

// given returns the flags that say which cluster is meant and were given, as they are to be given again.
func given(flags *pflag.FlagSet) []string {
	known := pflag.NewFlagSet("", pflag.ContinueOnError)
	newClusterChoice().addFlags(known, cluster.ToReach, cluster.ToRun)
	new(allowances).add(known)
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

// cachedImage builds an image for a run, or finds the last one where there is no checkout to build from.
func cachedImage(build func(context.Context, image.Env) (image.Archive, error), cache string, show *progress) func(context.Context) (runner.Image, error) {
	return func(ctx context.Context) (runner.Image, error) {
		env := imagesOf(cache)
		env.Progress = func(step image.Progress) {
			if step.Warning != "" {
				show.Say("building an image: %s: warning: %s", step.Stage, step.Warning)
			} else if !step.Done {
				show.Say("building an image: %s", step.Stage)
			}
		}
		archive, err := build(ctx, env)
		return runner.Image{Reference: archive.Reference, Archive: archive.Path, Digest: archive.Digest}, err
	}
}

// referencesOf returns the images that the nodes of a provider's clusters pull; none if they pull none.
func referencesOf(provider cluster.Provider) cluster.References {
	if puller, ok := provider.(cluster.Puller); ok {
		return puller.References()
	}
	return cluster.References{}
}

// imagesOf is where images are built from and kept; an installed program that is used anywhere has no checkout.
func imagesOf(cache string) image.Env {
	checkout, err := components.FindSource(".")
	if err != nil {
		checkout = ""
	}
	return image.Env{Cache: cache, Checkout: checkout}
}

// newCleanupCommand returns `sparkchaos cleanup`.
func newCleanupCommand(getenv func(string) string) *cobra.Command {
	flags := runFlags{cluster: newClusterChoice()}
	command := &cobra.Command{
		Use: "cleanup", Short: "Clean up after runs that were killed: undo their faults, remove their objects", Args: cobra.NoArgs,
		Long: `Clean up after runs that were killed: undo their faults and remove their objects, on all clusters of this machine. With
--cluster existing also after runs that any machine started on that cluster; what may be disturbed there is shown first, and
you are asked to confirm it.

Only the cluster and the machines that the record names are touched. If it cannot be proven that they are the same (a record
without the cluster's identity, a machine that has to be switched off and on), you are asked; --yes confirms where nobody
can be asked.`,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := flags.cluster.checkRun(); err != nil {
				return err
			}
			options, err := runOptions(command, getenv, flags)
			if err != nil {
				return err
			}
			ctx := command.Context()
			if err := confirmed(ctx, options.Clusters); err != nil {
				return err
			}
			return errors.Join(cleanUpAll(ctx, getenv, options, flags), cleanUpShared(ctx, options, flags))
		},
	}
	command.Flags().StringVar(&flags.cluster.kind, clusterFlag, flags.cluster.kind, "existing: also clean up an existing cluster")
	flags.cluster.addFlags(command.Flags(), cluster.ToReach)
	return command
}

// cleanUpShared cleans up a cluster that others use, too, after runs of any machine.
func cleanUpShared(ctx context.Context, options runner.Options, flags runFlags) error {
	located, ok := options.Clusters.(cluster.Located)
	if !ok {
		return nil
	}
	c, err := options.Clusters.Open(located.Reached())
	if err != nil {
		return err
	}
	shared, ok := c.(cluster.Shared)
	if !ok {
		return nil
	}
	confirm := cleanUpOptions(ctx, options, flags).Confirm
	return cleanedUp(ctx, runner.CleanUpShared(ctx, shared, options.ChaosMesh, confirm, options.Progress.Say))
}
