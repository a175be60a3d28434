package model

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Labels that Spark puts on executors, and the launcher on all pods of a run.
const (
	labelApplication = "spark-app-selector"
	labelExecutorID  = "spark-exec-id"
	labelRole        = history.SparkRoleLabel
	labelComponent   = "sparkchaos.dev/role"
)

// ComponentShuffleService is the component of a pod that serves the shuffle output of executors.
const ComponentShuffleService = history.RoleShuffleService

// Pod is what was seen of a pod, by the API server's word.
type Pod struct {
	UID, Name, Namespace string
	Node                 string // empty until it was scheduled
	Owner                history.Object
	Role                 string // label spark-role
	Component            string // label sparkchaos.dev/role: driver, executor, stagingServer or shuffleService
	Labels               map[string]string
	Application          string // label spark-app-selector
	ExecutorID           string // label spark-exec-id
	Created              time.Time
	Phase                string

	// Unscheduled is what the scheduler says as long as it finds no node. Waiting are the containers that do not start, by the last word
	// of the kubelet.
	Unscheduled string
	Waiting     []ContainerWait

	Added        Moment // seen first
	Placed       Moment // on its node
	Initialising Moment // its first init container has started
	Running      Moment
	Terminating  Moment // marked for deletion
	Finished     Moment // phase Succeeded or Failed
	Stopped      Moment // none of its containers runs any more, as its kubelet reported: what no fault can hide
	Succeeded    bool
	Deleted      Moment // the object is gone
	Disrupted    string // why Kubernetes took it away (condition DisruptionTarget, or the reason of its status); empty if it did not
	DisruptedAt  Moment
}

// ContainerWait is why a container does not start, as the kubelet puts it.
type ContainerWait struct{ Reason, Message string }

// Gone is when the pod had ended for the API server: it finished, or its object is gone.
func (p *Pod) Gone() Moment {
	switch {
	case p.Finished.Never():
		return p.Deleted
	case p.Deleted.Never():
		return p.Finished
	default:
		return Earlier(p.Finished, p.Deleted)
	}
}

// metadata is the part of an object's metadata that the model looks at.
type metadata struct {
	UID               string            `json:"uid"`
	Name              string            `json:"name"`
	Namespace         string            `json:"namespace"`
	Labels            map[string]string `json:"labels"`
	CreationTimestamp time.Time         `json:"creationTimestamp"`
	DeletionTimestamp *time.Time        `json:"deletionTimestamp"` // the time of the request and the grace
	Grace             *int64            `json:"deletionGracePeriodSeconds"`
	OwnerReferences   []struct {
		Kind       string `json:"kind"`
		Name       string `json:"name"`
		UID        string `json:"uid"`
		Controller *bool  `json:"controller"`
	} `json:"ownerReferences"`
}

func (d metadata) owner() history.Object {
	for _, ref := range d.OwnerReferences {
		if ref.Controller != nil && *ref.Controller {
			return history.Object{Kind: ref.Kind, Name: ref.Name, UID: ref.UID}
		}
	}
	return history.Object{}
}

// deletionAsked adds to the moment at which an object was seen to be marked for deletion the time at which that was asked for. The grace
// may have been made shorter since, and older recorders left it out; then the time is the latest that is possible, which narrows nothing
// down.
func (m *Model) deletionAsked(d metadata, at Moment) Moment {
	switch {
	case d.Grace != nil:
		return m.stamped(at, d.DeletionTimestamp.Add(-time.Duration(*d.Grace)*time.Second))
	case at.Since.IsZero():
		return m.stamped(at, *d.DeletionTimestamp)
	default:
		return at
	}
}

// stamped adds to a moment at which an object was seen a time that the API server or a controller wrote into it. Where the cluster has
// clocks of its own nobody asked theirs: then the time may be right, and does not make one later that nobody saw.
func (m *Model) stamped(at Moment, told time.Time) Moment {
	if m.Run.ClusterKind == kindExisting && !at.Since.IsZero() {
		return at
	}
	return at.notBefore(told, Clock{})
}

