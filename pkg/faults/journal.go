package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/atomicfile"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// recordVersion of the undo records that this package writes. Records of oldestVersion lack the cluster's identity.
const (
	recordVersion = 3
	oldestVersion = 1
)

// The endings of a record's file: while it is open, after the undoing was proven.
const (
	openSuffix = ".json"
	doneSuffix = ".done"
)

// Record holds everything that another process needs to undo a fault.
type Record struct {
	Version     int    `json:"version"`
	ID          string `json:"id"` // also the name of its file
	Run         string `json:"run"`
	Fault       string `json:"fault"` // the name in the scenario
	Kind        string `json:"kind"`  // e.g. nodePowerOff
	ClusterKind string `json:"clusterKind"`
	Cluster     string `json:"cluster"` // the cluster's name
	// ClusterID is what the cluster is known by, whatever its name is when the fault is undone.
	ClusterID cluster.Identity `json:"clusterID,omitzero"`
	Written   time.Time        `json:"written"`
	// Object is the fault's target, Node the machine that is disturbed, or that carries the pod.
	Object history.Object `json:"object"`
	Node   string         `json:"node,omitempty"`
	Undo   Undo           `json:"undo,omitzero"`
}

// DamagedRecordError is an undo record that cannot be read. What it was to undo has to be looked for by hand.
type DamagedRecordError struct {
	Path string
	Err  error
}

// Error names the file and what to do.
func (e *DamagedRecordError) Error() string {
	return fmt.Sprintf("undo record %s cannot be read: %v; look for nodes that are off, frozen or isolated, bring them back, then "+
		"delete the file", e.Path, e.Err)
}

// Unwrap returns the cause.
func (e *DamagedRecordError) Unwrap() error { return e.Err }

// HeldError is an injection into what another fault of the run already holds disturbed in the same way.
type HeldError struct {
	Fault string // that holds it
	What  string
}

// Error names the holder.
func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is already held by fault %s: recover that one first, or choose another target", e.What, e.Fault)
}

// Store keeps undo records outside of this machine, too, for a clean-up from another one.
type Store interface {
	Keep(ctx context.Context, run, id string, record []byte) error
	Forget(ctx context.Context, run, id string) error
}

// storeTimeout bounds what a Store may take.
const storeTimeout = 30 * time.Second

// Journal is the directory of a run's undo records: one file each, complete and on disk before the injection begins.
// It is safe for concurrent use.
type Journal struct {
	dir   string
	kinds UndoKinds
	mu    sync.Mutex
	open  []openRecord
	next  int
	store Store // nil: only the directory has them
}

// openRecord is a record whose fault is not undone yet, with its undoing.
type openRecord struct {
	Record
	undoing Undoing
}

// StoreIn has every record that is written from now on kept in a store as well, before the injection begins.
func (j *Journal) StoreIn(s Store) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.store = s
}

// OpenJournal opens the journal in dir, which it makes if necessary. Its records are of the given kinds of undo. Records that are open
// there stay open. Damaged ones are tolerated; Pending reports them.
func OpenJournal(dir string, kinds UndoKinds) (*Journal, error) {
	if err := makeDirectory(dir); err != nil {
		return nil, fmt.Errorf("open undo journal: %w", err)
	}
	pending, err := Pending(dir, kinds)
	var damaged *DamagedRecordError
	if err != nil && !errors.As(err, &damaged) {
		return nil, fmt.Errorf("open undo journal: %w", err)
	}
	next, err := nextNumber(dir)
	if err != nil {
		return nil, fmt.Errorf("open undo journal: %w", err)
	}
	j := &Journal{dir: dir, kinds: kinds, next: next}
	for _, record := range pending {
		undoing, err := kinds.Decode(record)
		if err != nil {
			return nil, fmt.Errorf("open undo journal: record %s: %w", record.ID, err)
		}
		j.open = append(j.open, openRecord{Record: record, undoing: undoing})
	}
	return j, nil
}

// Write gives the record its ID and returns when it is on disk. It refuses, with a HeldError, what another open
// record would undo as well: undoing the one would undo the other.
func (j *Journal) Write(r Record) (Record, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	r.Version = recordVersion
	r.ID = fmt.Sprintf("%04d-%s", j.next, fileName(r.Fault))
	undoing, err := validate(r, j.kinds)
	if err != nil {
		return Record{}, fmt.Errorf("undo record of fault %s: %w", r.Fault, err)
	}
	for _, other := range j.open {
		if what := undoing.Conflicts(other.undoing); what != "" {
			return Record{}, &HeldError{Fault: other.Fault, What: what}
		}
	}
	line, err := json.Marshal(r)
	if err != nil {
		return Record{}, fmt.Errorf("undo record of fault %s: %w", r.Fault, err)
	}
	if err := atomicfile.WriteDurably(filepath.Join(j.dir, r.ID+openSuffix), append(line, '\n'), 0o600); err != nil {
		return Record{}, fmt.Errorf("undo record of fault %s: %w", r.Fault, err)
	}
	j.next++
	if err := j.keep(r, line); err != nil {
		return Record{}, errors.Join(fmt.Errorf("undo record of fault %s: %w", r.Fault, err), Done(j.dir, r.ID))
	}
	j.open = append(j.open, openRecord{Record: r, undoing: undoing})
	return r, nil
}

