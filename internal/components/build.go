package components

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/filesums"
	"github.com/sparkchaos/sparkchaos/internal/wording"
)

// Options define what to build, from which source and into which cache.
type Options struct {
	// Source is the root of a checkout, see FindSource.
	Source string
	// Cache is the directory that receives the builds, see paths.Cache. It is made if it does not exist.
	Cache string
	// Only limits the build to these components, by name; empty means all that a cluster needs.
	Only []string
	// Progress receives a line whenever there is something to say; nil means nowhere.
	Progress io.Writer
}

// temporary is the prefix of directories that builders work in. They exist only while a builder holds the lock; one
// that the next holder finds was left by a builder that was killed.
const temporary = ".building-"

// Build builds those components that are not in the cache yet, one after the other, and returns when all are there.
// A build appears in the cache as a whole or not at all, whenever the builder ends, and however. Builders of the same
// cache wait for each other. The checkout must hold what this binary was made for, or Locate would not find the result.
func Build(ctx context.Context, options Options) error {
	components, err := Components()
	if err != nil {
		return err
	}
	return build(ctx, components, options)
}

func build(ctx context.Context, components []Component, options Options) error {
	components, err := choose(components, options.Only)
	if err != nil {
		return err
	}
	b, err := newBuilder(options)
	if err != nil {
		return err
	}
	if err := b.checkSource(components); err != nil {
		return err
	}
	if len(b.missing(components)) > 0 || len(b.unrecorded(components)) > 0 {
		if err := b.buildMissing(ctx, components); err != nil {
			return err
		}
	}
	return b.summarize(components)
}

// choose returns the components of the given names, in their own order, or those of a cluster if there are none.
func choose(components []Component, names []string) ([]Component, error) {
	if len(names) == 0 {
		return ofCluster(components), nil
	}
	known := make([]string, 0, len(components))
	var chosen []Component
	for _, component := range components {
		known = append(known, component.Name)
		if slices.Contains(names, component.Name) {
			chosen = append(chosen, component)
		}
	}
	var problems []error
	for _, name := range names {
		if !slices.Contains(known, name) {
			problems = append(problems, fmt.Errorf("there is no component %q; the components are %s", name, enumerate(known)))
		}
	}
	return chosen, errors.Join(problems...)
}

// builder is one call of Build.
type builder struct {
	source, cache string
	out           io.Writer
	begun         time.Time
}

func newBuilder(options Options) (builder, error) {
	// The compiler runs in another directory, where relative paths would mean something else.
	source, sourceErr := filepath.Abs(options.Source)
	cache, cacheErr := filepath.Abs(options.Cache)
	if err := errors.Join(sourceErr, cacheErr); err != nil {
		return builder{}, err
	}
	out := options.Progress
	if out == nil {
		out = io.Discard
	}
	return builder{source: source, cache: cache, out: out, begun: time.Now()}, nil
}

func (b builder) say(format string, arguments ...any) {
	fmt.Fprintf(b.out, format+"\n", arguments...)
}

// checkSource compares the checkout with what was asked for.
func (b builder) checkSource(components []Component) error {
	recipes := make([]Recipe, 0, len(components))
	for _, component := range components {
		recipes = append(recipes, component.Recipe)
	}
	fromSource, err := resolve(recipes, b.source)
	if err != nil {
		return err
	}
	return compare(components, fromSource)
}

// missing returns the components that the cache has no build of, or a damaged one.
func (b builder) missing(components []Component) []Component {
	return slices.DeleteFunc(slices.Clone(components), func(c Component) bool {
		if !c.Built(b.cache) {
			return false
		}
		err := c.Verify(b.cache)
		if err != nil && !errors.Is(err, filesums.ErrNone) {
			b.say("%v", err)
			return false
		}
		return true
	})
}

// unrecorded returns the components whose builds have no digests, because they were built before there were any.
func (b builder) unrecorded(components []Component) []Component {
	return slices.DeleteFunc(slices.Clone(components), func(c Component) bool {
		_, err := os.Lstat(filepath.Join(c.Directory(b.cache), filesums.Name))
		return !c.Built(b.cache) || err == nil
	})
}

