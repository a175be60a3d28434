package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// recordVersion of the undo records that this package writes. Records of oldestVersion lack the cluster's identity.
const (
	recordVersion = 2
	oldestVersion = 1
)

// The endings of a record's file: while it is written, while it is open, after the undoing was proven.
const (
	writingSuffix = ".writing"
	openSuffix    = ".json"
	doneSuffix    = ".done"
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
	Target    Target           `json:"target"`
}

// DamagedRecordError is an undo record that cannot be read. What it was to undo has to be looked for by hand.
type DamagedRecordError struct {
	Path string
	Err  error
}

// Error names the file and what to do.
func (e *DamagedRecordError) Error() string {
	return fmt.Sprintf("undo record %s cannot be read: %v; look for nodes that are off, frozen or isolated, bring them back, then delete the file", e.Path, e.Err)
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
	mu    sync.Mutex
	open  []Record
	next  int
	store Store // nil: only the directory has them
}

// StoreIn has every record that is written from now on kept in a store as well, before the injection begins.
func (j *Journal) StoreIn(s Store) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.store = s
}

// OpenJournal opens the journal in dir, which it makes if necessary. Records that are open there stay open.
// Damaged ones are tolerated; Pending reports them.
func OpenJournal(dir string) (*Journal, error) {
	if err := makeDirectory(dir); err != nil {
		return nil, fmt.Errorf("open undo journal: %w", err)
	}
	open, err := Pending(dir)
	var damaged *DamagedRecordError
	if err != nil && !errors.As(err, &damaged) {
		return nil, fmt.Errorf("open undo journal: %w", err)
	}
	next, err := nextNumber(dir)
	if err != nil {
		return nil, fmt.Errorf("open undo journal: %w", err)
	}
	return &Journal{dir: dir, open: open, next: next}, nil
}

// Write gives the record its ID and returns when it is on disk. It refuses, with a HeldError, what another open
// record does to the same node: undoing the one would undo the other.
func (j *Journal) Write(r Record) (Record, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if holder, held := holder(j.open, r.Target); held {
		return Record{}, &HeldError{Fault: holder.Fault, What: fmt.Sprintf("node %s (%s)", r.Target.Node, r.Target.Action)}
	}
	r.Version = recordVersion
	r.ID = fmt.Sprintf("%04d-%s", j.next, fileName(r.Fault))
	if err := validate(r); err != nil {
		return Record{}, fmt.Errorf("undo record of fault %s: %w", r.Fault, err)
	}
	line, err := json.Marshal(r)
	if err != nil {
		return Record{}, fmt.Errorf("undo record of fault %s: %w", r.Fault, err)
	}
	if err := writeDurably(filepath.Join(j.dir, r.ID), append(line, '\n')); err != nil {
		return Record{}, fmt.Errorf("undo record of fault %s: %w", r.Fault, err)
	}
	j.next++
	if err := j.keep(r, line); err != nil {
		return Record{}, errors.Join(fmt.Errorf("undo record of fault %s: %w", r.Fault, err), Done(j.dir, r.ID))
	}
	j.open = append(j.open, r)
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
	i := slices.IndexFunc(j.open, func(r Record) bool { return r.ID == id })
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
	j.open = slices.DeleteFunc(j.open, func(r Record) bool { return r.ID == id })
	return nil
}

// Open returns the records that are open, without the one of the given ID, oldest first.
func (j *Journal) Open(without string) []Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(j.open), func(r Record) bool { return r.ID == without })
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
	return syncDirectory(dir)
}

// Pending returns the open records of a journal's directory, oldest first; none if there is no such directory.
// Records that cannot be read are reported as DamagedRecordErrors, joined, beside the ones that can.
func Pending(dir string) ([]Record, error) {
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
		record, err := readRecord(path)
		if err != nil {
			damaged = append(damaged, &DamagedRecordError{Path: path, Err: err})
			continue
		}
		records = append(records, record)
	}
	return records, errors.Join(damaged...)
}

func readRecord(path string) (Record, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return Record{}, err
	}
	record, err := decodeRecord(content)
	if err != nil {
		return Record{}, err
	}
	if name := strings.TrimSuffix(filepath.Base(path), openSuffix); name != record.ID {
		return Record{}, fmt.Errorf("its id is %q, expected %q as the file is named", record.ID, name)
	}
	return record, nil
}

func decodeRecord(content []byte) (Record, error) {
	if !bytes.HasSuffix(content, []byte("\n")) {
		return Record{}, fmt.Errorf("torn after %d bytes: no end of line", len(content))
	}
	var record Record
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&record); err != nil {
		return Record{}, fmt.Errorf("not an undo record: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Record{}, errors.New("not an undo record: more than one value in the file")
	}
	return record, validate(record)
}

func validate(r Record) error {
	var problems []error
	if r.Version < oldestVersion || r.Version > recordVersion {
		problems = append(problems, fmt.Errorf("version %d: expected %d to %d", r.Version, oldestVersion, recordVersion))
	}
	if r.ID == "" || r.ID != fileName(r.ID) {
		problems = append(problems, fmt.Errorf("id %q cannot name a file", r.ID))
	}
	if !r.Target.undoable() {
		return errors.Join(problems...)
	}
	switch target := r.Target; {
	case target.Chaos != nil:
		if target.Chaos.Kind == "" || target.Chaos.Namespace == "" || target.Chaos.Name == "" {
			problems = append(problems, fmt.Errorf("the resource %s is not named in full", target.Chaos.Resource))
		}
	case !target.onObject():
		problems = append(problems, validateAction(target.Action))
	}
	if r.Target.Node == "" {
		problems = append(problems, errors.New("no node"))
	}
	if r.Cluster == "" {
		problems = append(problems, errors.New("no cluster"))
	}
	return errors.Join(problems...)
}

func validateAction(action cluster.Action) error {
	if !slices.Contains(cluster.Actions(), action) {
		return fmt.Errorf("action %q is unknown: expected one of %v", action, cluster.Actions())
	}
	if _, undoable := action.Undo(); !undoable {
		return fmt.Errorf("action %q has no undoing", action)
	}
	return nil
}

func holder(open []Record, target Target) (Record, bool) {
	if target.Action == "" {
		return Record{}, false
	}
	i := slices.IndexFunc(open, func(r Record) bool { return r.Target.Node == target.Node && r.Target.Action == target.Action })
	if i < 0 {
		return Record{}, false
	}
	return open[i], true
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

// writeDurably makes path+openSuffix appear with its whole content or not at all, and returns when a loss of power
// cannot take it away any more.
func writeDurably(path string, content []byte) error {
	writing := path + writingSuffix
	file, err := os.OpenFile(writing, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(writing))
	}
	if err := os.Rename(writing, path+openSuffix); err != nil {
		return errors.Join(err, os.Remove(writing))
	}
	return syncDirectory(filepath.Dir(path))
}

func makeDirectory(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(dir))
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
