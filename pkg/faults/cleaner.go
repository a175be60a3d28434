package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// Cleaner undoes what the undo records of runs that have ended are about. Much may have happened since: it acts on nothing but the
// cluster that a record is of, and asks before it does what could hit something else.
type Cleaner struct {
	Kinds    UndoKinds
	Machines Machines
	// Cluster is the identity of Machines now; the zero one if it cannot be found out.
	Cluster cluster.Identity
	// Vouched says that a person took the cluster for that of records which do not prove it.
	Vouched bool
	// Client and Chaos are needed for what was done to the API; nil if it cannot be reached. Such a record stays open then.
	Client kubernetes.Interface
	Chaos  Chaos
	// Confirm returns nil if somebody allows what it is asked, and otherwise an error that says how to allow it. A nil
	// Confirm allows nothing.
	Confirm func(question string) error
	// SettleWithin is how long a machine that was booted since the fault was injected may take to be well; a minute if zero.
	SettleWithin time.Duration

	booted map[string]bool // machines that this Cleaner switched on
}

// settling is the default of SettleWithin.
const settling = time.Minute

// OtherClusterError is an undo record of another cluster than the one that is cleaned up. Nothing was done to either.
type OtherClusterError struct {
	Name  string // of the record's cluster
	Of    cluster.Identity
	Found cluster.Identity
}

// Error names both and what to do.
func (e *OtherClusterError) Error() string {
	return fmt.Sprintf("it belongs to %s, called %s, but this one is %s: nothing was touched, and the record stays open; clean up by the "+
		"kubeconfig that reaches that cluster, or delete the record if it is gone for good", e.Of, e.Name, e.Found)
}

// Undo recovers from the record's fault, whether it took effect, took effect in part or not at all, or was undone already.
// The effect says what was found and done; the record stays open (see UndoPending).
func (c *Cleaner) Undo(ctx context.Context, record Record) (Effect, error) {
	effect, err := c.undo(ctx, record)
	if err != nil {
		return effect, fmt.Errorf("undo fault %s of run %s: %w", record.Fault, record.Run, err)
	}
	return effect, nil
}

func (c *Cleaner) undo(ctx context.Context, record Record) (Effect, error) {
	undoing, err := c.Kinds.Decode(record)
	if err != nil {
		return Effect{}, err
	}
	if !record.Undo.IsZero() {
		if err := c.isOf(record); err != nil {
			return Effect{}, err
		}
	}
	return undoing.Do(ctx, c.env())
}

// env is what the undoings of this Cleaner work with.
func (c *Cleaner) env() UndoEnv {
	if c.booted == nil {
		c.booted = map[string]bool{}
	}
	return UndoEnv{
		Machines: c.Machines, Client: c.Client, Chaos: c.Chaos, Now: time.Now, Confirm: c.confirm,
		Afterwards: &Afterwards{Cluster: c.Cluster, SettleWithin: cmp.Or(c.SettleWithin, settling), Booted: c.booted},
	}
}

// isOf returns nil if the record is of the Cleaner's cluster.
func (c *Cleaner) isOf(record Record) error {
	switch record.ClusterID.Compare(c.Cluster) {
	case cluster.Same:
		return nil
	case cluster.Different:
		return &OtherClusterError{Name: record.Cluster, Of: record.ClusterID, Found: c.Cluster}
	}
	if record.Cluster != c.Machines.Name() {
		return fmt.Errorf("it was done to cluster %s, not to %s", record.Cluster, c.Machines.Name())
	}
	if c.Vouched {
		return nil
	}
	return c.confirm(fmt.Sprintf(
		"the fault was done to %s, called %s, and this one, %s, has the same name: nothing proves that they are one. Undo it here?",
		record.ClusterID, record.Cluster, c.Cluster))
}

func (c *Cleaner) confirm(question string) error {
	if c.Confirm == nil {
		return fmt.Errorf("%s Nobody could be asked; nothing was done", question)
	}
	return c.Confirm(question)
}

// Undone is one record that UndoPending dealt with.
type Undone struct {
	Record Record
	Effect Effect
	Err    error // nil: undone and closed
}

// UndoPending undoes all open records of a journal's directory, the latest first, and closes those that succeeded.
// One that fails does not stop the others. The error joins all failures and the records that cannot be read.
//
// Kinds of undo that are Last come after all others, as resources of Chaos Mesh do: a node that is off keeps them from going.
func (c *Cleaner) UndoPending(ctx context.Context, dir string) ([]Undone, error) {
	records, unreadable := Pending(dir, c.Kinds)
	all, err := c.undoAll(ctx, records, func(r Record) string { return filepath.Join(dir, r.ID+openSuffix) },
		func(r Record) error { return Done(dir, r.ID) })
	return all, errors.Join(unreadable, err)
}

// Decode reads the records that a Store kept, by their IDs. Those that cannot be read are DamagedRecordErrors, joined, beside the
// ones that can.
func Decode(encoded map[string][]byte, kinds UndoKinds) ([]Record, error) {
	var records []Record
	var unreadable []error
	for _, id := range slices.Sorted(maps.Keys(encoded)) {
		record, err := decodeRecord(encoded[id], kinds)
		if err != nil {
			unreadable = append(unreadable, &DamagedRecordError{Path: id + " in the cluster", Err: err})
			continue
		}
		records = append(records, record)
	}
	return records, errors.Join(unreadable...)
}

// UndoStored undoes records that a Store kept in the cluster itself, as UndoPending does. Which of them are to be forgotten is
// told by what it returns.
func (c *Cleaner) UndoStored(ctx context.Context, records []Record) ([]Undone, error) {
	records = slices.Clone(records)
	for i := range records {
		if !records[i].ClusterID.Known() {
			records[i].Cluster = c.Machines.Name() // in which it was found; another machine may have another name for it
		}
	}
	return c.undoAll(ctx, records, func(r Record) string { return r.ID + " in the cluster" }, func(Record) error { return nil })
}

func (c *Cleaner) undoAll(ctx context.Context, records []Record, place func(Record) string, closing func(Record) error) ([]Undone, error) {
	slices.Reverse(records)
	slices.SortStableFunc(records, func(a, b Record) int { return cmp.Compare(c.Kinds.rank(a.Undo), c.Kinds.rank(b.Undo)) })
	var all []Undone
	var problems []error
	for _, record := range records {
		effect, err := c.Undo(ctx, record)
		if err == nil {
			err = closing(record)
		}
		if err != nil {
			err = fmt.Errorf("%w (undo record %s)", err, place(record))
		}
		all = append(all, Undone{Record: record, Effect: effect, Err: err})
		problems = append(problems, err)
	}
	return all, errors.Join(problems...)
}
