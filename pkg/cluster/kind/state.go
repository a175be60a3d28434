//go:build linux

package kind

import (
	"errors"
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

// directory is where the state of one cluster is.
type directory string

func directoryOf(state, name string) directory {
	return directory(filepath.Join(state, "kind", name))
}

func (d directory) record() string     { return filepath.Join(string(d), "cluster.json") }
func (d directory) nodeState() string  { return filepath.Join(string(d), "nodes.json") }
func (d directory) kubeconfig() string { return filepath.Join(string(d), "kubeconfig") }
func (d directory) shared() string     { return filepath.Join(string(d), "shared") }

func (d directory) load() (record, error) {
	var r record
	return r, statefile.Read(d.record(), &r)
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

// changeNodes notes a change. Calls must not overlap.
func (d directory) changeNodes(change func(nodeState)) error {
	s, err := d.loadNodes()
	if err != nil {
		return err
	}
	change(s)
	return statefile.Write(d.nodeState(), s)
}

func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
