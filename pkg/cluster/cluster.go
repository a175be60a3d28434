// Package cluster defines what faults and the runner need of a Kubernetes cluster: its API, its nodes as
// machines that can be disturbed, and the few doors through which the harness and the pods reach each other.
// Only the implementations below this directory know how a node is made.
package cluster

import (
	"context"
	"io/fs"
	"net"
	"time"

	"k8s.io/client-go/rest"
)

// Action is something that can be done to a node as a machine.
type Action string

// The actions. Each pair undoes itself; Shutdown is undone by PowerOn.
const (
	// PowerOff is a loss of power: the network is cut first, then all processes of the node end at once,
	// so its peers see silence and never a FIN or RST. The disk stays.
	PowerOff Action = "power-off"
	// PowerOn boots the node's disk again, with a new boot ID and an empty /run.
	PowerOn Action = "power-on"
	// Shutdown is a graceful shutdown: kubelet ends the pods within their grace periods, then the node powers off.
	Shutdown Action = "shutdown"
	// Freeze stops every process of the node, those of its pods included; Thaw lets them continue.
	Freeze Action = "freeze"
	Thaw   Action = "thaw"
	// Isolate cuts the node off the network while its processes keep running; Rejoin restores it with the same address.
	Isolate Action = "isolate"
	Rejoin  Action = "rejoin"
	// KubeletStop ends kubelet alone, its containers keep running; KubeletStart starts it again.
	KubeletStop  Action = "kubelet-stop"
	KubeletStart Action = "kubelet-start"
)

// Actions returns all actions, in the order in which they are shown to users.
func Actions() []Action {
	return []Action{PowerOff, PowerOn, Shutdown, Freeze, Thaw, Isolate, Rejoin, KubeletStop, KubeletStart}
}

// Undo returns the action that ends the effect of a, and false if a needs no undoing.
func (a Action) Undo() (Action, bool) {
	switch a {
	case PowerOff, Shutdown:
		return PowerOn, true
	case Freeze:
		return Thaw, true
	case Isolate:
		return Rejoin, true
	case KubeletStop:
		return KubeletStart, true
	default:
		return "", false
	}
}

// Undoes returns the action whose effect a ends, and false if a brings about an effect of its own.
func (a Action) Undoes() (Action, bool) {
	for _, action := range Actions() {
		if undo, ok := action.Undo(); ok && undo == a {
			return action, true
		}
	}
	return "", false
}

// Evidence proves that an action took effect, as seen from outside the node. Faults record it in the history.
type Evidence struct {
	Action       Action        `json:"action"`
	Node         string        `json:"node"`
	Begun        time.Time     `json:"begun"`
	Observations []Observation `json:"observations"`
}

// Observed returns the time of the last observation: from then on the effect is known to hold.
func (e Evidence) Observed() time.Time {
	var last time.Time
	for _, o := range e.Observations {
		if o.At.After(last) {
			last = o.At
		}
	}
	return last
}

// Observation is one fact seen from outside a node.
type Observation struct {
	What string    `json:"what"` // the fact, e.g. "no process of the node is left"
	How  string    `json:"how"`  // where it was seen, e.g. "cgroup.procs of the node's cgroups"
	At   time.Time `json:"at"`
}

// Power reports whether a node's machine runs.
type Power string

// The states of a node's power. A frozen node is on.
const (
	On  Power = "on"
	Off Power = "off"
)

// Node is a worker as a machine; for the state of its Node object ask the API.
type Node struct {
	Name      string `json:"name"`
	Power     Power  `json:"power"`
	Frozen    bool   `json:"frozen"`
	Isolated  bool   `json:"isolated"`
	Kubelet   bool   `json:"kubelet"` // kubelet's process runs
	Address   string `json:"address"`
	BootID    string `json:"bootID,omitempty"`
	Processes int    `json:"processes"`
}

// Disturbed says that the node is not as a fault finds it.
func (n Node) Disturbed() bool { return n.Power != On || n.Frozen || n.Isolated || !n.Kubelet }

// StorageClasses names the classes that every cluster of sparkchaos offers, by what losing a node does to them.
type StorageClasses struct {
	Shared string // ReadWriteMany, seen by all nodes, survives the loss of any
	Local  string // on one node's disk, unreachable while that node is off
}

// Cluster is a running cluster.
type Cluster interface {
	// Name is the cluster's name on this machine.
	Name() string
	// Can returns the actions that this cluster can do to its nodes.
	Can() []Action
	// RESTConfig gives access to the API server as the cluster's admin.
	RESTConfig() (*rest.Config, error)
	// Nodes returns the workers, sorted by name.
	Nodes(ctx context.Context) ([]Node, error)
	// Do acts on a node and returns only when the effect was observed from outside; otherwise it fails.
	// Doing what is already so (power-off of a node that is off) is an error that changes nothing.
	Do(ctx context.Context, action Action, node string) (Evidence, error)
	// Load brings an image archive (OCI or docker-archive) to all nodes, running ones too.
	Load(ctx context.Context, archive string) error
	// Listen opens a TCP socket at an address that pods on all nodes reach, whichever node is lost.
	Listen(ctx context.Context) (net.Listener, error)
	// MakeDirectory makes a directory on the own disk of every node that pods of any user can write to.
	MakeDirectory(ctx context.Context, path string) error
	// RemoveDirectory removes, from every node's disk, what MakeDirectory made, with all that is in it.
	RemoveDirectory(ctx context.Context, path string) error
	// Disk gives a node's own disk for reading, rooted at "/", also while the node is off, frozen or isolated.
	Disk(ctx context.Context, node string) (fs.FS, error)
	// StorageClasses names the cluster's storage classes.
	StorageClasses() StorageClasses
}
