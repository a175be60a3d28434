//go:build linux

package kind

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/statefile"
)

// record is what is kept of a cluster on this machine. A cluster of kind without one is somebody else's.
type record struct {
	Name       string         `json:"name"`
	Engine     Engine         `json:"engine"`
	Workers    int            `json:"workers"`
	Timing     cluster.Timing `json:"timing"`
	NodeImage  string         `json:"nodeImage"`
	OwnNetwork bool           `json:"ownNetwork"` // the node image brings no network of its own
	Created    time.Time      `json:"created"`
	Running    bool           `json:"running"` // false while it is being made
}

// nodeState is what changes while the cluster lives, by node.
type nodeState struct {
	// Images are the archives that were brought to a node.
	Images map[string][]string `json:"images"`
	// Routes are those that a node had before its link was cut.
	Routes map[string][]route `json:"routes"`
}

// recordFile is the name of the record in the directory of a cluster.
const recordFile = "cluster.json"

// directory is where the state of one cluster is.
type directory string

func directoryOf(state, name string) directory {
	return directory(filepath.Join(state, "kind", name))
}

func (d directory) record() string     { return filepath.Join(string(d), recordFile) }
func (d directory) nodeState() string  { return filepath.Join(string(d), "nodes.json") }
func (d directory) kubeconfig() string { return filepath.Join(string(d), "kubeconfig") }
func (d directory) shared() string     { return filepath.Join(string(d), "shared") }

// damagedError is a record that is there and cannot be used. It never means that nothing was made.
type damagedError struct {
	directory directory
	cause     error
}

func (e *damagedError) Error() string {
	return fmt.Sprintf("%v; nothing was done: remove the cluster's containers with `kind delete cluster --name %s`, then the directory %s",
		e.cause, filepath.Base(string(e.directory)), e.directory)
}

func (e *damagedError) Unwrap() error { return e.cause }

// load returns the record; an error that is not fs.ErrNotExist is a *damagedError.
func (d directory) load() (record, error) {
	var r record
	err := statefile.Read(d.record(), &r)
	if err == nil {
		err = d.plausible(r)
	}
	if err != nil && !absent(err) {
		err = &damagedError{directory: d, cause: err}
	}
	return r, err
}

// plausible reports what a record says that no record of this directory can say.
func (d directory) plausible(r record) error {
	if want := filepath.Base(string(d)); r.Name != want {
		return fmt.Errorf("the state file %s is damaged: it is of the cluster %q, expected %q", d.record(), r.Name, want)
	}
	if r.Engine != Docker && r.Engine != Podman {
		return fmt.Errorf("the state file %s is damaged: it names the container engine %q, expected %s or %s", d.record(), r.Engine, Docker,
			Podman)
	}
	return nil
}

func (d directory) save(r record) error { return statefile.Write(d.record(), r) }

// loadNodes returns what was noted of the nodes; nothing at first.
func (d directory) loadNodes() (nodeState, error) {
	s := nodeState{Images: map[string][]string{}, Routes: map[string][]route{}}
	if err := statefile.Read(d.nodeState(), &s); err != nil && !absent(err) {
		return nodeState{}, err
	}
	return s, nil
}

// changeNodes notes a change, for callers that hold the cluster's lock.
func (d directory) changeNodes(change func(nodeState)) error {
	s, err := d.loadNodes()
	if err != nil {
		return err
	}
	change(s)
	return statefile.Write(d.nodeState(), s)
}

func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
