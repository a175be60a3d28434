package launcher

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// NewClaim asks for the volume that a directory like SharedDirectory is mounted from; nil when that is a directory on each node's
// own disk. A volume on one node's disk can be mounted there alone, so the scheduler puts every pod of the application on that node.
func NewClaim(name, storage string, env Environment) *corev1.PersistentVolumeClaim {
	if storage == scenario.StorageNode {
		return nil
	}
	mode, class := corev1.ReadWriteMany, env.StorageClass
	if storage == scenario.StorageLocal {
		mode, class = corev1.ReadWriteOnce, env.LocalStorageClass
	}
	c := &corev1.PersistentVolumeClaim{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
		ObjectMeta: ObjectMeta(env, name),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{mode},
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(claimSize)},
			},
		},
	}
	if class != "" {
		c.Spec.StorageClassName = &class
	}
	return c
}

// sharedSource is the volume behind SharedDirectory.
func sharedSource(storage string, env Environment) corev1.VolumeSource {
	if storage == scenario.StorageNode {
		return ExistingDirectory(env.NodeDirectory)
	}
	return corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claimName}}
}

// ExistingDirectory is a directory on the node's own disk. It must be there already: one that kubelet makes belongs to
// root, and Spark's user could not write.
func ExistingDirectory(path string) corev1.VolumeSource {
	existing := corev1.HostPathDirectory
	return corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path, Type: &existing}}
}

// storageProblem describes what the environment lacks for the workload's storage.
func storageProblem(storage string, env Environment) error {
	switch {
	case storage == scenario.StorageNode && env.NodeDirectory == "":
		return errors.New("workload: storage is node, but the environment names no directory on the nodes' own disks")
	case storage != "" && storage != scenario.StorageShared && storage != scenario.StorageLocal && storage != scenario.StorageNode:
		return fmt.Errorf("workload: storage is %q, want %s, %s or %s", storage, scenario.StorageShared, scenario.StorageLocal,
			scenario.StorageNode)
	}
	return nil
}