// condition is a condition of a node or a job.
type condition struct {
	Type       string    `json:"type"`
	Status     string    `json:"status"`
	Reason     string    `json:"reason"`
	Message    string    `json:"message"`
	Transition time.Time `json:"lastTransitionTime"`
}

func (m *Model) observePod(e *history.Event, at Moment) error {
	var object struct {
		Metadata metadata `json:"metadata"`
		Spec     struct {
			NodeName string `json:"nodeName"`
		} `json:"spec"`
		Status podStatus `json:"status"`
	}
	if err := json.Unmarshal(e.Data, &object); err != nil {
		return err
	}
	uid := object.Metadata.UID
	if uid == "" {
		uid = e.Object.UID
	}
	if uid == "" {
		return errors.New("it does not say the UID of the pod")
	}
	pod := m.Pods[uid]
	if pod == nil {
		pod = &Pod{UID: uid, Name: object.Metadata.Name, Namespace: object.Metadata.Namespace, Created: object.Metadata.CreationTimestamp}
		pod.Owner = object.Metadata.owner()
		m.Pods[uid] = pod
	}
	pod.Labels = object.Metadata.Labels
	pod.Role, pod.Component = pod.Labels[labelRole], pod.Labels[labelComponent]
	pod.Application, pod.ExecutorID = pod.Labels[labelApplication], pod.Labels[labelExecutorID]
	if object.Spec.NodeName != "" {
		pod.Node = object.Spec.NodeName
		pod.Placed.KeepEarlier(at)
	}
	pod.Phase, pod.Unscheduled, pod.Waiting = object.Status.Phase, object.Status.unscheduled(), object.Status.waiting()
	if object.Status.initialising() {
		pod.Initialising.KeepEarlier(at)
	}
	pod.Added.KeepEarlier(at)
	switch {
	case object.Status.stopped():
		pod.Stopped.KeepEarlier(at.notBefore(object.Status.finished(), m.Clocks[pod.Node]))
	case len(object.Status.Containers) > 0: // restarted
		pod.Stopped = Moment{}
	}
	if object.Metadata.DeletionTimestamp != nil {
		pod.Terminating.KeepEarlier(m.deletionAsked(object.Metadata, at))
	}
	switch pod.Phase {
	case "Running":
		pod.Running.KeepEarlier(at.notBefore(object.Status.started(), m.Clocks[pod.Node]))
	case "Succeeded", "Failed":
		pod.Finished.KeepEarlier(at.notBefore(object.Status.finished(), m.Clocks[pod.Node]))
		pod.Succeeded = pod.Phase == "Succeeded"
	}
	if why := object.Status.disruption(); why != "" && pod.Disrupted == "" {
		pod.Disrupted, pod.DisruptedAt = why, at
	}
	if e.Type == history.Deleted {
		pod.Deleted.KeepEarlier(at)
	}
	return nil
}

// podStatus is the part of a pod's status that the model looks at.
type podStatus struct {
	Phase          string            `json:"phase"`
	Reason         string            `json:"reason"`
	Conditions     []condition       `json:"conditions"`
	Containers     []containerStatus `json:"containerStatuses"`
	InitContainers []containerStatus `json:"initContainerStatuses"`
}

type containerStatus struct {
	State struct {
		Waiting *struct {
			Reason  string `json:"reason"`
			Message string `json:"message"`
		} `json:"waiting"`
		Running *struct {
			StartedAt time.Time `json:"startedAt"`
		} `json:"running"`
		Terminated *struct {
			FinishedAt time.Time `json:"finishedAt"`
		} `json:"terminated"`
	} `json:"state"`
	ContainerID string `json:"containerID"`
}

// stopped reports whether the kubelet says that each container has ended. It gives the time of the end, or the container never was. A
// container that it merely lost sight of (reason ContainerStatusUnknown) has an ID and no time: nobody saw it end.
func (s podStatus) stopped() bool {
	return len(s.Containers) > 0 && !slices.ContainsFunc(s.Containers, func(c containerStatus) bool {
		ended := c.State.Terminated
		return ended == nil || ended.FinishedAt.IsZero() && c.ContainerID != ""
	})
}

// initialising reports whether an init container of the pod has started.
func (s podStatus) initialising() bool {
	return slices.ContainsFunc(s.InitContainers, func(c containerStatus) bool { return c.State.Running != nil || c.State.Terminated != nil })
}

