package runner

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/pkg/witness"
)

// startTimeout is how long the first driver's container may take to start: scheduling, a volume, an image to pull.
const startTimeout = 3 * time.Minute

// session is one execution of the workload in a namespace of its own, with its recording. A run has one, and another one
// for its baseline.
type session struct {
	run       *run
	id        string // label and namespace
	log       *history.Writer
	live      *live // of the log
	recording *recording
	witness   *witnessing
	logs      *podLogs
	launched  time.Time         // when the driver's object was made
	members   []launcher.Member // what the workload has of each component
	reader    *corev1.Pod       // of the application's outputs, to be made once it has ended; nil if it has none
}

// openSession begins to record before anything exists, so that nothing is missed.
func (r *run) openSession(ctx context.Context, id string, log *history.Writer, live *live) (*session, error) {
	s := &session{run: r, id: id, log: log, live: live}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *session) open(ctx context.Context) (err error) {
	r := s.run
	if r.attached() {
		s.witness, err = startWitnessing(ctx, r.cluster, r.Plan.Workload, r.components, s.log, s.id, r.Plan.Seed, s.problem)
		return errors.Join(err, s.observe(ctx))
	}
	for _, directory := range directories(s.id) {
		if err = r.cluster.MakeDirectory(ctx, directory); err != nil {
			return err
		}
	}
	if s.recording, err = startRecording(ctx, history.NewRecorder(r.dynamic, s.log, s.id, launcher.Watched(r.Plan.Workload)...)); err != nil {
		return err
	}
	if s.witness, err = startWitnessing(ctx, r.cluster, r.Plan.Workload, r.components, s.log, s.id, r.Plan.Seed, s.problem); err != nil {
		return err
	}
	// A directory of its own: a bare driver pod has the same name in each session.
	s.logs, err = followLogs(ctx, r.client, s.live, filepath.Join(r.directory.Logs(), logsOf(r, s.id)), r.secrets.masked())
	return err
}

// logsOf is the directory of a session's logs among those of the run.
func logsOf(r *run, id string) string {
	if id == r.baselineID() {
		return "baseline"
	}
	return ""
}

// close ends the recording. It may be called in any state and more than once.
func (s *session) close() error {
	var errs []error
	if s.witness != nil {
		errs = append(errs, s.witness.end())
	}
	if s.logs != nil {
		s.logs.end()
	}
	if s.recording != nil {
		errs = append(errs, s.recording.end())
		s.recording = nil
	}
	return errors.Join(errs...)
}

// problem records a problem that may have cost evidence.
func (s *session) problem(p history.ProblemData) {
	_, _ = s.log.Append(history.Harness, history.Problem, nil, p) // a history that cannot be written ends the run by itself
}

// launch creates the workload's objects and returns when the first container of the first driver runs: faults can hit an
// initialising driver, too. Of an application that somebody else starts it waits for the driver.
func (s *session) launch(ctx context.Context, w scenario.Workload) error {
	if s.run.attached() {
		return s.attach(ctx)
	}
	objects, err := launcher.Render(w, s.environment(), s.run.components)
	if err != nil {
		return err
	}
	if err := s.applyComponents(ctx, objects); err != nil {
		return err
	}
	launched, err := launcher.ApplyDriver(ctx, s.run.client, s.run.dynamic, objects)
	if err != nil {
		return err
	}
	s.launched, s.reader = time.Now(), objects.OutputReader
	launched.ImageID = s.run.image.Digest
	if _, err := s.log.Append(history.Harness, history.WorkloadLaunched, nil, launched); err != nil {
		return err
	}
	return s.awaitDriver(ctx, launched)
}

// applyComponents creates what the driver needs and waits until it is ready, so that the driver finds all of it.
func (s *session) applyComponents(ctx context.Context, objects *launcher.Objects) error {
	if err := s.run.secrets.fill(objects, s.witness.token); err != nil {
		return err
	}
	restricted := launcher.ApplyPolicy(ctx, s.run.client, objects)
	if err := s.tellUnrestricted(restricted); err != nil {
		return err
	}
	if err := launcher.ApplyComponents(ctx, s.run.client, objects); err != nil {
		return err
	}
	s.members = objects.Members
	if err := s.prepareComponents(ctx); err != nil || restricted != nil {
		return err
	}
	return s.tellUnrestricted(launcher.AwaitPolicy(ctx, s.run.client, objects))
}

// tellUnrestricted reports that the workload's code may create any pod, which does not end the run; other errors do.
func (s *session) tellUnrestricted(err error) error {
	var unrestricted *launcher.UnrestrictedError
	if errors.As(err, &unrestricted) {
		s.run.Progress.Say("%v", unrestricted)
		return nil
	}
	return err
}

func (s *session) environment() launcher.Environment {
	classes := s.run.cluster.StorageClasses()
	env := launcher.Environment{
		RunID: s.id, Namespace: s.id, Image: s.run.image.Reference, PodImage: s.run.podImage.Reference,
		PullPolicy:   corev1.PullIfNotPresent,
		StorageClass: classes.Shared, LocalStorageClass: classes.Local,
		NodeDirectory: nodeDirectory(s.id), ShuffleDirectory: shuffleDirectory(s.id),
		OutputJar: s.run.witnessJar,
	}
	if s.run.Plan.Workload.Witnessed() {
		env.Witness = launcher.Witness{URL: s.witness.url, Directory: s.witness.directory, Secured: true, Jar: s.run.witnessJar}
		for _, provide := range s.witness.provided {
			provide(&env)
		}
	}
	if s.run.image.Archive != "" {
		env.PullPolicy = corev1.PullNever
	}
	return env
}

