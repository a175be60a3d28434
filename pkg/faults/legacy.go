package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Records up to lastUnionVersion had one target with the fields of all faults. The kinds of undo that were distinguished from each
// other by which of its fields were there are these, and will never be more.
const (
	lastUnionVersion = 2

	UndoMachine    = "machine"    // an action on a machine
	UndoNodeObject = "nodeObject" // a change of a node's object in the API
	UndoChaosMesh  = "chaosMesh"  // a resource of Chaos Mesh
)

// unionRecord is a record of versions 1 and 2. Those of version 1 have no identity of the cluster.
type unionRecord struct {
	Version     int              `json:"version"`
	ID          string           `json:"id"`
	Run         string           `json:"run"`
	Fault       string           `json:"fault"`
	Kind        string           `json:"kind"`
	ClusterKind string           `json:"clusterKind"`
	Cluster     string           `json:"cluster"`
	ClusterID   cluster.Identity `json:"clusterID"`
	Written     time.Time        `json:"written"`
	Target      unionTarget      `json:"target"`
}

// unionTarget is the target of such a record. What is as it was is handed on without a look at it.
type unionTarget struct {
	Object history.Object `json:"object"`
	Node   string         `json:"node"`

	Action cluster.Action  `json:"action"`
	Before json.RawMessage `json:"before"`
	Boot   string          `json:"boot"`

	Taint  json.RawMessage `json:"taint"`
	Cordon bool            `json:"cordon"`
	Marked bool            `json:"marked"`

	Chaos *unionChaos `json:"chaos"`

	// Nothing was ever undone by these.
	Pods   json.RawMessage `json:"pods"`
	Pod    json.RawMessage `json:"pod"`
	Images json.RawMessage `json:"images"`
}

type unionChaos struct {
	chaosmesh.Resource
	OneShot bool `json:"oneShot,omitempty"`

	Peer      json.RawMessage `json:"peer,omitempty"`
	RoundTrip json.RawMessage `json:"roundTrip,omitempty"`
	Ahead     json.RawMessage `json:"ahead,omitempty"`
}

// decodeUnion reads a record of versions 1 and 2 as one of today's form.
func decodeUnion(content []byte) (Record, error) {
	var r unionRecord
	if err := decodeStrictly(content, &r); err != nil {
		return Record{}, err
	}
	undo, err := r.Target.undo()
	if err != nil {
		return Record{}, err
	}
	return Record{
		Version: r.Version, ID: r.ID, Run: r.Run, Fault: r.Fault, Kind: r.Kind, ClusterKind: r.ClusterKind, Cluster: r.Cluster,
		ClusterID: r.ClusterID,
		Written:   r.Written, Object: r.Target.Object, Node: r.Target.Node, Undo: undo,
	}, nil
}

// undo returns how it was undone by the version that wrote it.
func (t unionTarget) undo() (Undo, error) {
	switch {
	case t.Chaos != nil:
		return NewUndo(UndoChaosMesh, unionChaos{Resource: t.Chaos.Resource, OneShot: t.Chaos.OneShot})
	case t.Cordon || present(t.Taint):
		return NewUndo(UndoNodeObject, struct {
			Cordon bool            `json:"cordon,omitempty"`
			Taint  json.RawMessage `json:"taint,omitempty"`
			Marked bool            `json:"marked,omitempty"`
		}{t.Cordon, t.Taint, t.Marked})
	case t.Action != "":
		return NewUndo(UndoMachine, struct {
			Action cluster.Action  `json:"action"`
			Before json.RawMessage `json:"before,omitempty"`
			Boot   string          `json:"boot,omitempty"`
		}{t.Action, t.Before, t.Boot})
	default:
		return Undo{}, nil
	}
}

func present(value json.RawMessage) bool { return len(value) > 0 && string(value) != "null" }

// versionOf returns the version of a record, before anything else of it is read.
func versionOf(content []byte) (int, error) {
	var record struct {
		Version int `json:"version"`
	}
	if err := json.NewDecoder(bytes.NewReader(content)).Decode(&record); err != nil {
		return 0, err
	}
	if record.Version < oldestVersion || record.Version > recordVersion {
		return 0, fmt.Errorf("version %d: expected %d to %d", record.Version, oldestVersion, recordVersion)
	}
	return record.Version, nil
}
