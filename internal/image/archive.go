package image

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	archiveFile = "image.tar"
	archiveMeta = "image.json"

	// Annotations by which importers learn an image's name: containerd's own, and the one of the OCI image layout.
	annotationContainerdName = "io.containerd.image.name"
	annotationRefName        = "org.opencontainers.image.ref.name"
)

// assemble makes an image of layers that lie in the cache, the lowest first.
func assemble(config v1.Config, layers ...storedLayer) (v1.Image, error) {
	return assembleOn(ofOCI(empty.Image), config, layers...)
}

// ofOCI gives the manifest and the configuration of an image the types of OCI, whatever they had.
func ofOCI(img v1.Image) v1.Image {
	return mutate.ConfigMediaType(mutate.MediaType(img, types.OCIManifestSchema1), types.OCIConfigJSON)
}

// assembleOn puts layers on top of those of another image.
func assembleOn(base v1.Image, config v1.Config, layers ...storedLayer) (v1.Image, error) {
	created := v1.Time{Time: Epoch()}
	var add []mutate.Addendum
	for _, l := range layers {
		mediaType, err := l.MediaType()
		if err != nil {
			return nil, err
		}
		add = append(add, mutate.Addendum{Layer: l, MediaType: mediaType, History: v1.History{Created: created, CreatedBy: "sparkchaos"}})
	}
	img, err := mutate.Append(base, add...)
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created, file.Config = "linux", runtime.GOARCH, created, config
	return mutate.ConfigFile(img, file)
}

// archiveStage writes the image made of layers as an archive and returns it. The key is the image's own digest: the same
// image is written once.
func (e Env) archiveStage(ctx context.Context, kind, reference string, config v1.Config, layers ...storedLayer) (Archive, error) {
	img, err := assemble(config, layers...)
	if err != nil {
		return Archive{}, fmt.Errorf("image %s: %w", reference, err)
	}
	return e.keep(ctx, kind, reference, img)
}

// keep writes an image as an archive and returns it.
func (e Env) keep(ctx context.Context, kind, reference string, img v1.Image) (Archive, error) {
	digest, err := img.Digest()
	if err != nil {
		return Archive{}, fmt.Errorf("image %s: %w", reference, err)
	}
	key := newStageKey(kind)
	key.add("reference", reference)
	key.add("digest", digest.String())
	dir, err := e.make(ctx, stage{
		kind: kind, key: key.sum(), why: reference,
		build: func(_ context.Context, dir string) error { return writeArchive(dir, reference, img) },
	})
	if err != nil {
		return Archive{}, err
	}
	return openArchive(dir)
}

// openArchive returns the archive that lies in a stage's directory.
func openArchive(dir string) (Archive, error) {
	var a Archive
	if err := readJSON(filepath.Join(dir, archiveMeta), &a); err != nil {
		return Archive{}, err
	}
	a.Path = filepath.Join(dir, archiveFile)
	return a, nil
}