func (j *Journal) keep(r Record, line []byte) error {
	if j.store == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	return j.store.Keep(ctx, r.Run, r.ID, append(line, '\n'))
}

func (j *Journal) forget(id string) error {
	i := slices.IndexFunc(j.open, func(r openRecord) bool { return r.ID == id })
	if j.store == nil || i < 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	return j.store.Forget(ctx, j.open[i].Run, id)
}

// Done closes a record: its fault was undone, or never began. Closing it twice is no error.
func (j *Journal) Done(id string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := errors.Join(Done(j.dir, id), j.forget(id)); err != nil {
		return err
	}
	j.open = slices.DeleteFunc(j.open, func(r openRecord) bool { return r.ID == id })
	return nil
}

// Open returns the records that are open, oldest first.
func (j *Journal) Open() []Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	var records []Record
	for _, open := range j.open {
		records = append(records, open.Record)
	}
	return records
}

// others returns the undoings of the open records without the one of the given ID.
func (j *Journal) others(id string) []Undoing {
	j.mu.Lock()
	defer j.mu.Unlock()
	var others []Undoing
	for _, open := range j.open {
		if open.ID != id {
			others = append(others, open.undoing)
		}
	}
	return others
}

// Done closes the record of the given ID in a journal's directory. Closing it twice is no error.
func Done(dir, id string) error {
	open := filepath.Join(dir, id+openSuffix)
	err := os.Rename(open, filepath.Join(dir, id+doneSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("close undo record %s: %w", open, err)
	}
	return atomicfile.SyncDirectory(dir)
}

// Pending returns the open records of a journal's directory, oldest first; none if there is no such directory.
// Records that cannot be read, or that are of none of the kinds of undo, are reported as DamagedRecordErrors, joined, beside the others.
func Pending(dir string, kinds UndoKinds) ([]Record, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read undo journal: %w", err)
	}
	var records []Record
	var damaged []error
	for _, entry := range entries {
		// A file that was still being written is of an injection that never began.
		if !strings.HasSuffix(entry.Name(), openSuffix) {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		record, err := readRecord(path, kinds)
		if err != nil {
			damaged = append(damaged, &DamagedRecordError{Path: path, Err: err})
			continue
		}
		records = append(records, record)
	}
	return records, errors.Join(damaged...)
}

func readRecord(path string, kinds UndoKinds) (Record, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return Record{}, err
	}
	record, err := decodeRecord(content, kinds)
	if err != nil {
		return Record{}, err
	}
	if name := strings.TrimSuffix(filepath.Base(path), openSuffix); name != record.ID {
		return Record{}, fmt.Errorf("its id is %q, expected %q as the file is named", record.ID, name)
	}
	return record, nil
}

func decodeRecord(content []byte, kinds UndoKinds) (Record, error) {
	if !bytes.HasSuffix(content, []byte("\n")) {
		return Record{}, fmt.Errorf("torn after %d bytes: no end of line", len(content))
	}
	version, err := versionOf(content)
	if err != nil {
		return Record{}, fmt.Errorf("not an undo record: %w", err)
	}
	var record Record
	if version <= lastUnionVersion {
		record, err = decodeUnion(content)
	} else {
		err = decodeStrictly(content, &record)
	}
	if err != nil {
		return Record{}, fmt.Errorf("not an undo record: %w", err)
	}
	_, err = validate(record, kinds)
	return record, err
}

// validate returns the undoing of a record that can be acted on.
func validate(r Record, kinds UndoKinds) (Undoing, error) {
	var problems []error
	if r.Version < oldestVersion || r.Version > recordVersion {
		problems = append(problems, fmt.Errorf("version %d: expected %d to %d", r.Version, oldestVersion, recordVersion))
	}
	if r.ID == "" || r.ID != fileName(r.ID) {
		problems = append(problems, fmt.Errorf("id %q cannot name a file", r.ID))
	}
	undoing, err := kinds.Decode(r)
	problems = append(problems, err)
	if r.Undo.IsZero() {
		return undoing, errors.Join(problems...)
	}
	if r.Node == "" {
		problems = append(problems, errors.New("no node"))
	}
	if r.Cluster == "" {
		problems = append(problems, errors.New("no cluster"))
	}
	return undoing, errors.Join(problems...)
}

// fileName keeps what is harmless in a file's name on every system.
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '_'
	}, s)
}

func nextNumber(dir string) (int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	next := 1
	for _, entry := range entries {
		var number int
		if _, err := fmt.Sscanf(entry.Name(), "%d-", &number); err == nil && number >= next {
			next = number + 1
		}
	}
	return next, nil
}

func makeDirectory(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return atomicfile.SyncDirectory(filepath.Dir(dir))
}