// waiting returns why containers do not start.
func (s podStatus) waiting() []ContainerWait {
	var all []ContainerWait
	for _, container := range slices.Concat(s.InitContainers, s.Containers) {
		if w := container.State.Waiting; w != nil {
			all = append(all, ContainerWait{Reason: w.Reason, Message: w.Message})
		}
	}
	return all
}

// unscheduled returns why the scheduler finds no node; empty if it found one or did not say.
func (s podStatus) unscheduled() string {
	for _, c := range s.Conditions {
		if c.Type == "PodScheduled" && c.Status == "False" {
			return c.Message
		}
	}
	return ""
}

// started returns when the first container started, by the kubelet's clock; the zero time if that is not known.
func (s podStatus) started() time.Time {
	var first time.Time
	for _, container := range s.Containers {
		if running := container.State.Running; running != nil && (first.IsZero() || running.StartedAt.Before(first)) {
			first = running.StartedAt
		}
	}
	return first
}

// finished returns when the last container ended, by the kubelet's clock; the zero time if that is not known.
func (s podStatus) finished() time.Time {
	var last time.Time
	for _, container := range s.Containers {
		if ended := container.State.Terminated; ended != nil && ended.FinishedAt.After(last) {
			last = ended.FinishedAt
		}
	}
	return last
}

// disruption returns why Kubernetes took the pod away; empty if it did not.
func (s podStatus) disruption() string {
	for _, c := range s.Conditions {
		if c.Type == "DisruptionTarget" && c.Status == "True" {
			return c.Reason
		}
	}
	switch s.Reason {
	case "Evicted", "NodeLost", "NodeShutdown", "Terminated", "Preempting", "Shutdown":
		return s.Reason
	}
	return ""
}

// notBefore adds to a moment the time that the object itself gives, by a clock, if it is clearly earlier than that at which it was seen.
func (m Moment) notBefore(told time.Time, clock Clock) Moment {
	told = told.Add(-clock.Offset)
	if told.After(time.Unix(0, 0)) && m.At.Sub(told) > resolution && (m.Since.IsZero() || told.After(m.Since)) {
		m.Since = told
	}
	return m
}

// Node is what was seen of a node.
type Node struct {
	Name    string
	Changes []ReadyChange // of its Ready condition, in the order in which they were seen
	Marks   []NodeMark    // what else changed, in the order in which it was seen
	bootID  string
	taints  map[string]bool
}

// NodeMark is a change of a node other than of its readiness: it was booted, or it got a taint.
type NodeMark struct {
	What string
	At   Moment
}

// ReadyChange is a change of a node's Ready condition.
type ReadyChange struct {
	Status string // True, False, Unknown, or Deleted with the object
	At     Moment
}

// Lost returns when the node first stopped being Ready, not before since.
func (n *Node) Lost(since time.Time) Moment {
	if n == nil {
		return Moment{}
	}
	for _, change := range n.Changes {
		if change.Status != "True" && !change.At.At.Before(since) {
			return change.At
		}
	}
	return Moment{}
}

// SilentBefore reports whether the node was known not to be Ready already before a time.
func (n *Node) SilentBefore(at time.Time) bool {
	silent := false
	if n != nil {
		for _, change := range n.Changes {
			if change.At.At.Before(at) {
				silent = change.Status != "True"
			}
		}
	}
	return silent
}

// lostTo reports whether the node stopped being Ready in the time from since to over, and was not Ready again before until.
func (n *Node) lostTo(since, over, until time.Time) bool {
	if n == nil {
		return false
	}
	lost := false
	for _, change := range n.Changes {
		switch {
		case change.At.At.Before(since) || change.At.At.After(until):
		case change.Status == "True":
			lost = false
		default:
			lost = lost || change.At.At.Before(over)
		}
	}
	return lost
}

