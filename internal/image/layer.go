package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sparkchaos/sparkchaos/internal/atomicfile"
)

// Epoch is the modification time of every file in every image. Java's class data sharing compares it with the files at
// run time, so it must be the same wherever an image is built.
func Epoch() time.Time { return time.Unix(1_577_836_800, 0).UTC() } // 2020-01-01

// owner of a file in an image.
type owner struct{ uid, gid int }

const (
	layerFile = "layer.tar.gz"
	plainFile = "layer.tar"
	layerMeta = "layer.json"
)

// entry is one file, directory or link of a layer.
type entry struct {
	path  string // slash-separated, without a leading slash
	mode  fs.FileMode
	owner owner
	link  string // target of a symbolic link
	hard  string // path of the entry that this one is a hard link to
	// xattrs are extended attributes, by their names.
	xattrs map[string]string
	size   int64
	open   func() (io.ReadCloser, error)
}

func directory(name string, perm fs.FileMode, o owner) entry {
	mode := fs.ModeDir | perm&fs.ModePerm
	if perm&0o1000 != 0 {
		mode |= fs.ModeSticky
	}
	return entry{path: name, mode: mode, owner: o}
}

func symlink(name, target string) entry {
	return entry{path: name, mode: fs.ModeSymlink | 0o777, link: target}
}

func content(name string, perm fs.FileMode, data []byte) entry {
	return entry{path: name, mode: perm, size: int64(len(data)), open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	}}
}

// file takes a regular file of the machine.
func file(name, source string, perm fs.FileMode) (entry, error) {
	info, err := os.Stat(source)
	if err != nil {
		return entry{}, err
	}
	if !info.Mode().IsRegular() {
		return entry{}, fmt.Errorf("%s is not a regular file but %s", source, info.Mode().Type())
	}
	return entry{path: name, mode: perm, size: info.Size(), open: func() (io.ReadCloser, error) { return os.Open(source) }}, nil
}

// tree takes a directory with all below it; name is where it goes. Permissions are normalised: what its owner may
// execute all may execute, all may read everything.
func tree(name, source string) ([]entry, error) {
	var entries []entry
	err := filepath.WalkDir(source, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(source, p)
		if err != nil {
			return err
		}
		e, err := walked(path.Join(name, filepath.ToSlash(rel)), p, d)
		if err != nil {
			return err
		}
		if e.path != "." {
			entries = append(entries, e)
		}
		return nil
	})
	return entries, err
}

func walked(name, source string, d fs.DirEntry) (entry, error) {
	switch {
	case d.IsDir():
		return directory(name, 0o755, owner{}), nil
	case d.Type() == fs.ModeSymlink:
		target, err := os.Readlink(source)
		return symlink(name, target), err
	}
	info, err := d.Info()
	if err != nil {
		return entry{}, err
	}
	perm := fs.FileMode(0o644)
	if info.Mode()&0o100 != 0 {
		perm = 0o755
	}
	return file(name, source, perm)
}

// withParents adds the directories that entries lie in, sorts all and refuses two of one name.
func withParents(entries []entry) ([]entry, error) {
	known := map[string]bool{}
	all := slices.Clone(entries)
	for _, e := range entries {
		if known[e.path] {
			return nil, fmt.Errorf("two entries of a layer have the path %q", e.path)
		}
		if !fs.ValidPath(e.path) || e.path == "." {
			return nil, fmt.Errorf("%q is not a path inside an image: it must be relative and clean", e.path)
		}
		known[e.path] = true
	}
	for _, e := range entries {
		for dir := path.Dir(e.path); dir != "." && !known[dir]; dir = path.Dir(dir) {
			known[dir] = true
			all = append(all, directory(dir, 0o755, owner{}))
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	return all, nil
}

// writeTar writes entries as a layer's tar.
func writeTar(w io.Writer, entries []entry) error {
	all, err := withParents(entries)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	for _, e := range all {
		if err := writeEntry(tw, e); err != nil {
			return fmt.Errorf("%s: %w", e.path, err)
		}
	}
	return tw.Close()
}

func writeEntry(tw *tar.Writer, e entry) (err error) {
	h := &tar.Header{
		Name: e.path, Mode: permissions(e.mode), Uid: e.owner.uid, Gid: e.owner.gid,
		ModTime: Epoch(), Format: tar.FormatPAX,
	}
	for name, value := range e.xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords["SCHILY.xattr."+name] = value
	}
	switch {
	case e.hard != "":
		h.Typeflag, h.Linkname = tar.TypeLink, e.hard
	case e.mode.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, e.path+"/"
	case e.mode&fs.ModeSymlink != 0:
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
	default:
		h.Typeflag, h.Size = tar.TypeReg, e.size
	}
	if err := tw.WriteHeader(h); err != nil || h.Typeflag != tar.TypeReg {
		return err
	}
	r, err := e.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	_, err = io.Copy(tw, r)
	return err
}

// permissions returns a mode's bits as tar has them.
func permissions(mode fs.FileMode) int64 {
	bits := int64(mode.Perm())
	for flag, bit := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&flag != 0 {
			bits |= bit
		}
	}
	return bits
}

