package cluster

import (
	"context"
	"net"
	"os"
	"time"
)

// The abilities below are those that some clusters and some providers have. Each implementation asserts in its package which of them it
// has, with a line like
//
//	var _ cluster.LogKeeper = (*Cluster)(nil)
//
// so that a method whose name is misspelt does not compile.

// Shared is a cluster that was not made for tests: others use it, and other harnesses may reach it from other machines.
type Shared interface {
	Cluster
	// Acquire locks the cluster for a run and makes what the harness needs inside of it. It fails if another harness
	// holds it.
	Acquire(ctx context.Context, run string) error
	// Release removes what Acquire created and releases the cluster; without Acquire it does nothing.
	Release(ctx context.Context) error
	// Holding returns a context that ends, with the reason as its cause, when the cluster that was acquired is lost to another
	// harness: nothing must be done to it any more. Without Acquire it does not end.
	Holding() context.Context
	// MayAct reports by its error that the cluster was lost. Unlike Holding it asks the cluster, so that it also knows when this
	// process was suspended until a moment ago.
	MayAct(ctx context.Context) error
	// UndoStore keeps undo records in the cluster itself, for a clean-up from another machine.
	UndoStore() UndoStore
	// ClockOffsets measures the clocks of the workers that are up against this machine's.
	ClockOffsets(ctx context.Context) ([]ClockOffset, error)
}

// ControlPlaneHost is a cluster that can run programs beside its control plane.
type ControlPlaneHost interface {
	// ControlPlaneAddress is the IP at which programs beside the control plane are reached from it and from pods, and at which they
	// find the API server's port 6443.
	ControlPlaneAddress() string
	// StartBeside starts a program and keeps it running; one of that name that runs is replaced.
	StartBeside(ctx context.Context, program Program) error
	// StopBeside ends a program and removes its files; existed reports whether there was one.
	StopBeside(ctx context.Context, name string) (existed bool, err error)
}

// ImageStore is a cluster to whose nodes images are brought as archives, by Load. The nodes of any other pull their images.
type ImageStore interface {
	// HasImage reports whether each node has an archive, or gets it when it boots.
	HasImage(archive string) bool
}

// LogKeeper is a cluster whose logs can be copied.
type LogKeeper interface {
	// CopyLogs copies the logs of all nodes, those that are off too, into a directory, one file a service.
	CopyLogs(directory string) error
}

// VolumeStock is a cluster without a provisioner of volumes: it has a stock of them.
type VolumeStock interface {
	// RenewVolumes makes the stock, and recreates, empty, each volume whose claim is gone.
	RenewVolumes(ctx context.Context) error
}

// Versioned is a cluster that knows which programs it runs.
type Versioned interface {
	// Components returns the versions of the programs, by name.
	Components() map[string]string
}

// Traced is a cluster whose components can export spans.
type Traced interface {
	// ListenForSpans opens the address to which the components export their spans by OTLP/gRPC; nil if they export none.
	ListenForSpans(ctx context.Context) (net.Listener, error)
}

// Exclusive is a Provider whose clusters are held by one process of this machine at a time.
type Exclusive interface {
	// Hold locks a cluster, whether it exists or not, until release is called or the process ends. What this process holds
	// already it holds on to. If another run has it, Hold waits for as long as patience lasts, and calls waiting with each holder that it
	// has found; then it fails with a *HeldError.
	Hold(ctx context.Context, name string, by Holder, patience time.Duration, waiting func(Holder)) (release func(), err error)
	// Note writes down which run it is that this process holds a cluster for.
	Note(name, run string) error
	// Holder returns who holds a cluster; nil if nobody does.
	Holder(name string) (*Holder, error)
}

// Guarded is a Provider to whose nodes something may be done by hand only if no run has their cluster, or if somebody allows it.
type Guarded interface {
	// ActOn keeps runs from beginning on a cluster while something is done to a node, until done is called; or it asks whether it may be
	// done.
	ActOn(ctx context.Context, name, node string) (done func(), err error)
}

// Confirming is a Provider of a cluster that others use: nothing is written to it before somebody has seen and allowed what may be
// disturbed.
type Confirming interface {
	// Confirm asks once. From then on the cluster is confined to what was shown.
	Confirm(ctx context.Context) error
}

// Located is a Provider for which a name does not identify a cluster.
type Located interface {
	// Elsewhere returns why a run is not on the cluster that is reached, and how to clean up after it; empty if it is there.
	Elsewhere(run LeftRun) string
	// Reached is the name by which Open finds the cluster that is reached.
	Reached() string
}

// Puller is a Provider whose clusters' nodes pull images by themselves.
type Puller interface {
	// References are those of the images that were named.
	References() References
}

// Clouded is a Provider of a cluster whose nodes belong to a cloud.
type Clouded interface {
	// CloudSecret names the Secret by which Chaos Mesh reaches the cloud; nil without one.
	CloudSecret() (*Secret, error)
}

// Lister is a Provider that can describe a cluster from its files.
type Lister interface {
	// Summary changes nothing; if something cannot be found out about a cluster, its state says so.
	Summary(ctx context.Context, name string) Summary
}

// Own is a cluster that was created on this machine.
type Own interface {
	Cluster
	ImageStore
	// Workers is the number of nodes with which the cluster was made.
	Workers() int
	// Timing returns the knobs with which the cluster was made.
	Timing() Timing
	// Kubeconfig returns that of the cluster's admin.
	Kubeconfig() ([]byte, error)
	// Show inspects the cluster from outside and through its API server. It changes nothing.
	Show(ctx context.Context) (Status, error)
	// LogFiles returns the logs of the nodes and of the control plane.
	LogFiles() ([]Log, error)
}

// Enterable is a cluster of this machine whose nodes can be looked at from inside.
type Enterable interface {
	Own
	// Enter returns the command line by which a command runs on a node, or on the control plane. The command has a terminal or not.
	Enter(ctx context.Context, node string, terminal bool, command ...string) ([]string, error)
	// KubeconfigFile is the path of what Kubeconfig returns.
	KubeconfigFile() string
}

// Log is a log of a service on a node, or of the control plane.
type Log interface {
	Name() string
	// Of reports whether it is meant by a node's name alone.
	Of(node string) bool
	// Open opens it for reading. It may be cut while it is read.
	Open() (*os.File, error)
}
