package parts

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/renameio/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/sparkchaos/sparkchaos/internal/wording"
)

const (
	layoutFile = "oci-layout"
	layoutText = `{"imageLayoutVersion":"1.0.0"}`
	indexFile  = "index.json"
)

// Export packs what this machine has into a file: an OCI image layout in a tar compressed by zstd, in the order in which [Machine.Import]
// reads it. The file appears as a whole or not at all.
func (m Machine) Export(ctx context.Context, file string) error {
	return m.packed(ctx, func(img v1.Image, inventory Inventory) (err error) {
		m.say("writing %s to %s", described(img, inventory), file)
		out, err := renameio.NewPendingFile(file, renameio.WithTempDir(filepath.Dir(file)), renameio.WithStaticPermissions(0o644))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, out.Cleanup()) }() // does nothing once the file was replaced
		// Parts are compressed already.
		compressed, err := zstd.NewWriter(out, zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			return err
		}
		archive := tar.NewWriter(compressed)
		if err := errors.Join(writeLayout(ctx, archive, img), archive.Close(), compressed.Close()); err != nil {
			return fmt.Errorf("write %s: %w", file, err)
		}
		return out.CloseAtomicallyReplace()
	})
}

// writeLayout writes what describes the layers first, so that one reading is enough.
func writeLayout(ctx context.Context, archive *tar.Writer, img v1.Image) error {
	manifest, err1 := img.RawManifest()
	config, err2 := img.RawConfigFile()
	parsed, err3 := img.Manifest()
	digest, err4 := img.Digest()
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	own := platform()
	index, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{{
		MediaType: types.OCIManifestSchema1, Digest: digest, Size: int64(len(manifest)), Platform: &own,
	}}})
	if err != nil {
		return err
	}
	for _, document := range []struct {
		name string
		data []byte
	}{{layoutFile, []byte(layoutText)}, {indexFile, index}, {blobName(digest), manifest}, {blobName(parsed.Config.Digest), config}} {
		if err := writeBlob(archive, document.name, int64(len(document.data)), bytes.NewReader(document.data)); err != nil {
			return err
		}
	}
	for _, descriptor := range parsed.Layers {
		if err := errors.Join(ctx.Err(), writeLayer(archive, img, descriptor)); err != nil {
			return err
		}
	}
	return nil
}

func writeLayer(archive *tar.Writer, img v1.Image, descriptor v1.Descriptor) error {
	layer, err := img.LayerByDigest(descriptor.Digest)
	if err != nil {
		return err
	}
	in, err := layer.Compressed()
	if err != nil {
		return err
	}
	return errors.Join(writeBlob(archive, blobName(descriptor.Digest), descriptor.Size, in), in.Close())
}

func blobName(digest v1.Hash) string { return "blobs/" + digest.Algorithm + "/" + digest.Hex }

func writeBlob(archive *tar.Writer, name string, size int64, in io.Reader) error {
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := io.Copy(archive, in)
	return err
}

// Import puts the parts of a file that [Machine.Export] wrote into the cache.
func (m Machine) Import(ctx context.Context, file string, wanted Wanted) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // opened for reading only
	if err := m.importFrom(ctx, in, wanted); err != nil {
		return fmt.Errorf("import %s: %w", file, err)
	}
	return nil
}

func (m Machine) importFrom(ctx context.Context, in io.Reader, wanted Wanted) error {
	plain, err := zstd.NewReader(in, zstd.WithDecoderMaxMemory(maxWindow))
	if err != nil {
		return err
	}
	defer plain.Close()
	archive := tar.NewReader(plain)
	var index v1.IndexManifest
	if data, err := document(archive, layoutFile); err != nil || string(data) != layoutText {
		return fmt.Errorf("it is no file of \"sparkchaos parts export\": %w", errors.Join(err, notLayout(data)))
	}
	if err := describedBy(archive, indexFile, &index); err != nil {
		return err
	}
	digest, err := chosenPlatform(&index)
	if err != nil {
		return err
	}
	data, err := document(archive, blobName(digest))
	if err != nil {
		return err
	}
	var manifest v1.Manifest
	if err := errors.Join(verifyDocument(data, digest), json.Unmarshal(data, &manifest)); err != nil {
		return fmt.Errorf("the manifest: %w", err)
	}
	config, err := document(archive, blobName(manifest.Config.Digest))
	if err == nil {
		err = verifyDocument(config, manifest.Config.Digest)
	}
	if err != nil {
		return fmt.Errorf("the inventory: %w", err)
	}
	r, err := m.receiverOf(ctx, config, wanted)
	if err != nil {
		return err
	}
	return r.importLayers(ctx, archive, manifest.Layers)
}

// importLayers receives the parts that are missing, in the order in which they come.
func (r *receiver) importLayers(ctx context.Context, archive *tar.Reader, layers []v1.Descriptor) error {
	missing := map[v1.Hash]Part{}
	for _, part := range r.missing {
		missing[part.Layer] = part
	}
	for _, layer := range layers {
		if err := nextIs(archive, blobName(layer.Digest)); err != nil {
			return err
		}
		content := verify(archive, layer.Digest, layer.Size)
		if name := recordName(layer); name != "" {
			if err := r.keepRecord(name, content); err != nil {
				return err
			}
			continue
		}
		part, wanted := missing[layer.Digest]
		if !wanted {
			continue
		}
		delete(missing, layer.Digest)
		r.say("part %d of %d: %s, %s unpacked", len(r.missing)-len(missing), len(r.missing), part, wording.Megabytes(part.Bytes))
		if err := r.receive(ctx, part, func() (io.ReadCloser, error) { return io.NopCloser(content), nil }); err != nil {
			return err
		}
	}
	for _, part := range missing {
		return fmt.Errorf("%s is in the inventory and its layer %s in no manifest", part, part.Layer)
	}
	r.say("%s", r.summary())
	return nil
}

// nextIs moves on to the next file, which must be the named one: names are compared, never used as paths.
func nextIs(archive *tar.Reader, name string) error {
	header, err := archive.Next()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("truncated or damaged: want %s: %w", name, err)
	}
	if header.Name != name || header.Typeflag != tar.TypeReg {
		return fmt.Errorf("the next file is %q, want %s: it was not written by \"sparkchaos parts export\"", header.Name, name)
	}
	return nil
}

func document(archive *tar.Reader, name string) ([]byte, error) {
	if err := nextIs(archive, name); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(archive, maxDocument))
}

func describedBy(archive *tar.Reader, name string, into any) error {
	data, err := document(archive, name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func verifyDocument(data []byte, want v1.Hash) error {
	_, err := io.Copy(io.Discard, verify(bytes.NewReader(data), want, int64(len(data))))
	return err
}

func notLayout(data []byte) error {
	if string(data) == layoutText || data == nil {
		return nil
	}
	return fmt.Errorf("%s is %.60q, want %s", layoutFile, strings.TrimSpace(string(data)), layoutText)
}
