package existing

import (
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

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// Kind names the kind of these clusters, on the command line and in records.
const Kind = "existing"

// identifyTimeout bounds the look which cluster it is.
const identifyTimeout = 15 * time.Second

// Settings say which existing cluster is meant, that it may be worked on, and what it offers.
type Settings struct {
	Context      string
	Allowed      []string // contexts that may be worked on
	Kubeconfig   string   // file; empty: the usual places
	NodeActions  string   // file with the commands that act on machines; empty: nothing is done to machines
	ControlPlane bool     // nodes of the control plane may be disturbed, too
	Images       cluster.References
	Classes      cluster.StorageClasses
	// WitnessAddress is this machine's IP at which pods reach it; empty: they report to a witness in the cluster.
	WitnessAddress string
	// CloudSecret is NAMESPACE/NAME of the Secret by which Chaos Mesh reaches the nodes' cloud; empty: it does not.
	CloudSecret string
}

// Entry returns the kind of existing clusters for a program's list of kinds.
func Entry() cluster.Kind { return new(Settings).Entry() }

// Entry returns the kind whose options are the settings.
func (s *Settings) Entry() cluster.Kind {
	return cluster.Kind{
		Name: Kind, Title: "made by somebody else", Foreign: true,
		AddFlags:    s.addFlags,
		ClusterName: func(string) (string, error) { return s.Context, nil },
		CheckRun:    s.CheckRun,
		Can:         s.can,
		New:         func(env cluster.Environment) (cluster.Provider, error) { return NewClusters(*s, env), nil },
		Diagnose:    func(context.Context, cluster.Environment) cluster.Diagnosis { return diagnose() },
	}
}

func (s *Settings) addFlags(flags *pflag.FlagSet, use cluster.Use) {
	switch use {
	case cluster.ToPlan:
		s.addAbilities(flags)
	case cluster.ToReach:
		s.addReach(flags)
	case cluster.ToRun:
		s.addOffers(flags)
	case cluster.ToMake: // none is made
	}
}

// addAbilities adds the flags that decide what can be done to the nodes.
func (s *Settings) addAbilities(flags *pflag.FlagSet) {
	flags.StringVar(&s.CloudSecret, "cloud-secret", "",
		"existing: NAMESPACE/NAME of the Secret with which Chaos Mesh stops nodes through the cloud provider's API")
	flags.StringVar(&s.NodeActions, "node-actions", "", "existing: file with commands that inspect machines and power them off and on")
}

// podImageFlag names the image of the program that runs in pods.
const podImageFlag = "pod-image"

// formerPodImageFlag is its deprecated name, which is still accepted.
const formerPodImageFlag = "staging-image"

// addReach adds the flags by which an existing cluster is reached.
func (s *Settings) addReach(flags *pflag.FlagSet) {
	flags.StringVar(&s.Context, "context", "", "existing: context of the kubeconfig")
	flags.StringArrayVar(&s.Allowed, "allow-context", nil, "existing: context that sparkchaos may use; may be repeated")
	flags.StringVar(&s.Kubeconfig, "kubeconfig", "", "existing: kubeconfig file (default: the one that kubectl uses)")
	s.addAbilities(flags)
	flags.StringVar(&s.Images.Pod, podImageFlag, "",
		"existing: image of the program that sparkchaos runs in pods (build it with 'sparkchaos image build pod'); formerly --staging-image")
	flags.StringVar(&s.Images.Pod, formerPodImageFlag, "", "existing: deprecated, use --"+podImageFlag)
	_ = flags.MarkHidden(formerPodImageFlag) // not MarkDeprecated, which would print among a command's results
	flags.StringVar(&s.Images.ChaosMesh, "chaos-mesh-image", "",
		"existing: image of Chaos Mesh's programs (build it with 'sparkchaos image build chaos-mesh'; default: the chart's own)")
	flags.StringVar(&s.Images.ChaosMeshPause, "chaos-mesh-pause-image", "",
		"existing: image that Chaos Mesh runs in the containers of a pod while it makes the pod fail (build it with 'sparkchaos image build "+
			"pause'; default: Chaos Mesh's own)")
	flags.BoolVar(&s.ControlPlane, "include-control-plane", false, "existing: faults may also be injected into control plane nodes")
}

// addOffers adds the flags by which a run learns what an existing cluster offers to it.
func (s *Settings) addOffers(flags *pflag.FlagSet) {
	flags.StringVar(&s.Images.Spark, "image", "", "existing: Spark image (build it with 'sparkchaos image build spark')")
	flags.StringVar(&s.Classes.Shared, "shared-storage-class", "",
		"existing: storage class of volumes that all nodes can mount (ReadWriteMany; default: the default class)")
	flags.StringVar(&s.Classes.Local, "local-storage-class", "",
		"existing: storage class of volumes on one node's disk (default: the default class)")
	flags.StringVar(&s.WitnessAddress, "witness-address", "",
		"existing: IP address at which pods can reach this machine (default: pods report to a witness in the cluster)")
}

// CheckAllowed refuses contexts that were not allowed by name: the current one of a kubeconfig may be anything.
func (s *Settings) CheckAllowed() error {
	switch {
	case s.Context == "":
		return cluster.Optionf("--cluster existing needs --context NAME, and --allow-context NAME")
	case !slices.Contains(s.Allowed, s.Context):
		return cluster.Optionf("context %s was not allowed: add --allow-context %s if its cluster may be disturbed", s.Context, s.Context)
	default:
		return nil
	}
}

// CheckRun refuses a run on a context that was not allowed, or without the image of what the harness runs in pods.
func (s *Settings) CheckRun() error {
	if err := s.CheckAllowed(); err != nil {
		return err
	}
	if s.Images.Pod == "" {
		return cluster.Optionf("--%s is missing: nodes of an existing cluster pull the image of the program that sparkchaos runs in pods; "+
			"build it with `sparkchaos image build pod` and push it to a registry that they reach", podImageFlag)
	}
	return nil
}

func (s *Settings) can() (cluster.Capabilities, error) {
	can := cluster.Capabilities{Kind: Kind, ChaosMesh: true}
	actions, err := s.actions()
	if err != nil {
		return can, err
	}
	secret, err := s.secret()
	if err != nil {
		return can, err
	}
	can.Actions, can.Cloud = actions.Can(), secret != nil
	return can, nil
}

// actions reads the file of node actions; nil without one.
func (s *Settings) actions() (*NodeActions, error) {
	if s.NodeActions == "" {
		return nil, nil
	}
	content, err := readDocument(s.NodeActions)
	if err != nil {
		return nil, cluster.Optionf("--node-actions: %w", err)
	}
	actions, err := ParseNodeActions(s.NodeActions, content)
	if err != nil {
		return nil, &cluster.OptionError{Err: err}
	}
	return actions, nil
}

// readDocument reads a file that is decoded as YAML, and of one that is too long no more than shows that it is.
func readDocument(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, strictyaml.MaxBytes+1))
	return data, errors.Join(err, file.Close())
}