func (m *Model) observeNode(e *history.Event, at Moment) error {
	var object struct {
		Spec struct {
			Unschedulable bool    `json:"unschedulable"`
			Taints        []taint `json:"taints"`
		} `json:"spec"`
		Status struct {
			Conditions []condition `json:"conditions"`
			NodeInfo   struct {
				BootID string `json:"bootID"`
			} `json:"nodeInfo"`
		} `json:"status"`
	}
	if err := json.Unmarshal(e.Data, &object); err != nil {
		return err
	}
	status, changed := "Unknown", at
	for _, c := range object.Status.Conditions {
		if c.Type == "Ready" {
			status, changed = c.Status, m.stamped(at, c.Transition)
		}
	}
	if e.Type == history.Deleted {
		status, changed = "Deleted", at
	}
	node := m.Nodes[e.Object.Name]
	if node == nil {
		node = &Node{Name: e.Object.Name}
		m.Nodes[e.Object.Name] = node
	}
	if last := len(node.Changes) - 1; last < 0 || node.Changes[last].Status != status {
		node.Changes = append(node.Changes, ReadyChange{Status: status, At: changed})
	}
	node.observeMarks(object.Status.NodeInfo.BootID, object.Spec.Taints, at)
	return nil
}

// taint is a taint of a node.
type taint struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Effect string `json:"effect"`
}

// followsReadiness reports whether Kubernetes sets and removes a taint as the node's Ready condition changes, which is looked at by itself.
func followsReadiness(key string) bool {
	return key == "node.kubernetes.io/not-ready" || key == "node.kubernetes.io/unreachable"
}

// observeMarks notes that the node was booted or tainted since it was seen last.
func (n *Node) observeMarks(bootID string, taints []taint, at Moment) {
	if bootID != "" {
		if n.bootID != "" && n.bootID != bootID {
			n.Marks = append(n.Marks, NodeMark{What: "was booted", At: at})
		}
		n.bootID = bootID
	}
	first := n.taints == nil
	known := map[string]bool{}
	for _, t := range taints {
		if followsReadiness(t.Key) {
			continue
		}
		text := t.Key + "=" + t.Value + ":" + t.Effect
		known[text] = true
		if !first && !n.taints[text] {
			n.Marks = append(n.Marks, NodeMark{What: "got the taint " + text, At: at})
		}
	}
	n.taints = known
}

// Job is what was seen of a Job, or of the application of an operator.
type Job struct {
	State    string // as an operator calls it, by its last word; empty for a Job
	Complete Moment
	Failed   Moment
	Deleted  Moment // the object is marked for deletion, or gone
	Reason   string // of the failure
	Trouble  string // what an operator says went wrong with the last driver; empty while nothing did
}

func (m *Model) observeJob(e *history.Event, at Moment) error {
	var object struct {
		Metadata metadata `json:"metadata"`
		Status   struct {
			CompletionTime time.Time   `json:"completionTime"`
			Conditions     []condition `json:"conditions"`
		} `json:"status"`
	}
	if err := json.Unmarshal(e.Data, &object); err != nil {
		return err
	}
	uid := cmp.Or(object.Metadata.UID, e.Object.UID)
	job := m.Jobs[uid]
	if job == nil {
		job = &Job{}
		m.Jobs[uid] = job
	}
	if e.Type == history.Deleted || object.Metadata.DeletionTimestamp != nil {
		job.Deleted.KeepEarlier(at)
	}
	for _, c := range object.Status.Conditions {
		switch {
		case c.Type == "Complete" && c.Status == "True":
			job.Complete.KeepEarlier(m.stamped(at, object.Status.CompletionTime))
		case c.Type == "Failed" && c.Status == "True":
			job.Failed.KeepEarlier(m.stamped(at, c.Transition))
			job.Reason = c.Reason
		}
	}
	return nil
}

// Job returns what keeps the driver running, a Job or an operator's application; one of which nothing was seen if it is none of those in
// the history.
func (m *Model) Job() Job {
	if job := m.Jobs[m.Workload.DriverUID]; job != nil {
		return *job
	}
	return Job{}
}

// EndedSince returns when the pod was marked for deletion or ended, not before since.
func (p *Pod) EndedSince(since time.Time) Moment {
	var first Moment
	for _, m := range []Moment{p.Terminating, p.Finished, p.Deleted} {
		if !m.Never() && !m.At.Before(since) {
			first.KeepEarlier(m)
		}
	}
	return first
}
