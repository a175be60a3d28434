package launcher

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

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/pkg/staging"
)

// StagingPort is where the staging server listens in its pods and behind its Service.
const StagingPort = 10000

// Names and places of the staging server and of what is fetched from it.
const (
	stagingName           = "staging"
	stagingCredentials    = "staging-credentials"
	stagingVolume         = "store"
	stagingDirectory      = "/store"
	artifactsSecret       = "artifacts" // how pods fetch the bundle that the harness uploaded
	artifactsVolume       = "artifacts"
	artifactsSecretVolume = "artifacts-secret"
	artifactsMount        = "/opt/sparkchaos"
	artifactsDirectory    = artifactsMount + "/artifacts" // fetched as a whole, so the mount point itself is its parent
	artifactsSecretMount  = "/etc/sparkchaos-artifacts"
	artifactsVariable     = "SPARKCHAOS_ARTIFACTS"

	// Keys of the secret.
	secretID     = "id"
	secretSecret = "secret"
	secretSHA256 = "sha256"
	secretBytes  = "bytes"
	secretCA     = "ca.crt"

	// How a server shows who it is, and whom it takes uploads from.
	stagingIdentity      = "staging-server"
	stagingIdentityMount = "/etc/sparkchaos-staging"
	identityCert         = "tls.crt"
	identityKey          = "tls.key"
	identityToken        = "upload-token"
)

// leastRate is what the staging server asks of its clients by default, in bytes a second.
const leastRate = 8 << 10

// stagingGroup is the group that the staging server's image runs as, which is that of Spark's.
const stagingGroup = 185

// stagingMemory lets a server take its most uploads at once: those to S3 hold 16 to 20 MiB each.
const stagingMemory = "512Mi"

// fetchPatience is how long a pod's init container tries to fetch before it gives up: longer than a lost server takes to
// be replaced with Kubernetes' own timing.
const fetchPatience = "3m"

// Staging are the objects of a staging server.
type Staging struct {
	ServiceAccount *corev1.ServiceAccount
	Role           *rbacv1.Role
	RoleBinding    *rbacv1.RoleBinding
	Claim          *corev1.PersistentVolumeClaim // of the durable server without a URL
	Credentials    *corev1.Secret                // of the durable server with one; its values are the harness's to fill in
	Identity       *corev1.Secret                // certificate, key and upload token; its values are the harness's to fill in
	Service        *corev1.Service
	Deployment     *appsv1.Deployment
}

// Artifacts is how pods fetch the bundle that was uploaded for a run.
type Artifacts struct {
	ID, Secret string // of the staging server's ticket
	SHA256     string // of the bundle, in hexadecimal
	Bytes      int64  // of the bundle
	CA         []byte // certificate of the authority that the servers' certificate comes from, PEM
}

// ArtifactsSecret is what the init containers of drivers and executors read. It must be there before the driver.
func ArtifactsSecret(env Environment, a Artifacts) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: objectMeta(env, artifactsSecret),
		StringData: map[string]string{
			secretID: a.ID, secretSecret: a.Secret, secretSHA256: a.SHA256, secretBytes: strconv.FormatInt(a.Bytes, 10), secretCA: string(a.CA),
		},
	}
}

// StagingHost is the name by which pods reach the staging server, and which its certificate must have.
func StagingHost(env Environment) string { return fmt.Sprintf("%s.%s.svc", stagingName, env.Namespace) }

// OwnerLabels are the labels of the pods that the artifacts are kept for: the driver's.
func OwnerLabels(env Environment) map[string]string {
	return map[string]string{RunLabel: env.RunID, RoleLabel: RoleDriver}
}

