package launcher

import (
	"fmt"
	"path"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

const (
	// ShuffleDirectory is where executors write their map output and the shuffle service reads it: an executor tells the
	// service its own paths, so both must have the node's directory at the same place.
	ShuffleDirectory = "/shuffle"

	shuffleServiceName = "shuffle-service"
	shuffleClass       = "org.apache.spark.deploy.ExternalShuffleService"
	shufflePort        = "7337"
	shuffleHeap        = "256m"
	// shuffleVolume is the volume's name in executors, by which Spark knows that it is for local data.
	shuffleVolume = "spark-local-dir-1"

	portSetting = "spark.shuffle.service.port"
)

// shuffleSettings are those by which stock executors leave their map output to the service.
func shuffleSettings(w scenario.Workload, env Environment) map[string]string {
	if !w.ShuffleService.Enabled {
		return nil
	}
	volume := "spark.kubernetes.executor.volumes.hostPath." + shuffleVolume
	return map[string]string{
		"spark.shuffle.service.enabled": "true",
		portSetting:                     shufflePort,
		volume + ".mount.path":          ShuffleDirectory,
		volume + ".options.path":        env.ShuffleDirectory,
	}
}

// onNodeNetwork puts executors where they find the service: they look for it at the address that they have themselves,
// which is the node's only on the node's network.
func onNodeNetwork(spec *corev1.PodSpec) {
	spec.HostNetwork = true
	spec.DNSPolicy = corev1.DNSClusterFirstWithHostNet
}

// shuffleService runs Spark's own service on each node; nil if the workload has none. Kubernetes lets the pods of a
// DaemonSet stay on nodes that are not ready, so none is evicted with the executors.
func shuffleService(w scenario.Workload, env Environment, image string, settings map[string]string) (*appsv1.DaemonSet, error) {
	if !w.ShuffleService.Enabled {
		return nil, nil
	}
	port, err := strconv.ParseInt(settings[portSetting], 10, 32)
	if err != nil || port < 1 || port > 65535 {
		return nil, fmt.Errorf("workload: conf.%s is %q, want a port from 1 to 65535", portSetting, settings[portSetting])
	}
	labels := map[string]string{RunLabel: env.RunID, RoleLabel: RoleShuffleService}
	spec := shufflePod(env, image, int32(port))
	spec.Containers[0].Env = shuffleEnv(w.ShuffleService, settings[portSetting])
	return &appsv1.DaemonSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DaemonSet"},
		ObjectMeta: objectMeta(env, shuffleServiceName),
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec},
		},
	}, nil
}

// shuffleEnv is what the script spark-class reads. Where the service finds spark.local.dir it keeps the list of the
// executors whose files it serves; they register once in their life, so a service that lost the list serves nothing.
func shuffleEnv(service scenario.ShuffleService, port string) []corev1.EnvVar {
	options := "-Dspark.shuffle.service.enabled=true -D" + portSetting + "=" + port
	if service.LocalDirectory != scenario.LocalDirectoryContainer {
		options += " -Dspark.local.dir=" + ShuffleDirectory
	}
	return []corev1.EnvVar{
		{Name: "SPARK_DAEMON_MEMORY", Value: shuffleHeap},
		{Name: "SPARK_SHUFFLE_OPTS", Value: options},
		fromField("SPARK_LOCAL_IP", "status.hostIP"),
	}
}

// shufflePod is the service's pod. Its user is the image's, which is the executors': they own the files. The port stands
// in the pod so that the scheduler puts no two services onto one node.
func shufflePod(env Environment, image string, port int32) corev1.PodSpec {
	noToken, grace := false, int64(5) // it has nothing to finish
	existing := corev1.HostPathDirectory
	spec := corev1.PodSpec{
		AutomountServiceAccountToken:  &noToken,
		TerminationGracePeriodSeconds: &grace,
		Volumes: []corev1.Volume{{Name: shuffleVolume, VolumeSource: corev1.VolumeSource{
			HostPath: &corev1.HostPathVolumeSource{Path: env.ShuffleDirectory, Type: &existing},
		}}},
		Containers: []corev1.Container{{
			Name:            shuffleServiceName,
			Image:           image,
			ImagePullPolicy: env.pullPolicy(),
			Args:            []string{path.Join(sparkHome, "bin/spark-class"), shuffleClass},
			Ports:           []corev1.ContainerPort{{Name: "shuffle", ContainerPort: port, HostPort: port, Protocol: corev1.ProtocolTCP}},
			ReadinessProbe:  probe(port, 1, 1),
			LivenessProbe:   probe(port, 10, 3),
			StartupProbe:    probe(port, 1, 120),
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("256Mi")},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")},
			},
			VolumeMounts: []corev1.VolumeMount{{Name: shuffleVolume, MountPath: ShuffleDirectory}},
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
