//go:build linux

// Package storage provides the volumes of a cluster's two storage classes: directories that all nodes see, and
// directories on one node's own disk.
package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// Name is the provisioner that the storage classes name.
const Name = "sparkchaos.dev/directory"

// The parameter of a storage class that says where its volumes are, and its values.
const (
	PlaceParameter = "place"
	PlaceShared    = "shared" // on every node at SharedDirectory
	PlaceNode      = "node"   // on one node at NodeDirectory
)

// Where volumes are on a node.
const (
	SharedDirectory = "/srv/shared"
	NodeDirectory   = "/var/lib/sparkchaos/volumes"
)

// DisksDirectory is where the control-plane machine sees the nodes' disks, each below its node's name.
const DisksDirectory = "/srv/disks"

// Provisioner makes and removes the directories behind volumes. Everything is a path as the control plane sees it.
type Provisioner struct {
	Shared string // SharedDirectory
	Disks  string // DisksDirectory
}

var _ controller.Provisioner = Provisioner{}

// Provision makes a directory that pods of any user can write to and the volume that points to it.
func (p Provisioner) Provision(_ context.Context, options controller.ProvisionOptions) (*corev1.PersistentVolume,
	controller.ProvisioningState, error) {
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes: options.PVC.Spec.AccessModes,
			Capacity:    corev1.ResourceList{corev1.ResourceStorage: options.PVC.Spec.Resources.Requests[corev1.ResourceStorage]},
		},
	}
	if policy := options.StorageClass.ReclaimPolicy; policy != nil {
		volume.Spec.PersistentVolumeReclaimPolicy = *policy
	}
	switch place := options.StorageClass.Parameters[PlaceParameter]; place {
	case PlaceShared:
		volume.Spec.HostPath = &corev1.HostPathVolumeSource{Path: filepath.Join(SharedDirectory, options.PVName)}
	case PlaceNode:
		if options.SelectedNodeName == "" {
			return nil, controller.ProvisioningFinished, fmt.Errorf("volume %s is to be on one node, but none was selected: the storage class %s "+
				"needs volumeBindingMode WaitForFirstConsumer", options.PVName, options.StorageClass.Name)
		}
		volume.Spec.Local = &corev1.LocalVolumeSource{Path: filepath.Join(NodeDirectory, options.PVName)}
		volume.Spec.NodeAffinity = onlyOn(options.SelectedNodeName)
	default:
		return nil, controller.ProvisioningFinished, fmt.Errorf("storage class %s has %s=%q: expected %s or %s", options.StorageClass.Name,
			PlaceParameter, place, PlaceShared, PlaceNode)
	}
	if err := p.onDisk(volume, makeOpen); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("make the directory of volume %s: %w", options.PVName, err)
	}
	return volume, controller.ProvisioningFinished, nil
}

// Delete removes the directory of a volume with all that is in it.
func (p Provisioner) Delete(_ context.Context, volume *corev1.PersistentVolume) error {
	if err := p.onDisk(volume, (*os.Root).RemoveAll); err != nil {
		return fmt.Errorf("remove the directory of volume %s: %w", volume.Name, err)
	}
	return nil
}

// onDisk does something to the directory of a volume. Pods write to the disk that it is on: no link that they left there leads out of it.
func (p Provisioner) onDisk(volume *corev1.PersistentVolume, do func(disk *os.Root, relative string) error) error {
	disk, relative, err := p.directory(volume)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(disk)
	if err != nil {
		return err
	}
	return errors.Join(do(root, relative), root.Close())
}

// directory returns where the control plane sees the disk that a volume is on, and where on it the volume is.
func (p Provisioner) directory(volume *corev1.PersistentVolume) (disk, relative string, err error) {
	if err := cluster.CheckNode(volume.Name); err != nil { // names of volumes have the form of those of nodes
		return "", "", fmt.Errorf("the volume's name: %w", err)
	}
	if volume.Spec.Local == nil {
		return p.Shared, volume.Name, nil
	}
	node, err := nodeOf(volume)
	if err != nil {
		return "", "", err
	}
	return filepath.Join(p.Disks, node), filepath.Join(strings.TrimPrefix(NodeDirectory, "/"), volume.Name), nil
}

// nodeOf returns the one node that a volume is on. Anybody who may change volumes decides what is written there.
func nodeOf(volume *corev1.PersistentVolume) (string, error) {
	affinity := volume.Spec.NodeAffinity
	if affinity == nil || affinity.Required == nil {
		return "", errors.New("it is on no node: expected a node affinity as this provisioner writes it")
	}
	for _, term := range affinity.Required.NodeSelectorTerms {
		for _, match := range term.MatchExpressions {
			if match.Key == corev1.LabelHostname && len(match.Values) == 1 {
				return match.Values[0], cluster.CheckNode(match.Values[0])
			}
		}
	}
	return "", fmt.Errorf("its node affinity %v names no node by %s", affinity.Required, corev1.LabelHostname)
}

func onlyOn(node string) *corev1.VolumeNodeAffinity {
	return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn,
			Values: []string{node}}},
	}}}}
}

// makeOpen makes a directory that everybody can write to, whatever the umask is.
func makeOpen(disk *os.Root, relative string) error {
	if err := disk.MkdirAll(relative, 0o755); err != nil {
		return err
	}
	return disk.Chmod(relative, 0o777)
}

// Run provides volumes until the context ends.
func Run(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("read the provisioner's kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("reach the API server: %w", err)
	}
	provisioner := Provisioner{Shared: SharedDirectory, Disks: DisksDirectory}
	controller.NewProvisionController(ctx, client, Name, provisioner,
		controller.LeaderElection(false), controller.MetricsPort(0), controller.ResyncPeriod(10*time.Minute),
		controller.ExponentialBackOffOnError(true)).Run(ctx)
	return ctx.Err()
}
