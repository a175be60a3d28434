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
		StorageClass: &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "class"},
			Parameters: map[string]string{PlaceParameter: place}},
		PVC: &corev1.PersistentVolumeClaim{Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany},
		}},
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
			for _, there := range []string{p.Shared, filepath.Join(p.Disks, "worker-2")} {
				if err := os.MkdirAll(there, 0o755); err != nil {
					t.Fatal(err)
				}
			}
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

// A pod can replace what is on its node's disk by links: nothing beyond the disk is removed, made or opened to all.
func TestNoLinkLeadsOutOfADisk(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]string{"the directory of the volumes": NodeDirectory, "its parent": filepath.Dir(NodeDirectory),
		"the volume": filepath.Join(NodeDirectory, "pvc-1")} {
		root := t.TempDir()
		victim, disk := filepath.Join(root, "victim"), filepath.Join(root, "disks/worker-2")
		kept := []string{filepath.Join(victim, "pvc-1/file"), filepath.Join(victim, "volumes/pvc-1/file"), filepath.Join(victim, "file")}
		for _, file := range kept {
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		at := filepath.Join(disk, link)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(victim, at); err != nil {
			t.Fatal(err)
		}
		p := Provisioner{Shared: filepath.Join(root, "shared"), Disks: filepath.Join(root, "disks")}
		volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pvc-1"}, Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{}}, NodeAffinity: onlyOn("worker-2"),
		}}
		_, _, _ = p.Provision(context.Background(), options(PlaceNode, "worker-2")) // may be refused
		_ = p.Delete(context.Background(), volume)                                  // may be refused
		for _, file := range kept {
			info, err := os.Stat(filepath.Dir(file))
			if err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("%s is a link: what it leads to is %v, %v", name, info, err)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s is a link: %v", name, err)
			}
		}
	}
}

func TestVolumesOfNobodyAreRefused(t *testing.T) {
	t.Parallel()
	local := corev1.PersistentVolumeSpec{PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{}}}
	elsewhere := local
	elsewhere.NodeAffinity = onlyOn("../../etc")
	empty := local
	empty.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{}}}}
	for name, volume := range map[string]*corev1.PersistentVolume{
		"without affinity":       {ObjectMeta: metav1.ObjectMeta{Name: "v"}, Spec: local},
		"with an empty affinity": {ObjectMeta: metav1.ObjectMeta{Name: "v"}, Spec: empty},
		"on another directory":   {ObjectMeta: metav1.ObjectMeta{Name: "v"}, Spec: elsewhere},
		"with a bad name":        {ObjectMeta: metav1.ObjectMeta{Name: "../v"}},
		"without a name":         {},
	} {
		root := t.TempDir()
		if err := (Provisioner{Shared: root, Disks: root}).Delete(context.Background(), volume); err == nil {
			t.Errorf("a volume %s was removed", name)
		}
	}
}