// buildMissing locks the cache and builds what is still missing: another builder may have been faster.
func (b builder) buildMissing(ctx context.Context, components []Component) error {
	if missing := b.missing(components); len(missing) > 0 {
		if err := checkPrerequisites(ctx, missing); err != nil {
			return err
		}
	}
	lock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.release()
	for _, component := range b.unrecorded(components) {
		if err := record(component.Directory(b.cache)); err != nil {
			return fmt.Errorf("%s: %w", component, err)
		}
		b.say("%s: the digests of the build that is there are recorded", component)
	}
	missing := b.missing(components)
	for i, component := range missing {
		label := fmt.Sprintf("component %d of %d: %s", i+1, len(missing), component)
		if err := b.buildOne(ctx, label, component); err != nil {
			return fmt.Errorf("%s: %w", component, err)
		}
	}
	return nil
}

// lock locks the cache's components and removes what killed builders left.
func (b builder) lock(ctx context.Context) (fileLock, error) {
	if err := os.MkdirAll(root(b.cache), 0o755); err != nil {
		return fileLock{}, fmt.Errorf("directory for components: %w", err)
	}
	lock, err := acquire(ctx, filepath.Join(root(b.cache), ".lock"), b.say)
	if err != nil {
		return fileLock{}, err
	}
	if err := sweep(root(b.cache)); err != nil {
		lock.release()
		return fileLock{}, err
	}
	return lock, nil
}

// sweep removes what killed builders left. The caller holds the lock.
func sweep(root string) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	var problems []error
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), temporary) {
			if err := os.RemoveAll(filepath.Join(root, entry.Name())); err != nil {
				problems = append(problems, fmt.Errorf("a killed build's remains: %w; remove them", err))
			}
		}
	}
	return errors.Join(problems...)
}

// buildOne makes a component in a temporary directory and moves it into its place in one step.
func (b builder) buildOne(ctx context.Context, label string, component Component) (err error) {
	begun := time.Now()
	b.say("%s: building", label)
	work, err := os.MkdirTemp(root(b.cache), temporary+component.Name+"-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()

	result := filepath.Join(work, "result")
	bin := filepath.Join(result, "bin")
	scratch := filepath.Join(work, "scratch")
	for _, directory := range []string{bin, scratch} {
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return err
		}
	}
	compilation := compilation{component: component, directory: filepath.Join(modules(b.source), component.Name), bin: bin, scratch: scratch}
	if err := compilation.run(ctx, func(elapsed time.Duration, doing string) {
		b.say("%s: still building after %s%s", label, elapsed.Round(time.Second), doing)
	}); err != nil {
		return err
	}
	if err := compilation.makeData(ctx, result); err != nil {
		return err
	}
	for _, link := range component.Links {
		// Relative, so that the directory can be mounted elsewhere.
		if err := os.Symlink(string(component.Binaries()[0]), filepath.Join(bin, string(link))); err != nil {
			return err
		}
	}
	if err := b.install(component, work, result); err != nil {
		return err
	}
	size, err := component.Size(b.cache)
	if err != nil {
		return err
	}
	b.say("%s: built in %s, %s", label, time.Since(begun).Round(100*time.Millisecond), wording.Megabytes(size))
	return nil
}

// install moves a finished result into its place. A damaged build that lies there goes to the work directory first.
func (b builder) install(component Component, work, result string) error {
	if err := flush(filepath.Join(result, "bin"), component.Binaries()); err != nil {
		return err
	}
	if err := record(result); err != nil {
		return err
	}
	place := component.Directory(b.cache)
	if err := os.Rename(place, filepath.Join(work, "damaged")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(result, place)
}

// flush syncs binaries to the disk. Otherwise a machine that loses power after the rename could find them truncated.
func flush(bin string, binaries []Program) error {
	for _, binary := range binaries {
		file, err := os.Open(filepath.Join(bin, string(binary)))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the compiler made no %s; correct the packages in the component's recipe", binary)
		}
		if err != nil {
			return err
		}
		if err := errors.Join(file.Sync(), file.Close()); err != nil {
			return fmt.Errorf("%s: %w", binary, err)
		}
	}
	return nil
}

func (b builder) summarize(components []Component) error {
	var total int64
	for _, component := range components {
		size, err := component.Size(b.cache)
		if err != nil {
			return err
		}
		total += size
	}
	b.say("%s there, %s, in %s (took %s)", count(len(components)), wording.Megabytes(total), root(b.cache),
		time.Since(b.begun).Round(time.Millisecond))
	return nil
}

func count(components int) string {
	if components == 1 {
		return "1 component is"
	}
	return fmt.Sprintf("%d components are", components)
}
