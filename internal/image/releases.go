package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	_ "embed" // of the list
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// releaseList is a file of requirements as pip reads it, so that pip checks each archive before it runs anything of it.
//
//go:embed releases.txt
var releaseList string

const (
	// releaseFormat changes when the same archive is to be unpacked in another way.
	releaseFormat = "1"
	// maxReleaseFile bounds a file of a release, in bytes.
	maxReleaseFile = 1 << 30
)

// release is a version of Spark that PyPI serves, with what pip checks its archive by.
type release struct {
	version string
	hash    string // "sha256:…"
}

// releases reads the list.
func releases() ([]release, error) {
	line := regexp.MustCompile(`^pyspark==([0-9]+\.[0-9]+\.[0-9]+) --hash=(sha256:[0-9a-f]{64})$`)
	var all []release
	for text := range strings.Lines(releaseList) {
		text = strings.TrimSpace(text)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		match := line.FindStringSubmatch(text)
		if match == nil {
			return nil, fmt.Errorf("the list of Spark's releases has the line %q, want pyspark==X.Y.Z --hash=sha256:…", text)
		}
		all = append(all, release{match[1], match[2]})
	}
	return all, nil
}

// Releases returns the versions of Spark of which images can be built beside the workloads' own, the oldest first.
func Releases() []string {
	all, err := releases()
	if err != nil {
		return nil // a test reads the list
	}
	var versions []string
	for _, r := range all {
		versions = append(versions, r.version)
	}
	return versions
}

// findRelease returns a version of the list.
func findRelease(version string) (release, error) {
	all, err := releases()
	if err != nil {
		return release{}, err
	}
	i := slices.IndexFunc(all, func(r release) bool { return r.version == version })
	if i < 0 {
		return release{}, fmt.Errorf("no image can be built of Spark %s: the digest of its release is not known, and nothing is used "+
			"unchecked; known are %s. In a checkout, \"make spark-release VERSION=%s\" adds it", version, strings.Join(Releases(), ", "), version)
	}
	return all[i], nil
}

// release returns the stage with what a release holds: its jars in jars/ with their manifest, if they are wanted, and the archives of
// its Python part in python/.
func (b sparkBuild) release(ctx context.Context, withJars bool) (string, error) {
	r, err := findRelease(b.variant.Version)
	if err != nil {
		return "", err
	}
	kind := b.kind("python")
	if withJars {
		kind = b.kind("release")
	}
	key := newStageKey(kind)
	key.add("hash", r.hash)
	key.add("platform", runtime.GOARCH)
	key.add("format", releaseFormat)
	return b.make(ctx, stage{
		kind: kind, key: key.sum(), why: "pip download pyspark==" + r.version,
		build: func(ctx context.Context, dir string) error { return fetchRelease(ctx, dir, r, withJars) },
	})
}

// fetchRelease downloads and unpacks a release. pip compares its digest before it looks into it.
func fetchRelease(ctx context.Context, dir string, r release, withJars bool) error {
	python, err := exec.LookPath("python3")
	if err != nil {
		return fmt.Errorf("releases of Spark are downloaded by pip (Debian: apt-get install python3-pip): %w", err)
	}
	list := filepath.Join(dir, "requirements.txt")
	if err := os.WriteFile(list, fmt.Appendf(nil, "pyspark==%s --hash=%s\n", r.version, r.hash), 0o644); err != nil {
		return err
	}
	downloaded := filepath.Join(dir, "downloaded")
	// Only the source archive has Spark as it is.
	if err := run(exec.CommandContext(ctx, python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "pyspark",
		"--require-hashes", "--dest", downloaded, "--requirement", list)); err != nil {
		return err
	}
	if err := unpackRelease(filepath.Join(downloaded, "pyspark-"+r.version+".tar.gz"), dir, withJars); err != nil {
		return err
	}
	if withJars {
		if err := keepJars(filepath.Join(dir, "all"), dir); err != nil {
			return err
		}
	}
	return errors.Join(os.RemoveAll(filepath.Join(dir, "all")), os.RemoveAll(downloaded), os.Remove(list))
}

// unpackRelease takes the jars into all/ and the archives of the Python part into python/.
func unpackRelease(archive, dir string, withJars bool) (err error) {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	found := 0
	for tr := tar.NewReader(unzipped); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", archive, err)
		}
		_, inside, _ := strings.Cut(h.Name, "/")
		target := releaseFile(inside, withJars)
		if target == "" || h.Typeflag != tar.TypeReg {
			continue
		}
		if err := saveFile(filepath.Join(dir, target), tr, h.Size); err != nil {
			return fmt.Errorf("%s: %s: %w", archive, h.Name, err)
		}
		found++
	}
	if found == 0 {
		return fmt.Errorf("%s holds no Spark", archive)
	}
	return nil
}

// releaseFile returns where a file of a release is kept; empty if it is not.
func releaseFile(name string, withJars bool) string {
	switch dir, base := path.Split(name); {
	case dir == "deps/jars/" && path.Ext(base) == ".jar" && withJars:
		return "all/" + base
	case dir == "lib/" && path.Ext(base) == ".zip":
		return "python/" + base
	default:
		return ""
	}
}

func saveFile(name string, r io.Reader, size int64) (err error) {
	if size > maxReleaseFile {
		return fmt.Errorf("%d bytes are more than any file of Spark has", size)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, r, size)
	return errors.Join(err, f.Close())
}

// keepJars moves what an image needs of the jars in a directory into jars/ below dir, and writes the manifest of them beside it.
func keepJars(all, dir string) error {
	entries, err := os.ReadDir(all)
	if err != nil {
		return err
	}
	kept := filepath.Join(dir, "jars")
	if err := os.Mkdir(kept, 0o755); err != nil {
		return err
	}
	var manifest bytes.Buffer
	for _, e := range entries {
		if foreignJar(e.Name(), runtime.GOARCH) {
			continue
		}
		sum, err := keepJar(filepath.Join(all, e.Name()), filepath.Join(kept, e.Name()), runtime.GOARCH)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name(), err)
		}
		fmt.Fprintf(&manifest, "%s  %s\n", sum, e.Name())
	}
	return os.WriteFile(filepath.Join(dir, "manifest"), manifest.Bytes(), 0o644)
}
