// Package existing is a cluster that somebody else made and others use. It is reached by a context of a kubeconfig, and only
// what was allowed by name is. What it knows of nodes as machines it knows from commands that the user gives; what it
// does on their disks is done by a pod of its own on each of them.
package existing

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// reachTimeout is how long the API server may take to answer at all.
const reachTimeout = 10 * time.Second

// requestRate is how many requests a second the harness sends at most: a run watches, looks and proves at once.
const requestRate, requestBurst = 50, 100

// Options say which cluster it is and what it offers to a run.
type Options struct {
	Context        string
	Kubeconfig     string       // file; empty: the usual places
	Actions        *NodeActions // nil: nothing is done to machines
	ControlPlane   bool         // nodes of the control plane count as workers, too
	StorageClasses cluster.StorageClasses
	// WitnessAddress is this machine's IP at which pods reach it; empty: they do not.
	WitnessAddress string
	// Image is the reference of the image with the harness's own program for pods.
	Image string
	// Holder names this harness to others.
	Holder string
}

// Cluster is an existing cluster.
type Cluster struct {
	options Options
	config  *rest.Config
	client  kubernetes.Interface

	acting sync.Mutex // held while something is done to a machine

	mu        sync.Mutex
	hold      *hold              // nil unless acquired
	confirmed map[types.UID]bool // nodes that may be disturbed; nil: nobody has been asked
	strangers map[string]bool    // names of nodes that were seen and were not among them
}

var _ cluster.Shared = (*Cluster)(nil)

// Open reads the kubeconfig and reaches the API server.
func Open(ctx context.Context, options Options) (*Cluster, error) {
	config, err := loadConfig(options.Kubeconfig, options.Context)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("context %s: %w", options.Context, err)
	}
	c := &Cluster{options: options, config: config, client: client}
	return c, c.reach(ctx)
}

// Contexts returns the names of the contexts that kubectl would find, sorted; with a file, those of that one alone.
func Contexts(kubeconfig string) ([]string, error) {
	_, all, err := load(kubeconfig)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(all.Contexts)), nil
}

func load(kubeconfig string) (*clientcmd.ClientConfigLoadingRules, *api.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	all, err := rules.Load()
	if err != nil {
		return nil, nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	return rules, all, nil
}

// loadConfig finds a context where kubectl would.
func loadConfig(kubeconfig, name string) (*rest.Config, error) {
	rules, all, err := load(kubeconfig)
	if err != nil {
		return nil, err
	}
	if _, ok := all.Contexts[name]; !ok {
		names := slices.Sorted(maps.Keys(all.Contexts))
		return nil, fmt.Errorf("the kubeconfig (%s) has no context %q: it has %s", strings.Join(rules.GetLoadingPrecedence(), ", "), name,
			orNone(strings.Join(names, ", ")))
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(*all, name, &clientcmd.ConfigOverrides{}, rules).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("context %s: %w", name, err)
	}
	config.QPS, config.Burst = requestRate, requestBurst
	return config, nil
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// reach fails soon if the API server is gone, which would otherwise be found late and in many places.
func (c *Cluster) reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, reachTimeout, fmt.Errorf("no answer within %v", reachTimeout))
	defer cancel()
	err := c.client.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Error()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("the API server of context %s, %s, cannot be reached: %w; look whether `kubectl --context %s version` can",
		c.options.Context, c.config.Host, err, c.options.Context)
}

// Name is the context's.
func (c *Cluster) Name() string { return c.options.Context }

// Can returns the actions that the user gave commands for.
func (c *Cluster) Can() []cluster.Action { return c.options.Actions.Can() }

// RESTConfig gives access to the API server as the context's user.
func (c *Cluster) RESTConfig() (*rest.Config, error) { return rest.CopyConfig(c.config), nil }

// StorageClasses names the classes that the user named.
func (c *Cluster) StorageClasses() cluster.StorageClasses { return c.options.StorageClasses }

// Load is refused: the nodes of an existing cluster pull their images by themselves.
func (c *Cluster) Load(_ context.Context, archive string) error { return c.noLoading(archive) }

func (c *Cluster) noLoading(archive string) error {
	return fmt.Errorf("the image archive %s is brought to no node of context %s: its nodes pull images by themselves; push it to a registry "+
		"that they reach and name it with --image", archive, c.options.Context)
}

