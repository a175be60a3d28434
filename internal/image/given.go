package image

import (
	"archive/tar"
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

const (
	// givenRepository names images whose archive says no name.
	givenRepository = "docker.io/sparkchaos/given"
	// givenFormat changes when the same archives are to be kept otherwise.
	givenFormat = "1"
	// writeIt says how an archive is made.
	writeIt = "write it with docker save NAME:TAG -o FILE"
)

// Given returns the image in an archive that somebody else made: what docker save writes, or an OCI image layout in a tar, compressed
// by gzip or not. It is kept in the cache; its tag ends with the digest of the file, so that no image of before takes its place.
// Everything that keeps the application from running in it is told together.
func Given(ctx context.Context, env Env, file *os.File, app Application) (Archive, error) {
	if err := env.check(); err != nil {
		return Archive{}, err
	}
	archive, err := env.given(ctx, file, app)
	if err != nil {
		return Archive{}, fmt.Errorf("image archive %s: %w", file.Name(), err)
	}
	return archive, nil
}

func (e Env) given(ctx context.Context, file *os.File, app Application) (Archive, error) {
	digest, err := digestOf(ctx, file)
	if err != nil {
		return Archive{}, err
	}
	key := newStageKey("given" + imageKind)
	key.add("format", givenFormat)
	key.add("file", digest)
	key.add("platform", runtime.GOARCH)
	dir, err := e.make(ctx, stage{
		kind: "given" + imageKind, key: key.sum(), why: filepath.Base(file.Name()),
		build: func(ctx context.Context, dir string) error { return keepGiven(ctx, file, dir, digest) },
	})
	if err != nil {
		return Archive{}, err
	}
	archive, err := openArchive(dir)
	if err != nil {
		return Archive{}, err
	}
	img, err := tarball.ImageFromPath(archive.Path, nil)
	if err != nil {
		return Archive{}, err
	}
	return archive, checkGiven(img, app)
}

// digestOf returns the SHA-256 of a file's content.
func digestOf(ctx context.Context, file *os.File) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, whole(ctx, file)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// whole returns the content of a file from its beginning, wherever others read; reading ends with the context.
func whole(ctx context.Context, file *os.File) io.Reader {
	return untilDone{ctx, io.NewSectionReader(file, 0, 1<<62)}
}

// untilDone reads until its context is done.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// keepGiven writes the image of an archive into dir.
func keepGiven(ctx context.Context, file *os.File, dir, digest string) error {
	work := filepath.Join(dir, "given")
	if err := os.Mkdir(work, 0o755); err != nil {
		return err
	}
	plain := filepath.Join(work, "plain.tar")
	if err := decompressInto(plain, whole(ctx, file)); err != nil {
		return unreadable(err)
	}
	found, err := readGiven(plain, work)
	if err != nil {
		return unreadable(err)
	}
	if err := writeArchive(dir, givenReference(found.name, digest), ofOCI(found.image)); err != nil {
		return unreadable(err)
	}
	return os.RemoveAll(work)
}

// unreadable tells what a person does about an archive that cannot be read.
func unreadable(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("it is not whole, it ends too early: copy it again, or %s (%w)", writeIt, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("it is not whole, a part of the image is missing: copy it again, or %s (%w)", writeIt, err)
	case errors.Is(err, tar.ErrHeader), errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return fmt.Errorf("it is no tar, or a damaged one: %s (%w)", writeIt, err)
	default:
		return err
	}
}

// givenReference returns the name of an image: its own, with a tag that ends with the digest of the file that it came in.
func givenReference(own, digest string) string {
	const longest = 128 // characters of a tag
	digest = digest[:12]
	tag, err := name.NewTag(own)
	if own == "" || err != nil {
		return givenRepository + ":" + digest
	}
	registry := tag.RegistryStr()
	if registry == name.DefaultRegistry {
		registry = "docker.io" // as nodes write it
	}
	named := tag.TagStr()
	return registry + "/" + tag.RepositoryStr() + ":" + named[:min(len(named), longest-len(digest)-1)] + "-" + digest
}

// decompressInto writes what is compressed by gzip, or as it is.
func decompressInto(name string, r io.Reader) (err error) {
	buffered := bufio.NewReaderSize(r, 1<<16)
	var plain io.Reader = buffered
	if magic, _ := buffered.Peek(2); string(magic) == "\x1f\x8b" {
		if plain, err = gzip.NewReader(buffered); err != nil {
			return err
		}
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, plain)
	return errors.Join(err, f.Close())
}

// givenImage is an image in an archive, and the name that it has there; empty if it has none.
type givenImage struct {
	image  v1.Image
	digest v1.Hash
	name   string
}

// String returns the image's name, or its digest.
func (g givenImage) String() string { return cmp.Or(g.name, g.digest.String()) }

// readGiven returns the image in a tar. One with an OCI image layout, which newer versions of Docker write, too, is unpacked into a
// directory first: what it says of the image is exact.
func readGiven(plain, work string) (givenImage, error) {
	names, err := namesOf(plain)
	switch {
	case err != nil:
		return givenImage{}, err
	case names["index.json"]:
		return readLayout(plain, filepath.Join(work, "layout"))
	case names["manifest.json"]:
		return readDocker(plain)
	default:
		return givenImage{}, fmt.Errorf("it holds no image: neither manifest.json, as docker save writes it, nor index.json, "+
			"as an OCI image layout has it; %s", writeIt)
	}
}

// readDocker returns the only image of an archive by docker save.
func readDocker(plain string) (givenImage, error) {
	all, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(plain) })
	if err != nil {
		return givenImage{}, fmt.Errorf("manifest.json: %w", err)
	}
	var names []string
	for _, one := range all {
		names = append(names, cmp.Or(strings.Join(one.RepoTags, " "), one.Config))
	}
	if len(all) != 1 {
		return givenImage{}, notOne(names, "")
	}
	img, err := tarball.ImageFromPath(plain, nil)
	return givenImage{image: img, name: strings.Join(all[0].RepoTags[:min(len(all[0].RepoTags), 1)], "")}, err
}

