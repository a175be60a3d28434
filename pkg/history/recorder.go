package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"

	"golang.org/x/sync/errgroup"
)

// kind is a kind of object that is watched.
type kind struct {
	name      string // as in Object.Kind
	resource  schema.GroupVersionResource
	namespace string // empty: cluster-scoped
}

// String names the kind and where it is watched, for messages.
func (k kind) String() string {
	if k.namespace == "" {
		return k.name
	}
	return k.name + " in " + k.namespace
}

func kinds(namespace string) []kind {
	core := schema.GroupVersion{Version: "v1"}
	leases := schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	return []kind{
		{name: "Node", resource: core.WithResource("nodes")},
		{name: "Lease", resource: leases, namespace: corev1.NamespaceNodeLease},
		{name: "Lease", resource: leases, namespace: namespace},
		{name: "Job", resource: schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}, namespace: namespace},
		{name: "Pod", resource: core.WithResource("pods"), namespace: namespace},
		{name: "Event", resource: core.WithResource("events"), namespace: namespace},
		{name: "ConfigMap", resource: core.WithResource("configmaps"), namespace: namespace},
		{name: "PersistentVolumeClaim", resource: core.WithResource("persistentvolumeclaims"), namespace: namespace},
	}
}

// Watched is a kind of object that is recorded beside those that always are.
type Watched struct {
	Kind     string // as in Object.Kind
	Resource schema.GroupVersionResource
}

// Recorder writes what the API server says into a history: nodes, their leases, and the jobs, pods, events, leases,
// config maps and volume claims of one namespace. Of each object it keeps only the last state. A broken watch is resumed
// where it was; an Outage event says that it took a second or longer, a Gap event that something may have been missed.
type Recorder struct {
	// If the server does not know the point any more at which a watch is to be resumed (410), the kind is listed again: after
	// the Gap event come the differences from the last known state as Added, Modified and Deleted.
	//
	// Every renewal of a node's lease is recorded (one per second and node with fast timing): the last one before silence is
	// the best evidence of when a node was last heard of, and which one is the last shows only afterwards.

	client  dynamic.Interface
	log     *Writer
	kinds   []kind
	backoff wait.Backoff
	keep    func(kind, *unstructured.Unstructured) // leaves of an object what is recorded; nil: all of it

	mu      sync.Mutex
	waiting map[kind]error // kinds that were never listed, and why not
	synced  chan struct{}  // closed when waiting is empty
}

// NewRecorder returns a Recorder that writes the nodes and the objects of namespace, those of more kinds too, into log.
func NewRecorder(client dynamic.Interface, log *Writer, namespace string, more ...Watched) *Recorder {
	r := &Recorder{
		client: client, log: log, kinds: kinds(namespace), synced: make(chan struct{}),
		// The API server may be what a fault disturbs: try again soon, since a recovery is timed by what is seen here.
		backoff: wait.Backoff{Duration: 50 * time.Millisecond, Factor: 2, Jitter: 0.1, Steps: 10, Cap: time.Second},
	}
	for _, w := range more {
		r.kinds = append(r.kinds, kind{name: w.Kind, resource: w.Resource, namespace: namespace})
	}
	r.waiting = make(map[kind]error, len(r.kinds))
	for _, k := range r.kinds {
		r.waiting[k] = nil
	}
	return r
}

// WaitSynced waits until every kind was listed once; nothing that happens afterwards is missed. If ctx is done before,
// the error names each kind that is missing and the reason.
func (r *Recorder) WaitSynced(ctx context.Context) error {
	select {
	case <-r.synced:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	missing := []error{fmt.Errorf("the cluster is not being recorded in full: %w", ctx.Err())}
	for _, k := range r.kinds {
		if err, waits := r.waiting[k]; waits {
			missing = append(missing, fmt.Errorf("%s: %w", k, cmp.Or(err, errNoAnswer)))
		}
	}
	return errors.Join(missing...)
}

// errNoAnswer stands in for the reason while the first list is under way.
var errNoAnswer = errors.New("no answer from the API server yet")

func (r *Recorder) report(k kind, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, waits := r.waiting[k]; !waits {
		return
	}
	if err != nil {
		r.waiting[k] = err
		return
	}
	delete(r.waiting, k)
	if len(r.waiting) == 0 {
		close(r.synced)
	}
}

// Run records until ctx is done and then returns nil. It returns an error only if the history cannot be written. A kind
// that cannot be listed or watched is retried; Outage and Gap events record what may have been missed. Run may be
// called once.
func (r *Recorder) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	heard := &heard{}
	for _, k := range r.kinds {
		follower := &follower{
			kind: k, log: r.log, backoff: r.backoff, report: func(err error) { r.report(k, err) },
			objects: r.client.Resource(k.resource).Namespace(k.namespace),
			known:   map[string]known{}, heard: heard, keep: r.keep,
		}
		group.Go(func() error { return follower.run(ctx) })
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("recording the cluster: %w", err)
	}
	return nil
}
