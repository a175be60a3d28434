package stagingserver

import (
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/pkg/staging"
)

// Names and places of what pods fetch.
const (
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

	// fetchPatience is how long a pod's init container tries to fetch before it gives up: longer than a lost server takes to
	// be replaced with Kubernetes' own timing.
	fetchPatience = "3m"
)

// Extend implements launcher.Extender: driver and executors fetch the artifacts before their containers start.
func (Component) Extend(l launcher.Launch) launcher.Extension {
	w := l.Workload
	if !w.StagingServer.Enabled() {
		return launcher.Extension{}
	}
	return launcher.Extension{
		Artifacts: artifactsDirectory,
		Pod:       func(pod *launcher.Pod) { fetching(pod, w.StagingServer, l.Env) },
	}
}

// fetching lets a pod fetch the artifacts. Each pod fetches for itself, as each node may be another one.
func fetching(pod *launcher.Pod, server scenario.StagingServer, env launcher.Environment) {
	pod.InitContainers = append(pod.InitContainers, corev1.Container{
		Name:            "fetch-artifacts",
		Image:           env.PodImage,
		ImagePullPolicy: env.ImagePullPolicy(),
		Args:            fetchArgs(server, env, pod.Role),
		Env: slices.Concat(pod.Env, []corev1.EnvVar{
			launcher.SecretVariable("ARTIFACTS_ID", artifactsSecret, secretID),
			launcher.SecretVariable("ARTIFACTS_SHA256", artifactsSecret, secretSHA256),
			launcher.SecretVariable("ARTIFACTS_BYTES", artifactsSecret, secretBytes)}),
		VolumeMounts: slices.Concat(pod.Mounts, []corev1.VolumeMount{
			{Name: artifactsVolume, MountPath: artifactsMount},
			{Name: artifactsSecretVolume, MountPath: artifactsSecretMount, ReadOnly: true}}),
	})
	pod.Volumes = append(pod.Volumes,
		corev1.Volume{Name: artifactsVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		corev1.Volume{Name: artifactsSecretVolume, VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: artifactsSecret},
		}})
	main := &pod.Containers[0]
	main.VolumeMounts = append(main.VolumeMounts, corev1.VolumeMount{Name: artifactsVolume, MountPath: artifactsMount, ReadOnly: true})
	main.Env = append(main.Env, corev1.EnvVar{Name: artifactsVariable, Value: artifactsDirectory})
}

func fetchArgs(server scenario.StagingServer, env launcher.Environment, role string) []string {
	args := []string{
		"fetch", "--server", fmt.Sprintf("https://%s:%d", host(env), port), "--ca-file", artifactsSecretMount + "/" + secretCA,
		"--id", "$(ARTIFACTS_ID)", "--sha256", "$(ARTIFACTS_SHA256)", "--max-bytes", "$(ARTIFACTS_BYTES)",
		"--secret-file", artifactsSecretMount + "/" + secretSecret,
		"--into", artifactsDirectory, "--retry-for", fetchPatience, "--report-role", role,
	}
	if server.FetchRate != "" {
		args = append(args, "--limit-rate", server.FetchRate)
	}
	if env.Witness.URL != "" {
		args = append(args, "--report-url", env.Witness.URL)
	}
	if env.Witness.Directory != "" {
		args = append(args, "--report-dir", launcher.WitnessDirectory)
	}
	return args
}

// secretOf returns what the init containers of drivers and executors read. It must be there before the driver.
func secretOf(env launcher.Environment, ticket staging.Ticket, ca []byte) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: launcher.ObjectMeta(env, artifactsSecret),
		StringData: map[string]string{
			secretID: ticket.ID, secretSecret: ticket.Secret, secretSHA256: ticket.SHA256,
			secretBytes: strconv.FormatInt(ticket.Size, 10), secretCA: string(ca),
		},
	}
}
