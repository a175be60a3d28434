// Package runner carries out runs, from the preflight to the clean-up. It acts and records; other packages judge the record,
// and nothing but the record.
package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/internal/otlp"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// The phases of a run, in their order. The history tells when each began and ended.
const (
	PhasePreflight = "preflight"
	PhaseCluster   = "cluster"
	PhaseBaseline  = "baseline"
	PhaseLaunch    = history.PhaseLaunch
	PhaseFaults    = "faults"
	PhaseSettle    = "settle"
	PhaseOutputs   = "outputs"
	PhaseRecover   = "recover"
	PhaseCollect   = "collect"
	PhaseCleanUp   = "cleanup"
)

// Image is what drivers and executors run.
type Image struct {
	Reference string // by which pods name it
	Archive   string // file to bring to the nodes; empty for an image that the nodes get by themselves
	Digest    string // of its content; empty if unknown
}

// Progress shows a person what happens. Its methods may be called by several goroutines at once.
type Progress interface {
	// Say reports that something happened.
	Say(format string, args ...any)
	// Await shows what is awaited, for how long at most (0 if unknown) and what was seen last, until done is called.
	Await(what string, atMost time.Duration, seen func() string) (done func())
}

// Watcher is a Progress that looks at what is recorded, too.
type Watcher interface {
	// Watch is called as the run begins to write a history, with what is recorded in it and what calls use with its model, until done is
	// called. use must not keep the model.
	Watch(what string, read func(use func(*model.Model))) (done func())
}

// Finished is a run that has ended and can be judged.
type Finished struct {
	Directory Directory
	// Err is why the run could not be carried out as planned: the cluster, the environment, an interrupt. The
	// history contains it, too.
	Err error
	// LeftBehind is what the clean-up could not remove or undo.
	LeftBehind error
}

// run is a run in progress.
type run struct {
	Options
	id        string // value of the label sparkchaos.dev/run, and the namespace
	directory Directory
	log       *history.Writer
	live      *live               // of the log
	anchors   map[string]*awaited // of the plan's steps, by their ids
	began     time.Time

	image      Image
	podImage   Image
	witnessJar []byte
	secrets    secrets
	components []launcher.Component
	cluster    cluster.Cluster
	identity   cluster.Identity
	made       bool // the cluster was made for this run
	added      added
	operator   map[string]string // versions of what makes drivers, if the harness installed it
	client     kubernetes.Interface
	dynamic    dynamic.Interface
	before     []history.NodeState // the nodes before the run; nil if they were not looked at
	session    *session
	spans      *otlp.Receiver // of the cluster's components; nil if they export none
	journal    *faults.Journal
	disturbed  []*faults.Disturbance
	active     *ActiveRun

	interrupted bool // before all that was planned had been done
}

// Run carries out a plan. It returns an error only if there is nothing to judge: no run directory could be made. All
// other problems are recorded, and what was done is undone in any case.
func Run(ctx context.Context, options Options) (Finished, error) {
	release, err := holdCluster(ctx, options.Clusters, options.ClusterName, "run of "+options.Plan.Scenario.Name)
	if err != nil {
		return Finished{}, err
	}
	defer release()
	r, err := begin(options)
	if err != nil {
		return Finished{}, err
	}
	defer r.active.Release()
	defer r.watch("run", r.live)()
	stopLoad := measureLoad(ctx, r.log)
	trouble := r.carryOut(ctx)
	r.interrupted = trouble != nil && ctx.Err() != nil
	if r.gone() {
		trouble = errors.Join(r.errGone(), trouble)
	}
	// The following also applies to an interrupted run, and to one whose history cannot be written.
	after := context.WithoutCancel(ctx)
	left := r.cleanUp(after)
	r.endSpans()
	stopLoad()
	trouble = r.end(trouble)
	left = r.release(after, r.removeCluster(after, left))
	if left == nil {
		left = r.active.Forget()
		r.Underway.forget()
	}
	return Finished{Directory: r.directory, Err: trouble, LeftBehind: left}, nil
}

// watch lets the progress look at the model of a history if it wants to, until done is called.
func (r *run) watch(what string, live *live) (done func()) {
	if watcher, ok := r.Progress.(Watcher); ok {
		return watcher.Watch(what, live.read)
	}
	return func() {}
}

// begin makes the run directory and opens the history.
func begin(options Options) (*run, error) {
	began := time.Now()
	directory, err := MakeDirectory(options.Runs, options.Plan, began)
	if err != nil {
		return nil, err
	}
	r := &run{Options: options, id: runID(options.Plan.Scenario.Name, directory), directory: directory, began: began}
	r.components = slices.Clone(options.allComponents())
	if err := directory.write(options.Scenario, options.Plan); err != nil {
		return nil, err
	}
	if r.journal, err = faults.OpenJournal(directory.Undo(), options.Own.undos()); err != nil {
		return nil, err
	}
	if r.active, err = options.Active.Register(ActiveRecord{
		RunID: r.id, Directory: string(directory), ClusterKind: options.Clusters.Kind(), ClusterName: options.ClusterName,
		Namespaces: r.namespaces(), KeepCluster: options.KeepCluster, CleanUp: options.CleanUp, Untouched: true,
	}); err != nil {
		return nil, err
	}
	if err := errors.Join(r.noteHold(), r.open(nil)); err != nil {
		err = errors.Join(err, r.active.Forget())
		r.active.Release()
		return nil, err
	}
	return r, nil
}

