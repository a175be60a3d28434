// Package components builds the programs of others that a cluster on this machine is made of (Kubernetes, containerd, runc, the CNI
// plugins, CoreDNS), and those that tests need beside it, from the Go module proxy into the cache, and finds them there. What is built is
// pinned by the nested modules below components/ of the checkout: versions are read from their go.mod files.
package components

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Program is the name of an executable that a component installs.
type Program string

// The programs, by the component that installs them.
const (
	Runc Program = "runc"

	HostLocal Program = "host-local"
	Loopback  Program = "loopback"
	PTP       Program = "ptp"
	PortMap   Program = "portmap"

	Containerd     Program = "containerd"
	ContainerdShim Program = "containerd-shim-runc-v2"
	CTR            Program = "ctr"

	CoreDNS Program = "coredns"

	Kubernetes            Program = "kubernetes" // the multi-call binary that the following are links to
	Etcd                  Program = "etcd"
	KubeAPIServer         Program = "kube-apiserver"
	KubeControllerManager Program = "kube-controller-manager"
	KubeScheduler         Program = "kube-scheduler"
	Kubelet               Program = "kubelet"
	KubeProxy             Program = "kube-proxy"
	Kubectl               Program = "kubectl"

	VersityGW Program = "versitygw" // an S3 server over a directory

	Kubeadm Program = "kubeadm" // sets up the nodes of kind
	Crictl  Program = "crictl"  // asks a node's containerd; kind's nodes have it

	ChaosControllerManager Program = "chaos-controller-manager" // of Chaos Mesh; does what needs the API alone
	ChaosDaemon            Program = "chaos-daemon"             // of Chaos Mesh; does on each node what needs the node

	SparkOperator Program = "operator" // kubeflow's spark-operator; calls spark-submit
)

// Recipe defines how a component is built. In Tags and LDFlags, {version}, {major} and {minor} stand for the version
// that go.mod pins: "v1.36.3", "1" and "36".
type Recipe struct {
	// Name is the component's name, and that of its nested module's directory below components/.
	Name string
	// Source is the module whose version in go.mod is the component's version.
	Source string
	// Packages are the main packages to build; "." is the nested module's own.
	Packages []string
	// Tags are the build tags.
	Tags []string
	// LDFlags are the flags for the linker.
	LDFlags []string
	// CGO says that the component needs a C compiler.
	CGO bool
	// PkgConfig are the C libraries that it needs, by their pkg-config names.
	PkgConfig []string
	// OnDemand says that no cluster needs the component but tests do: it is built when it is named, and is no part of a Set.
	OnDemand bool
	// Objects are compiled before the component is; nil for most.
	Objects *EmbeddedObjects
	// Data are the directories that the build has beside bin.
	Data []Data
	// Links are installed beside the binary of the first package as symbolic links to it.
	Links []Program
}

// Recipes returns all components, those that build fast first.
func Recipes() []Recipe {
	return []Recipe{
		{
			Name:     "runc",
			Source:   "github.com/opencontainers/runc",
			Packages: []string{"github.com/opencontainers/runc"},
			// Without seccomp each sandbox fails: kubelet asks for the profile RuntimeDefault.
			Tags:      []string{"seccomp"},
			LDFlags:   []string{"-s", "-w"},
			CGO:       true,
			PkgConfig: []string{"libseccomp"},
		},
		{
			Name:   "cni",
			Source: "github.com/containernetworking/plugins",
			Packages: []string{
				"github.com/containernetworking/plugins/plugins/ipam/host-local",
				"github.com/containernetworking/plugins/plugins/main/loopback",
				"github.com/containernetworking/plugins/plugins/main/ptp",
				"github.com/containernetworking/plugins/plugins/meta/portmap",
			},
			LDFlags: []string{"-s", "-w"},
		},
		{
			Name:   "containerd",
			Source: "github.com/containerd/containerd/v2",
			Packages: []string{
				"github.com/containerd/containerd/v2/cmd/containerd",
				"github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
				"github.com/containerd/containerd/v2/cmd/ctr",
			},
			// Snapshotters that nobody uses here and that need C libraries or a kernel's modules.
			Tags:    []string{"no_btrfs", "no_devmapper", "no_zfs"},
			LDFlags: []string{"-s", "-w", "-X github.com/containerd/containerd/v2/version.Version={version}"},
		},
		{
			Name:     "coredns",
			Source:   "github.com/coredns/coredns",
			Packages: []string{"github.com/coredns/coredns"},
			LDFlags:  []string{"-s", "-w"},
		},
		{
			Name:     "kubernetes",
			Source:   "k8s.io/kubernetes",
			Packages: []string{"."},
			LDFlags:  kubernetesLDFlags(),
			Links:    []Program{Etcd, KubeAPIServer, KubeControllerManager, KubeScheduler, Kubelet, KubeProxy, Kubectl},
		},
		{
			Name:     "versitygw",
			Source:   "github.com/versity/versitygw",
			Packages: []string{"github.com/versity/versitygw/cmd/versitygw"},
			LDFlags:  []string{"-s", "-w"},
			OnDemand: true,
		},
		{
			Name:     "cri-tools",
			Source:   "sigs.k8s.io/cri-tools",
			Packages: []string{"sigs.k8s.io/cri-tools/cmd/crictl"},
			LDFlags:  []string{"-s", "-w", "-X sigs.k8s.io/cri-tools/pkg/version.Version={version}"},
			OnDemand: true,
		},
		{
			Name:     "kubeadm",
			Source:   "k8s.io/kubernetes",
			Packages: []string{"k8s.io/kubernetes/cmd/kubeadm"},
			LDFlags:  kubernetesLDFlags(),
			OnDemand: true,
		},
		chaosMesh(),
		{
			Name:     "spark-operator",
			Source:   "github.com/kubeflow/spark-operator/v2",
			Packages: []string{"github.com/kubeflow/spark-operator/v2/cmd/operator"},
			LDFlags:  []string{"-s", "-w", "-X github.com/kubeflow/spark-operator/v2.version={version}"},
			Data:     []Data{{Name: "chart", Copied: "charts/spark-operator-chart"}},
			OnDemand: true,
		},
	}
}