// secret is the one by which the nodes' cloud is reached; nil without one.
func (s *Settings) secret() (*cluster.Secret, error) {
	if s.CloudSecret == "" {
		return nil, nil
	}
	namespace, name, ok := strings.Cut(s.CloudSecret, "/")
	if !ok || namespace == "" || name == "" {
		return nil, cluster.Optionf("--cloud-secret %q: expected NAMESPACE/NAME", s.CloudSecret)
	}
	return &cluster.Secret{Namespace: namespace, Name: name}, nil
}

// Clusters is the one existing cluster that the settings name.
type Clusters struct {
	settings Settings
	env      cluster.Environment

	opening, identifying, confirming *sync.Once
	opened                           *opening
}

// opening is how reaching the cluster, identifying it, and asking whether it may be disturbed ended; each is done once.
type opening struct {
	cluster      *Cluster
	err          error
	identity     cluster.Identity
	unidentified error
	radius       BlastRadius
	refused      error
}

var (
	_ cluster.Provider   = Clusters{}
	_ cluster.Guarded    = Clusters{}
	_ cluster.Confirming = Clusters{}
	_ cluster.Located    = Clusters{}
	_ cluster.Puller     = Clusters{}
	_ cluster.Clouded    = Clusters{}
)

// NewClusters returns the cluster that the settings name. It is reached when it is needed.
func NewClusters(settings Settings, env cluster.Environment) Clusters {
	return Clusters{
		settings: settings, env: env,
		opening: &sync.Once{}, identifying: &sync.Once{}, confirming: &sync.Once{}, opened: &opening{},
	}
}

