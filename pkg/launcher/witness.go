package launcher

import (
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/pkg/witness"
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

	witnessTokenName = "witness-token"
	witnessTokenKey  = "token"
)

// Words are the stream that the witness in the cluster serves.
type Words struct {
	Seed                       uint64
	Vocabulary, WordsPerSecond int
}

// WitnessServer are the objects of a witness in the cluster.
type WitnessServer struct {
	Claim      *corev1.PersistentVolumeClaim // a loss of its node loses nothing
	Policy     *networkingv1.NetworkPolicy   // nil if executors are on the nodes' network, where no policy knows them
	Service    *corev1.Service
	Deployment *appsv1.Deployment
}

// WitnessInCluster says where drivers and executors find a witness in the cluster, and the words that it serves.
func WitnessInCluster(namespace string) (Witness, Source) {
	host := witnessName + "." + namespace + ".svc"
	address := func(port int) string { return fmt.Sprintf("http://%s:%d", host, port) }
	return Witness{URL: address(WitnessPort), Secured: true}, Source{URL: address(wordsPort), Host: host, Port: wordsTCPPort}
}

// witnessSecret returns the secret of the token that reports show, without the token: nobody who renders a workload has it. It is
// nil if the witness wants none.
func witnessSecret(env Environment) *corev1.Secret {
	if !env.Witness.Secured {
		return nil
	}
	return &corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: objectMeta(env, witnessTokenName)}
}

// FillWitnessToken puts the token into the secret that drivers, executors and a witness in the cluster get it from.
func (o *Objects) FillWitnessToken(token string) {
	if o.WitnessToken != nil {
		o.WitnessToken.StringData = map[string]string{witnessTokenKey: token}
	}
}

// witnessToken is the variable with the token.
func witnessToken() corev1.EnvVar {
	return fromSecret(witness.TokenVariable, witnessTokenName, witnessTokenKey)
}

// witnessPolicy lets only the run's own pods reach the witness. The harness comes by a port that the kubelet forwards within the pod,
// and the kubelet's probes come from the pod's node: no policy is about either. Executors on the nodes' network have the
// addresses of nodes, which no selector of pods knows; nil then, and only the token keeps strangers out.
func witnessPolicy(w scenario.Workload, env Environment, labels map[string]string) *networkingv1.NetworkPolicy {
	if w.ShuffleService.Enabled {
		return nil
	}
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy"},
		ObjectMeta: objectMeta(env, witnessName),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: labels},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{
				From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}, // of this namespace
			}},
		},
	}
}

// all returns the objects in the order in which they are to be created.
func (w *WitnessServer) all() []Object {
	if w == nil {
		return nil
	}
	objects := []Object{w.Claim}
	if w.Policy != nil {
		objects = append(objects, w.Policy)
	}
	return append(objects, w.Service, w.Deployment)
}

// witnessServer returns the objects of the witness; nil if pods reach the harness.
func witnessServer(w scenario.Workload, env Environment) *WitnessServer {
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
		Policy:  witnessPolicy(w, env, labels),
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
			Env:   []corev1.EnvVar{witnessToken()},
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
