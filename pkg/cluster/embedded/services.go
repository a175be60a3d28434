//go:build linux

package embedded

import (
	"fmt"
	"os"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/machine"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/network"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/storage"
)

// The services of a node, by which status and the actions name them.
const (
	apiServerService  = "kube-apiserver"
	kubeletService    = "kubelet"
	containerdService = "containerd"
)

// Where a node's runtime listens and keeps its images.
const (
	containerdSocket = "/run/containerd/containerd.sock"
	containerdRoot   = "/var/lib/containerd"
)

// Waits of the services.
const (
	apiReady        = "https://" + network.ControlIP + ":6443/readyz"
	etcdReady       = "http://127.0.0.1:2379/readyz"
	containerdReady = "unix:" + containerdSocket
	busReady        = "unix:" + machine.BusSocket
	loginReady      = "file:" + machine.LoginReady
)

// kubernetesFile is the path of a machine's own credentials and settings.
func kubernetesFile(name string) string { return "/etc/kubernetes/" + name }

// etcdServices run the store and the API server in front of it: all that a template needs.
func apiServices() []machine.Service {
	return []machine.Service{
		{
			Name: "etcd",
			Command: []string{
				"etcd", "--data-dir=/var/lib/etcd", "--name=etcd",
				"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
				"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
				"--initial-cluster=etcd=http://127.0.0.1:2380",
				// The store dies with this machine, so nothing is gained by waiting for its disk.
				"--unsafe-no-fsync", "--log-level=warn",
			},
			Ready: etcdReady, Stop: 5 * time.Second,
		},
		{
			Name: apiServerService,
			Command: []string{
				"kube-apiserver",
				"--etcd-servers=http://127.0.0.1:2379", "--advertise-address=" + network.ControlIP, "--secure-port=6443",
				"--service-cluster-ip-range=" + network.ServiceCIDR, "--allow-privileged=true", "--profiling=false",
				"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
				"--client-ca-file=" + kubernetesFile("ca.crt"),
				"--tls-cert-file=" + kubernetesFile("apiserver.crt"), "--tls-private-key-file=" + kubernetesFile("apiserver.key"),
				"--kubelet-client-certificate=" + kubernetesFile("apiserver-kubelet.crt"),
				"--kubelet-client-key=" + kubernetesFile("apiserver-kubelet.key"),
				"--kubelet-certificate-authority=" + kubernetesFile("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
				"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
				"--service-account-key-file=" + kubernetesFile("service-accounts.pub"),
				"--service-account-signing-key-file=" + kubernetesFile("service-accounts.key"),
				"--requestheader-client-ca-file=" + kubernetesFile("front-proxy-ca.crt"), "--requestheader-allowed-names=front-proxy",
				"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
				"--requestheader-extra-headers-prefix=X-Remote-Extra-",
				"--proxy-client-cert-file=" + kubernetesFile("front-proxy.crt"), "--proxy-client-key-file=" + kubernetesFile("front-proxy.key"),
				// Webhooks are pods: there is no kube-proxy here, but there are routes to them.
				"--enable-aggregator-routing=true",
			},
			After: []string{etcdReady}, Ready: apiReady, Stop: 5 * time.Second,
		},
	}
}

// controlServices run the rest of the control plane.
func controlServices(timing cluster.Timing) []machine.Service {
	client := []string{"--kube-api-qps=300", "--kube-api-burst=600", "--leader-elect=false", "--authentication-skip-lookup=true",
		"--profiling=false"}
	identity := func(name string) []string {
		file := kubernetesFile(name + ".kubeconfig")
		return []string{"--kubeconfig=" + file, "--authentication-kubeconfig=" + file, "--authorization-kubeconfig=" + file}
	}
	manager := append([]string{
		"kube-controller-manager", "--use-service-account-credentials=true",
		"--service-account-private-key-file=" + kubernetesFile("service-accounts.key"), "--root-ca-file=" + kubernetesFile("ca.crt"),
		"--node-monitor-period=" + timing.NodeMonitorPeriod.String(), "--node-monitor-grace-period=" + timing.NodeMonitorGracePeriod.String(),
	}, append(client, identity("kube-controller-manager")...)...)
	scheduler := append([]string{"kube-scheduler"}, append(client, identity("kube-scheduler")...)...)
	return []machine.Service{
		{Name: "kube-controller-manager", Command: manager, After: []string{apiReady}},
		{Name: "kube-scheduler", Command: scheduler, After: []string{apiReady}},
		{Name: "coredns", Command: []string{"coredns", "-conf", kubernetesFile("Corefile")}, After: []string{apiReady}},
		{Name: "volume-provisioner", Command: []string{"/proc/1/exe"},
			Env: []string{provisionerVariable + "=" + kubernetesFile("volume-provisioner.kubeconfig")}, After: []string{apiReady}},
	}
}

// corefile answers for the cluster's names alone: there is no other network to forward a question to.
func corefile() string {
	return `cluster.local in-addr.arpa ip6.arpa {
    bind ` + network.ControlIP + `
    errors
    kubernetes {
        kubeconfig ` + kubernetesFile("coredns.kubeconfig") + `
        pods insecure
        ttl 5
    }
}
. {
    bind ` + network.ControlIP + `
    errors
    template ANY ANY {
        rcode NXDOMAIN
    }
}
`
}

// nodeServices run a worker.
func nodeServices(name, ip string) []machine.Service {
	return []machine.Service{
		{Name: "dbus", Command: []string{"dbus-daemon", "--config-file=/etc/dbus-1/machine.conf", "--nofork", "--nopidfile"}, Ready: busReady},
		{Name: containerdService, Command: []string{"containerd", "--config=/etc/containerd/config.toml"}, Ready: containerdReady,
			Stop: 5 * time.Second},
		{Name: "kube-proxy", Command: []string{"kube-proxy", "--config=" + kubernetesFile("kube-proxy.yaml"), "--hostname-override=" + name},
			After: []string{apiReady}},
		{
			Name: kubeletService,
			Command: []string{
				"kubelet", "--config=" + kubernetesFile("kubelet.yaml"), "--kubeconfig=" + kubernetesFile("kubelet.kubeconfig"),
				"--hostname-override=" + name, "--node-ip=" + ip,
			},
			// A node that was cut off finds its API server again within a second or two instead of half a minute.
			Env:   []string{"HTTP2_READ_IDLE_TIMEOUT_SECONDS=2", "HTTP2_PING_TIMEOUT_SECONDS=1"},
			After: []string{containerdReady, loginReady, apiReady},
		},
	}
}

// dbusConfig lets the machine's root processes talk to each other; nobody else can reach the bus.
func dbusConfig() string {
	return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" ` +
		`"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=` + machine.BusSocket + `</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="root"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
`
}

// Shutdown times of a node, as kubelet's graceful node shutdown uses them.
const (
	shutdownGrace         = 40 * time.Second
	shutdownGraceCritical = 10 * time.Second
)

// maxPodPIDs is how many processes and threads a pod may have, on hosts whose kernel counts them; those of all machines are the host's.
const maxPodPIDs = 8192

// kubeletConfig is kubelet's; podPIDs of 0 sets no limit, traced has it export spans.
func kubeletConfig(timing cluster.Timing, cgroup string, reserved map[string]string, podPIDs int, traced bool) (string, error) {
	limit := podPIDs
	if limit == 0 {
		limit = -1 // kubelet's word for none
	}
	config := map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true, "cacheTTL": "2m0s"},
			"x509":      map[string]any{"clientCAFile": kubernetesFile("ca.crt")},
		},
		"authorization":     map[string]any{"mode": "Webhook"},
		"tlsCertFile":       kubernetesFile("kubelet-serving.crt"),
		"tlsPrivateKeyFile": kubernetesFile("kubelet-serving.key"),
		"clusterDNS":        []string{network.DNSIP}, "clusterDomain": "cluster.local", "resolvConf": "/etc/resolv.conf",
		"containerRuntimeEndpoint": "unix://" + containerdSocket,
		"cgroupDriver":             "cgroupfs", "cgroupRoot": cgroup, "failCgroupV1": false,
		"enforceNodeAllocatable": []string{"pods"}, "systemReserved": reserved,
		// Without these, kubelet would insist on properties of the host, or change them.
		"failSwapOn": false, "protectKernelDefaults": false, "localStorageCapacityIsolation": false,
		// The disk is the host's: how full that is says nothing about this node.
		"evictionHard": map[string]string{"imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%",
			"imagefs.inodesFree": "0%", "memory.available": "0%"},
		"imageGCHighThresholdPercent": 100,
		"serializeImagePulls":         false, "registerNode": true,
		"podPidsLimit": limit, "containerLogMaxSize": "10Mi", "containerLogMaxFiles": 5,
		"nodeStatusUpdateFrequency": timing.NodeStatusUpdateFrequency.String(),
		"nodeStatusReportFrequency": "5m0s",
		"nodeLeaseDurationSeconds":  int(timing.NodeLeaseDuration.Seconds()),
		"shutdownGracePeriod":       shutdownGrace.String(), "shutdownGracePeriodCriticalPods": shutdownGraceCritical.String(),
		"volumeStatsAggPeriod": "0s", "enableProfilingHandler": false,
	}
	if traced {
		config["tracing"] = allSpans()
	}
	return toYAML(config)
}

