package check

import (
	"encoding/json"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Labels that Spark puts on executors, and the launcher on all pods of a run.
const (
	labelApplication = "spark-app-selector"
	labelExecutorID  = "spark-exec-id"
	labelRole        = "spark-role"
	labelComponent   = "sparkchaos.dev/role"

	componentShuffleService = "shuffleService"
)

// Pod is what was seen of a pod, by the API server's word.
type Pod struct {
	UID, Name, Namespace string
	Node                 string // empty until it was scheduled
	Owner                history.Object
	Role                 string // label spark-role
	Component            string // label sparkchaos.dev/role: driver, executor, stagingServer or shuffleService
	Application          string // label spark-app-selector
	ExecutorID           string // label spark-exec-id
	Created              time.Time
	Phase                string

	Added       Moment // seen first
	Placed      Moment // on its node
	Running     Moment
	Terminating Moment // marked for deletion
	Finished    Moment // phase Succeeded or Failed
	Succeeded   bool
	Deleted     Moment // the object is gone
}

// Gone is when the pod had ended for the API server: it finished, or its object is gone.
func (p *Pod) Gone() Moment {
	switch {
	case p.Finished.Never():
		return p.Deleted
	case p.Deleted.Never():
		return p.Finished
	default:
		return earlier(p.Finished, p.Deleted)
	}
}

// metadata is the part of an object's metadata that invariants look at.
type metadata struct {
	UID               string            `json:"uid"`
	Name              string            `json:"name"`
	Namespace         string            `json:"namespace"`
	Labels            map[string]string `json:"labels"`
	CreationTimestamp time.Time         `json:"creationTimestamp"`
	DeletionTimestamp *time.Time        `json:"deletionTimestamp"`
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

// condition is a condition of a node or a job.
type condition struct {
	Type   string `json:"type"`
	Status string `json:"status"`
	Reason string `json:"reason"`
}

func (m *Model) observePod(e *history.Event, at Moment) error {
	var object struct {
		Metadata metadata `json:"metadata"`
		Spec     struct {
			NodeName string `json:"nodeName"`
		} `json:"spec"`
		Status struct {
			Phase string `json:"phase"`
		} `json:"status"`
	}
	if err := json.Unmarshal(e.Data, &object); err != nil {
		return err
	}
	uid := object.Metadata.UID
	if uid == "" {
		uid = e.Object.UID
	}
	pod := m.Pods[uid]
	if pod == nil {
		pod = &Pod{UID: uid, Name: object.Metadata.Name, Namespace: object.Metadata.Namespace, Created: object.Metadata.CreationTimestamp}
		pod.Owner = object.Metadata.owner()
		m.Pods[uid] = pod
	}
	pod.Role, pod.Application, pod.ExecutorID = object.Metadata.Labels[labelRole], object.Metadata.Labels[labelApplication], object.Metadata.Labels[labelExecutorID]
	pod.Component = object.Metadata.Labels[labelComponent]
	if object.Spec.NodeName != "" {
		pod.Node = object.Spec.NodeName
		pod.Placed.first(at)
	}
	pod.Phase = object.Status.Phase
	pod.Added.first(at)
	if object.Metadata.DeletionTimestamp != nil {
		pod.Terminating.first(at)
	}
	switch pod.Phase {
	case "Running":
		pod.Running.first(at)
	case "Succeeded", "Failed":
		pod.Finished.first(at)
		pod.Succeeded = pod.Phase == "Succeeded"
	}
	if e.Type == history.Deleted {
		pod.Deleted.first(at)
	}
	return nil
}

// Node is what was seen of a node.
type Node struct {
	Name    string
	Changes []ReadyChange // of its Ready condition, in the order in which they were seen
}

// ReadyChange is a change of a node's Ready condition.
type ReadyChange struct {
	Status string // True, False, Unknown, or Deleted with the object
	At     Moment
}

// lost returns when the node first stopped being Ready, not before since.
func (n *Node) lost(since time.Time) Moment {
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

func (m *Model) observeNode(e *history.Event, at Moment) error {
	var object struct {
		Status struct {
			Conditions []condition `json:"conditions"`
		} `json:"status"`
	}
	if err := json.Unmarshal(e.Data, &object); err != nil {
		return err
	}
	status := "Unknown"
	for _, c := range object.Status.Conditions {
		if c.Type == "Ready" {
			status = c.Status
		}
	}
	if e.Type == history.Deleted {
		status = "Deleted"
	}
	node := m.Nodes[e.Object.Name]
	if node == nil {
		node = &Node{Name: e.Object.Name}
		m.Nodes[e.Object.Name] = node
	}
	if last := len(node.Changes) - 1; last < 0 || node.Changes[last].Status != status {
		node.Changes = append(node.Changes, ReadyChange{Status: status, At: at})
	}
	return nil
}

// Job is what was seen of the driver's Job.
type Job struct {
	Complete Moment
	Failed   Moment
	Reason   string // of the failure
}

func (m *Model) observeJob(e *history.Event, at Moment) error {
	var object struct {
		Metadata metadata `json:"metadata"`
		Status   struct {
			Conditions []condition `json:"conditions"`
		} `json:"status"`
	}
	if err := json.Unmarshal(e.Data, &object); err != nil {
		return err
	}
	if !m.Launched.Never() && object.Metadata.UID != m.Workload.DriverUID {
		return nil
	}
	for _, c := range object.Status.Conditions {
		switch {
		case c.Type == "Complete" && c.Status == "True":
			m.Job.Complete.first(at)
		case c.Type == "Failed" && c.Status == "True":
			m.Job.Failed.first(at)
			m.Job.Reason = c.Reason
		}
	}
	return nil
}
