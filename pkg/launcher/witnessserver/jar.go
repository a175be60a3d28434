package witnessserver

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
)

// The plugin comes to drivers and executors in a ConfigMap, so that no image has to hold it.
const (
	plugin = "dev.sparkchaos.witness.WitnessPlugin"

	jarName   = "witness-jar" // of the ConfigMap, and of its volume in pods
	jarKey    = "witness.jar"
	jarFolder = "/opt/sparkchaos-witness"
	jarPath   = jarFolder + "/" + jarKey
)

// jarProblems returns what keeps a ConfigMap from holding the jar.
func jarProblems(jar []byte) []error {
	if len(jar) == 0 || len(jar) > corev1.MaxSecretSize {
		return []error{fmt.Errorf("environment: the witness's jar has %s: a ConfigMap has to hold it, with 1 to %d",
			wording.Count(len(jar), "byte"), corev1.MaxSecretSize)}
	}
	return nil
}

// jarMap returns the ConfigMap with the plugin's jar.
func jarMap(env launcher.Environment) *corev1.ConfigMap {
	immutable := true
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: launcher.ObjectMeta(env, jarName),
		Immutable:  &immutable,
		BinaryData: map[string][]byte{jarKey: env.Witness.Jar},
	}
}

// mountJar gives the main container of a driver or executor the plugin's jar.
func mountJar(pod *launcher.Pod) {
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: jarName, VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: jarName}},
	}})
	main := &pod.Containers[0]
	main.VolumeMounts = append(main.VolumeMounts, corev1.VolumeMount{Name: jarName, MountPath: jarFolder, ReadOnly: true})
}