// layerInfo is what is kept beside a layer's blob, so that nobody needs to read it again to know it.
type layerInfo struct {
	Digest v1.Hash `json:"digest"` // of the blob
	DiffID v1.Hash `json:"diffID"` // of the tar
	Size   int64   `json:"size"`   // of the blob, in bytes
	// Plain says that the blob is the tar itself, not compressed.
	Plain bool `json:"plain,omitempty"`
}

// writeLayer writes a layer and what is to be known of it into dir.
func writeLayer(dir string, entries []entry) (err error) {
	f, err := os.Create(filepath.Join(dir, layerFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	blob, plain := sha256.New(), sha256.New()
	counted := &counter{w: io.MultiWriter(f, blob)}
	// The fastest level: what a better one saves in bytes it costs in minutes of a cluster's start over a year.
	zip, err := gzip.NewWriterLevel(counted, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if err := writeTar(io.MultiWriter(zip, plain), entries); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	info := layerInfo{
		Digest: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(blob.Sum(nil))},
		DiffID: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(plain.Sum(nil))},
		Size:   counted.n,
	}
	return writeJSON(filepath.Join(dir, layerMeta), info)
}

// writePlainLayer writes a layer that is not compressed. For images inside of another image's layer: that one is compressed
// as a whole, and each node that unpacks them has one thing less to do.
func writePlainLayer(dir string, entries []entry) (err error) {
	f, err := os.Create(filepath.Join(dir, plainFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	counted := &counter{w: io.MultiWriter(f, sum)}
	if err := writeTar(counted, entries); err != nil {
		return err
	}
	digest := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
	return writeJSON(filepath.Join(dir, layerMeta), layerInfo{Digest: digest, DiffID: digest, Size: counted.n, Plain: true})
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func writeJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(name, append(data, '\n'), 0o644)
}

func readJSON(name string, v any) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s is damaged: remove the directory it lies in: %w", name, err)
	}
	return nil
}

// storedLayer is a layer that lies in the cache.
type storedLayer struct {
	dir  string
	info layerInfo
}

var _ v1.Layer = storedLayer{}

func openLayer(dir string) (storedLayer, error) {
	l := storedLayer{dir: dir}
	return l, readJSON(filepath.Join(dir, layerMeta), &l.info)
}

// Digest returns the digest of the blob.
func (l storedLayer) Digest() (v1.Hash, error) { return l.info.Digest, nil }

// DiffID returns the digest of the tar.
func (l storedLayer) DiffID() (v1.Hash, error) { return l.info.DiffID, nil }

// Size returns the size of the blob in bytes.
func (l storedLayer) Size() (int64, error) { return l.info.Size, nil }

// MediaType reports whether the blob is a gzipped tar or a plain one.
func (l storedLayer) MediaType() (types.MediaType, error) {
	if l.info.Plain {
		return types.OCIUncompressedLayer, nil
	}
	return types.OCILayer, nil
}

// Compressed opens the blob.
func (l storedLayer) Compressed() (io.ReadCloser, error) {
	if l.info.Plain {
		return os.Open(filepath.Join(l.dir, plainFile))
	}
	return os.Open(filepath.Join(l.dir, layerFile))
}

// Uncompressed opens the tar.
func (l storedLayer) Uncompressed() (io.ReadCloser, error) {
	f, err := l.Compressed()
	if err != nil || l.info.Plain {
		return f, err
	}
	zip, err := gzip.NewReader(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{zip, f}, nil
}
