package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/sparkchaos/sparkchaos/internal/filesums"
)

const (
	// stagesKept of a kind remain in the cache: those in use by older checkouts or running clusters stay a while.
	stagesKept = 3
	// lockPoll is how often a lock that another process holds is tried again.
	lockPoll = 100 * time.Millisecond

	buildingPrefix = ".building-"

	// imageKind ends the kinds of stages that hold finished images.
	imageKind = "-image"
)

// stageKey collects all that goes into a stage.
type stageKey struct{ h hash.Hash }

func newStageKey(kind string) stageKey {
	k := stageKey{sha256.New()}
	k.add("kind", kind)
	return k
}

// add takes one input in; lengths are hashed too, so that inputs cannot run into each other.
func (k stageKey) add(label, value string) {
	fmt.Fprintf(k.h, "%d:%s=%d:%s\n", len(label), label, len(value), value)
}

func (k stageKey) sum() string { return hex.EncodeToString(k.h.Sum(nil))[:24] }

// stage is one thing to be made and kept.
type stage struct {
	kind  string // directory below the cache, and what is shown as progress
	key   string
	why   string // shown as the progress' detail
	build func(ctx context.Context, dir string) error
}

// make returns the stage's directory, which is built first when it is not in the cache.
func (e Env) make(ctx context.Context, s stage) (string, error) {
	if err := e.check(); err != nil {
		return "", err
	}
	final := filepath.Join(e.kindDir(s.kind), s.key)
	if e.usable(final) == nil {
		return final, nil
	}
	if err := os.MkdirAll(e.kindDir(s.kind), 0o755); err != nil {
		return "", fmt.Errorf("cache directory for %s: %w", s.kind, err)
	}
	unlock, err := lock(ctx, filepath.Join(e.images(), s.kind+".lock"))
	if err != nil {
		return "", fmt.Errorf("%s: wait for another build of it: %w", s.kind, err)
	}
	defer unlock()
	if err := e.usable(final); err == nil {
		return final, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		e.report(Progress{Stage: s.kind, Warning: err.Error() + "; it is built again"})
	}
	return final, e.build(ctx, s, final)
}

// files are a stage's files with their digests. File systems of Debian's packages may have devices among them.
func (e Env) files(dir string) filesums.Tree {
	tree := filesums.In(e.Cache, dir)
	tree.Special = true
	return tree
}

// usable marks a stage as used and returns why it cannot be: it is not there, or not as it was made.
func (e Env) usable(dir string) error {
	if !touch(dir) {
		return fmt.Errorf("%s: %w", dir, fs.ErrNotExist)
	}
	err := e.files(dir).Check()
	if errors.Is(err, filesums.ErrNone) { // made before there were digests
		_ = e.files(dir).Record() // nobody but root can read all of a file system, and a cache may be read-only
		return nil
	}
	return err
}

// images is where all of this package's stages lie.
func (e Env) images() string { return filepath.Join(e.Cache, "images") }

func (e Env) kindDir(kind string) string { return filepath.Join(e.images(), kind) }

// build makes the stage under the kind's lock.
func (e Env) build(ctx context.Context, s stage, final string) (err error) {
	if err := removeLeftovers(e.kindDir(s.kind)); err != nil {
		return fmt.Errorf("%s: remove what an interrupted build left: %w", s.kind, err)
	}
	begun := time.Now()
	e.report(Progress{Stage: s.kind, Detail: s.why})
	defer func() {
		e.report(Progress{Stage: s.kind, Detail: s.why, Done: true, Elapsed: time.Since(begun), Err: err})
	}()
	dir, err := os.MkdirTemp(e.kindDir(s.kind), buildingPrefix)
	if err != nil {
		return fmt.Errorf("%s: %w", s.kind, err)
	}
	if err := s.build(ctx, dir); err != nil {
		return errors.Join(fmt.Errorf("build %s: %w", s.kind, err), os.RemoveAll(dir))
	}
	if err := e.install(dir, final); err != nil {
		return fmt.Errorf("%s: %w", s.kind, err)
	}
	return prune(e.kindDir(s.kind))
}

// install moves a finished stage into its place, and a damaged one that lies there out of it.
func (e Env) install(dir, final string) error {
	if err := errors.Join(os.Chmod(dir, 0o755), e.files(dir).Record()); err != nil {
		return err
	}
	damaged := dir + "-damaged"
	if err := os.Rename(final, damaged); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(dir, final); err != nil {
		return err
	}
	return os.RemoveAll(damaged)
}

// touch reports whether the stage is there, and marks it as used.
func touch(dir string) bool {
	now := time.Now()
	return os.Chtimes(dir, now, now) == nil || exists(dir)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func removeLeftovers(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var problems []error
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), buildingPrefix) {
			problems = append(problems, os.RemoveAll(filepath.Join(dir, entry.Name())))
		}
	}
	return errors.Join(problems...)
}

// prune removes all but the stages used last. A reader that has a file open keeps it.
func prune(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	type used struct {
		path string
		at   time.Time
	}
	var stages []used
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return err
		}
		stages = append(stages, used{filepath.Join(dir, entry.Name()), info.ModTime()})
	}
	slices.SortFunc(stages, func(a, b used) int { return b.at.Compare(a.at) })
	var problems []error
	for _, s := range stages[min(stagesKept, len(stages)):] {
		problems = append(problems, os.RemoveAll(s.path))
	}
	return errors.Join(problems...)
}

// lock takes an exclusive lock on a file. The kernel releases it when the process ends, however it ends.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	file := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o644))
	if _, err := file.TryLockContext(ctx, lockPoll); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return func() { _ = file.Close() }, nil
}