// notOne tells that an archive holds none or several images.
func notOne(names []string, others string) error {
	held := ""
	if len(names) > 0 {
		held = " (" + strings.Join(names, ", ") + ")"
	}
	return fmt.Errorf("it holds %d images for %s%s, want one%s: %s", len(names), machinePlatform(), held, others, writeIt)
}

// namesOf returns the names of the files in a tar.
func namesOf(file string) (map[string]bool, error) {
	names := map[string]bool{}
	err := eachEntry(file, func(h *tar.Header, _ io.Reader) error {
		names[path.Clean(h.Name)] = true
		return nil
	})
	if errors.Is(err, io.ErrUnexpectedEOF) && len(names) == 0 {
		return nil, tar.ErrHeader // it is too short to begin with one
	}
	return names, err
}

// eachEntry calls a function with each entry of a tar in a file.
func eachEntry(file string, each func(*tar.Header, io.Reader) error) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return walkTar(f, each)
}

// walkTar calls a function with each entry of a tar until it returns an error; fs.SkipAll ends the walk without one.
func walkTar(r io.Reader, each func(*tar.Header, io.Reader) error) error {
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = each(h, tr)
		}
		if errors.Is(err, fs.SkipAll) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readLayout unpacks an OCI image layout, and returns its only image for this machine.
func readLayout(plain, dir string) (givenImage, error) {
	if err := unpackLayout(plain, dir); err != nil {
		return givenImage{}, err
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return givenImage{}, err
	}
	const depth = 3
	var found foundImages
	if err := found.look(index, "", depth); err != nil {
		return givenImage{}, err
	}
	if len(found.images) != 1 {
		var names []string
		for _, img := range found.images {
			names = append(names, img.String())
		}
		return givenImage{}, notOne(names, found.others)
	}
	return found.images[0], nil
}