// chaosMesh builds Chaos Mesh, with its chart and the CRDs of the API that its own module is built with: those in the chart
// are older, and then the webhook sets fields that the API server drops.
func chaosMesh() Recipe {
	const api = "github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	return Recipe{
		Name:   "chaos-mesh",
		Source: "github.com/chaos-mesh/chaos-mesh",
		Packages: []string{
			"github.com/chaos-mesh/chaos-mesh/cmd/chaos-controller-manager",
			"github.com/chaos-mesh/chaos-mesh/cmd/chaos-daemon",
		},
		LDFlags: []string{"-s", "-w"},
		CGO:     true,
		Objects: &EmbeddedObjects{Directory: "pkg/time/fakeclock", Flags: []string{"-fPIE", "-O2"}},
		Data: []Data{
			{Name: "chart", Copied: "helm/chaos-mesh"},
			{Name: "crds", Generated: []string{
				"sigs.k8s.io/controller-tools/cmd/controller-gen",
				// Without descriptions the API server needs 100 MiB less for them.
				"crd:ignoreUnexportedFields=true,crdVersions=v1,maxDescLen=0", "paths=" + api, "output:crd:dir={directory}",
			}},
		},
		OnDemand: true,
	}
}

// kubernetesLDFlags tell a program of Kubernetes its version: without it kubeadm and kubelet take each other for too old.
func kubernetesLDFlags() []string {
	const versionPackage = "k8s.io/component-base/version"
	return []string{
		"-s", "-w",
		"-X " + versionPackage + ".gitVersion={version}",
		"-X " + versionPackage + ".gitMajor={major}",
		"-X " + versionPackage + ".gitMinor={minor}",
		"-X " + versionPackage + ".gitTreeState=archive",
	}
}

// Binaries returns the programs that the compiler makes, one for each package.
func (r Recipe) Binaries() []Program {
	binaries := make([]Program, 0, len(r.Packages))
	for _, pkg := range r.Packages {
		if pkg == "." {
			binaries = append(binaries, Program(r.Name))
			continue
		}
		binaries = append(binaries, Program(path.Base(pkg)))
	}
	return binaries
}

// Programs returns all that the component installs into its bin directory: its binaries, then its links.
func (r Recipe) Programs() []Program {
	return slices.Concat(r.Binaries(), r.Links)
}

// arguments returns what "go" is called with, but for the place of the output: "-o DIRECTORY/" follows the first one.
func (r Recipe) arguments(version string) []string {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	expand := strings.NewReplacer("{version}", version, "{major}", major, "{minor}", minor).Replace
	// Without -buildvcs=false the binaries would change with each commit to the checkout.
	arguments := []string{"build", "-trimpath", "-buildvcs=false", "-mod=readonly"}
	if len(r.Tags) > 0 {
		arguments = append(arguments, "-tags", expand(strings.Join(r.Tags, ",")))
	}
	if len(r.LDFlags) > 0 {
		arguments = append(arguments, "-ldflags", expand(strings.Join(r.LDFlags, " ")))
	}
	return append(arguments, r.Packages...)
}

// extras returns, as lines, what the build does beside calling the compiler.
func (r Recipe) extras() []string {
	var lines []string
	if r.Objects != nil {
		lines = append(lines, fmt.Sprintf("objects %q %q", r.Objects.Directory, r.Objects.Flags))
	}
	for _, data := range r.Data {
		lines = append(lines, fmt.Sprintf("data %q %q %q", data.Name, data.Copied, data.Generated))
	}
	return lines
}

// environment returns the variables that shape the binary, as "NAME=value".
func (r Recipe) environment() []string {
	if r.CGO {
		return []string{"CGO_ENABLED=1"}
	}
	return []string{"CGO_ENABLED=0"}
}
