package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/existing"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// existingFlags say which existing cluster is meant, that it may be, and what it offers.
type existingFlags struct {
	context        string
	allowed        []string
	kubeconfig     string
	yes            bool
	nodeActions    string
	controlPlane   bool
	image          string
	stagingImage   string
	classes        cluster.StorageClasses
	witnessAddress string
	cloudSecret    string
	chaosMesh      chaosMeshImages
}

// reach adds the flags by which an existing cluster is reached.
func (e *existingFlags) reach(flags *pflag.FlagSet) {
	flags.StringVar(&e.context, "context", "", "existing: the context of the kubeconfig")
	flags.StringArrayVar(&e.allowed, "allow-context", nil, "existing: a context that may be worked on; may be repeated")
	flags.StringVar(&e.kubeconfig, "kubeconfig", "", "existing: the file with the context; without it the usual places")
	e.can(flags)
	flags.StringVar(&e.stagingImage, "staging-image", "", "existing: image of the harness's own program for pods, which 'sparkchaos image build staging' builds")
	flags.StringVar(&e.chaosMesh.programs, "chaos-mesh-image", "", "existing: image of Chaos Mesh's programs, which 'sparkchaos image build chaos-mesh' builds; without it the chart's own")
	flags.StringVar(&e.chaosMesh.pause, "chaos-mesh-pause-image", "", "existing: what containers run while their pod is made to fail, which 'sparkchaos image build pause' builds; without it Chaos Mesh's own")
	flags.BoolVar(&e.controlPlane, "include-control-plane", false, "existing: nodes of the control plane may be disturbed, too")
	flags.BoolVarP(&e.yes, "yes", "y", false, "do not ask: existing clusters may be disturbed as shown, and a clean-up may do what it cannot prove to be right")
}

// can adds the flag that decides what can be done to the nodes.
func (e *existingFlags) can(flags *pflag.FlagSet) {
	flags.StringVar(&e.cloudSecret, "cloud-secret", "", "existing: NAMESPACE/NAME of the Secret by which Chaos Mesh reaches the cloud that the nodes belong to, to stop them")
	flags.StringVar(&e.nodeActions, "node-actions", "", "existing: file with the commands that look at machines, power them off and on, …")
}

// offers adds the flags by which a run learns what an existing cluster offers to it.
func (e *existingFlags) offers(flags *pflag.FlagSet) {
	flags.StringVar(&e.image, "image", "", "existing: Spark image, which 'sparkchaos image build spark' builds")
	flags.StringVar(&e.classes.Shared, "shared-storage-class", "", "existing: storage class of volumes that all nodes see (ReadWriteMany); without it the default class")
	flags.StringVar(&e.classes.Local, "local-storage-class", "", "existing: storage class of volumes on one node's disk; without it the default class")
	flags.StringVar(&e.witnessAddress, "witness-address", "", "existing: IP of this machine at which pods reach it; without it they report to a witness in the cluster")
}

// actions reads the file of node actions; nil without one.
func (e *existingFlags) actions() (*existing.NodeActions, error) {
	if e.nodeActions == "" {
		return nil, nil
	}
	content, err := readDocument(e.nodeActions)
	if err != nil {
		return nil, usagef("--node-actions: %w", err)
	}
	actions, err := existing.ParseNodeActions(e.nodeActions, content)
	return actions, withCode(ExitUsage, err)
}

// secret is the one by which the nodes' cloud is reached; nil without one.
func (e *existingFlags) secret() (*faults.CloudSecret, error) {
	if e.cloudSecret == "" {
		return nil, nil
	}
	namespace, name, ok := strings.Cut(e.cloudSecret, "/")
	if !ok || namespace == "" || name == "" {
		return nil, usagef("--cloud-secret %q: expected NAMESPACE/NAME", e.cloudSecret)
	}
	return &faults.CloudSecret{Namespace: namespace, Name: name}, nil
}

// existingClusters is the one existing cluster that the flags name.
type existingClusters struct {
	flags existingFlags
	ask   func(ctx context.Context, radius existing.BlastRadius) error // before anything is done

	opening, identifying, confirming *sync.Once
	opened                           *opening
}

// opening is how reaching the cluster, identifying it, and asking whether it may be disturbed ended; each is done once.
type opening struct {
	cluster      *existing.Cluster
	err          error
	identity     cluster.Identity
	unidentified error
	radius       existing.BlastRadius
	refused      error
}

var _ runner.Clusters = existingClusters{}

func newExistingClusters(flags existingFlags, progress func(string)) existingClusters {
	return existingClusters{
		flags: flags, ask: asker(flags.yes, progress, os.Stdin, os.Stderr),
		opening: &sync.Once{}, identifying: &sync.Once{}, confirming: &sync.Once{}, opened: &opening{},
	}
}

