//go:build linux

package kind

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
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
	// Images are the archives that were brought to the nodes, by node.
	Images map[string][]string `json:"images,omitempty"`
	// Routes are those that a node had before its link was cut, by node.
	Routes map[string][]route `json:"routes,omitempty"`
}

// directory is where the state of one cluster is.
type directory string

func directoryOf(state, name string) directory {
	return directory(filepath.Join(state, "kind", name))
}

func (d directory) record() string     { return filepath.Join(string(d), "cluster.json") }
func (d directory) kubeconfig() string { return filepath.Join(string(d), "kubeconfig") }
func (d directory) shared() string     { return filepath.Join(string(d), "shared") }

func (d directory) load() (record, error) {
	data, err := os.ReadFile(d.record())
	if err != nil {
		return record{}, err
	}
	r := record{Images: map[string][]string{}, Routes: map[string][]route{}}
	if err := json.Unmarshal(data, &r); err != nil {
		return record{}, fmt.Errorf("%s: %w", d.record(), err)
	}
	return r, nil
}

// save writes the record as a whole or not at all.
func (d directory) save(r record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(d), 0o755); err != nil {
		return err
	}
	temporary := d.record() + ".new"
	if err := os.WriteFile(temporary, append(data, '\n'), 0o644); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return os.Rename(temporary, d.record())
}

func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
