// Package locks keeps the processes of this machine from working on one cluster at the same time. A change of a cluster is made by one
// process at a time, and a run holds its cluster for as long as it lasts. Both are file locks, which end with the process, however it ends.
package locks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/statefile"
)

const (
	// changeEvery and holdEvery are how often a lock that another process has is tried again.
	changeEvery = 20 * time.Millisecond
	holdEvery   = 200 * time.Millisecond
	// actPatience is how long a run waits for a command that does something to its cluster: the longest such action is bounded by less.
	actPatience = 3 * time.Minute
	// namePatience is how long a holder may take to write down who it is.
	namePatience = 2 * time.Second
)

// Locks are the locks of the clusters of one kind.
type Locks struct {
	dir, kind string
}

// In returns the locks of the clusters of a kind. They are kept in the state directory, as the files of the clusters are, so that two
// processes that see one cluster see the same lock. The files stay: removing one would let a third process lock another file
// of the same name.
func In(state, kind string) Locks { return Locks{dir: filepath.Join(state, "locks"), kind: kind} }

// file returns the path of a file of a cluster's lock.
func (l Locks) file(name, extension string) string {
	return filepath.Join(l.dir, l.kind+"-"+name+extension)
}

// open returns a lock that is not locked yet.
func (l Locks) open(name, extension string) (*flock.Flock, error) {
	if err := cluster.CheckName(name); err != nil {
		return nil, err
	}
	return open(l.file(name, extension))
}

func open(path string) (*flock.Flock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600)), nil
}

// Change waits until no other process changes the cluster, and keeps others from doing so until done is called. It calls waiting if it
// has to wait.
func (l Locks) Change(ctx context.Context, name string, waiting func()) (done func(), err error) {
	lock, err := l.open(name, ".change")
	if err == nil {
		err = await(ctx, lock, waiting)
	}
	if err != nil {
		return nil, fmt.Errorf("lock the %s cluster %q: %w", l.kind, name, err)
	}
	return func() { _ = lock.Unlock() }, nil
}

// File waits until no other process has locked a file, which is made if need be, and keeps it locked until done is called.
func File(ctx context.Context, path string, waiting func()) (done func(), err error) {
	lock, err := open(path)
	if err == nil {
		err = await(ctx, lock, waiting)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = lock.Unlock() }, nil
}

func await(ctx context.Context, lock *flock.Flock, waiting func()) error {
	locked, err := lock.TryLock()
	if err != nil || locked {
		return err
	}
	waiting()
	_, err = lock.TryLockContext(ctx, changeEvery)
	if err != nil {
		_ = lock.Close()
	}
	return err
}

// Held is a cluster that this process holds, for as long as it keeps the Held: one that nobody refers to any more lets go.
type Held struct {
	lock   *flock.Flock
	file   string
	holder cluster.Holder
}

// Hold takes the cluster for as long as this process lives, or until Release. If another run holds it, Hold waits for as long as patience
// lasts, and calls waiting each time that it has found another holder; then it fails with a *HeldError. A command that does something to
// the cluster is waited for in any case.
func (l Locks) Hold(ctx context.Context, name string, by cluster.Holder, patience time.Duration, waiting func(cluster.Holder)) (*Held,
	error) {
	lock, err := l.open(name, ".held")
	if err != nil {
		return nil, fmt.Errorf("hold the %s cluster: %w", l.kind, err)
	}
	begun := time.Now()
	var seen cluster.Holder
	err = wait.PollUntilContextCancel(ctx, holdEvery, true, func(context.Context) (bool, error) {
		locked, err := lock.TryLock()
		if err != nil || locked {
			return locked, err
		}
		waited, limit := time.Since(begun), max(patience, actPatience)
		holder, err := l.recorded(name)
		if err != nil {
			return false, err
		}
		if holder != nil {
			// Not at the first look: what an ended holder left may be seen beside somebody who only looks.
			limit = max(patience, 2*holdEvery)
			if *holder != seen && patience > 0 {
				seen = *holder
				waiting(seen)
			}
		}
		if waited >= limit {
			return false, &cluster.HeldError{Kind: l.kind, Cluster: name, Holder: holder}
		}
		return false, nil
	})
	if err == nil {
		held := &Held{lock: lock, file: l.file(name, ".holder.json"), holder: by}
		if err = held.write(); err == nil {
			return held, nil
		}
	}
	_ = lock.Close()
	var refused *cluster.HeldError
	if errors.As(err, &refused) {
		return nil, refused
	}
	return nil, fmt.Errorf("hold the %s cluster %s: %w", l.kind, name, err)
}

// recorded returns what the holder wrote down; nil if it has not, or no run holds the cluster. It is asked only while the lock is
// another's: what an ended holder left is removed by the next one that locks.
func (l Locks) recorded(name string) (*cluster.Holder, error) {
	var holder cluster.Holder
	err := statefile.Read(l.file(name, ".holder.json"), &holder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	default:
		return &holder, nil
	}
}

func (h *Held) write() error {
	if err := forget(h.file); err != nil { // an ended holder's
		return err
	}
	return statefile.Write(h.file, h.holder)
}

func forget(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Note writes down which run holds the cluster.
func (h *Held) Note(run string) error {
	h.holder.Run = run
	if err := statefile.Write(h.file, h.holder); err != nil {
		return fmt.Errorf("write down that run %s holds its cluster: %w", run, err)
	}
	return nil
}

// Release lets go of the cluster.
func (h *Held) Release() {
	_ = forget(h.file) // what is left is removed by the next one that locks
	_ = h.lock.Unlock()
}

// Act keeps runs from beginning on the cluster while something is done to it, until done is called. Several processes can act at a time;
// changes of one cluster take turns by Change. It fails with a *HeldError if a run holds the cluster.
func (l Locks) Act(ctx context.Context, name string) (done func(), err error) {
	lock, err := l.open(name, ".held")
	if err != nil {
		return nil, fmt.Errorf("act on the %s cluster: %w", l.kind, err)
	}
	holder, locked, err := l.share(ctx, lock, name)
	if err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("act on the %s cluster %s: %w", l.kind, name, err)
	}
	if !locked {
		_ = lock.Close()
		return nil, &cluster.HeldError{Kind: l.kind, Cluster: name, Holder: holder}
	}
	return func() { _ = lock.Unlock() }, nil
}

// share locks for reading, which only a run keeps it from. If one does, it says which.
func (l Locks) share(ctx context.Context, lock *flock.Flock, name string) (holder *cluster.Holder, locked bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, namePatience)
	defer cancel()
	polled := wait.PollUntilContextCancel(ctx, changeEvery, true, func(context.Context) (bool, error) {
		if locked, err = lock.TryRLock(); err != nil {
			return false, err
		}
		if locked {
			return true, forget(l.file(name, ".holder.json")) // nobody holds it: an ended holder's
		}
		holder, err = l.recorded(name)
		return holder != nil, err
	})
	if polled != nil && !errors.Is(polled, context.DeadlineExceeded) {
		return nil, locked, polled
	}
	return holder, locked, nil
}

// Holder returns the run that holds the cluster; nil if none does. It changes nothing and makes no file.
func (l Locks) Holder(name string) (*cluster.Holder, error) {
	if err := cluster.CheckName(name); err != nil {
		return nil, err
	}
	path := l.file(name, ".held")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	locked, err := lock.TryRLock()
	if err != nil {
		return nil, fmt.Errorf("look who holds the %s cluster %s: %w", l.kind, name, err)
	}
	defer func() { _ = lock.Close() }() // opened to look
	if locked {
		return nil, nil
	}
	return l.recorded(name)
}
