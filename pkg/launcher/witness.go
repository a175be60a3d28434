package launcher

import (
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Ports of the witness in the cluster.
const (
	WitnessPort  = 8080
	wordsPort    = 8081
	wordsTCPPort = 8082
)

const (
	// RoleWitness is the role of the pod that receives what drivers and executors report, where they do not reach the harness.
	RoleWitness = "witness"

	witnessName  = "witness"
	witnessStore = "/store"
)

// Words are the stream that the witness in the cluster serves.
type Words struct {
	Seed                       uint64
	Vocabulary, WordsPerSecond int
}

// WitnessServer are the objects of a witness in the cluster.
type WitnessServer struct {
	Claim      *corev1.PersistentVolumeClaim // a loss of its node loses nothing
	Service    *corev1.Service
	Deployment *appsv1.Deployment
}

// WitnessInCluster says where drivers and executors find a witness in the cluster, and the words that it serves.
func WitnessInCluster(namespace string) (Witness, Source) {
	host := witnessName + "." + namespace + ".svc"
	address := func(port int) string { return fmt.Sprintf("http://%s:%d", host, port) }
	return Witness{URL: address(WitnessPort)}, Source{URL: address(wordsPort), Host: host, Port: wordsTCPPort}
}

// witnessServer returns the objects of the witness; nil if pods reach the harness.
func witnessServer(env Environment) *WitnessServer {
	if env.Words == nil {
		return nil
	}
	labels := map[string]string{RunLabel: env.RunID, RoleLabel: RoleWitness}
	ports := map[string]int32{"http": WitnessPort, "words": wordsPort, "words-tcp": wordsTCPPort}
	service := &corev1.Service{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: objectMeta(env, witnessName),
		Spec: corev1.ServiceSpec{Selector: labels},
	}
	for _, name := range []string{"http", "words", "words-tcp"} {
		service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: name, Port: ports[name], TargetPort: intstr.FromInt32(ports[name])})
	}
	one := int32(1)
	return &WitnessServer{
		Claim:   claim(witnessName, scenario.StorageShared, env),
		Service: service,
		Deployment: &appsv1.Deployment{
			TypeMeta: metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "Deployment"}, ObjectMeta: objectMeta(env, witnessName),
			Spec: appsv1.DeploymentSpec{
				Replicas: &one,
				// Two of them would write to one file.
				Strategy: appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType},
				Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: witnessPod(env)},
			},
		},
	}
}

func witnessPod(env Environment) corev1.PodSpec {
	no, grace, patience, group := false, int64(2), int64(2), int64(stagingGroup)
	driver := nodeOf(map[string]string{RunLabel: env.RunID, RoleLabel: RoleDriver})
	return corev1.PodSpec{
		AutomountServiceAccountToken: &no, TerminationGracePeriodSeconds: &grace,
		SecurityContext: &corev1.PodSecurityContext{FSGroup: &group}, // volumes belong to root on many clusters
		Tolerations:     tolerations(&patience),
		// The driver's node is the one that is most often lost.
		Affinity: &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{Weight: 100, PodAffinityTerm: driver}},
		}},
		Volumes: []corev1.Volume{{Name: "store", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: witnessName}}}},
		Containers: []corev1.Container{{
			Name: witnessName, Image: env.StagingImage, ImagePullPolicy: env.pullPolicy(),
			Args: []string{
				"witness", "--directory", witnessStore, "--listen", fmt.Sprintf(":%d", WitnessPort),
				"--listen-words", fmt.Sprintf(":%d", wordsPort), "--listen-words-tcp", fmt.Sprintf(":%d", wordsTCPPort),
				"--seed", strconv.FormatUint(env.Words.Seed, 10), "--vocabulary", strconv.Itoa(env.Words.Vocabulary),
				"--words-per-second", strconv.Itoa(env.Words.WordsPerSecond),
			},
			Ports: []corev1.ContainerPort{{ContainerPort: WitnessPort}, {ContainerPort: wordsPort}, {ContainerPort: wordsTCPPort}},
			ReadinessProbe: &corev1.Probe{
				ProbeHandler:  corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(wordsTCPPort)}},
				PeriodSeconds: 1, TimeoutSeconds: 2, FailureThreshold: 3,
			},
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")},
			},
			VolumeMounts: []corev1.VolumeMount{{Name: "store", MountPath: witnessStore}},
		}},
	}
}
