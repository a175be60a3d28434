//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/cgroup"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/machine"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/network"
)

// upTimeout is how long a cluster may take to come up on a slow and busy host, which may have to unpack the images first.
const upTimeout = 4 * time.Minute

// Phase is a part of a cluster's start and how long it took, for benchmarks.
type Phase struct {
	Name string        `json:"name"`
	Took time.Duration `json:"took"`
}

// Started is what Up did.
type Started struct {
	Cluster *Cluster
	Already bool // it ran before; nothing was changed
	Phases  []Phase
}

// Up makes a cluster and returns when all its nodes are Ready. A cluster of the name that runs is left as it is; the rest
// of an interrupted Up is removed first.
func (p Provider) Up(ctx context.Context, options Options) (Started, error) {
	if err := options.check(); err != nil {
		return Started{}, err
	}
	if err := errors.Join(checkMain(os.Getenv), checkHost()); err != nil {
		return Started{}, err
	}
	set, err := p.build(ctx)
	if err != nil {
		return Started{}, err
	}
	unlock, err := p.change(ctx, options.Name)
	if err != nil {
		return Started{}, err
	}
	defer unlock()
	existing, err := p.reuse(ctx, options.Name)
	if err != nil || existing != nil {
		return Started{Cluster: existing, Already: true}, err
	}
	start := &start{provider: p, options: options, components: set, began: time.Now()}
	made, err := start.run(ctx)
	if err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		logs := p.keepLogs(clusterDirectory(p.State, options.Name), options.Name)
		return Started{}, errors.Join(fmt.Errorf("start cluster %s: %w%s", options.Name, err, logs), p.remove(cleanup, options.Name))
	}
	return Started{Cluster: made, Phases: start.phases}, nil
}

func (o Options) check() error {
	var errs []error
	if err := cluster.CheckName(o.Name); err != nil {
		errs = append(errs, err)
	}
	if o.Workers < 1 || o.Workers > network.MaxWorkers {
		errs = append(errs, fmt.Errorf("%d workers: expected 1 to %d", o.Workers, network.MaxWorkers))
	}
	if o.Port < 0 || o.Port > 65535 {
		errs = append(errs, fmt.Errorf("port %d: expected 1 to 65535, or 0 to have a free one chosen", o.Port))
	}
	for _, archive := range o.Images {
		if _, err := os.Stat(archive); err != nil {
			errs = append(errs, fmt.Errorf("image archive: %w", err))
		}
	}
	return errors.Join(errs...)
}

// reuse returns the cluster if it runs, and nil if the name is free.
func (p Provider) reuse(ctx context.Context, name string) (*Cluster, error) {
	c, err := p.Open(name)
	if errors.Is(err, cluster.ErrNotFound) {
		return nil, nil
	}
	// The state file is the first that a start writes: without it nothing but its directory can be there.
	unwritten := absent(err)
	if err != nil && !unwritten {
		return nil, err
	}
	if unwritten || c.record.Phase == starting {
		p.Progress("removing the rest of an interrupted start of cluster " + name)
		return nil, p.remove(ctx, name)
	}
	_, err = c.controlPID()
	return c, err
}

// keepLogs copies the logs of what failed to start to where they survive its clean-up, and says where.
func (p Provider) keepLogs(d directory, label string) string {
	target := filepath.Join(p.Cache, "failed", label+"-"+time.Now().UTC().Format("20060102T150405"))
	disks, err := os.ReadDir(d.disks())
	if err != nil {
		return ""
	}
	c := &Cluster{directory: d}
	kept := false
	for _, disk := range disks {
		logs, _ := c.serviceLogs(disk.Name()) // those of others are kept all the same
		init := d.machineLog(disk.Name())
		logs = append(logs, Log{Machine: disk.Name(), root: filepath.Dir(init), relative: filepath.Base(init)})
		for _, log := range logs {
			file := filepath.Join(target, disk.Name(), strings.TrimPrefix(log.Name(), disk.Name()+"/")+".log")
			kept = os.MkdirAll(filepath.Dir(file), 0o755) == nil && log.copyTo(file) == nil || kept
		}
	}
	if !kept {
		return ""
	}
	return "\nthe logs are kept in " + target
}

