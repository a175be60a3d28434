//go:build linux

package storage

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func options(place, node string) controller.ProvisionOptions {
	return controller.ProvisionOptions{
		PVName:           "pvc-1",
		SelectedNodeName: node,
		StorageClass:     &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "class"}, Parameters: map[string]string{PlaceParameter: place}},
		PVC:              &corev1.PersistentVolumeClaim{Spec: corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}}},
	}
}

func TestVolumesAreMadeWhereTheirClassSays(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		place, node string
		directory   func(root string) string
		path        func(*corev1.PersistentVolume) string
	}{
		"shared": {PlaceShared, "", func(root string) string { return filepath.Join(root, "shared/pvc-1") },
			func(v *corev1.PersistentVolume) string { return v.Spec.HostPath.Path }},
		"node": {PlaceNode, "worker-2", func(root string) string { return filepath.Join(root, "disks/worker-2", NodeDirectory, "pvc-1") },
			func(v *corev1.PersistentVolume) string { return v.Spec.Local.Path }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			p := Provisioner{Shared: filepath.Join(root, "shared"), Disks: filepath.Join(root, "disks")}
			volume, _, err := p.Provision(context.Background(), options(tt.place, tt.node))
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(tt.directory(root))
			if err != nil || info.Mode().Perm() != 0o777 {
				t.Fatalf("the volume's directory: %v, %v; want one that all can write to", info, err)
			}
			if got := tt.path(volume); filepath.Base(got) != "pvc-1" {
				t.Errorf("the volume points to %s", got)
			}
			if diff := cmp.Diff([]corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}, volume.Spec.AccessModes); diff != "" {
				t.Error(diff)
			}
			if err := p.Delete(context.Background(), volume); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(tt.directory(root)); !os.IsNotExist(err) {
				t.Errorf("after Delete: %v", err)
			}
		})
	}
}

func TestWhatCannotBeProvisionedIsNamed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		options controller.ProvisionOptions
		want    string
	}{
		"unknown place":    {options("moon", ""), `place="moon"`},
		"no node selected": {options(PlaceNode, ""), "WaitForFirstConsumer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			_, _, err := Provisioner{Shared: root, Disks: root}.Provision(context.Background(), tt.options)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that says %s", err, tt.want)
			}
		})
	}
}