// stagingServer returns the objects of the workload's staging server; nil if it has none.
func stagingServer(w scenario.Workload, env Environment) *Staging {
	server := w.StagingServer
	if !server.Enabled() {
		return nil
	}
	s := &Staging{
		ServiceAccount: &corev1.ServiceAccount{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
			ObjectMeta: objectMeta(env, stagingName),
		},
		// Enough to see that nobody owns a bundle any more, and nothing else.
		Role: &rbacv1.Role{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"},
			ObjectMeta: objectMeta(env, stagingName),
			Rules: []rbacv1.PolicyRule{
				rule("pods", "list"),
				{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"list"}},
			},
		},
		RoleBinding: roleBinding(env, stagingName, stagingName),
		Service: &corev1.Service{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
			ObjectMeta: objectMeta(env, stagingName),
			Spec: corev1.ServiceSpec{
				Selector: stagingLabels(env),
				Ports:    []corev1.ServicePort{{Name: "https", Port: StagingPort, TargetPort: intstr.FromInt32(StagingPort)}},
			},
		},
	}
	s.Identity = &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: objectMeta(env, stagingIdentity),
	}
	pod := stagingPod(server, env)
	if server.Storage == scenario.StagingDurable && server.URL == "" {
		s.Claim = claim(stagingName, scenario.StorageShared, env)
		pod.Volumes[0].VolumeSource = corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: stagingName}}
	}
	if len(server.Credentials) > 0 {
		s.Credentials = &corev1.Secret{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: objectMeta(env, stagingCredentials),
		}
		pod.Containers[0].EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: stagingCredentials}}}}
	}
	replicas := int32(server.Replicas)
	s.Deployment = &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "Deployment"},
		ObjectMeta: objectMeta(env, stagingName),
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: stagingLabels(env)},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: stagingLabels(env)}, Spec: pod},
		},
	}
	return s
}

func stagingLabels(env Environment) map[string]string {
	return map[string]string{RunLabel: env.RunID, RoleLabel: RoleStagingServer}
}

func stagingPod(server scenario.StagingServer, env Environment) corev1.PodSpec {
	grace, patience, group, private := int64(5), int64(2), int64(stagingGroup), int32(0o440)
	storage := server.Storage
	switch {
	case server.URL != "":
		storage = server.URL
	case server.Storage == scenario.StagingDurable:
		storage = "file://" + stagingDirectory
	}
	probe := func(path string) *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
				Path: path, Port: intstr.FromInt32(StagingPort), Scheme: corev1.URISchemeHTTPS,
			}},
			PeriodSeconds: 1, TimeoutSeconds: 2, FailureThreshold: 3,
		}
	}
	live := probe("/healthz")
	live.PeriodSeconds = 5
	return corev1.PodSpec{
		ServiceAccountName:            stagingName,
		TerminationGracePeriodSeconds: &grace,
		SecurityContext:               &corev1.PodSecurityContext{FSGroup: &group}, // volumes belong to root on many clusters
		Tolerations:                   tolerations(&patience),
		// Replicas on one node would be lost together.
		Affinity: &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{nodeOf(stagingLabels(env))},
		}},
		Volumes: []corev1.Volume{
			{Name: stagingVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			{Name: stagingIdentity, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: stagingIdentity, DefaultMode: &private}}},
		},
		Containers: []corev1.Container{{
			Name:            stagingName,
			Image:           env.StagingImage,
			ImagePullPolicy: env.pullPolicy(),
			Args:            serveArgs(server, env, storage),
			// The temporary directory of the server whose artifacts are lost with it.
			Env:            []corev1.EnvVar{{Name: "TMPDIR", Value: stagingDirectory}},
			Ports:          []corev1.ContainerPort{{Name: "https", ContainerPort: StagingPort}},
			ReadinessProbe: probe("/readyz"),
			LivenessProbe:  live,
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(stagingMemory)},
			},
			VolumeMounts: []corev1.VolumeMount{
				{Name: stagingVolume, MountPath: stagingDirectory},
				{Name: stagingIdentity, MountPath: stagingIdentityMount, ReadOnly: true},
			},
		}},
	}
}

func serveArgs(server scenario.StagingServer, env Environment, storage string) []string {
	args := []string{
		"serve", "--listen", ":" + strconv.Itoa(StagingPort), "--storage", storage,
		"--tls-cert", path.Join(stagingIdentityMount, identityCert), "--tls-key", path.Join(stagingIdentityMount, identityKey),
		"--upload-token-file", path.Join(stagingIdentityMount, identityToken), "--owner-namespace", env.Namespace,
	}
	// Pods that are told to fetch slowly must not be cut off for it.
	if rate, err := staging.ParseBytes(server.FetchRate); err == nil && rate > 0 && rate/2 < leastRate {
		args = append(args, "--min-rate", strconv.FormatInt(max(1, rate/2), 10))
	}
	return args
}

// nodeOf is the node on which pods with the labels run.
func nodeOf(labels map[string]string) corev1.PodAffinityTerm {
	return corev1.PodAffinityTerm{LabelSelector: &metav1.LabelSelector{MatchLabels: labels}, TopologyKey: corev1.LabelHostname}
}

// beside makes the scheduler prefer the node of another role's pod.
func beside(role string, env Environment) *corev1.Affinity {
	if role == "" {
		return nil
	}
	return &corev1.Affinity{PodAffinity: &corev1.PodAffinity{
		PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{
			Weight: 100, PodAffinityTerm: nodeOf(map[string]string{RunLabel: env.RunID, RoleLabel: role}),
		}},
	}}
}