// Listen opens a TCP socket at the address that the user said pods reach, or fails with cluster.ErrUnreachable.
func (c *Cluster) Listen(ctx context.Context) (net.Listener, error) {
	if c.options.WitnessAddress == "" {
		return nil, cluster.ErrUnreachable
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(c.options.WitnessAddress, "0"))
	if err != nil {
		return nil, fmt.Errorf("listen for pods of context %s (--witness-address must be an address of this machine): %w", c.options.Context, err)
	}
	return listener, nil
}

// workers returns the nodes that a run may use, as the API has them, sorted by name.
func (c *Cluster) workers(ctx context.Context) ([]corev1.Node, error) {
	workers, _, err := c.nodes(ctx)
	return workers, err
}

// nodes returns the nodes that a run may use and those that it leaves alone, as the API has them, sorted by name.
func (c *Cluster) nodes(ctx context.Context) (workers, leftAlone []corev1.Node, err error) {
	list, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, nil, fmt.Errorf("look at the nodes of context %s: %w", c.options.Context, err)
	}
	slices.SortFunc(list.Items, func(a, b corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	for _, node := range list.Items {
		if controlPlane(node) && !c.options.ControlPlane || !c.mayDisturb(node) {
			leftAlone = append(leftAlone, node)
		} else {
			workers = append(workers, node)
		}
	}
	return workers, leftAlone, nil
}

// Confine keeps everything that is done from now on to the nodes of a blast radius, which somebody has confirmed: one that joins later,
// under whatever name, is left alone.
func (c *Cluster) Confine(radius BlastRadius) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.confirmed, c.strangers = map[types.UID]bool{}, map[string]bool{}
	for _, node := range radius.Nodes {
		c.confirmed[node.UID] = true
	}
}

// mayDisturb reports whether a node is among those that were confirmed.
func (c *Cluster) mayDisturb(node corev1.Node) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.confirmed == nil || c.confirmed[node.UID] {
		return true
	}
	c.strangers[node.Name] = true
	return false
}

// unconfirmed reports whether a node of that name was seen that nobody has confirmed.
func (c *Cluster) unconfirmed(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.strangers[name]
}

// controlPlaneMarks are the labels and taints by which kubeadm and others mark nodes that carry the control plane or its store: RKE2
// and k3s have nodes with etcd alone.
func controlPlaneMarks() []string {
	const role = "node-role.kubernetes.io/"
	return []string{role + "control-plane", role + "controlplane", role + "master", role + "etcd"}
}

// controlPlane reports whether a node carries the control plane.
func controlPlane(node corev1.Node) bool {
	for _, mark := range controlPlaneMarks() {
		if _, ok := node.Labels[mark]; ok {
			return true
		}
		if slices.ContainsFunc(node.Spec.Taints, func(taint corev1.Taint) bool { return taint.Key == mark }) {
			return true
		}
	}
	return false
}

// Nodes returns the workers, sorted by name: as the user's command sees them, or else as far as the API tells. To the API a node
// that is silent is off, whatever its machine does.
func (c *Cluster) Nodes(ctx context.Context) ([]cluster.Node, error) {
	workers, err := c.workers(ctx)
	if err != nil {
		return nil, err
	}
	var machines map[string]cluster.Node
	if c.options.Actions != nil {
		if machines, err = c.options.Actions.states(ctx); err != nil {
			return nil, err
		}
	}
	var nodes []cluster.Node
	var missing []string
	for _, worker := range workers {
		node := asSeenByAPI(worker)
		if c.options.Actions != nil {
			machine, ok := machines[worker.Name]
			if !ok {
				missing = append(missing, worker.Name)
			}
			machine.Address = node.Address
			node = machine
		}
		nodes = append(nodes, node)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%q says nothing of the machines of nodes %s", c.options.Actions.Nodes.Command, strings.Join(missing, ", "))
	}
	return nodes, nil
}

func asSeenByAPI(node corev1.Node) cluster.Node {
	seen := cluster.Node{Name: node.Name, Power: cluster.Off}
	if cluster.NodeReady(node) {
		seen.Power, seen.Kubelet, seen.BootID = cluster.On, true, node.Status.NodeInfo.BootID
	}
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			seen.Address = address.Address
			break
		}
	}
	return seen
}