// Kind implements cluster.Provider.
func (Clusters) Kind() string { return Kind }

// References implements cluster.Puller.
func (c Clusters) References() cluster.References { return c.settings.Images }

// CloudSecret implements cluster.Clouded.
func (c Clusters) CloudSecret() (*cluster.Secret, error) { return c.settings.secret() }

// Elsewhere implements cluster.Located. Names prove nothing where identities are known.
func (c Clusters) Elsewhere(run cluster.LeftRun) string {
	command := run.CleanUp
	if command == "" {
		name := printable.ShellWord(run.ClusterName)
		command = fmt.Sprintf("sparkchaos cleanup --cluster existing --context %s --allow-context %s", name, name)
	}
	there := fmt.Sprintf("`%s`, with the other flags of the run where they are missing, does it", command)
	reached := c.settings.Context
	if reached == "" {
		return there
	}
	found, err := c.identity()
	if err != nil {
		return fmt.Sprintf("it is not known which cluster context %s reaches: %v; %s", reached, err, there)
	}
	switch run.Cluster.Compare(found) {
	case cluster.Same:
		return ""
	case cluster.Different:
		return fmt.Sprintf("it was on %s, called %s, and context %s reaches %s; %s where the kubeconfig reaches that cluster",
			run.Cluster, run.ClusterName, reached, found, there)
	default:
		if run.ClusterName != reached {
			return there
		}
		return "" // the clean-up asks
	}
}

// Reached is the context.
func (c Clusters) Reached() string { return c.settings.Context }

func (c Clusters) open() (*Cluster, error) {
	c.opening.Do(func() { c.opened.cluster, c.opened.err = c.reach() })
	return c.opened.cluster, c.opened.err
}

// identity is that of the cluster that the context reaches.
func (c Clusters) identity() (cluster.Identity, error) {
	opened, err := c.open()
	if err != nil {
		return cluster.Identity{}, err
	}
	c.identifying.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), identifyTimeout)
		defer cancel()
		c.opened.identity, c.opened.unidentified = cluster.Identify(ctx, opened)
	})
	return c.opened.identity, c.opened.unidentified
}

func (c Clusters) reach() (*Cluster, error) {
	s := c.settings
	if err := s.CheckAllowed(); err != nil {
		return nil, err
	}
	actions, err := s.actions()
	if err != nil {
		return nil, err
	}
	// A context of its own: a run that was interrupted must find its cluster, too.
	return Open(context.Background(), Options{
		Context: s.Context, Kubeconfig: s.Kubeconfig, Actions: actions, ControlPlane: s.ControlPlane,
		StorageClasses: s.Classes, WitnessAddress: s.WitnessAddress, Image: s.Images.Pod, Holder: holderName(),
	})
}

// holderName names this harness to the one that finds the cluster held.
func holderName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "a machine without a name"
	}
	return fmt.Sprintf("process %d on %s", os.Getpid(), host)
}

// Confirm implements cluster.Confirming.
func (c Clusters) Confirm(ctx context.Context) error {
	_, err := c.confirm(ctx)
	return err
}

