package components

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/sparkchaos/sparkchaos/internal/filesums"
)

// LockDigest returns the SHA-256, in hexadecimal, of the versions and keys of all components that this binary was made for.
func LockDigest() string {
	sum := sha256.Sum256([]byte(embeddedLock))
	return hex.EncodeToString(sum[:])
}

// Missing returns those of the components that a cluster needs, or of the named ones, that the cache has no whole build of.
func Missing(cache string, names ...string) ([]Component, error) {
	all, err := Components()
	if err != nil {
		return nil, err
	}
	chosen, err := choose(all, names)
	if err != nil {
		return nil, err
	}
	b, err := newBuilder(Options{Cache: cache})
	return b.missing(chosen), err
}

// Receive puts a build that another machine made into the cache, unless a whole one is there. The function fills a directory with the
// build and its digests, under the lock of all builders; what it filled appears in the cache if it is whole, or not at all.
func Receive(ctx context.Context, cache string, component Component, progress io.Writer, fill func(directory string) error) (err error) {
	b, err := newBuilder(Options{Cache: cache, Progress: progress})
	if err != nil {
		return err
	}
	lock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.release()
	if len(b.missing([]Component{component})) == 0 {
		return nil
	}
	work, err := os.MkdirTemp(root(b.cache), temporary+component.Name+"-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	result := filepath.Join(work, "result")
	if err := os.Mkdir(result, 0o755); err != nil {
		return err
	}
	if err := fill(result); err != nil {
		return fmt.Errorf("%s: %w", component, err)
	}
	if absent := component.absentIn(filepath.Join(result, "bin")); len(absent) > 0 {
		return fmt.Errorf("%s: what was received has no executable %s", component, enumerate(absent))
	}
	if err := component.about(filesums.Tree{Dir: result}.Verify()); err != nil {
		return err
	}
	return b.install(component, work, result)
}
