//go:build linux

package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"path/filepath"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/machine"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/network"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/storage"
)

// Where the components are inside a machine.
const (
	programsDirectory = "/opt/sparkchaos"
	cniDirectory      = "/opt/cni/bin"
)

// builder makes the specs of one cluster's machines.
type builder struct {
	name       string
	workers    int
	timing     cluster.Timing
	cgroup     string
	disks      func(machine string) string
	components components.Set
	podPIDs    int  // limit of a worker's pods; 0 for none
	traced     bool // the components export spans
}

// base is what all machines have in common.
func (b builder) base(name string) machine.Spec {
	id := sha256.Sum256([]byte(b.cgroup + "/" + name))
	spec := machine.Spec{
		Name:   name,
		Disk:   b.disks(name),
		Cgroup: filepath.Join(b.cgroup, name),
		Files: map[string]string{
			"/etc/hosts":       hostsFile(b.workers),
			"/etc/hostname":    name + "\n",
			"/etc/resolv.conf": "nameserver " + network.ControlIP + "\n",
			"/etc/machine-id":  hex.EncodeToString(id[:16]) + "\n",
		},
	}
	for _, bin := range b.components.Bins() {
		target := filepath.Join(programsDirectory, filepath.Base(filepath.Dir(bin)))
		spec.Mounts = append(spec.Mounts, machine.Mount{Source: bin, Target: target})
		spec.Path = append(spec.Path, target)
	}
	return spec
}

// store is the machine of a template: the API server with its store and nothing else.
func (b builder) store(c credentials) (machine.Spec, error) {
	spec := b.base(controlPlane)
	credentials, err := c.controlPlane()
	if err != nil {
		return machine.Spec{}, err
	}
	maps.Copy(spec.Files, credentials)
	spec.Services = apiServices()
	spec.Forward = []string{net.JoinHostPort(network.ControlIP, "6443")}
	return spec, nil
}

// controlPlane is the machine of the whole control plane.
func (b builder) controlPlane(c credentials, d directory) (machine.Spec, error) {
	spec, err := b.store(c)
	if err != nil {
		return machine.Spec{}, err
	}
	spec.Files[kubernetesFile("Corefile")] = corefile()
	if b.traced {
		if err := traceControlPlane(&spec); err != nil {
			return machine.Spec{}, err
		}
	}
	spec.Services = append(spec.Services, controlServices(b.timing)...)
	spec.Mounts = append(spec.Mounts, volumeMounts(d)...)
	return spec, nil
}

// runtime is a machine that has containerd and nothing else.
func (b builder) runtime(name string) machine.Spec {
	spec := b.base(name)
	spec.Mounts = append(spec.Mounts, machine.Mount{Source: b.components.Bin(components.PTP), Target: cniDirectory})
	spec.Files["/etc/containerd/config.toml"] = containerdConfig(image.PauseReference, b.traced)
	for _, service := range nodeServices(name, "") {
		if service.Name == containerdService {
			spec.Services = []machine.Service{service}
		}
	}
	return spec
}

// worker is the machine of worker i.
func (b builder) worker(i int, c credentials, d directory, reserved map[string]string) (machine.Spec, error) {
	name, ip := workerName(i), network.NodeIP(i)
	spec := b.runtime(name)
	kubelet, err := kubeletConfig(b.timing, spec.Cgroup, reserved, b.podPIDs, b.traced)
	if err != nil {
		return machine.Spec{}, err
	}
	proxy, err := kubeProxyConfig()
	if err != nil {
		return machine.Spec{}, err
	}
	credentials, err := c.node(name, ip)
	if err != nil {
		return machine.Spec{}, err
	}
	maps.Copy(spec.Files, credentials)
	maps.Copy(spec.Files, map[string]string{
		kubernetesFile("kubelet.yaml"):    kubelet,
		kubernetesFile("kube-proxy.yaml"): proxy,
		"/etc/cni/net.d/10-pods.conflist": cniConfig(network.NodePodCIDR(i)),
		"/etc/dbus-1/machine.conf":        dbusConfig(),
	})
	spec.Services = nodeServices(name, ip)
	if b.traced {
		traceContainerd(spec.Services, name)
	}
	spec.Mounts = append(spec.Mounts, machine.Mount{Source: d.shared(), Target: storage.SharedDirectory, Writable: true})
	return spec, nil
}

// boot starts a machine of the cluster and records its process before anything runs in it.
func (c *Cluster) boot(ctx context.Context, m machineRecord, listeners []*net.TCPListener, connect func(pid int) error) (machineRecord,
	error) {
	m.Orderly = false
	process, err := machine.Boot{
		Spec: m.Spec, Executable: c.provider.Executable, Log: c.directory.machineLog(m.Spec.Name), Listeners: listeners, Cgroups: c.cgroups,
		Recorded: func(process machine.Process) error {
			m.Process = process
			return c.directory.saveMachine(m)
		},
		Connected: connect,
	}.Start(ctx)
	if err != nil {
		return m, err
	}
	m.Process = process
	return m, c.cgroups.Weigh(cgroupOfAll, cpuTimes)
}

const (
	// cgroupOfAll is the cgroup that those of all clusters are in.
	cgroupOfAll = "/sparkchaos"
	// cpuTimes is how much more CPU the machines of clusters get than another program that is busy beside them: a node whose kubelet
	// waits for seconds behind a compiler is taken for lost by the cluster, which no fault would explain.
	cpuTimes = 8
)

// controlPID returns the PID of the control plane's init.
func (c *Cluster) controlPID() (int, error) {
	m, err := c.directory.loadMachine(controlPlane)
	if err != nil {
		return 0, err
	}
	if !m.Process.Alive() {
		return 0, fmt.Errorf("the control plane of cluster %s does not run%s: `sparkchaos cluster down --name %s`, then `up`", c.record.Name,
			c.rebooted(), c.record.Name)
	}
	return m.Process.PID, nil
}

// rebooted explains machines that have gone with the host's last boot.
func (c *Cluster) rebooted() string {
	if boot, err := machine.HostBoot(); err == nil && boot != c.record.HostBoot {
		return " (this host was rebooted since the cluster was made)"
	}
	return ""
}