// confirm shows what may be disturbed and asks whether it may be, once for all that the program does. From then on the cluster is
// confined to what was shown. Nothing is written to the cluster before.
func (c Clusters) confirm(ctx context.Context) (BlastRadius, error) {
	opened, err := c.open()
	if err != nil {
		return BlastRadius{}, err
	}
	c.confirming.Do(func() { c.opened.radius, c.opened.refused = c.askFor(ctx, opened) })
	return c.opened.radius, c.opened.refused
}

func (c Clusters) askFor(ctx context.Context, opened *Cluster) (BlastRadius, error) {
	radius, err := opened.BlastRadius(ctx)
	if err != nil {
		if lacking := opened.CheckPermissions(ctx); lacking != nil {
			return radius, lacking // all that is missing, with a role that would do, says more than the first refusal
		}
		return radius, err
	}
	if radius.Workload, err = opened.WorkloadRights(ctx); err != nil {
		return radius, err
	}
	if err := c.allow(ctx, radius); err != nil {
		return radius, err
	}
	opened.Confine(radius)
	return radius, nil
}

// allow asks whether a cluster may be disturbed as shown.
func (c Clusters) allow(ctx context.Context, radius BlastRadius) error {
	if c.env.Allow == nil {
		return fmt.Errorf("context %s: nobody can be asked whether it may be disturbed, so nothing was done", radius.Context)
	}
	return c.env.Allow(ctx, radius.Context, radius.String())
}

// Make asks whether the cluster may be disturbed, unless that was asked, and looks whether it is what the run needs; nothing is
// changed.
func (c Clusters) Make(ctx context.Context, spec cluster.Spec) (cluster.Cluster, bool, error) {
	opened, err := c.open()
	if err != nil {
		return nil, false, err
	}
	if len(spec.Images) > 0 {
		return nil, false, opened.noLoading(spec.Images[0])
	}
	radius, err := c.confirm(ctx)
	if err != nil {
		return nil, false, err
	}
	if err := opened.CheckPermissions(ctx); err != nil {
		return nil, false, err
	}
	if len(radius.Nodes) < spec.Workers {
		return nil, false, fmt.Errorf("context %s has %d workers, the plan needs %d at least", c.settings.Context, len(radius.Nodes),
			spec.Workers)
	}
	return opened, false, nil
}

// ActOn asks whether something may be done to one node. An action to one that is no worker is refused anyway.
func (c Clusters) ActOn(ctx context.Context, _, node string) (done func(), err error) {
	done = func() {}
	opened, err := c.open()
	if err != nil {
		return nil, err
	}
	radius, err := opened.BlastRadius(ctx)
	if err != nil {
		return nil, err
	}
	if radius = radius.Only(node); len(radius.Nodes) == 0 {
		return done, nil
	}
	if err := c.allow(ctx, radius); err != nil {
		return nil, err
	}
	opened.Confine(radius)
	return done, nil
}

// Open returns the cluster unless another harness has it by now.
func (c Clusters) Open(name string) (cluster.Cluster, error) {
	if name != c.settings.Context {
		return nil, fmt.Errorf("%s is not the context of this command, %s", name, c.settings.Context)
	}
	opened, err := c.open()
	if err != nil {
		return nil, err
	}
	return opened, opened.Held()
}

// Names is empty: no command makes or removes such clusters.
func (Clusters) Names() ([]string, error) { return nil, nil }

// Remove is refused.
func (Clusters) Remove(_ context.Context, name string) (bool, error) {
	return false, fmt.Errorf("context %s: a cluster that was not made by sparkchaos is not removed", name)
}

// diagnose looks for contexts; whether a cluster answers is not asked of any that was not allowed.
func diagnose() cluster.Diagnosis {
	contexts, err := Contexts("")
	if err == nil && len(contexts) == 0 {
		err = errors.New("no context was found: set KUBECONFIG, or name the file with --kubeconfig")
	}
	if err != nil {
		return cluster.Diagnosis{Lacks: err}
	}
	return cluster.Diagnosis{Notes: []string{
		fmt.Sprintf("the kubeconfig has the contexts %s; each is used only if --allow-context names it", strings.Join(contexts, ", ")),
	}}
}
