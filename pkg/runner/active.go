package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// ActiveRuns is the directory with the records of runs that have not cleaned up yet. A run holds a lock on its record while
// its process lives: if the lock is free, the run was killed, and the next command cleans up after it.
type ActiveRuns struct{ Dir string }

// ActiveRecord is what a later process needs to clean up after a run.
type ActiveRecord struct {
	RunID       string `json:"runID"`
	Directory   string `json:"directory"`
	ClusterKind string `json:"clusterKind"`
	ClusterName string `json:"clusterName"`
	// Cluster identifies the cluster once the run has reached it; records of earlier versions lack it.
	Cluster cluster.Identity `json:"cluster,omitzero"`
	CleanUp string           `json:"cleanUp,omitempty"` // the command line that cleans up after the run
	// PID is the process that the run lives in; 0 in records of earlier versions.
	PID int `json:"pid,omitempty"`
	// Untouched reports that the run has not reached a cluster yet: at most it left a cluster that was being created.
	Untouched bool `json:"untouched,omitempty"`

	Namespaces  []string `json:"namespaces"`
	KeepCluster bool     `json:"keepCluster"`
	Making      bool     `json:"making"`      // there was no cluster of the name, and it is being made: what there is of it goes
	MadeCluster bool     `json:"madeCluster"` // the cluster was made for the run and goes with it, unless it is to be kept
	// InstalledAddOn reports that the add-on was installed for the run and is removed with it. Its name in files is that of the first one.
	InstalledAddOn bool `json:"installedChaosMesh,omitempty"`
}

// ActiveRun is the locked record of a living process.
type ActiveRun struct {
	record ActiveRecord
	path   string
	lock   *flock.Flock
	file   *os.File
	size   int // of the record as it was written last
}

// Register records a run before it touches anything.
func (a ActiveRuns) Register(record ActiveRecord) (*ActiveRun, error) {
	if err := os.MkdirAll(a.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("record that run %s is active: %w", record.RunID, err)
	}
	path := filepath.Join(a.Dir, record.RunID+".json")
	record.PID = os.Getpid()
	run := &ActiveRun{record: record, path: path}
	// The record is locked before it gets its final name, so that nobody takes it for a dead run's.
	temporary := path + ".new"
	var err error
	if run.lock, run.file, err = lockRecord(temporary, os.O_CREATE|os.O_TRUNC|os.O_RDWR); err != nil {
		return nil, fmt.Errorf("record that run %s is active: %w", record.RunID, err)
	}
	if run.file == nil {
		return nil, fmt.Errorf("record that run %s is active: another process writes %s", record.RunID, temporary)
	}
	err = run.write()
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("record that run %s is active: %w", record.RunID, err), run.close(), os.Remove(temporary))
	}
	return run, nil
}

// write replaces the record by a single write in place that is never shorter than the last one: the file keeps its lock,
// a killed process leaves a complete record, and a full disk has the space already.
func (r *ActiveRun) write() error {
	encoded, err := json.Marshal(r.record)
	if err != nil {
		return err
	}
	padded := fmt.Appendf(nil, "%-*s\n", r.size-1, encoded)
	if _, err := r.file.WriteAt(padded, 0); err != nil {
		return err
	}
	r.size = len(padded)
	return r.file.Sync()
}

// Making records that the cluster is about to be created.
func (r *ActiveRun) Making() error {
	r.record.Making = true
	return r.rewrite()
}

// Identified records which cluster the run uses from now on.
func (r *ActiveRun) Identified(identity cluster.Identity) error {
	r.record.Cluster, r.record.Untouched = identity, false
	return r.rewrite()
}

// Made records that the cluster runs, and whether it was created for this run.
func (r *ActiveRun) Made(made bool) error {
	r.record.Making, r.record.MadeCluster = false, made
	return r.rewrite()
}

// InstallingAddOn records that the add-on is about to be installed for this run.
func (r *ActiveRun) InstallingAddOn() error {
	r.record.InstalledAddOn = true
	return r.rewrite()
}

func (r *ActiveRun) rewrite() error {
	if err := r.write(); err != nil {
		return fmt.Errorf("record what run %s makes: %w", r.record.RunID, err)
	}
	return nil
}