// open begins the history. observe, if it is not nil, sees each event.
func (r *run) open(observe func(*history.Event)) error {
	encoded, err := json.Marshal(r.Plan)
	if err != nil {
		return fmt.Errorf("open the history with the plan: %w", err)
	}
	scenario, err := r.directory.scenarioSHA256()
	if err != nil {
		return err
	}
	var others []func(*history.Event)
	if observe != nil {
		others = append(others, observe)
	}
	if r.log, r.live, err = createHistory(r.directory.History(), others...); err != nil {
		return err
	}
	err = r.tell(history.RunStarted, history.RunData{
		FormatVersion: history.FormatVersion, RunID: r.id, Scenario: r.Plan.Scenario.Name, Seed: r.Plan.Seed,
		Plan: encoded, Harness: r.Version, ClusterKind: r.Clusters.Kind(), ScenarioSHA256: scenario,
	})
	if err != nil {
		_ = r.log.Close() // tells the same
	}
	return err
}

// carryOut carries out the plan, up to the clean-up.
func (r *run) carryOut(ctx context.Context) error {
	if err := r.phase(ctx, PhasePreflight, r.preflight); err != nil {
		return err
	}
	if err := r.phase(ctx, PhaseCluster, r.prepareCluster); err != nil {
		return err
	}
	ctx, stop := r.whileClusterExists(ctx)
	defer stop()
	defer r.sampleMetrics(ctx)()
	if err := r.phase(ctx, PhaseBaseline, r.baseline); err != nil {
		return err
	}
	if err := r.phase(ctx, PhaseLaunch, r.launch); err != nil {
		return err
	}
	if err := r.phase(ctx, PhaseFaults, r.injectFaults); err != nil {
		return err
	}
	if err := r.phase(ctx, PhaseSettle, r.settle); err != nil || len(r.Plan.Workload.Output) == 0 {
		return err
	}
	return r.phase(ctx, PhaseOutputs, r.outputs)
}

// phase runs one phase of the plan and records it. Without a history no phase is begun, because its outcome could not be
// judged.
func (r *run) phase(ctx context.Context, name string, do func(context.Context) error) error {
	if err := r.tell(history.PhaseStarted, history.PhaseData{Phase: name}); err != nil {
		return err
	}
	err := r.phaseEnded(name, do(ctx))
	if lost := r.log.Err(); lost != nil && !errors.Is(err, lost) {
		err = errors.Join(err, lost)
	}
	return err
}

// lastPhase runs one phase of the clean-up, which must be done even without a history. Its error is the phase's own.
func (r *run) lastPhase(ctx context.Context, name string, do func(context.Context) error) error {
	_ = r.tell(history.PhaseStarted, history.PhaseData{Phase: name}) // an error that prevents the write is reported by end
	defer r.Progress.Await("the phase "+name, 0, func() string { return cmp.Or(r.Underway.Undoing(), "nothing left to undo") })()
	return r.phaseEnded(name, do(ctx))
}

// phaseEnded records the end of a phase and adds its name to the error.
func (r *run) phaseEnded(name string, err error) error {
	ended := history.PhaseData{Phase: name}
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
		ended.Error = err.Error()
	}
	_ = r.tell(history.PhaseEnded, ended) // an error that prevents the write is reported by end
	return err
}

// tell appends an event of the harness.
func (r *run) tell(eventType string, data any) error {
	_, err := r.log.Append(history.Harness, eventType, nil, data)
	return err
}

// problem records a problem that may have cost evidence but does not end the run.
func (r *run) problem(what string, err error) {
	if err == nil {
		return
	}
	r.Progress.Say("%s: %v", what, err)
	_ = r.tell(history.Problem, history.ProblemData{What: what, Error: err.Error()}) // a history that cannot be written ends the run by itself
}

// end writes the last event, closes the history and returns all problems. An interrupt is not a failure of the
// cluster.
func (r *run) end(trouble error) error {
	data := history.RunEndData{Interrupted: r.interrupted}
	if trouble != nil && !r.interrupted {
		data.Error = trouble.Error()
	}
	_ = r.tell(history.RunEnded, data) // what keeps the history from being written is what Close returns
	if err := r.log.Close(); err != nil && !errors.Is(trouble, err) {
		return errors.Join(trouble, err)
	}
	return trouble
}