func (e existingClusters) Kind() string { return existingKind }

// Elsewhere says why a run is not on the cluster that the flags name, and how to clean up after it; empty if it is there. Names prove
// nothing where identities are known.
func (e existingClusters) Elsewhere(record runner.ActiveRecord) string {
	command := record.CleanUp
	if command == "" {
		name := report.ShellQuote(record.ClusterName)
		command = fmt.Sprintf("sparkchaos cleanup --cluster existing --context %s --allow-context %s", name, name)
	}
	there := fmt.Sprintf("`%s`, with the other flags of the run where they are missing, does it", command)
	if e.flags.context == "" {
		return there
	}
	found, err := e.identity()
	if err != nil {
		return fmt.Sprintf("it is not known which cluster context %s reaches: %v; %s", e.flags.context, err, there)
	}
	switch record.Cluster.Compare(found) {
	case cluster.Same:
		return ""
	case cluster.Different:
		return fmt.Sprintf("it was on %s, called %s, and context %s reaches %s; %s where the kubeconfig reaches that cluster", record.Cluster, record.ClusterName, e.flags.context, found, there)
	default:
		if record.ClusterName != e.flags.context {
			return there
		}
		return "" // whoever cleans up asks
	}
}

// Reached is the context.
func (e existingClusters) Reached() string { return e.flags.context }

// allowedContext refuses contexts that were not allowed by name: the current one of a kubeconfig may be anything.
func (e existingFlags) allowedContext() error {
	switch {
	case e.context == "":
		return usagef("--cluster existing needs --context NAME, and --allow-context NAME")
	case !slices.Contains(e.allowed, e.context):
		return usagef("context %s was not allowed: add --allow-context %s if its cluster may be disturbed", e.context, e.context)
	default:
		return nil
	}
}

func (e existingClusters) open() (*existing.Cluster, error) {
	e.opening.Do(func() { e.opened.cluster, e.opened.err = e.reachIt() })
	return e.opened.cluster, e.opened.err
}

// identity is that of the cluster that the context reaches.
func (e existingClusters) identity() (cluster.Identity, error) {
	c, err := e.open()
	if err != nil {
		return cluster.Identity{}, err
	}
	e.identifying.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), identifyTimeout)
		defer cancel()
		e.opened.identity, e.opened.unidentified = cluster.Identify(ctx, c)
	})
	return e.opened.identity, e.opened.unidentified
}

func (e existingClusters) reachIt() (*existing.Cluster, error) {
	if err := e.flags.allowedContext(); err != nil {
		return nil, err
	}
	actions, err := e.flags.actions()
	if err != nil {
		return nil, err
	}
	// A context of its own: a run that was interrupted must find its cluster, too.
	return existing.Open(context.Background(), existing.Options{
		Context: e.flags.context, Kubeconfig: e.flags.kubeconfig, Actions: actions, ControlPlane: e.flags.controlPlane,
		StorageClasses: e.flags.classes, WitnessAddress: e.flags.witnessAddress, Image: e.flags.stagingImage, Holder: holderName(),
	})
}

// identifyTimeout bounds the look which cluster it is.
const identifyTimeout = 15 * time.Second

// confirm shows what may be disturbed and asks whether it may be, once for all that the command does. From then on the cluster is
// confined to what was shown. Nothing is written to the cluster before.
func (e existingClusters) confirm(ctx context.Context) (existing.BlastRadius, error) {
	c, err := e.open()
	if err != nil {
		return existing.BlastRadius{}, err
	}
	e.confirming.Do(func() {
		if e.opened.radius, e.opened.refused = c.BlastRadius(ctx); e.opened.refused == nil {
			e.opened.radius.Workload, e.opened.refused = c.WorkloadRights(ctx)
		} else if lacking := c.CheckPermissions(ctx); lacking != nil {
			e.opened.refused = lacking // all that is missing, with a role that would do, says more than the first refusal
		}
		if e.opened.refused == nil {
			e.opened.refused = e.ask(ctx, e.opened.radius)
		}
		if e.opened.refused == nil {
			c.Confine(e.opened.radius)
		}
	})
	return e.opened.radius, e.opened.refused
}

// holderName names this harness to the one that finds the cluster held.
func holderName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "a machine without a name"
	}
	return fmt.Sprintf("process %d on %s", os.Getpid(), host)
}