func kubeProxyConfig() (string, error) {
	return toYAML(map[string]any{
		"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
		"mode": "nftables", "clusterCIDR": network.PodCIDR, "bindAddress": "0.0.0.0",
		"clientConnection": map[string]any{"kubeconfig": kubernetesFile("kube-proxy.kubeconfig")},
		// Zeros keep it from settings that belong to the whole host.
		"conntrack": map[string]any{"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
	})
}

// containerdConfig is for a host without image registry and, maybe, without the capability to raise priorities. Where spans are exported is
// told by its environment.
func containerdConfig(sandbox string, traced bool) string {
	untraced := `"io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp", `
	if traced {
		untraced = ""
	}
	return `version = 3
root = "` + containerdRoot + `"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.erofs", "io.containerd.differ.v1.erofs",
  ` + untraced + `"io.containerd.nri.v1.nri",
]
[grpc]
  address = "` + containerdSocket + `"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["` + cniDirectory + `"]
    conf_dir = "/etc/cni/net.d"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "` + sandbox + `"
`
}

// cniConfig connects pods point to point with the node, whose routes do the rest. Addresses are kept in /run: a
// rebooted node has none in use.
func cniConfig(podCIDR string) string {
	return fmt.Sprintf(`{
  "cniVersion": "1.0.0",
  "name": "pods",
  "plugins": [
    {"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local", "dataDir": "/run/cni-ipam", "ranges": [[{"subnet": %q}]], `+
		`"routes": [{"dst": "0.0.0.0/0"}]}},
    {"type": "portmap", "capabilities": {"portMappings": true}, "backend": "nftables"}
  ]
}
`, podCIDR)
}

func hostsFile(workers int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "127.0.0.1 localhost\n%s %s\n", network.ControlIP, controlPlane)
	for i := 1; i <= workers; i++ {
		fmt.Fprintf(&b, "%s %s\n", network.NodeIP(i), workerName(i))
	}
	return b.String()
}

func toYAML(value any) (string, error) {
	encoded, err := yaml.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("encode a component's settings: %w", err)
	}
	return string(encoded), nil
}

// provisionerVariable makes this program the volume provisioner of a control plane; its value is the kubeconfig.
const provisionerVariable = "SPARKCHAOS_PROVISIONER_KUBECONFIG"

// volumeMounts are what the control plane sees to make volumes.
func volumeMounts(d directory) []machine.Mount {
	return []machine.Mount{
		{Source: d.shared(), Target: storage.SharedDirectory, Writable: true},
		{Source: d.disks(), Target: storage.DisksDirectory, Writable: true},
	}
}

// isProvisioner reports whether this process was started to provide volumes.
func isProvisioner() (kubeconfig string, ok bool) { return os.LookupEnv(provisionerVariable) }
