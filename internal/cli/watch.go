package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/sparkchaos/sparkchaos"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// watchFlags are the flags of `watch`.
type watchFlags struct {
	cluster *clusterChoice
	out     string
	attach  scenario.Attach
	within  time.Duration
	atMost  time.Duration
	expect  []string
	metrics string // address; empty: they are not served
}

// newWatchCommand returns `sparkchaos watch`.
func newWatchCommand(getenv func(string) string) *cobra.Command {
	flags := watchFlags{cluster: newClusterChoice()}
	command := &cobra.Command{
		Use:   "watch --namespace NAMESPACE",
		Short: "Watch an application that somebody else started, and judge it by what befalls it",
		Args:  cobra.NoArgs,
		Long: `Record a Spark application that somebody else started, or is about to start, and judge invariants while it goes on. Nothing in
the cluster is made, changed or removed, and runs may go on beside it. It ends with the application, with --for, or with Ctrl-C,
and leaves a run directory as a run does, which check, report and tell read.

The application has no witness, so only what Kubernetes says of it is judged; see docs/your-application.md.

Exit codes: pass 0, violation 1, inconclusive 2, cluster or environment error 3, usage 64; 130 if it was interrupted before a
driver was found.`,
		Example: `  sparkchaos watch --namespace etl --cluster existing --context prod --allow-context prod
  sparkchaos watch --namespace etl --driver app=orders,spark-role=driver --expect 'driverRescheduled: {within: 60s}' --for 8h`,
		RunE: func(command *cobra.Command, _ []string) error { return flags.watch(command, getenv) },
	}
	f := command.Flags()
	flags.cluster.addKind(f, "cluster type")
	f.StringVar(&flags.cluster.name, "cluster-name", defaultCluster, "name of the cluster")
	f.StringVar(&flags.out, "out", "runs", "directory in which a run directory is made")
	f.StringVar(&flags.attach.Namespace, "namespace", "", "in which the application's pods are")
	f.StringVar(&flags.attach.Driver, "driver", "", "label selector of the driver's pod (default spark-role=driver)")
	f.StringVar(&flags.attach.Executors, "executors", "", "label selector of the executors' pods (default spark-role=executor)")
	f.DurationVar(&flags.within, "within", 0, "how long a driver is waited for (default 5m)")
	f.DurationVar(&flags.atMost, "for", 0, "how long the application is watched (default until it has ended)")
	f.StringArrayVar(&flags.expect, "expect", []string{"driverRescheduled: {within: 2m}", "applicationIdsUnique"},
		"an invariant, as in spec.expect of a scenario; may be repeated")
	f.StringVar(&flags.metrics, "metrics-address", "",
		"host:port at which metrics for Prometheus are served at /metrics; without a host on this machine alone, as :9464")
	flags.cluster.addFlags(f, cluster.ToReach)
	return command
}

func (f watchFlags) watch(command *cobra.Command, getenv func(string) string) error {
	s, err := f.scenario()
	if err != nil {
		return err
	}
	kind, err := f.cluster.of()
	if err != nil {
		return err
	}
	ctx, show := command.Context(), newProgress(command.ErrOrStderr(), getenv, true)
	lab, err := sparkchaos.Prepare(sparkchaos.Of(kind, f.cluster.name), sparkchaos.Getenv(getenv), sparkchaos.RunsIn(f.out),
		sparkchaos.Progress(show), sparkchaos.CommandLine("a command `watch`", given(command.Flags()), ""))
	if err != nil {
		return err
	}
	ending := interruptible{undoing: func() string { return "the watching ends, and what was seen is judged" }}
	defer interruptsOf(ctx).during(ending, show.Say)()
	trial := sparkchaos.NewScenario(s.Metadata.Name, "").Change(func(made *scenario.Scenario) { *made = *s })
	verdict, err := watchServing(ctx, lab, trial, f, show)
	if verdict.Directory == "" {
		return err
	}
	if err == nil {
		err = printRun(command, getenv, verdict)
	}
	result := outcomeOf(verdict, err)
	switch {
	case errors.Is(verdict.Trouble, context.Canceled):
		return withCode(ExitInterrupted, result.err)
	case result.err != nil:
		return withCode(result.code, result.err)
	default:
		return exitWith(result.code)
	}
}

// scenario is what the flags say, as a scenario.
func (f watchFlags) scenario() (*scenario.Scenario, error) {
	if f.attach.Namespace == "" {
		return nil, usagef("--namespace is missing: name the namespace in which the application's pods are")
	}
	if f.atMost < 0 || f.within < 0 {
		return nil, usagef("--for and --within are how long is waited at most; expected a time like 10m")
	}
	if err := checkOut(f.out); err != nil {
		return nil, err
	}
	var expect []any
	for _, text := range f.expect {
		one, err := expectation(text)
		if err != nil {
			return nil, err
		}
		expect = append(expect, one)
	}
	attach := map[string]string{"namespace": f.attach.Namespace}
	for name, value := range map[string]string{"driver": f.attach.Driver, "executors": f.attach.Executors} {
		if value != "" {
			attach[name] = value
		}
	}
	if f.within > 0 {
		attach["within"] = scenario.Duration(f.within).String()
	}
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": scenario.APIVersion, "kind": scenario.Kind, "metadata": map[string]string{"name": "watch"},
		"spec": map[string]any{
			"workload": map[string]any{
				"application": map[string]string{"name": "watched"}, "launcher": scenario.LauncherAttach, "attach": attach,
			},
			"expect": expect,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("write the scenario of the flags: %w", err)
	}
	s, err := scenario.Load("the flags of watch, as a scenario", text, catalogue())
	return s, withCode(ExitUsage, err)
}

// expectation reads an invariant as a scenario has it, or its name alone.
func expectation(text string) (any, error) {
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return nil, usagef("--expect %q: expected an invariant, like driverKept or 'driverRescheduled: {within: 60s}': %w", text, err)
	}
	if name, alone := value.(string); alone {
		return map[string]any{name: map[string]any{}}, nil
	}
	return value, nil
}