// awaitDriver waits for the first driver's first container, which may be one that initialises. A container that can never
// start is reported at once instead of at a deadline.
func (s *session) awaitDriver(ctx context.Context, launched history.WorkloadData) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	seen := newSeen("no driver pod")
	done := s.run.Progress.Await("the driver's container", startTimeout, seen.String)
	defer done()
	return s.live.await(ctx, func(m *model.Model) (bool, error) {
		if m.Unreadable["Pod"] > 0 {
			return false, errors.New("what the API server says about a pod cannot be read: the history reports it as a problem")
		}
		for _, incarnation := range m.Incarnations() {
			if incarnation.Pod == nil {
				continue
			}
			pod := *incarnation.Pod
			seen.set(podState(pod))
			if err := startable("the driver", pod, launched); err != nil {
				return false, err
			}
			if !pod.Initialising.Never() || !pod.Running.Never() || !pod.Finished.Never() {
				return true, nil
			}
		}
		if by := m.Jobs[launched.LaunchedBy.UID]; by != nil && by.State != "" && len(m.Incarnations()) == 0 {
			seen.set(withoutDriver(launched.LaunchedBy, by))
		}
		return false, s.launcherFails(m, launched)
	}, func() error {
		return fmt.Errorf("the driver did not start within %v; last seen: %s", startTimeout, seen)
	})
}

// troubleShown is how many bytes of what an operator says went wrong are shown; the history has all of it.
const troubleShown = 1000

// withoutDriver describes an application for which its operator has made no driver.
func withoutDriver(launcher history.Object, by *model.Job) string {
	state := fmt.Sprintf("no driver pod; %s %s is %s", launcher.Kind, launcher.Name, by.State)
	if by.Trouble == "" {
		return state
	}
	trouble := printable.Line(by.Trouble)
	if _, thrown, ok := strings.Cut(trouble, "Exception in thread "); ok { // below what spark-submit logged
		trouble = thrown
	}
	shown, cut := printable.Cut(trouble, troubleShown)
	if cut {
		shown += "…"
	}
	return state + ": " + shown
}

// startable returns an error if a pod's containers will never start.
func startable(what string, pod model.Pod, launched history.WorkloadData) error {
	reason := cannotStart(pod)
	if reason == "" {
		return nil
	}
	return fmt.Errorf("%s cannot start: image %s on node %s: %s; load it into the cluster (`sparkchaos cluster load`) "+
		"or correct spec.workload.image", what, launched.Image, pod.Node, reason)
}

// launcherFails returns an error if the launcher of the application no longer creates drivers.
func (s *session) launcherFails(m *model.Model, launched history.WorkloadData) error {
	by := launched.LaunchedBy
	name := by.Kind + " " + by.Name + ", which launches the driver,"
	for _, pod := range m.Pods {
		if pod.Owner.UID != by.UID {
			continue
		}
		if err := startable(name, *pod, launched); err != nil {
			return err
		}
	}
	job := m.Jobs[by.UID]
	if job == nil || job.Failed.Never() {
		return nil
	}
	return fmt.Errorf("%s has failed (%s): there is no driver; the logs of its pods are in %s", name, job.Reason, s.logs.directory.Name())
}

func podState(pod model.Pod) string {
	state := fmt.Sprintf("pod %s is %s", pod.Name, pod.Phase)
	if pod.Unscheduled != "" {
		state += ": " + pod.Unscheduled
	}
	return state
}

// cannotStart returns why a pod's containers will never start, or nothing.
func cannotStart(pod model.Pod) string {
	hopeless := []string{"ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "ErrImagePull", "ImagePullBackOff"}
	for _, waiting := range pod.Waiting {
		if slices.Contains(hopeless, waiting.Reason) {
			return waiting.Reason + ": " + waiting.Message
		}
	}
	return ""
}

// collect reads what drivers and executors wrote to the nodes' own disks, also those of dead and isolated nodes. A failure on
// one node, or of the witness's server, does not keep the records of other nodes from being read.
func (s *session) collect(ctx context.Context) error {
	errs := []error{s.witness.end()}
	if !s.run.Plan.Workload.Witnessed() {
		return errors.Join(errs...)
	}
	if strangers := s.witness.strangers(); strangers > 0 {
		s.run.Progress.Say("the witness refused %d requests without the token of the run: the workload's image has another release "+
			"of the plugin, or somebody else sent them", strangers)
	}
	nodes, err := s.run.cluster.Nodes(ctx)
	errs = append(errs, err)
	for _, node := range nodes {
		errs = append(errs, s.collectNode(ctx, node.Name))
	}
	return errors.Join(errs...)
}

// collectTimeout limits the time to read one node's disk, which may hang.
const collectTimeout = 5 * time.Minute

func (s *session) collectNode(ctx context.Context, node string) error {
	hung := fmt.Errorf("the disk of node %s was not read within %v", node, collectTimeout)
	reading, cancel := context.WithTimeoutCause(ctx, collectTimeout, hung)
	defer cancel()
	data := history.CollectionData{Node: node}
	disk, err := s.run.cluster.Disk(reading, node)
	if err != nil {
		data.Errors = append(data.Errors, err.Error())
	} else if data, err = witness.Collect(reading, node, disk, s.witness.directory, s.witness.inbox); errors.Is(err, hung) {
		data.Errors = append(data.Errors, err.Error())
	} else if err != nil {
		return err // of the history, or an interrupt
	}
	if _, err = s.log.Append(history.Harness, history.DisksCollected, &history.Object{Kind: "Node", Name: node}, data); err != nil {
		return err
	}
	if disk != nil {
		s.keepEventLogs(reading, node, disk)
	}
	return nil
}