// preflight checks, before anything is started, what would make the run fail.
func (r *run) preflight(ctx context.Context) error {
	if err := r.readSecrets(); err != nil {
		return err
	}
	if err := r.preflightComponents(ctx); err != nil {
		return err
	}
	var err error
	switch w := r.Plan.Workload; {
	case r.attached(): // it has an image
	case w.Image != "":
		r.image = Image{Reference: w.Image}
	case w.ImageArchive != "":
		r.image, err = r.Options.ImageArchive(ctx, w, r.Artifact)
	default:
		r.image, err = r.Options.Image(ctx, w)
	}
	return err
}

// prepareCluster makes or finds the cluster.
func (r *run) prepareCluster(ctx context.Context) error {
	spec := cluster.Spec{Name: r.ClusterName, Workers: r.Plan.Cluster.Workers, Timing: r.Plan.Cluster.Knobs.Timing(r.Plan.Cluster.Timing)}
	for _, image := range []Image{r.image, r.podImage} {
		if image.Archive != "" {
			spec.Images = append(spec.Images, image.Archive)
		}
	}
	if _, err := r.Clusters.Open(r.ClusterName); errors.Is(err, cluster.ErrNotFound) && !r.attached() {
		if err := r.active.Making(); err != nil {
			return err
		}
	}
	began := time.Now()
	c, made, err := r.takeCluster(ctx, spec)
	if err != nil {
		return err
	}
	r.cluster, r.made = c, made
	if r.identity, err = cluster.Identify(ctx, c); err != nil {
		return err
	}
	if err := errors.Join(r.active.Identified(r.identity), r.active.Made(made)); err != nil {
		return err
	}
	if err := errors.Join(r.acquire(ctx), r.receiveSpans(ctx)); err != nil {
		return err
	}
	if made {
		r.Progress.Say("cluster %s is up after %.1fs", c.Name(), time.Since(began).Seconds())
	}
	if r.client, err = newClient(c); err != nil {
		return err
	}
	if r.dynamic, err = newDynamic(c); err != nil {
		return err
	}
	if err := r.prepareOperator(ctx); err != nil {
		return err
	}
	if err := r.writeEnvironment(); err != nil {
		return err
	}
	if err := r.observeBefore(ctx); err != nil {
		return err
	}
	switch {
	case r.attached():
	case r.goes():
		r.Underway.makes("cluster " + c.Name())
	default:
		r.Underway.makes("namespace " + r.id)
	}
	return r.prepareAddOn(ctx)
}

// lookForCluster is how often to check whether the cluster still exists.
const lookForCluster = 2 * time.Second

// clusterPatience is how long it may be unknown whether the cluster still exists: a container engine may be restarted.
const clusterPatience = 45 * time.Second

// whileClusterExists returns a context that ends when someone removes the cluster during the run, or when it can no longer be
// determined whether it exists: then every wait is in vain.
func (r *run) whileClusterExists(ctx context.Context) (context.Context, func()) {
	stopHolding := func() {}
	if shared, ok := r.cluster.(cluster.Shared); ok {
		ctx, stopHolding = whileHeld(ctx, shared)
	}
	exists, cancel := context.WithCancelCause(ctx)
	go func() {
		var s sight
		for pause(exists, lookForCluster) == nil {
			_, err := r.Clusters.Open(r.ClusterName)
			if errors.Is(err, cluster.ErrNotFound) {
				cancel(r.errGone())
			} else if blind := s.look(time.Now(), err); blind > clusterPatience {
				cancel(fmt.Errorf("it could not be seen for %v whether cluster %s still exists: %w", blind.Round(time.Second), r.ClusterName, err))
			}
		}
	}()
	return exists, func() {
		cancel(nil)
		stopHolding()
	}
}

// sight knows since when these checks fail.
type sight struct{ lost time.Time }

// look records the outcome of a check and returns for how long checks have failed.
func (s *sight) look(now time.Time, err error) time.Duration {
	if err == nil {
		s.lost = time.Time{}
		return 0
	}
	if s.lost.IsZero() {
		s.lost = now
	}
	return now.Sub(s.lost)
}

// gone reports whether the run had a cluster that is no longer there.
func (r *run) gone() bool {
	if r.cluster == nil {
		return false
	}
	_, err := r.Clusters.Open(r.ClusterName)
	return errors.Is(err, cluster.ErrNotFound)
}

func (r *run) errGone() error {
	return fmt.Errorf("cluster %s was removed while the run continued", r.ClusterName)
}

// launch starts the workload, or finds it; its record begins before it does.
func (r *run) launch(ctx context.Context) error {
	if err := r.watchAnchors(); err != nil {
		return err
	}
	session, err := r.openSession(ctx, r.id, r.log, r.live)
	if err != nil {
		return err
	}
	r.session = session
	return session.launch(ctx, r.Plan.Workload)
}

func newClient(c cluster.Cluster) (kubernetes.Interface, error) {
	config, err := c.RESTConfig()
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reach the API server of cluster %s: %w", c.Name(), err)
	}
	return client, nil
}

func newDynamic(c cluster.Cluster) (dynamic.Interface, error) {
	config, err := c.RESTConfig()
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reach the API server of cluster %s: %w", c.Name(), err)
	}
	return client, nil
}
