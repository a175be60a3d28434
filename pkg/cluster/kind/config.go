//go:build linux

package kind

import (
	_ "embed"
	"fmt"
	"time"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/yaml"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// SharedDirectory is where each node sees the directory of this machine that all share.
const SharedDirectory = "/srv/shared"

// base is kind-config.yaml, the configuration that all clusters start from. A copy of it is at the top of the repository, for those
// who make such a cluster with kind's own program; only what is in the folder of a package can be embedded.
//
//go:embed kind-config.yaml
var base []byte

// configuration is kind's configuration of a cluster: kind-config.yaml with what the options say.
func configuration(o Options, shared string, ownNetwork bool) (*v1alpha4.Cluster, error) {
	config := new(v1alpha4.Cluster)
	if err := yaml.UnmarshalStrict(base, config); err != nil {
		return nil, fmt.Errorf("kind-config.yaml: %w", err)
	}
	mounts := []v1alpha4.Mount{{HostPath: shared, ContainerPath: SharedDirectory}}
	config.Name = o.Name
	config.Nodes = []v1alpha4.Node{{Role: v1alpha4.ControlPlaneRole, ExtraMounts: mounts}}
	for range o.Workers {
		config.Nodes = append(config.Nodes, v1alpha4.Node{Role: v1alpha4.WorkerRole, ExtraMounts: mounts})
	}
	config.Networking.DisableDefaultCNI = ownNetwork
	// Each patch replaces what one before it says about the same field.
	config.KubeadmConfigPatches = append(config.KubeadmConfigPatches, timingPatches(o.Timing)...)
	return config, nil
}

// timingPatches set the timing by Kubernetes' own settings.
func timingPatches(t cluster.Timing) []string {
	return []string{
		fmt.Sprintf(`kind: ClusterConfiguration
apiVersion: kubeadm.k8s.io/v1beta4
controllerManager:
  extraArgs:
  - {name: enable-hostpath-provisioner, value: "true"}
  - {name: node-monitor-period, value: %v}
  - {name: node-monitor-grace-period, value: %v}
`, t.NodeMonitorPeriod, t.NodeMonitorGracePeriod),
		// On a machine with control groups of version 1 kubelet would refuse to start; on others it makes no difference.
		fmt.Sprintf(`kind: KubeletConfiguration
nodeStatusUpdateFrequency: %v
nodeLeaseDurationSeconds: %d
failCgroupV1: false
`, t.NodeStatusUpdateFrequency, t.NodeLeaseDuration/time.Second),
	}
}
