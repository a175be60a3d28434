//go:build linux

package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/machine"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/statefile"
)

// recordFile is the name of the record in the directory of a cluster.
const recordFile = "cluster.json"

// recordVersion is that of cluster.json; another one was written by another sparkchaos.
const recordVersion = 1

// controlPlane is the name of the machine that runs the control plane.
const controlPlane = "control-plane"

// phase says how far a cluster has come.
type phase string

const (
	starting phase = "starting" // `up` works on it, or was interrupted
	running  phase = "running"
)

// record is cluster.json: what a later process must know of a cluster.
type record struct {
	Version    int               `json:"version"`
	Name       string            `json:"name"`
	Phase      phase             `json:"phase"`
	Created    time.Time         `json:"created"`
	HostBoot   string            `json:"hostBoot"`
	Workers    int               `json:"workers"`
	Timing     cluster.Timing    `json:"timing"`
	Capacity   Capacity          `json:"capacity"`
	Port       int               `json:"port"` // of the API server, on 127.0.0.1
	Cgroup     string            `json:"cgroup"`
	Images     []string          `json:"images"` // archives that every node has
	Components map[string]string `json:"components"`
	Traced     bool              `json:"traced,omitempty"` // the components export spans
}

// machineRecord is machine.json: how to boot a machine and which process it is.
type machineRecord struct {
	Number  int             `json:"number"` // of the worker, from 1; 0 is the control plane
	Spec    machine.Spec    `json:"spec"`
	Process machine.Process `json:"process"` // of the last boot
	Orderly bool            `json:"orderly"` // the last end was a shutdown
}

// directory is one cluster's files.
type directory struct{ root string }

func (d directory) record() string                { return filepath.Join(d.root, recordFile) }
func (d directory) kubeconfig() string            { return filepath.Join(d.root, "kubeconfig") }
func (d directory) shared() string                { return filepath.Join(d.root, "shared") }
func (d directory) disks() string                 { return filepath.Join(d.root, "disks") }
func (d directory) images() string                { return filepath.Join(d.root, "images") }
func (d directory) machines() string              { return filepath.Join(d.root, "machines") }
func (d directory) disk(name string) string       { return filepath.Join(d.disks(), name) }
func (d directory) machine(name string) string    { return filepath.Join(d.machines(), name+".json") }
func (d directory) machineLog(name string) string { return filepath.Join(d.root, "logs", name+".log") }
func (d directory) exists() bool                  { _, err := os.Lstat(d.root); return err == nil }

// madeNames are the names of all that a start makes in a cluster's directory beside the record.
func madeNames() []string {
	return []string{"kubeconfig", "shared", "disks", "images", "machines", "logs"}
}

func clusterDirectory(state, name string) directory {
	return directory{root: filepath.Join(state, "clusters", name)}
}

// workerName is the name of worker i, from 1.
func workerName(i int) string { return fmt.Sprintf("worker-%d", i) }

func (d directory) load() (record, error) {
	var r record
	name := filepath.Base(d.root)
	if err := statefile.Read(d.record(), &r); absent(err) {
		return record{}, err
	} else if err != nil {
		return record{}, fmt.Errorf("%w; `sparkchaos cluster down --name %s` removes the cluster without needing it", err, name)
	}
	if r.Version != recordVersion {
		return record{}, fmt.Errorf("%s has version %d, expected %d: another sparkchaos wrote it; remove that cluster with the sparkchaos that "+
			"made it, or `cluster down` with this one", d.record(), r.Version, recordVersion)
	}
	if r.Name != name {
		return record{}, fmt.Errorf("the state file %s is damaged: it is of the cluster %q, expected %q; `sparkchaos cluster down --name %s` "+
			"removes the cluster without needing it", d.record(), r.Name, name, name)
	}
	return r, nil
}

func (d directory) save(r record) error { return statefile.Write(d.record(), r) }

func (d directory) loadMachine(name string) (machineRecord, error) {
	var m machineRecord
	err := statefile.Read(d.machine(name), &m)
	return m, err
}

func (d directory) saveMachine(m machineRecord) error {
	return statefile.Write(d.machine(m.Spec.Name), m)
}

// absent reports whether an error means that a file or directory does not exist.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
