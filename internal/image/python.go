package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// pythonFormat changes when the same packages are to be packed otherwise.
const pythonFormat = "1"

// pythonPackages are the packages of Debian that PySpark needs.
func pythonPackages() []string { return []string{"python3"} }

// pythonFiles are what is kept of Debian's tree: the interpreter with its library. Its ELF files' libraries come with them.
func pythonFiles() []string {
	return []string{"usr/bin/python3", "usr/bin/python3.*", "usr/lib/python3", "usr/lib/python3.*", "etc/python3*"}
}

// pythonLayers returns the stages of the layers that make an image run Python applications: Debian's Python, and Spark's part in it.
func (b sparkBuild) pythonLayers(ctx context.Context, base string) ([]string, error) {
	release, err := b.release(ctx, !b.own())
	if err != nil {
		return nil, err
	}
	baseTree := filepath.Join(base, rootDir)
	interpreter, err := b.debianTree(ctx, debian{
		kind: "python", packages: pythonPackages(), key: pythonFormat + " " + filepath.Base(base),
		finish: func(root string) error {
			if err := compileLibrary(ctx, root); err != nil {
				return err
			}
			if err := keepPython(root, baseTree); err != nil {
				return err
			}
			return tryPython(ctx, root, baseTree)
		},
	})
	if err != nil {
		return nil, err
	}
	key := newStageKey("pyspark")
	key.add("release", filepath.Base(release))
	library, err := b.make(ctx, stage{
		kind: b.kind("pyspark"), key: key.sum(), why: "Spark's Python part",
		build: func(_ context.Context, dir string) error {
			entries, err := tree(path.Join(SparkHome[1:], "python", "lib"), filepath.Join(release, "python"))
			if err != nil {
				return err
			}
			return writeLayer(dir, entries)
		},
	})
	return []string{interpreter, library}, err
}

// compileLibrary compiles Python's library so that it is used whatever the times of its files, which are the image's fixed one.
func compileLibrary(ctx context.Context, root string) error {
	library, err := resolveIn(root, "usr/bin/python3")
	if err != nil {
		return fmt.Errorf("the packages %s brought no Python: %w", strings.Join(pythonPackages(), ", "), err)
	}
	return run(inside(ctx, root, nil, "/usr/bin/python3", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash",
		"/usr/lib/"+filepath.Base(library)))
}

// keepPython removes all of a Debian tree but Python and the libraries that the base layer does not have.
func keepPython(root, base string) error {
	kept, err := pythonClosure(root, base)
	if err != nil {
		return err
	}
	for _, pattern := range pythonFiles() {
		matches, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return err
		}
		for _, match := range matches {
			rel, err := filepath.Rel(root, match)
			if err != nil {
				return err
			}
			kept = append(kept, rel)
		}
	}
	return pruneTree(root, kept)
}

// pruneTree removes everything below root that is none of kept, nor below one of them.
func pruneTree(root string, kept []string) error {
	return filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		switch {
		case slices.ContainsFunc(kept, func(k string) bool { return strings.HasPrefix(k, rel+"/") }):
			return nil
		case slices.Contains(kept, rel) && d.IsDir():
			return filepath.SkipDir
		case slices.Contains(kept, rel):
			return nil
		}
		if err := os.RemoveAll(p); err != nil {
			return err
		}
		if d.IsDir() {
			return filepath.SkipDir
		}
		return nil
	})
}

// pythonClosure returns the libraries of a tree that Python and its modules need and that the base layer has under no directory of
// libraries, with the links that lead to them.
func pythonClosure(root, base string) ([]string, error) {
	objects, err := filepath.Glob(filepath.Join(root, "usr/lib/python3.*/lib-dynload/*.so"))
	if err != nil {
		return nil, err
	}
	interpreter, err := resolveIn(root, "usr/bin/python3")
	if err != nil {
		return nil, fmt.Errorf("the packages %s brought no Python: %w", strings.Join(pythonPackages(), ", "), err)
	}
	objects = append(objects, interpreter)
	seen := map[string]bool{}
	var kept []string
	for len(objects) > 0 {
		object := objects[0]
		objects = objects[1:]
		needed, _, err := elfNeeds(object)
		if err != nil {
			return nil, err
		}
		for _, library := range needed {
			if seen[library] {
				continue
			}
			seen[library] = true
			if _, err := findInTree(base, library); err == nil {
				continue
			}
			source, err := findInTree(root, library)
			if err != nil {
				return nil, fmt.Errorf("%s needs %s: %w", object, library, err)
			}
			objects = append(objects, source)
			links, err := linksTo(root, source)
			if err != nil {
				return nil, err
			}
			kept = append(kept, links...)
		}
	}
	slices.Sort(kept)
	return slices.Compact(kept), nil
}

// linksTo returns a file of a tree and the links beside it that lead to it, relative to the root.
func linksTo(root, file string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name := filepath.Join(filepath.Dir(file), e.Name())
		target, err := os.Readlink(name)
		if name != file && (err != nil || target != filepath.Base(file)) {
			continue
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return nil, err
		}
		names = append(names, rel)
	}
	return names, nil
}

// tryPython runs Python on the base layer: its C library is this machine's and may be older than Debian's.
func tryPython(ctx context.Context, root, base string) (err error) {
	both, err := os.MkdirTemp(filepath.Dir(root), "trial-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(both)) }()
	for _, tree := range []string{base, root} {
		if err := linkTree(both, tree); err != nil {
			return err
		}
	}
	script := "import bz2, ctypes, hashlib, json, lzma, multiprocessing, socket, sqlite3, ssl, zlib"
	if err := run(inside(ctx, both, nil, "/usr/bin/python3", "-c", script)); err != nil {
		return fmt.Errorf("the Python of Debian %s does not run on the C library of this machine, which images are made of: build them on "+
			"Debian %s or newer: %w",
			debianSuite, debianSuite, err)
	}
	return nil
}
