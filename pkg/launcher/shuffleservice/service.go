// Package shuffleservice is Spark's external shuffle service as a component of a workload: one on each node serves the map
// output of executors that are gone.
package shuffleservice

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

const (
	// mountPath is where executors write their map output and the service reads it: an executor tells the service its own
	// paths, so both must have the node's directory at the same place.
	mountPath = "/shuffle"

	name  = "shuffle-service"
	class = "org.apache.spark.deploy.ExternalShuffleService"
	port  = "7337"
	heap  = "256m"
	// volume is the volume's name in executors, by which Spark knows that it is for local data.
	volume = "spark-local-dir-1"

	portSetting = "spark.shuffle.service.port"
)

// Component is the shuffle service.
type Component struct{}

var (
	_ launcher.Component = Component{}
	_ launcher.Explainer = Component{}
	_ launcher.Extender  = Component{}
	_ launcher.Waiter    = (*part)(nil)
)

// Name implements launcher.Component.
func (Component) Name() string { return "the shuffle service on each node" }

// Roles implements launcher.Component.
func (Component) Roles() []string { return []string{scenario.OfShuffleService} }

// Explain implements launcher.Explainer.
func (Component) Explain(w scenario.Workload) string {
	switch service := w.ShuffleService; {
	case !service.Enabled:
		return ""
	case service.LocalDirectory == scenario.LocalDirectoryContainer:
		return "Shuffle service: one on each node serves the map output of executors that are gone; " +
			"a replaced service does not know them any more, because it keeps the list in its container."
	default:
		return "Shuffle service: one on each node serves the map output of executors that are gone, and still does so after it was replaced."
	}
}

// Validate implements launcher.Component.
func (Component) Validate(l launcher.Launch) []error {
	if l.Workload.ShuffleService.Enabled && l.Env.ShuffleDirectory == "" {
		return []error{errors.New("workload: the shuffle service needs a directory on the nodes' disks, but the environment names none")}
	}
	return nil
}

// part is what a workload has of the service.
type part struct {
	daemons *appsv1.DaemonSet
	taken   time.Time // since when its port is; zero: it is not
}

// Objects implements launcher.Part.
func (p *part) Objects() []launcher.Object { return []launcher.Object{p.daemons} }

// Extend makes stock executors leave their map output to the service. They look for it at the address that they have
// themselves, which is the node's only on the node's network.
func (Component) Extend(l launcher.Launch) launcher.Extension {
	if !l.Workload.ShuffleService.Enabled {
		return launcher.Extension{}
	}
	const local = "spark.kubernetes.executor.volumes.hostPath." + volume
	return launcher.Extension{
		Settings: map[string]string{
			"spark.shuffle.service.enabled": "true",
			portSetting:                     port,
			local + ".mount.path":           mountPath,
			local + ".options.path":         l.Env.ShuffleDirectory,
		},
		Pod: func(pod *launcher.Pod) {
			if pod.Role == launcher.RoleExecutor {
				onNodeNetwork(pod.PodSpec)
			}
		},
	}
}

// onNodeNetwork puts a pod onto its node's network.
func onNodeNetwork(spec *corev1.PodSpec) {
	spec.HostNetwork = true
	spec.DNSPolicy = corev1.DNSClusterFirstWithHostNet
}

// Part implements launcher.Component. Kubernetes lets the pods of a DaemonSet stay on nodes that are not ready, so none is
// evicted with the executors.
func (Component) Part(l launcher.Launch) (launcher.Part, error) {
	service := l.Workload.ShuffleService
	if !service.Enabled {
		return nil, nil
	}
	number, err := strconv.ParseInt(l.Settings[portSetting], 10, 32)
	if err != nil || number < 1 || number > 65535 {
		return nil, fmt.Errorf("workload: conf.%s is %q, want a port from 1 to 65535", portSetting, l.Settings[portSetting])
	}
	labels := map[string]string{launcher.RunLabel: l.Env.RunID, launcher.RoleLabel: scenario.OfShuffleService}
	spec := podSpec(l.Env, l.Image, int32(number))
	spec.Containers[0].Env = variables(service, l.Settings[portSetting])
	return &part{daemons: &appsv1.DaemonSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DaemonSet"},
		ObjectMeta: launcher.ObjectMeta(l.Env, name),
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec},
		},
	}}, nil
}

// variables is what the script spark-class reads. Where the service finds spark.local.dir it keeps the list of the
// executors whose files it serves; they register once in their life, so a service that lost the list serves nothing.
func variables(service scenario.ShuffleService, port string) []corev1.EnvVar {
	options := "-Dspark.shuffle.service.enabled=true -D" + portSetting + "=" + port
	if service.LocalDirectory != scenario.LocalDirectoryContainer {
		options += " -Dspark.local.dir=" + mountPath
	}
	return []corev1.EnvVar{
		{Name: "SPARK_DAEMON_MEMORY", Value: heap},
		{Name: "SPARK_SHUFFLE_OPTS", Value: options},
		launcher.FieldVariable("SPARK_LOCAL_IP", "status.hostIP"),
	}
}

// podSpec is the service's pod. Its user is the image's, which is the executors': they own the files. The port stands
// in the pod so that the scheduler puts no two services onto one node.
func podSpec(env launcher.Environment, image string, port int32) corev1.PodSpec {
	noToken, grace := false, int64(5) // it has nothing to finish
	spec := corev1.PodSpec{
		AutomountServiceAccountToken:  &noToken,
		TerminationGracePeriodSeconds: &grace,
		Volumes:                       []corev1.Volume{{Name: volume, VolumeSource: launcher.ExistingDirectory(env.ShuffleDirectory)}},
		Containers: []corev1.Container{{
			Name:            name,
			Image:           image,
			ImagePullPolicy: env.ImagePullPolicy(),
			Args:            []string{path.Join(launcher.SparkHome, "bin/spark-class"), class},
			Ports:           []corev1.ContainerPort{{Name: "shuffle", ContainerPort: port, HostPort: port, Protocol: corev1.ProtocolTCP}},
			ReadinessProbe:  probe(port, 1, 1),
			LivenessProbe:   probe(port, 10, 3),
			StartupProbe:    probe(port, 1, 120),
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("256Mi")},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")},
			},
			VolumeMounts: []corev1.VolumeMount{{Name: volume, MountPath: mountPath}},
		}},
	}
	onNodeNetwork(&spec)
	return spec
}

// probe asks every so many seconds whether the port can be connected to; so many failures in a row count.
func probe(port, seconds, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(port)}},
		PeriodSeconds: seconds, FailureThreshold: failures, TimeoutSeconds: 2,
	}
}
