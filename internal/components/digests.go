package components

import (
	"fmt"

	"github.com/sparkchaos/sparkchaos/internal/filesums"
)

// tree is the component's build with its digests. Users of a build compare them first: programs of the cache run as root.
func (c Component) tree(cache string) filesums.Tree {
	return filesums.In(cache, c.Directory(cache))
}

// check compares the component's build with its digests, and reads what changed since the last check.
func (c Component) check(cache string) error { return c.about(c.tree(cache).Check()) }

// Verify reads the component's whole build and compares it with its digests. The error names each file that differs.
func (c Component) Verify(cache string) error { return c.about(c.tree(cache).Verify()) }

func (c Component) about(err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	return nil
}

// record writes the digests of a finished build into it, and brings them to the disk.
func record(directory string) error { return filesums.Tree{Dir: directory}.Record() }
