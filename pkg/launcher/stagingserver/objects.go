package stagingserver

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/pkg/staging"
)

const (
	credentialsName = "staging-credentials"
	storeVolume     = "store"
	storeDirectory  = "/store"

	// The server has its certificate, and the token of those who may upload, from these files.
	identityName  = "staging-server"
	identityMount = "/etc/sparkchaos-staging"
	identityCert  = "tls.crt"
	identityKey   = "tls.key"
	identityToken = "upload-token"

	// leastRate is what the staging server asks of its clients by default, in bytes a second.
	leastRate = 8 << 10
	// memory lets a server take its most uploads at once: those to S3 hold 16 to 20 MiB each.
	memory = "512Mi"
)

// part is what a workload has of the server.
type part struct {
	bundle *bundle
	server scenario.StagingServer
	host   string         // by which pods reach it
	trust  *trust         // between the harness, the pods and the server; nil before Fill
	ticket staging.Ticket // for the artifacts that were uploaded; zero before Prepare

	serviceAccount *corev1.ServiceAccount
	role           *rbacv1.Role
	roleBinding    *rbacv1.RoleBinding
	claim          *corev1.PersistentVolumeClaim // of the durable server without a URL; nil otherwise
	credentials    *corev1.Secret                // of the durable server with one; nil otherwise. Fill gives it its values
	identity       *corev1.Secret                // certificate, key and upload token, which Fill puts in
	service        *corev1.Service
	deployment     *appsv1.Deployment
}

// Objects implements launcher.Part.
func (p *part) Objects() []launcher.Object {
	objects := []launcher.Object{p.serviceAccount, p.role, p.roleBinding}
	if p.claim != nil {
		objects = append(objects, p.claim)
	}
	if p.credentials != nil {
		objects = append(objects, p.credentials)
	}
	return append(objects, p.identity, p.service, p.deployment)
}

// Fill implements launcher.Filler: the servers of a session get an identity of their own.
func (p *part) Fill(values launcher.Values) (err error) {
	if p.trust, err = newTrust(p.host); err != nil {
		return err
	}
	p.identity.StringData = map[string]string{
		identityCert: string(p.trust.cert), identityKey: string(p.trust.key), identityToken: p.trust.uploadToken,
	}
	if p.credentials != nil {
		p.credentials.StringData = maps.Clone(values.Variables)
		maps.DeleteFunc(p.credentials.StringData, func(name, _ string) bool { return !slices.Contains(p.server.Credentials, name) })
	}
	return nil
}

// Part implements launcher.Component.
func (c Component) Part(l launcher.Launch) (launcher.Part, error) {
	server, env := l.Workload.StagingServer, l.Env
	if !server.Enabled() {
		return nil, nil
	}
	s := &part{
		bundle: c.bundle, server: server, host: host(env),
		serviceAccount: &corev1.ServiceAccount{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
			ObjectMeta: launcher.ObjectMeta(env, name),
		},
		// Enough to see that nobody owns a bundle any more, and nothing else.
		role: &rbacv1.Role{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"},
			ObjectMeta: launcher.ObjectMeta(env, name),
			Rules: []rbacv1.PolicyRule{
				launcher.Rule("pods", "list"),
				{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"list"}},
			},
		},
		roleBinding: launcher.NewRoleBinding(env, name, name),
		service: &corev1.Service{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
			ObjectMeta: launcher.ObjectMeta(env, name),
			Spec: corev1.ServiceSpec{
				Selector: labels(env),
				Ports:    []corev1.ServicePort{{Name: "https", Port: port, TargetPort: intstr.FromInt32(port)}},
			},
		},
	}
	s.identity = &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: launcher.ObjectMeta(env, identityName),
	}
	pod := podSpec(server, env)
	if server.Storage == scenario.StagingDurable && server.URL == "" {
		s.claim = launcher.NewClaim(name, scenario.StorageShared, env)
		pod.Volumes[0].VolumeSource = corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name}}
	}
	if len(server.Credentials) > 0 {
		s.credentials = &corev1.Secret{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: launcher.ObjectMeta(env, credentialsName),
		}
		pod.Containers[0].EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: credentialsName},
		}}}
	}
	replicas := int32(server.Replicas)
	s.deployment = &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "Deployment"},
		ObjectMeta: launcher.ObjectMeta(env, name),
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels(env)},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels(env)}, Spec: pod},
		},
	}
	return s, nil
}

func labels(env launcher.Environment) map[string]string {
	return map[string]string{launcher.RunLabel: env.RunID, launcher.RoleLabel: scenario.OfStagingServer}
}

func podSpec(server scenario.StagingServer, env launcher.Environment) corev1.PodSpec {
	grace, patience, group, private := int64(5), int64(2), int64(launcher.PodGroup), int32(0o440)
	storage := server.Storage
	switch {
	case server.URL != "":
		storage = server.URL
	case server.Storage == scenario.StagingDurable:
		storage = "file://" + storeDirectory
	}
	probe := func(path string) *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
				Path: path, Port: intstr.FromInt32(port), Scheme: corev1.URISchemeHTTPS,
			}},
			PeriodSeconds: 1, TimeoutSeconds: 2, FailureThreshold: 3,
		}
	}
	live := probe("/healthz")
	live.PeriodSeconds = 5
	return corev1.PodSpec{
		ServiceAccountName:            name,
		TerminationGracePeriodSeconds: &grace,
		SecurityContext:               &corev1.PodSecurityContext{FSGroup: &group}, // volumes belong to root on many clusters
		Tolerations:                   launcher.Tolerations(&patience),
		// Replicas on one node would be lost together.
		Affinity: &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{launcher.NodeOf(labels(env))},
		}},
		Volumes: []corev1.Volume{
			{Name: storeVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			{Name: identityName, VolumeSource: corev1.VolumeSource{
				Secret: &corev1.SecretVolumeSource{SecretName: identityName, DefaultMode: &private},
			}},
		},
		Containers: []corev1.Container{{
			Name:            name,
			Image:           env.PodImage,
			ImagePullPolicy: env.ImagePullPolicy(),
			Args:            serveArgs(server, env, storage),
			// The temporary directory of the server whose artifacts are lost with it.
			Env:            []corev1.EnvVar{{Name: "TMPDIR", Value: storeDirectory}},
			Ports:          []corev1.ContainerPort{{Name: "https", ContainerPort: port}},
			ReadinessProbe: probe("/readyz"),
			LivenessProbe:  live,
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)},
			},
			VolumeMounts: []corev1.VolumeMount{
				{Name: storeVolume, MountPath: storeDirectory},
				{Name: identityName, MountPath: identityMount, ReadOnly: true},
			},
		}},
	}
}

func serveArgs(server scenario.StagingServer, env launcher.Environment, storage string) []string {
	args := []string{
		"serve", "--listen", ":" + strconv.Itoa(port), "--storage", storage,
		"--tls-cert", path.Join(identityMount, identityCert), "--tls-key", path.Join(identityMount, identityKey),
		"--upload-token-file", path.Join(identityMount, identityToken), "--owner-namespace", env.Namespace,
	}
	// Pods that are told to fetch slowly must not be cut off for it.
	if rate, err := staging.ParseBytes(server.FetchRate); err == nil && rate > 0 && rate/2 < leastRate {
		args = append(args, "--min-rate", strconv.FormatInt(max(1, rate/2), 10))
	}
	return args
}

// host is the name by which pods reach the server, and which its certificate must have.
func host(env launcher.Environment) string { return fmt.Sprintf("%s.%s.svc", name, env.Namespace) }