// start is one cluster's way up.
type start struct {
	provider   Provider
	options    Options
	components components.Set
	began      time.Time
	phases     []Phase
}

func (s *start) done(phase string) {
	var before time.Duration
	for _, p := range s.phases {
		before += p.Took
	}
	s.phases = append(s.phases, Phase{Name: phase, Took: time.Since(s.began) - before})
}

func (s *start) run(ctx context.Context) (*Cluster, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, upTimeout, fmt.Errorf("not up within %v", upTimeout))
	defer cancel()
	h, err := readHost()
	if err != nil {
		return nil, err
	}
	reserved, err := s.options.Capacity.reserved(h)
	if err != nil {
		return nil, err
	}
	listener, err := listen(s.options.Port)
	if err != nil {
		return nil, err
	}
	defer func() { _ = listener.Close() }() // the control plane holds its own
	templates, archives, err := s.prepare(ctx)
	if err != nil {
		return nil, err
	}
	s.done("templates")
	c, err := s.record(listener, archives)
	if err != nil {
		return nil, err
	}
	credentials, err := newCredentials(s.options.Name)
	if err != nil {
		return nil, err
	}
	if err := s.writeKubeconfig(c, credentials); err != nil {
		return nil, err
	}
	if err := s.bootControlPlane(ctx, c, credentials, listener, templates.store); err != nil {
		return nil, err
	}
	s.done("control plane booted")
	if err := s.bootWorkers(ctx, c, credentials, reserved, templates.images); err != nil {
		return nil, err
	}
	s.done("workers booted")
	if err := s.awaitReady(ctx, c); err != nil {
		return nil, err
	}
	c.record.Phase = running
	return c, c.directory.save(c.record)
}

// paths of the templates.
type prepared struct{ store, images string }

func (s *start) prepare(ctx context.Context) (prepared, []string, error) {
	env := s.provider.imageEnv()
	pause, err := image.Pause(ctx, env)
	if err != nil {
		return prepared{}, nil, err
	}
	toolbox, err := image.Toolbox(ctx, env)
	if err != nil {
		return prepared{}, nil, err
	}
	archives := append([]string{pause.Path, toolbox.Path}, s.options.Images...)
	cgroups, err := cgroup.Of("/proc/self/mountinfo")
	if err != nil {
		return prepared{}, nil, err
	}
	t := templates{provider: s.provider, components: s.components, cgroups: cgroups}
	store, err := t.store(ctx)
	if err != nil {
		return prepared{}, nil, err
	}
	images, err := t.images(ctx, archives)
	return prepared{store: store, images: images}, archives, err
}

// record writes the cluster down before anything of it exists, so that whatever happens next is found again.
func (s *start) record(listener net.Listener, archives []string) (*Cluster, error) {
	boot, err := machine.HostBoot()
	if err != nil {
		return nil, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	d := clusterDirectory(s.provider.State, s.options.Name)
	r := record{
		Version: recordVersion, Name: s.options.Name, Phase: starting, Created: s.began, HostBoot: boot,
		Workers: s.options.Workers, Timing: s.options.Timing, Capacity: s.options.Capacity, Port: port,
		Cgroup: cgroupOf(d), Images: archives, Components: s.components.Versions(),
		Traced: s.options.Traced,
	}
	if err := d.save(r); err != nil {
		return nil, err
	}
	for _, path := range []string{d.shared(), d.disks()} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return nil, fmt.Errorf("make the cluster's directories: %w", err)
		}
	}
	return s.provider.open(d, r)
}

func (s *start) writeKubeconfig(c *Cluster, credentials credentials) error {
	kubeconfig, err := credentials.admin(fmt.Sprintf("https://127.0.0.1:%d", c.record.Port))
	if err != nil {
		return err
	}
	return os.WriteFile(c.directory.kubeconfig(), kubeconfig, 0o600)
}

