// Package witnessserver is the witness as a component of a workload: how drivers and executors report, and where pods do not
// reach the harness, the pod in the cluster that receives what they report.
package witnessserver

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/wordsource"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/pkg/witness"
)

const (
	// role is that of the pod that receives reports.
	role = history.RoleWitness

	name  = "witness" // of the server's objects
	store = "/store"  // where it keeps what it received

	reportPort   = 8080
	wordsPort    = 8081
	wordsTCPPort = 8082

	tokenName = "witness-token" // of the secret with the token that reports show
	tokenKey  = "token"

	directoryVolume = "witness" // of the node's own directory, in drivers and executors
)

// Component is the witness.
type Component struct{}

var (
	_ launcher.Component   = Component{}
	_ launcher.Extender    = Component{}
	_ launcher.WitnessHost = Component{}
	_ launcher.Filler      = (*reporting)(nil)
	_ launcher.Filler      = (*server)(nil)
	_ launcher.Waiter      = (*server)(nil)
	_ launcher.Preparer    = (*server)(nil)
)

// Name implements launcher.Component.
func (Component) Name() string { return "the witness in the cluster" }

// Roles implements launcher.Component.
func (Component) Roles() []string { return []string{role} }

// Validate implements launcher.Component.
func (Component) Validate(l launcher.Launch) []error {
	if !reports(l) {
		return nil
	}
	return jarProblems(l.Env.Witness.Jar)
}

// reports reports whether the drivers and executors of a workload load the plugin.
func reports(l launcher.Launch) bool {
	return l.Env.Witness.Enabled()
}

// Witness implements launcher.WitnessHost: the server in the cluster serves words, too.
func (Component) Witness(namespace string, seed uint64) launcher.Provision {
	host := name + "." + namespace + ".svc"
	address := func(port int) string { return fmt.Sprintf("http://%s:%d", host, port) }
	words := wordsource.Words(seed)
	return func(env *launcher.Environment) {
		env.Witness.URL, env.Witness.Secured = address(reportPort), true
		env.Source, env.Words = launcher.Source{URL: address(wordsPort), Host: host, Port: wordsTCPPort}, &words
	}
}

// Extend implements launcher.Extender: drivers and executors load the plugin that reports, and get what it needs to.
func (Component) Extend(l launcher.Launch) launcher.Extension {
	w := l.Env.Witness
	extension := launcher.Extension{}
	if reports(l) {
		extension.Settings = settings(w)
		extension.Lists = []launcher.ListSetting{
			{Key: "spark.plugins", Separator: ",", First: plugin},
			{Key: "spark.driver.extraClassPath", Separator: ":", Last: jarPath},
			{Key: "spark.executor.extraClassPath", Separator: ":", Last: jarPath},
		}
		extension.Pod = mountJar
	}
	if w.Secured {
		extension.Env = []corev1.EnvVar{tokenVariable()}
	}
	if w.Directory != "" {
		extension.Volumes = []corev1.Volume{{Name: directoryVolume, VolumeSource: launcher.ExistingDirectory(w.Directory)}}
		extension.Mounts = []corev1.VolumeMount{{Name: directoryVolume, MountPath: launcher.WitnessDirectory}}
	}
	return extension
}

func settings(w launcher.Witness) map[string]string {
	s := map[string]string{}
	if w.URL != "" {
		s["spark.sparkchaos.witness.url"] = w.URL
	}
	if w.Directory != "" {
		s["spark.sparkchaos.witness.dir"] = launcher.WitnessDirectory
	}
	if w.Interval > 0 {
		s["spark.sparkchaos.witness.interval"] = fmt.Sprintf("%dms", w.Interval.Milliseconds())
	}
	return s
}

// tokenVariable is the variable with the token.
func tokenVariable() corev1.EnvVar {
	return launcher.SecretVariable(witness.TokenVariable, tokenName, tokenKey)
}

// reporting is what drivers and executors report with.
type reporting struct {
	jar    *corev1.ConfigMap // of the plugin; nil if the workload runs without it
	secret *corev1.Secret    // of the token that reports show, which nobody who renders a workload has; nil if none is wanted
}

// Objects implements launcher.Part.
func (r *reporting) Objects() []launcher.Object {
	var objects []launcher.Object
	if r.jar != nil {
		objects = append(objects, r.jar)
	}
	if r.secret != nil {
		objects = append(objects, r.secret)
	}
	return objects
}

// Fill implements launcher.Filler: drivers, executors and a witness in the cluster get the token from the secret.
func (r *reporting) Fill(values launcher.Values) error {
	if r.secret != nil {
		r.secret.StringData = map[string]string{tokenKey: values.WitnessToken}
	}
	return nil
}

// server is a witness in the cluster.
type server struct {
	reporting
	claim      *corev1.PersistentVolumeClaim // a loss of its node loses nothing
	policy     *networkingv1.NetworkPolicy   // nil if executors are on the nodes' network, where no policy knows them
	service    *corev1.Service
	deployment *appsv1.Deployment
}

// Objects implements launcher.Part.
func (s *server) Objects() []launcher.Object {
	objects := append(s.reporting.Objects(), s.claim)
	if s.policy != nil {
		objects = append(objects, s.policy)
	}
	return append(objects, s.service, s.deployment)
}

