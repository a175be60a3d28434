package launcher_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	. "github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// sharedVolumes returns what SharedDirectory is mounted from in the driver and in the executors' template.
func sharedVolumes(t *testing.T, o *Objects) []corev1.VolumeSource {
	t.Helper()
	var template corev1.Pod
	if err := yaml.UnmarshalStrict([]byte(o.ConfigMap.Data[TemplateFile]), &template); err != nil {
		t.Fatal(err)
	}
	var found []corev1.VolumeSource
	for _, spec := range []corev1.PodSpec{o.Driver.Spec, template.Spec} {
		for _, volume := range spec.Volumes {
			if volume.Name == SharedVolume {
				found = append(found, volume.VolumeSource)
			}
		}
	}
	return found
}

func TestStorage(t *testing.T) {
	t.Parallel()
	claimed := corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "shared"}}
	tests := []struct {
		storage     string
		mode, class string // of the claim; empty: there is none
		volume      corev1.VolumeSource
	}{
		{"", "ReadWriteMany", "shared", claimed},
		{scenario.StorageShared, "ReadWriteMany", "shared", claimed},
		{scenario.StorageLocal, "ReadWriteOnce", "local", claimed},
		{scenario.StorageNode, "", "", corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/var/lib/node/run-1",
			Type: pointer(corev1.HostPathDirectory)}}},
	}
	for _, test := range tests {
		t.Run("storage "+test.storage, func(t *testing.T) {
			t.Parallel()
			w, env := wordCount(), environment()
			w.Storage, env.LocalStorageClass, env.NodeDirectory = test.storage, "local", "/var/lib/node/run-1"
			o, err := Render(w, env, components.All())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]corev1.VolumeSource{test.volume, test.volume}, sharedVolumes(t, o)); diff != "" {
				t.Errorf("volumes of driver and executors (-want +got):\n%s", diff)
			}
			mode, class := "", ""
			if o.Claim != nil {
				mode, class = string(o.Claim.Spec.AccessModes[0]), *o.Claim.Spec.StorageClassName
			}
			if mode != test.mode || class != test.class {
				t.Errorf("claim with mode %q and class %q, want %q and %q", mode, class, test.mode, test.class)
			}
			manifests, err := o.YAML()
			if got := strings.Contains(string(manifests), "kind: PersistentVolumeClaim"); err != nil || got != (test.class != "") {
				t.Errorf("a claim is among the manifests: %t, %v", got, err)
			}
		})
	}
}

func TestStorageThatTheEnvironmentHasNot(t *testing.T) {
	t.Parallel()
	for storage, want := range map[string]string{
		scenario.StorageNode: "names no directory on the nodes' own disks",
		"tape":               "want shared, local or node",
	} {
		w := wordCount()
		w.Storage = storage
		if _, err := Render(w, environment(), components.All()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("storage %s: %v, want %q", storage, err, want)
		}
	}
}

func TestNodeDirectoriesArePaths(t *testing.T) {
	t.Parallel()
	for _, directory := range []string{"relative", "/", "/a/../b"} {
		env := environment()
		env.NodeDirectory = directory
		if _, err := Render(wordCount(), env, components.All()); err == nil || !strings.Contains(err.Error(), "node directory") {
			t.Errorf("node directory %s: %v, want it refused", directory, err)
		}
	}
}