func (s *start) builder(c *Cluster) builder {
	b := builder{name: c.record.Name, workers: c.record.Workers, timing: c.record.Timing, cgroup: c.record.Cgroup, disks: c.directory.disk,
		components: s.components, traced: c.record.Traced}
	if c.cgroups.Has("pids") { // without the controller kubelet could start no pod that has a limit
		b.podPIDs = maxPodPIDs
	}
	return b
}

func (s *start) bootControlPlane(ctx context.Context, c *Cluster, credentials credentials, listener *net.TCPListener, store string) error {
	s.provider.Progress("starting the control plane")
	spec, err := s.builder(c).controlPlane(credentials, c.directory)
	if err != nil {
		return err
	}
	if err := copyTree(store, filepath.Join(spec.Disk, "var/lib/etcd")); err != nil {
		return fmt.Errorf("copy the store's template: %w", err)
	}
	_, err = c.boot(ctx, machineRecord{Spec: spec}, []*net.TCPListener{listener}, func(pid int) error {
		return network.SetUpControlPlane(pid, network.Plan{Workers: c.record.Workers})
	})
	return err
}

func (s *start) bootWorkers(ctx context.Context, c *Cluster, credentials credentials, reserved map[string]string, images string) error {
	s.provider.Progress(fmt.Sprintf("starting %d workers", c.record.Workers))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i := 1; i <= c.record.Workers; i++ {
		group.Go(func() error {
			spec, err := s.builder(c).worker(i, credentials, c.directory, reserved)
			if err != nil {
				return err
			}
			if err := link(images, filepath.Join(spec.Disk, containerdRoot)); err != nil {
				return fmt.Errorf("give worker %d its images: %w", i, err)
			}
			_, err = c.bootWorker(ctx, machineRecord{Number: i, Spec: spec})
			return err
		})
	}
	return group.Wait()
}

// bootWorker boots a worker and plugs it in.
func (c *Cluster) bootWorker(ctx context.Context, m machineRecord) (machineRecord, error) {
	control, err := c.controlPID()
	if err != nil {
		return m, err
	}
	return c.boot(ctx, m, nil, func(pid int) error {
		// A power-off that ended with the harness may have left the cable of the former boot.
		if err := network.Unplug(control, m.Number); err != nil {
			return err
		}
		return network.Connect(control, pid, m.Number, network.Plan{Workers: c.record.Workers})
	})
}

// awaitReady waits for the API server, every node, and the service account without which no pod is admitted.
func (s *start) awaitReady(ctx context.Context, c *Cluster) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	s.provider.Progress("waiting for the API server")
	err = cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		_, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err == nil, fmt.Sprint("the API server: ", err)
	})
	if err != nil {
		return err
	}
	s.done("API server ready")
	s.provider.Progress(fmt.Sprintf("waiting for %d nodes", c.record.Workers))
	if err := cluster.Poll(ctx, func(ctx context.Context) (bool, string) { return nodesReady(ctx, client, c.record.Workers) }); err != nil {
		return err
	}
	s.done("nodes Ready")
	err = cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err == nil, fmt.Sprint("the service account default: ", err)
	})
	s.done("default service account")
	return err
}

func nodesReady(ctx context.Context, client kubernetes.Interface, want int) (bool, string) {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return false, fmt.Sprint("the nodes: ", err)
	}
	var ready []string
	for _, node := range nodes.Items {
		if cluster.NodeReady(node) {
			ready = append(ready, node.Name)
		}
	}
	return len(ready) == want, fmt.Sprintf("%d of %d nodes are Ready: %s", len(ready), want, strings.Join(ready, ", "))
}

// listen opens the API server's port of the host, on loopback alone.
func listen(port int) (*net.TCPListener, error) {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil && port != 0 {
		return nil, fmt.Errorf("the API server's port 127.0.0.1:%d cannot be used: %w: choose another with --port, or 0 for any", port, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open a port on 127.0.0.1 for the API server: %w", err)
	}
	return listener, nil
}