// Forget removes the record: nothing is left to clean up.
func (r *ActiveRun) Forget() error {
	if err := os.Remove(r.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget run %s: %w", r.record.RunID, err)
	}
	return nil
}

// Release unlocks the record; unless Forget was called before, the next command cleans up after the run.
func (r *ActiveRun) Release() { _ = r.close() } // the kernel unlocks even if closing fails

func (r *ActiveRun) close() error { return errors.Join(r.file.Close(), r.lock.Close()) }

// lockRecord opens and locks a record without waiting. The file is nil if another process holds the lock.
func lockRecord(path string, flag int) (*flock.Flock, *os.File, error) {
	lock := flock.New(path, flock.SetFlag(flag), flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err != nil || !locked {
		return nil, nil, errors.Join(err, lock.Close())
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	return lock, file, nil
}

// Dead returns the records of runs whose process has ended without cleaning up. Each is locked until it is released, so
// that no two commands clean up after one run.
func (a ActiveRuns) Dead(ctx context.Context) ([]*ActiveRun, error) {
	entries, err := os.ReadDir(a.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for runs to clean up: %w", err)
	}
	var dead []*ActiveRun
	var errs []error
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".json") {
			continue
		}
		run, err := hold(ctx, filepath.Join(a.Dir, entry.Name()))
		if err != nil {
			errs = append(errs, err)
		}
		if run != nil {
			dead = append(dead, run)
		}
	}
	return dead, errors.Join(errs...)
}

const (
	// releaseTimeout is how long a lock may outlive the process of its run: a process that the run was about to start has it, too, until it
	// runs its own program.
	releaseTimeout = 10 * time.Second
	releaseEvery   = 50 * time.Millisecond
)

// errReleasing is why the lock of a process that is gone is awaited.
var errReleasing = errors.New("the lock outlives its process")

// hold locks a record; it returns nil if its run is alive or has removed it meanwhile. For the lock of a process that is gone it waits
// until the context ends.
func hold(ctx context.Context, path string) (*ActiveRun, error) {
	var lock *flock.Flock
	var file *os.File
	err := await.Until(ctx, releaseEvery, func(context.Context) await.Result {
		var err error
		if lock, file, err = lockRecord(path, os.O_RDWR); err == nil && file == nil && processGone(path) {
			return await.NotYet(errReleasing)
		}
		if err != nil {
			return await.Failed(err)
		}
		return await.Done()
	})
	if errors.Is(err, errReleasing) {
		return nil, nil // somebody else cleans up after it
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // forgotten meanwhile
	}
	if err != nil {
		return nil, fmt.Errorf("look for runs to clean up: %w", err)
	}
	if file == nil {
		return nil, nil // its run lives
	}
	run := &ActiveRun{path: path, lock: lock, file: file}
	// The last holder of the lock may have removed the file.
	if !run.stillThere() {
		return nil, run.close()
	}
	content, err := io.ReadAll(file)
	if err == nil {
		run.size = len(content)
		err = json.Unmarshal(content, &run.record)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the record %s of a run cannot be read: %w; look at its nodes with `sparkchaos cluster status`, then "+
			"delete the file", path, err), run.close())
	}
	return run, nil
}

// processGone reports whether the process that a record names is known to have ended.
func processGone(path string) bool {
	content, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	var record ActiveRecord
	if json.Unmarshal(content, &record) != nil || record.PID == 0 {
		return false
	}
	process, err := os.FindProcess(record.PID)
	if err != nil {
		return false
	}
	defer func() { _ = process.Release() }()
	return errors.Is(process.Signal(syscall.Signal(0)), os.ErrProcessDone)
}

// stillThere reports whether the path still names the file that was opened and locked.
func (r *ActiveRun) stillThere() bool {
	locked, err := r.lock.Stat()
	if err != nil {
		return false
	}
	opened, err := r.file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(r.path)
	return err == nil && os.SameFile(locked, named) && os.SameFile(opened, named)
}

// Record returns what is known about the run.
func (r *ActiveRun) Record() ActiveRecord { return r.record }