// Part implements launcher.Component. There is no server if pods reach the harness, no secret if the witness wants no token, and
// nothing if nobody reports.
func (Component) Part(l launcher.Launch) (launcher.Part, error) {
	if !l.Env.Witness.Enabled() {
		return nil, nil
	}
	var with reporting
	if reports(l) {
		with.jar = jarMap(l.Env)
	}
	if l.Env.Witness.Secured {
		with.secret = &corev1.Secret{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: launcher.ObjectMeta(l.Env, tokenName),
		}
	}
	if l.Env.Words == nil {
		return &with, nil
	}
	return newServer(with, l.Workload, l.Env), nil
}

// Lacks implements launcher.Waiter.
func (s *server) Lacks(ctx context.Context, client kubernetes.Interface) (string, error) {
	return launcher.DeploymentLacks(ctx, client, s.deployment)
}

// Prepare implements launcher.Preparer: it takes in what the witness in the cluster keeps, as it comes. What does not come by
// it is on the nodes' disks, so that its way breaks, as when a fault hits its node, costs no evidence.
func (s *server) Prepare(_ context.Context, host *launcher.Host) error {
	reach := func(ctx context.Context) (address string, closing func(), err error) { return reach(ctx, host) }
	failed := func(err error) { host.Progress.Say("the witness in the cluster is not heard: %v", err) }
	following := witness.Following{Reach: reach, Token: host.Token, Failed: failed, Report: host.Problem}
	host.Background(func(ctx context.Context) error { return witness.Follow(ctx, following, host.Inbox) })
	return nil
}

// reach opens a way to the witness's pod that is ready.
func reach(ctx context.Context, host *launcher.Host) (address string, closing func(), err error) {
	pods, err := host.ReadyPods(ctx, role)
	if err != nil {
		return "", nil, err
	}
	if len(pods) == 0 {
		return "", nil, errors.New("no pod of the witness is ready")
	}
	return host.Forward(ctx, pods[0].Name, reportPort)
}

// policyOf lets only the run's own pods reach the witness. The harness comes by a port that the kubelet forwards within the pod,
// and the kubelet's probes come from the pod's node: no policy is about either. Executors on the nodes' network have the
// addresses of nodes, which no selector of pods knows; nil then, and only the token keeps strangers out.
func policyOf(w scenario.Workload, env launcher.Environment, labels map[string]string) *networkingv1.NetworkPolicy {
	if w.ShuffleService.Enabled {
		return nil
	}
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy"},
		ObjectMeta: launcher.ObjectMeta(env, name),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: labels},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{
				From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}, // of this namespace
			}},
		},
	}
}

// newServer returns the objects of a witness in the cluster.
func newServer(with reporting, w scenario.Workload, env launcher.Environment) *server {
	labels := map[string]string{launcher.RunLabel: env.RunID, launcher.RoleLabel: role}
	ports := map[string]int32{"http": reportPort, "words": wordsPort, "words-tcp": wordsTCPPort}
	service := &corev1.Service{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: launcher.ObjectMeta(env, name),
		Spec: corev1.ServiceSpec{Selector: labels},
	}
	for _, of := range []string{"http", "words", "words-tcp"} {
		service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: of, Port: ports[of], TargetPort: intstr.FromInt32(ports[of])})
	}
	one := int32(1)
	return &server{
		reporting: with,
		claim:     launcher.NewClaim(name, scenario.StorageShared, env),
		policy:    policyOf(w, env, labels),
		service:   service,
		deployment: &appsv1.Deployment{
			TypeMeta:   metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "Deployment"},
			ObjectMeta: launcher.ObjectMeta(env, name),
			Spec: appsv1.DeploymentSpec{
				Replicas: &one,
				// Two of them would write to one file.
				Strategy: appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType},
				Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: podSpec(env)},
			},
		},
	}
}

func podSpec(env launcher.Environment) corev1.PodSpec {
	no, grace, patience, group := false, int64(2), int64(2), int64(launcher.PodGroup)
	driver := launcher.NodeOf(map[string]string{launcher.RunLabel: env.RunID, launcher.RoleLabel: launcher.RoleDriver})
	return corev1.PodSpec{
		AutomountServiceAccountToken: &no, TerminationGracePeriodSeconds: &grace,
		SecurityContext: &corev1.PodSecurityContext{FSGroup: &group}, // volumes belong to root on many clusters
		Tolerations:     launcher.Tolerations(&patience),
		// The driver's node is the one that is most often lost.
		Affinity: &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{Weight: 100, PodAffinityTerm: driver}},
		}},
		Volumes: []corev1.Volume{{Name: "store", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name},
		}}},
		Containers: []corev1.Container{{
			Name: name, Image: env.PodImage, ImagePullPolicy: env.ImagePullPolicy(),
			Args: []string{
				"witness", "--directory", store, "--listen", fmt.Sprintf(":%d", reportPort),
				"--listen-words", fmt.Sprintf(":%d", wordsPort), "--listen-words-tcp", fmt.Sprintf(":%d", wordsTCPPort),
				"--seed", strconv.FormatUint(env.Words.Seed, 10), "--vocabulary", strconv.Itoa(env.Words.Vocabulary),
				"--words-per-second", strconv.Itoa(env.Words.WordsPerSecond),
			},
			Env:   []corev1.EnvVar{tokenVariable()},
			Ports: []corev1.ContainerPort{{ContainerPort: reportPort}, {ContainerPort: wordsPort}, {ContainerPort: wordsTCPPort}},
			ReadinessProbe: &corev1.Probe{
				ProbeHandler:  corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(wordsTCPPort)}},
				PeriodSeconds: 1, TimeoutSeconds: 2, FailureThreshold: 3,
			},
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")},
			},
			VolumeMounts: []corev1.VolumeMount{{Name: "store", MountPath: store}},
		}},
	}
}
