//go:build linux

package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

const (
	// sharedVolumes is how many volumes all nodes share; a run takes one, and one more for its baseline.
	sharedVolumes = 8
	// localVolumes is how many volumes each worker has on its own disk.
	localVolumes = 4
	// localDirectory is where they are on a node.
	localDirectory = diskRoot + "/lib/sparkchaos/volumes"
	volumeSize     = "100Gi" // nothing holds them to it
	volumeLabel    = "sparkchaos.dev/volume"
)

// classes are the names of the storage classes.
func classes() cluster.StorageClasses {
	return cluster.StorageClasses{Shared: "shared", Local: "local"}
}

// RenewVolumes makes the storage classes and the volumes that they offer, and makes those again, empty, whose claims are
// gone.
func (c *Cluster) RenewVolumes(ctx context.Context) error {
	done, err := c.provider.change(ctx, c.record.Name)
	if err != nil {
		return err
	}
	defer done()
	return c.renewVolumes(ctx)
}

// renewVolumes is RenewVolumes for callers that hold the cluster's lock.
func (c *Cluster) renewVolumes(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if err := makeClasses(ctx, client); err != nil {
		return err
	}
	workers, err := c.workers(ctx)
	if err != nil {
		return err
	}
	shared, err := os.OpenRoot(c.directory.shared())
	if err != nil {
		return fmt.Errorf("open the directory of the shared volumes: %w", err)
	}
	defer func() { _ = shared.Close() }()
	var errs []error
	for i := range sharedVolumes {
		errs = append(errs, c.renew(ctx, client, sharedVolume(i), shared, "."))
	}
	for _, worker := range workers {
		errs = append(errs, c.renewLocal(ctx, client, worker))
	}
	return errors.Join(errs...)
}

func (c *Cluster) renewLocal(ctx context.Context, client kubernetes.Interface, worker container) error {
	disk, err := openDisk(worker)
	if err != nil {
		return err
	}
	defer func() { _ = disk.Close() }()
	var errs []error
	for i := range localVolumes {
		errs = append(errs, c.renew(ctx, client, localVolume(worker.name(), i), disk, strings.TrimPrefix(localDirectory, diskRoot+"/")))
	}
	return errors.Join(errs...)
}

func makeClasses(ctx context.Context, client kubernetes.Interface) error {
	immediate, late := storagev1.VolumeBindingImmediate, storagev1.VolumeBindingWaitForFirstConsumer
	names := classes()
	for name, binding := range map[string]*storagev1.VolumeBindingMode{names.Shared: &immediate, names.Local: &late} {
		class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: "kubernetes.io/no-provisioner",
			VolumeBindingMode: binding}
		if _, err := client.StorageV1().StorageClasses().Create(ctx, class, metav1.CreateOptions{}); err != nil &&
			!apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("make the storage class %s: %w", name, err)
		}
	}
	return nil
}

func sharedVolume(i int) *corev1.PersistentVolume {
	v := volume(fmt.Sprintf("shared-%d", i), classes().Shared)
	v.Spec.AccessModes = append(v.Spec.AccessModes, corev1.ReadWriteMany)
	v.Spec.HostPath = &corev1.HostPathVolumeSource{Path: path.Join(SharedDirectory, v.Name)}
	return v
}

func localVolume(node string, i int) *corev1.PersistentVolume {
	v := volume(fmt.Sprintf("local-%s-%d", node, i), classes().Local)
	v.Spec.Local = &corev1.LocalVolumeSource{Path: path.Join(localDirectory, v.Name)}
	v.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn,
			Values: []string{node}}},
	}}}}
	return v
}

func volume(name, class string) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{volumeLabel: class}},
		Spec: corev1.PersistentVolumeSpec{
			StorageClassName: class, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Capacity:    corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(volumeSize)},
		},
	}
}

// renew makes a volume with an empty directory unless somebody claims it. The directory is below parent, on a disk that pods write to.
func (c *Cluster) renew(ctx context.Context, client kubernetes.Interface, v *corev1.PersistentVolume, disk *os.Root, parent string) error {
	volumes := client.CoreV1().PersistentVolumes()
	now, err := volumes.Get(ctx, v.Name, metav1.GetOptions{})
	switch {
	case err == nil:
		free, err := unclaimed(ctx, client, now)
		if err != nil || !free {
			return err
		}
		if err := volumes.Delete(ctx, v.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("recreate volume %s: %w", v.Name, err)
		}
	case !apierrors.IsNotFound(err):
		return fmt.Errorf("look at volume %s: %w", v.Name, err)
	}
	if err := emptyDirectory(disk, filepath.Join(parent, v.Name)); err != nil {
		return fmt.Errorf("make the directory of volume %s: %w", v.Name, err)
	}
	err = cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		_, err := volumes.Create(ctx, v, metav1.CreateOptions{})
		return err == nil, fmt.Sprint(err) // the one that was deleted may still be going
	})
	if err != nil {
		return fmt.Errorf("make volume %s: %w", v.Name, err)
	}
	return nil
}

// unclaimed reports whether a volume was claimed and is gone. Its phase shows that only a while later.
func unclaimed(ctx context.Context, client kubernetes.Interface, v *corev1.PersistentVolume) (bool, error) {
	holder := v.Spec.ClaimRef
	if holder == nil {
		return false, nil
	}
	claim, err := client.CoreV1().PersistentVolumeClaims(holder.Namespace).Get(ctx, holder.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("look whether volume %s is still claimed: %w", v.Name, err)
	default:
		return claim.UID != holder.UID, nil
	}
}

// emptyDirectory makes a directory that everybody can write to, whatever the umask is, and takes out what is in it. No link that a pod left
// leads out of the disk.
func emptyDirectory(disk *os.Root, name string) error {
	if err := disk.RemoveAll(name); err != nil {
		return err
	}
	if err := disk.MkdirAll(name, 0o755); err != nil {
		return err
	}
	return disk.Chmod(name, 0o777)
}
