package parts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkchaos/sparkchaos/internal/atomicfile"
	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/internal/wording"
)

// receiver puts the parts of an artifact into the cache.
type receiver struct {
	Machine
	missing []Part
	there   int
	byName  map[string]components.Component
}

// receiver finds out which parts are missing, and refuses those that this program was not made for.
func (m Machine) receiver(ctx context.Context, img v1.Image, wanted Wanted) (*receiver, error) {
	manifest, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	if manifest.Config.MediaType != typeInventory {
		return nil, fmt.Errorf("it is of type %s, want parts of sparkchaos, %s", manifest.Config.MediaType, typeInventory)
	}
	raw, err := img.RawConfigFile()
	if err != nil {
		return nil, err
	}
	return m.receiverOf(ctx, raw, wanted)
}

func (m Machine) receiverOf(ctx context.Context, raw []byte, wanted Wanted) (*receiver, error) {
	inventory, err := readInventory(raw)
	if err != nil {
		return nil, err
	}
	all, err := components.Components()
	if err != nil {
		return nil, err
	}
	r := &receiver{Machine: m, byName: map[string]components.Component{}}
	for _, component := range all {
		r.byName[component.Name] = component
	}
	chosen, err := wanted.choose(inventory.Parts)
	if err != nil {
		return nil, err
	}
	for _, part := range chosen {
		missing, err := r.lacks(ctx, part)
		switch {
		case err != nil:
			return nil, err
		case missing:
			r.missing = append(r.missing, part)
		default:
			r.there++
		}
	}
	return r, r.checkSpace()
}

// lacks reports whether a part is wanted and not in the cache.
func (r *receiver) lacks(ctx context.Context, part Part) (bool, error) {
	if part.Bytes < 0 || part.Files < 0 {
		return false, fmt.Errorf("%s has %d bytes in %d files in the inventory", part, part.Bytes, part.Files)
	}
	switch part.Kind {
	case Component:
		own, known := r.byName[part.Name]
		if !known || own.Version != part.Version || own.Key != part.Key {
			return false, fmt.Errorf("%s has the key %.12s, this program needs %s with the key %.12s", part, part.Key, own.Version, own.Key)
		}
		missing, err := components.Missing(r.Env.Cache, part.Name)
		return len(missing) > 0, err
	case Image:
		source, err := image.Source(ctx, r.Env, part.Name)
		if err != nil {
			return false, err
		}
		if source != "" && source != part.Key {
			r.say("%s was built from other sources than those here, and is not taken", part)
			return false, nil
		}
		return !prebuilt(part).Has(r.Env), nil
	default:
		return false, fmt.Errorf("%s is of kind %q, want %s or %s", part, part.Kind, Component, Image)
	}
}

func prebuilt(part Part) image.Prebuilt {
	return image.Prebuilt{Name: part.Name, Source: part.Key, Stage: part.Stage}
}

// checkSpace refuses to begin what the file system cannot hold.
func (r *receiver) checkSpace() error {
	var need int64
	for _, part := range r.missing {
		need += part.Bytes
	}
	if err := os.MkdirAll(r.Env.Cache, 0o755); err != nil {
		return fmt.Errorf("the cache: %w; SPARKCHAOS_CACHE names another directory", err)
	}
	free, err := freeSpace(r.Env.Cache)
	if err != nil {
		return fmt.Errorf("free space of %s: %w", r.Env.Cache, err)
	}
	if free < need {
		return fmt.Errorf("the cache %s has %s free, the parts need %s: make room, or name another directory with SPARKCHAOS_CACHE",
			r.Env.Cache, wording.Megabytes(free), wording.Megabytes(need))
	}
	return nil
}

// receive puts one part into the cache, as a whole or not at all.
func (r *receiver) receive(ctx context.Context, part Part, open func() (io.ReadCloser, error)) error {
	fill := func(ctx context.Context, directory string) (err error) {
		in, err := open()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, in.Close()) }()
		return unpack(ctx, in, directory, part.Bytes, part.Files)
	}
	var err error
	if part.Kind == Component {
		err = components.Receive(ctx, r.Env.Cache, r.byName[part.Name], r.progress(),
			func(directory string) error { return fill(ctx, directory) })
	} else {
		err = image.Receive(ctx, r.Env, prebuilt(part), fill)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", part, err)
	}
	return nil
}

// keepRecords keeps the bill of materials and the provenance.
func (r *receiver) keepRecords(img v1.Image) error {
	manifest, err := img.Manifest()
	if err != nil {
		return err
	}
	for _, descriptor := range manifest.Layers {
		name := recordName(descriptor)
		if name == "" {
			continue
		}
		layer, err := img.LayerByDigest(descriptor.Digest)
		if err != nil {
			return err
		}
		in, err := layer.Compressed()
		if err != nil {
			return err
		}
		if err := errors.Join(r.keepRecord(name, in), in.Close()); err != nil {
			return err
		}
	}
	return nil
}

// recordName is the file in which a layer that is no part is kept; empty for a part.
func recordName(descriptor v1.Descriptor) string {
	switch descriptor.MediaType {
	case typeBOM:
		return "bom.cdx.json"
	case typeProvenance:
		return "provenance.intoto.json"
	default:
		return ""
	}
}

// maxDocument bounds what is read into memory, in bytes.
const maxDocument = 64 << 20

func (r *receiver) keepRecord(name string, in io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(in, maxDocument))
	if err == nil && !json.Valid(data) {
		err = errors.New("it is no JSON")
	}
	if err == nil {
		err = os.MkdirAll(recordDirectory(r.Env.Cache), 0o755)
	}
	if err == nil {
		err = atomicfile.Write(filepath.Join(recordDirectory(r.Env.Cache), name), data, 0o644)
	}
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return nil
}

func (r *receiver) summary() string {
	var bytes int64
	for _, part := range r.missing {
		bytes += part.Bytes
	}
	return fmt.Sprintf("received and verified %d parts, %s; %d were there; what they consist of and were built from is in %s",
		len(r.missing), wording.Megabytes(bytes), r.there, recordDirectory(r.Env.Cache))
}