// Make asks whether the cluster may be disturbed, unless that was asked, and looks whether it is what the run needs; nothing is
// changed.
func (e existingClusters) Make(ctx context.Context, spec runner.ClusterSpec) (cluster.Cluster, bool, error) {
	c, err := e.open()
	if err != nil {
		return nil, false, err
	}
	if len(spec.Images) > 0 {
		return nil, false, c.Load(ctx, spec.Images[0])
	}
	radius, err := e.confirm(ctx)
	if err != nil {
		return nil, false, err
	}
	if err := c.CheckPermissions(ctx); err != nil {
		return nil, false, err
	}
	if len(radius.Nodes) < spec.Workers {
		return nil, false, fmt.Errorf("context %s has %d workers, the plan needs %d at least", e.flags.context, len(radius.Nodes), spec.Workers)
	}
	return c, false, nil
}

// mayActOn asks whether something may be done to one node. An action to one that is no worker is refused anyway.
func (e existingClusters) mayActOn(ctx context.Context, node string) error {
	c, err := e.open()
	if err != nil {
		return err
	}
	radius, err := c.BlastRadius(ctx)
	if err != nil {
		return err
	}
	if radius = radius.Only(node); len(radius.Nodes) == 0 {
		return nil
	}
	if err := e.ask(ctx, radius); err != nil {
		return err
	}
	c.Confine(radius)
	return nil
}

// Open returns the cluster unless another harness has it by now.
func (e existingClusters) Open(name string) (cluster.Cluster, error) {
	if name != e.flags.context {
		return nil, fmt.Errorf("%s is not the context of this command, %s", name, e.flags.context)
	}
	c, err := e.open()
	if err != nil {
		return nil, err
	}
	return c, c.Held()
}

// Names is empty: no command makes or removes such clusters.
func (e existingClusters) Names() ([]string, error) { return nil, nil }

// Remove is refused.
func (e existingClusters) Remove(_ context.Context, name string) (bool, error) {
	return false, fmt.Errorf("context %s: a cluster that was not made by sparkchaos is not removed", name)
}

// asker returns a function that shows a person what a run may disturb and asks, on a terminal, whether it may.
func asker(yes bool, say func(line string), in *os.File, out io.Writer) func(context.Context, existing.BlastRadius) error {
	return func(ctx context.Context, radius existing.BlastRadius) error {
		for line := range strings.Lines(radius.String()) {
			say(strings.TrimSuffix(line, "\n"))
		}
		if yes {
			return nil
		}
		if !term.IsTerminal(int(in.Fd())) {
			return usagef("nobody can be asked whether context %s may be disturbed so: --yes says that it may", radius.Context)
		}
		return confirm(ctx, radius.Context, in, out)
	}
}

// confirm wants the context's name, which no one types by habit.
func confirm(ctx context.Context, name string, in io.Reader, out io.Writer) error {
	fmt.Fprintf(out, "Type the context's name, %s, to go on: ", name)
	answer, err := readLine(ctx, in)
	if err != nil {
		return err
	}
	if answer != name {
		return usagef("nothing was done: %q is not the context's name", answer)
	}
	return nil
}

// questioner returns a function that asks a person whether something may be done that is not safe to do unasked.
func questioner(ctx context.Context, yes bool, say func(format string, args ...any), in *os.File, out io.Writer) func(question string) error {
	return func(question string) error {
		if yes {
			say("%s Yes, says --yes.", question)
			return nil
		}
		if !term.IsTerminal(int(in.Fd())) {
			return fmt.Errorf("%s Nobody can be asked, so nothing was done: --yes allows it", question)
		}
		fmt.Fprintf(out, "%s Type yes to allow it: ", question)
		answer, err := readLine(ctx, in)
		if err != nil {
			return err
		}
		if answer != "yes" {
			return fmt.Errorf("%s The answer was %q, so nothing was done", question, answer)
		}
		return nil
	}
}

// readLine reads an answer without the space around it. An interrupt ends the wait for it.
func readLine(ctx context.Context, in io.Reader) (string, error) {
	type answer struct {
		text string
		err  error
	}
	answered := make(chan answer, 1) // nobody may be there to take it
	go func() {
		text, err := bufio.NewReader(in).ReadString('\n')
		answered <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case a := <-answered:
		if a.err != nil && !errors.Is(a.err, io.EOF) {
			return "", a.err
		}
		return strings.TrimSpace(a.text), nil
	}
}

// imageNamed is an image that the nodes get by themselves.
func imageNamed(reference, flag, what string) func(context.Context) (runner.Image, error) {
	return func(context.Context) (runner.Image, error) {
		if reference == "" {
			return runner.Image{}, usagef("an existing cluster pulls its images: %s names %s; `sparkchaos image build` builds it, push it to a registry that the nodes reach", flag, what)
		}
		return runner.Image{Reference: reference}, nil
	}
}