// unpackLayout writes the regular files of a tar into a directory, and none outside of it.
func unpackLayout(plain, dir string) (err error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	return eachEntry(plain, func(h *tar.Header, content io.Reader) error {
		if h.Typeflag != tar.TypeReg {
			return nil
		}
		name := path.Clean(h.Name)
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		f, err := root.Create(name)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, content)
		return errors.Join(err, f.Close())
	})
}

// foundImages are the images of an index that are for this machine or do not say for which, each once. others names the platforms of the
// rest.
type foundImages struct {
	images []givenImage
	others string
}

// look adds the images of an index, and of the indexes in it. named is what the index itself is called.
func (f *foundImages) look(index v1.ImageIndex, named string, depth int) error {
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, d := range manifest.Manifests {
		called := cmp.Or(nameOf(d), named)
		switch {
		case d.Platform != nil && d.Platform.OS == "unknown": // it only attests something of another one
		case d.MediaType.IsIndex() && depth > 0:
			inner, err := index.ImageIndex(d.Digest)
			if err == nil {
				err = f.look(inner, called, depth-1)
			}
			if err != nil {
				return err
			}
		case d.MediaType.IsImage() && d.Platform != nil && !fitsMachine(d.Platform.OS, d.Platform.Architecture):
			f.others += fmt.Sprintf("; one is for %s/%s", d.Platform.OS, d.Platform.Architecture)
		case d.MediaType.IsImage() && !slices.ContainsFunc(f.images, func(g givenImage) bool { return g.digest == d.Digest }):
			img, err := index.Image(d.Digest)
			if err != nil {
				return err
			}
			f.images = append(f.images, givenImage{img, d.Digest, called})
		}
	}
	return nil
}

// nameOf returns the name that a layout gives to an image, or nothing: some write the tag alone.
func nameOf(d v1.Descriptor) string {
	if full := d.Annotations[annotationContainerdName]; full != "" {
		return full
	}
	if ref := d.Annotations[annotationRefName]; strings.Contains(ref, ":") {
		return ref
	}
	return ""
}

func machinePlatform() string { return "linux/" + runtime.GOARCH }

func fitsMachine(system, architecture string) bool {
	return system == "linux" && architecture == runtime.GOARCH
}

// filesOf returns the files of an image's root file system by their paths without a leading slash, each with the target of the link that
// it is; empty if it is none.
func filesOf(img v1.Image) (map[string]string, error) {
	files := map[string]string{}
	return files, walkImage(img, func(h *tar.Header, _ io.Reader) error {
		name := path.Clean("/" + h.Name)[1:]
		switch h.Typeflag {
		case tar.TypeDir:
		case tar.TypeSymlink:
			files[name] = path.Join("/"+path.Dir(name), h.Linkname)
			if path.IsAbs(h.Linkname) {
				files[name] = h.Linkname
			}
		case tar.TypeLink:
			files[name] = path.Clean("/" + h.Linkname)
		default:
			files[name] = ""
		}
		return nil
	})
}

// walkImage calls a function with each entry of an image's root file system, all layers together.
func walkImage(img v1.Image, each func(*tar.Header, io.Reader) error) error {
	extracted := mutate.Extract(img)
	return errors.Join(walkTar(extracted, each), extracted.Close())
}

// fileIn copies a file of an image into a temporary file, which the caller closes and removes.
func fileIn(img v1.Image, at string) (copied *os.File, size int64, err error) {
	copied, err = os.CreateTemp("", "sparkchaos-jar-")
	if err != nil {
		return nil, 0, err
	}
	err = walkImage(img, func(h *tar.Header, content io.Reader) error {
		if strings.TrimPrefix(path.Clean("/"+h.Name), "/") != at {
			return nil
		}
		if size, err = io.Copy(copied, content); err != nil {
			return err
		}
		return fs.SkipAll
	})
	return copied, size, err
}
