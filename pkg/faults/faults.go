// Package faults breaks things on purpose and proves it. A Fault holds the logic of one kind of disturbance; a
// Disturbance runs it through its states, with an undo record on disk before anything is touched and an event in
// the history for each step. A fault counts only when it was seen to land.
package faults

import (
	"context"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Fault is the logic of one disturbance with its arguments. It keeps no state: what one step leaves to the next is
// in Target and Effect. How it is recovered is not its own affair: that is the Undo of its target, which does not depend on the process
// that injected it.
type Fault interface {
	// Describe says in one sentence what the fault does and to what.
	Describe() string
	// Needs returns the actions that the cluster must be able to do to its nodes, those of the undoing included.
	Needs() []cluster.Action
	// Resolve finds the target at the moment of the injection, and refuses one that the fault cannot affect
	// (a node that is off already, a pod that is ending already). It changes nothing. The target says how the fault is undone.
	Resolve(ctx context.Context, env Env) (Target, error)
	// Inject acts. After an error the target may be disturbed in part.
	Inject(ctx context.Context, env Env, target Target) (Effect, error)
	// ProveLanded observes from outside that the fault landed; it changes nothing. An error says what was seen instead.
	ProveLanded(ctx context.Context, env Env, target Target, effect Effect) (Proof, error)
	// ProveRecovered observes from outside that nothing of the fault is left when it was undone; it changes nothing. effect is that
	// of the undoing.
	ProveRecovered(ctx context.Context, env Env, target Target, effect Effect) (Proof, error)
}

// Machines is what faults need of a cluster's nodes; cluster.Cluster has it.
type Machines interface {
	Name() string
	Can() []cluster.Action
	Nodes(ctx context.Context) ([]cluster.Node, error)
	Do(ctx context.Context, action cluster.Action, node string) (cluster.Evidence, error)
}

// Targets knows the pods of the live incarnation and of the components around it. The runner answers from the events it
// recorded.
type Targets interface {
	// Driver returns the live driver's pod. The error says what was seen instead of one.
	Driver() (Pod, error)
	// Executors returns the live executors' pods of the live incarnation, in the order of their executor ids.
	Executors() ([]Pod, error)
	// Component returns the live pods of a component of the workload (scenario.OfStagingServer …), in the order of their names.
	Component(role string) ([]Pod, error)
}

// Pod is a pod of the application and the node that carries it.
type Pod struct {
	Namespace, Name, UID, Node string
}

// Emitter writes events into the history; *history.Writer is one.
type Emitter interface {
	Append(source history.Source, eventType string, object *history.Object, data any) (history.Event, error)
}

// Heartbeats knows what the witness heard. It is evidence beside the API's, never the only one.
type Heartbeats interface {
	// Last returns when, by the harness's clock, the last heartbeat of the pod's JVM arrived; false if none ever did.
	Last(podUID string) (time.Time, bool)
	// Ahead returns by how much the time that this heartbeat told was ahead of the harness's clock when it arrived.
	Ahead(podUID string) time.Duration
}

// Chaos is what faults need of Chaos Mesh; *chaosmesh.Client is one.
type Chaos interface {
	// Create makes a resource; dry only has it looked at.
	Create(ctx context.Context, r chaosmesh.Resource, run string, spec chaosmesh.Spec, dry bool) (chaosmesh.Resource, error)
	// AwaitInjected waits until Chaos Mesh says that all is injected.
	AwaitInjected(ctx context.Context, r chaosmesh.Resource) (chaosmesh.State, error)
	// State returns what Chaos Mesh says; an error that is NotFound means that the resource is gone.
	State(ctx context.Context, r chaosmesh.Resource) (chaosmesh.State, error)
	// Delete removes a resource and waits until it is gone; one that hangs is freed.
	Delete(ctx context.Context, r chaosmesh.Resource) (chaosmesh.Freed, error)
	// OnNode runs a shell script on a node, beside its pods.
	OnNode(ctx context.Context, node, script string) (string, error)
}

// CloudSecret is the Secret by which Chaos Mesh reaches the cloud that the nodes belong to. Resources are made beside it.
type CloudSecret struct{ Namespace, Name string }

// Env is what a disturbance works with. Heartbeats may be nil; zero times get the defaults.
type Env struct {
	Run         string           // the run's ID, for the undo record
	ClusterKind string           // embedded, kind or existing, for the undo record
	Cluster     cluster.Identity // of Machines, for the undo record
	Fault       string           // its name in the scenario, for the mark on a node; NewDisturbance sets it
	Kind        string           // e.g. nodePowerOff; NewDisturbance sets it
	Namespace   string           // of the run
	// MayAct is asked right before anything is done or undone, and returns why it must not be any more; nil never objects.
	MayAct      func(context.Context) error
	Machines    Machines
	Client      kubernetes.Interface
	Targets     Targets
	Emitter     Emitter
	Journal     *Journal
	Heartbeats  Heartbeats
	Chaos       Chaos            // nil where there is no Chaos Mesh
	CloudSecret *CloudSecret     // nil where the cloud is not to be reached, or there is none
	Now         func() time.Time // the harness's clock; nil is time.Now

	LandWithin    time.Duration // bound of injecting and proving; 30 s if zero
	RecoverWithin time.Duration // bound of undoing and proving; 3 min if zero
	HoldWithin    time.Duration // bound of seeing, before the undoing, that the effect still holds; 5 s if zero
	WatchEvery    time.Duration // between two looks whether a fault that has landed still holds; 5 s if zero
	PollEvery     time.Duration // between two looks at the API or the nodes; 100 ms if zero
}

// The defaults of Env. Recovering includes booting a node until it is Ready.
const (
	defaultLandWithin    = 30 * time.Second
	defaultRecoverWithin = 3 * time.Minute
	defaultHoldWithin    = 5 * time.Second
	defaultWatchEvery    = 5 * time.Second
	defaultPollEvery     = 100 * time.Millisecond
)

// WithDefaults returns the Env with a default for whatever has one and is zero.
func (e Env) WithDefaults() Env {
	if e.MayAct == nil {
		e.MayAct = func(context.Context) error { return nil }
	}
	if e.Now == nil {
		e.Now = time.Now
	}
	if e.LandWithin <= 0 {
		e.LandWithin = defaultLandWithin
	}
	if e.RecoverWithin <= 0 {
		e.RecoverWithin = defaultRecoverWithin
	}
	if e.HoldWithin <= 0 {
		e.HoldWithin = defaultHoldWithin
	}
	if e.WatchEvery <= 0 {
		e.WatchEvery = defaultWatchEvery
	}
	if e.PollEvery <= 0 {
		e.PollEvery = defaultPollEvery
	}
	return e
}

// Target is what a fault is injected into.
type Target struct {
	Object history.Object
	// Node is the machine that is disturbed, or that carries the pod.
	Node string
	// Undo says how the fault is undone. It goes to disk, together with Object and Node, before the injection.
	Undo Undo
	// Facts are what Resolve leaves to the later steps of the same fault, such as what the target was like before.
	Facts any
}

// Effect is what an injection or a recovery did.
type Effect struct {
	Began        time.Time             // when it began to act, by the harness's clock
	Observations []cluster.Observation // what the cluster saw of it from outside
	Claims       *chaosmesh.State      // what Chaos Mesh says about it; nil if it has no part in it
}

// Proof is the evidence of a landing or a recovery, as it goes into the history: a cluster.Evidence with the target
// before and after.
type Proof struct {
	cluster.Evidence
	Before any `json:"before,omitempty"`
	After  any `json:"after,omitempty"`
	// Claims is what Chaos Mesh recorded. It is no evidence.
	Claims *chaosmesh.State `json:"claims,omitempty"`
	// Detail goes to the event's Detail: what is known beyond the proof, and what is not.
	Detail map[string]string `json:"-"`
}

// Missing returns what the fault needs and the cluster cannot do; empty when it can.
func Missing(fault Fault, can []cluster.Action) []cluster.Action {
	able := make(map[cluster.Action]bool, len(can))
	for _, action := range can {
		able[action] = true
	}
	var missing []cluster.Action
	for _, action := range fault.Needs() {
		if !able[action] {
			missing = append(missing, action)
		}
	}
	return missing
}