// addArtifacts lets the pod of a driver or executor fetch the artifacts before its container starts. Each pod fetches for
// itself, as each node may be another one.
func addArtifacts(spec *corev1.PodSpec, w scenario.Workload, env Environment, role string) {
	if !w.StagingServer.Enabled() {
		return
	}
	_, mounts := volumes(w, env)
	mounts = slices.DeleteFunc(mounts, func(m corev1.VolumeMount) bool { return m.Name == sharedVolume })
	mounts = append(mounts,
		corev1.VolumeMount{Name: artifactsVolume, MountPath: artifactsMount},
		corev1.VolumeMount{Name: artifactsSecretVolume, MountPath: artifactsSecretMount, ReadOnly: true})
	spec.InitContainers = append(spec.InitContainers, corev1.Container{
		Name:            "fetch-artifacts",
		Image:           env.StagingImage,
		ImagePullPolicy: env.pullPolicy(),
		Args:            fetchArgs(w.StagingServer, env, role),
		Env: append(identity(env),
			fromSecret("ARTIFACTS_ID", artifactsSecret, secretID),
			fromSecret("ARTIFACTS_SHA256", artifactsSecret, secretSHA256),
			fromSecret("ARTIFACTS_BYTES", artifactsSecret, secretBytes)),
		VolumeMounts: mounts,
	})
	spec.Volumes = append(spec.Volumes,
		corev1.Volume{Name: artifactsVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		corev1.Volume{Name: artifactsSecretVolume, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: artifactsSecret}}})
	main := &spec.Containers[0]
	main.VolumeMounts = append(main.VolumeMounts, corev1.VolumeMount{Name: artifactsVolume, MountPath: artifactsMount, ReadOnly: true})
	main.Env = append(main.Env, corev1.EnvVar{Name: artifactsVariable, Value: artifactsDirectory})
}

func fetchArgs(server scenario.StagingServer, env Environment, role string) []string {
	args := []string{
		"fetch", "--server", fmt.Sprintf("https://%s:%d", StagingHost(env), StagingPort), "--ca-file", artifactsSecretMount + "/" + secretCA,
		"--id", "$(ARTIFACTS_ID)", "--sha256", "$(ARTIFACTS_SHA256)", "--max-bytes", "$(ARTIFACTS_BYTES)", "--secret-file", artifactsSecretMount + "/" + secretSecret,
		"--into", artifactsDirectory, "--retry-for", fetchPatience, "--report-role", role,
	}
	if server.FetchRate != "" {
		args = append(args, "--limit-rate", server.FetchRate)
	}
	if env.Witness.URL != "" {
		args = append(args, "--report-url", env.Witness.URL)
	}
	if env.Witness.Directory != "" {
		args = append(args, "--report-dir", WitnessDirectory)
	}
	return args
}

// jarOf is how Spark finds the application's jar in driver and executors.
func jarOf(a scenario.Application) string {
	switch {
	case a.Jar == "":
		return "local://" + workloadsJar
	case slices.Contains(scenario.Artifacts(a), a.Jar):
		return "local://" + path.Join(artifactsDirectory, path.Base(a.Jar))
	default:
		return a.Jar
	}
}

// FillCredentials puts the values of the harness's environment variables into the secret that the server gets them from.
func (s *Staging) FillCredentials(values map[string]string) {
	if s.Credentials != nil {
		s.Credentials.StringData = maps.Clone(values)
	}
}

// StagingServerIdentity is how the servers of a run show who they are, and whom they take uploads from.
type StagingServerIdentity struct {
	Cert, Key   []byte // PEM
	UploadToken string
}

// FillIdentity puts what the harness made for this run into the secret that the server gets it from.
func (s *Staging) FillIdentity(i StagingServerIdentity) {
	s.Identity.StringData = map[string]string{identityCert: string(i.Cert), identityKey: string(i.Key), identityToken: i.UploadToken}
}

// all returns the objects in the order in which they are to be created.
func (s *Staging) all() []Object {
	if s == nil {
		return nil
	}
	objects := []Object{s.ServiceAccount, s.Role, s.RoleBinding}
	if s.Claim != nil {
		objects = append(objects, s.Claim)
	}
	if s.Credentials != nil {
		objects = append(objects, s.Credentials)
	}
	return append(objects, s.Identity, s.Service, s.Deployment)
}