// writeArchive writes the image's archive and its description into dir.
func writeArchive(dir, reference string, img v1.Image) (err error) {
	f, err := os.Create(filepath.Join(dir, archiveFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buffered := bufio.NewWriterSize(f, 1<<20)
	if err := writeImages(buffered, namedImage{reference, img}); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	return writeJSON(filepath.Join(dir, archiveMeta), Archive{Reference: reference, Digest: digest.String(), Size: info.Size()})
}

// blob is one content-addressed file of an archive.
type blob struct {
	digest v1.Hash
	size   int64
	open   func() (io.ReadCloser, error)
}

// path of the blob in an OCI image layout.
func (b blob) path() string { return path.Join("blobs", b.digest.Algorithm, b.digest.Hex) }

// namedImage is an image of an archive.
type namedImage struct {
	reference string
	image     v1.Image
}

// writeImages writes an OCI image layout that carries docker-archive's manifest.json too. Layers that images share are
// written once.
func writeImages(w io.Writer, images ...namedImage) error {
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	var docker []dockerManifest
	var entries []entry
	written := map[v1.Hash]bool{}
	for _, n := range images {
		tag, err := name.NewTag(n.reference, name.StrictValidation)
		if err != nil {
			return fmt.Errorf("reference %q: %w", n.reference, err)
		}
		blobs, layers, err := imageBlobs(n.image)
		if err != nil {
			return err
		}
		for _, b := range blobs {
			if !written[b.digest] {
				written[b.digest] = true
				entries = append(entries, b.entry())
			}
		}
		descriptor, manifest, err := describe(tag, n.image, layers)
		if err != nil {
			return err
		}
		index.Manifests = append(index.Manifests, descriptor)
		docker = append(docker, manifest)
	}
	documents, err := layoutDocuments(index, docker)
	if err != nil {
		return err
	}
	return writeTar(w, append(documents, entries...))
}

// imageBlobs returns all blobs of the image, each once, and those of its layers in order.
func imageBlobs(img v1.Image) (all, layers []blob, err error) {
	manifest, err1 := img.RawManifest()
	digest, err2 := img.Digest()
	config, err3 := img.RawConfigFile()
	configName, err4 := img.ConfigName()
	contents, err5 := img.Layers()
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, nil, err
	}
	for _, l := range contents {
		digest, err1 := l.Digest()
		size, err2 := l.Size()
		if err := errors.Join(err1, err2); err != nil {
			return nil, nil, err
		}
		layers = append(layers, blob{digest, size, l.Compressed})
	}
	all = append([]blob{bytesBlob(digest, manifest), bytesBlob(configName, config)}, layers...)
	slices.SortFunc(all, func(a, b blob) int { return strings.Compare(a.digest.Hex, b.digest.Hex) })
	return slices.CompactFunc(all, func(a, b blob) bool { return a.digest == b.digest }), layers, nil
}

func bytesBlob(digest v1.Hash, data []byte) blob {
	e := content("", 0o644, data)
	return blob{digest, e.size, e.open}
}

func (b blob) entry() entry {
	return entry{path: b.path(), mode: 0o644, size: b.size, open: b.open}
}

// describe returns what the two kinds of index say about an image.
func describe(tag name.Tag, img v1.Image, layers []blob) (v1.Descriptor, dockerManifest, error) {
	manifest, err1 := img.RawManifest()
	digest, err2 := img.Digest()
	configName, err3 := img.ConfigName()
	if err := errors.Join(err1, err2, err3); err != nil {
		return v1.Descriptor{}, dockerManifest{}, err
	}
	docker := dockerManifest{Config: blob{digest: configName}.path(), RepoTags: []string{tag.String()}}
	for _, l := range layers {
		docker.Layers = append(docker.Layers, l.path())
	}
	return v1.Descriptor{
		MediaType: types.OCIManifestSchema1, Digest: digest, Size: int64(len(manifest)),
		Platform:    &v1.Platform{OS: "linux", Architecture: runtime.GOARCH},
		Annotations: map[string]string{annotationContainerdName: tag.String(), annotationRefName: tag.TagStr()},
	}, docker, nil
}

// layoutDocuments returns the three files that say what an archive holds.
func layoutDocuments(index v1.IndexManifest, docker []dockerManifest) ([]entry, error) {
	documents := []struct {
		name string
		body any
	}{
		{"index.json", index},
		{"manifest.json", docker},
		{"oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"}},
	}
	var entries []entry
	for _, d := range documents {
		data, err := json.Marshal(d.body)
		if err != nil {
			return nil, err
		}
		entries = append(entries, content(d.name, 0o644, data))
	}
	return entries, nil
}

// dockerManifest is an element of a docker-archive's manifest.json.
type dockerManifest struct {
	Config   string   `json:"Config"`
	RepoTags []string `json:"RepoTags"`
	Layers   []string `json:"Layers"`
}
