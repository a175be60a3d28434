package parts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/wording"
)

// blob is a layer whose bytes lie in a file or in memory.
type blob struct {
	descriptor v1.Descriptor
	open       func() (io.ReadCloser, error)
}

var _ partial.CompressedLayer = blob{}

// Digest implements partial.CompressedLayer.
func (b blob) Digest() (v1.Hash, error) { return b.descriptor.Digest, nil }

// Size implements partial.CompressedLayer.
func (b blob) Size() (int64, error) { return b.descriptor.Size, nil }

// MediaType implements partial.CompressedLayer.
func (b blob) MediaType() (types.MediaType, error) { return b.descriptor.MediaType, nil }

// Compressed implements partial.CompressedLayer.
func (b blob) Compressed() (io.ReadCloser, error) { return b.open() }

func memory(mediaType types.MediaType, data []byte) blob {
	sum := sha256.Sum256(data)
	return blob{
		descriptor: v1.Descriptor{
			MediaType: mediaType,
			Size:      int64(len(data)),
			Digest:    v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])},
		},
		open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
}

// artifact is what one platform has.
type artifact struct {
	manifest, config []byte
	layers           []blob
}

var _ partial.CompressedImageCore = artifact{}

// RawConfigFile implements partial.CompressedImageCore: the config is the inventory.
func (a artifact) RawConfigFile() ([]byte, error) { return a.config, nil }

// RawManifest implements partial.CompressedImageCore.
func (a artifact) RawManifest() ([]byte, error) { return a.manifest, nil }

// MediaType implements partial.CompressedImageCore.
func (a artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// LayerByDigest implements partial.CompressedImageCore.
func (a artifact) LayerByDigest(digest v1.Hash) (partial.CompressedLayer, error) {
	for _, layer := range append(a.layers, memory(typeInventory, a.config)) {
		if layer.descriptor.Digest == digest {
			return layer, nil
		}
	}
	return nil, fmt.Errorf("the artifact has no layer %s", digest)
}

// packed makes the artifact of this machine in a temporary directory of the cache and calls a function with it. Two at once wait for each
// other.
func (m Machine) packed(ctx context.Context, use func(v1.Image, Inventory) error) (err error) {
	parts, err := m.gather(ctx)
	if err != nil {
		return err
	}
	directory := filepath.Join(m.Env.Cache, "parts")
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Errorf("directory for packed parts: %w", err)
	}
	lock := flock.New(filepath.Join(directory, ".lock"))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return fmt.Errorf("wait for another process that packs parts: %w", err)
	}
	defer func() { _ = lock.Close() }() // the kernel releases it
	work := filepath.Join(directory, "packing")
	// The leftovers of a killed process are removed first.
	if err := errors.Join(os.RemoveAll(work), os.Mkdir(work, 0o700)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	made, inventory, err := m.pack(ctx, parts, work)
	if err != nil {
		return err
	}
	img, err := partial.CompressedToImage(made)
	if err != nil {
		return err
	}
	return use(img, inventory)
}

// pack makes the artifact; its layers lie in the work directory.
func (m Machine) pack(ctx context.Context, parts []local, work string) (artifact, Inventory, error) {
	own := platform()
	inventory := Inventory{Version: inventoryVersion, Platform: own.String(), Lock: components.LockDigest(), Program: m.Program}
	var made artifact
	for i, part := range parts {
		m.say("part %d of %d: packing %s", i+1, len(parts), part)
		layer, err := packPart(ctx, &part.Part, part.tree.Dir, filepath.Join(work, fmt.Sprint(i)))
		if err != nil {
			return artifact{}, Inventory{}, fmt.Errorf("pack %s: %w", part, err)
		}
		parts[i] = part
		made.layers, inventory.Parts = append(made.layers, layer), append(inventory.Parts, part.Part)
	}
	bom, err := billOfMaterials(parts, m.Program)
	if err != nil {
		return artifact{}, Inventory{}, fmt.Errorf("bill of materials: %w", err)
	}
	statement, err := provenance(parts, m.Program)
	if err != nil {
		return artifact{}, Inventory{}, fmt.Errorf("provenance: %w", err)
	}
	made.layers = append(made.layers, memory(typeBOM, bom), memory(typeProvenance, statement))
	if made.config, err = json.MarshalIndent(inventory, "", "  "); err != nil {
		return artifact{}, Inventory{}, err
	}
	manifest := v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: memory(typeInventory, made.config).descriptor,
		Annotations: map[string]string{"org.opencontainers.image.title": "parts of sparkchaos " + m.Program + " for " + own.String()},
	}
	for i, layer := range made.layers {
		if i < len(parts) {
			layer.descriptor.Annotations = map[string]string{"org.opencontainers.image.title": parts[i].String()}
		}
		manifest.Layers = append(manifest.Layers, layer.descriptor)
	}
	made.manifest, err = json.Marshal(manifest)
	return made, inventory, err
}

// packPart packs a directory into a file and completes what the inventory says of it.
func packPart(ctx context.Context, part *Part, directory, target string) (blob, error) {
	file, err := os.Create(target)
	if err != nil {
		return blob{}, err
	}
	hash := sha256.New()
	part.Bytes, part.Files, err = pack(ctx, io.MultiWriter(file, hash), directory)
	info, statErr := file.Stat()
	if err := errors.Join(err, statErr, file.Close()); err != nil {
		return blob{}, err
	}
	part.Layer = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(hash.Sum(nil))}
	return blob{
		descriptor: v1.Descriptor{MediaType: typePart, Size: info.Size(), Digest: part.Layer},
		open:       func() (io.ReadCloser, error) { return os.Open(target) },
	}, nil
}

// described says what an artifact holds.
func described(img v1.Image, inventory Inventory) string {
	var compressed, unpacked int64
	if manifest, err := img.Manifest(); err == nil {
		for _, layer := range manifest.Layers {
			compressed += layer.Size
		}
	}
	for _, part := range inventory.Parts {
		unpacked += part.Bytes
	}
	return fmt.Sprintf("%s for %s, %s compressed, %s unpacked", wording.Count(len(inventory.Parts), "part"), inventory.Platform,
		wording.Megabytes(compressed), wording.Megabytes(unpacked))
}
