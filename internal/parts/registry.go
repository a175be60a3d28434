package parts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/wording"
)

const (
	lockPoll = 100 * time.Millisecond
	// attempts is how often a part is fetched whose transfer breaks off.
	attempts = 3
	scheme   = "oci://"
)

// Reference reads what names an artifact: oci://REGISTRY/REPOSITORY[:TAG|@DIGEST]; the scheme may be left out. Without tag and digest it is
// the tag of the components' lock.
func Reference(text string) (name.Reference, error) {
	trimmed := strings.TrimPrefix(text, scheme)
	if other, _, found := strings.Cut(trimmed, "://"); found {
		return nil, fmt.Errorf("%q begins with %s://, want oci://REGISTRY/REPOSITORY[:TAG|@DIGEST]", text, other)
	}
	if repository, err := name.NewRepository(trimmed, name.StrictValidation); err == nil {
		return repository.Tag("lock-" + components.LockDigest()[:lockDigits]), nil
	}
	reference, err := name.ParseReference(trimmed, name.StrictValidation)
	if err != nil {
		return nil, fmt.Errorf("%q names no artifact: %w; want oci://REGISTRY/REPOSITORY[:TAG|@DIGEST]", text, err)
	}
	return reference, nil
}

func (m Machine) options(ctx context.Context) []remote.Option {
	options := []remote.Option{
		remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithUserAgent("sparkchaos/" + m.Program),
	}
	if m.Transport != nil {
		options = append(options, remote.WithTransport(m.Transport))
	}
	return options
}

// Push packs what this machine has and pushes it; parts of other platforms under the same tag stay. It returns the reference by digest,
// which always means these very parts.
func (m Machine) Push(ctx context.Context, text string) (string, error) {
	reference, err := Reference(text)
	if err != nil {
		return "", err
	}
	if _, digest := reference.(name.Digest); digest {
		return "", fmt.Errorf("push to a tag of %s: a digest is what a push gives", reference.Context())
	}
	index, err := m.existing(ctx, reference)
	if err != nil {
		return "", fmt.Errorf("push to %s: %w", reference, explain(err))
	}
	var pushed string
	err = m.packed(ctx, func(img v1.Image, inventory Inventory) error {
		m.say("pushing %s to %s", described(img, inventory), reference)
		own := platform()
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
			MediaType: types.OCIManifestSchema1, Platform: &own,
		}})
		if err := remote.WriteIndex(reference, index, m.options(ctx)...); err != nil {
			return fmt.Errorf("push to %s: %w", reference, explain(err))
		}
		digest, err := index.Digest()
		pushed = reference.Context().Digest(digest.String()).String()
		return err
	})
	return pushed, err
}

// existing returns the index under a tag without this machine's platform; an empty one if there is none.
func (m Machine) existing(ctx context.Context, reference name.Reference) (v1.ImageIndex, error) {
	found, err := remote.Get(reference, m.options(ctx)...)
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return mutate.IndexMediaType(empty.Index, types.OCIImageIndex), nil
	}
	if err != nil {
		return nil, err
	}
	if !found.MediaType.IsIndex() {
		return nil, fmt.Errorf("there is something else under this tag, of type %s; choose another tag", found.MediaType)
	}
	index, err := found.ImageIndex()
	if err != nil {
		return nil, err
	}
	return mutate.RemoveManifests(index, match.Platforms(platform())), nil
}

// Pull fetches the parts that are wanted and missing in the cache.
func (m Machine) Pull(ctx context.Context, text string, wanted Wanted) error {
	reference, err := Reference(text)
	if err != nil {
		return err
	}
	if err := m.pull(ctx, reference, wanted); err != nil {
		return fmt.Errorf("pull %s: %w", reference, explain(err))
	}
	return nil
}

func (m Machine) pull(ctx context.Context, reference name.Reference, wanted Wanted) error {
	found, err := remote.Get(reference, m.options(ctx)...)
	if err != nil {
		return unavailable{err}
	}
	img, err := ofPlatform(found)
	if err != nil {
		return err
	}
	r, err := m.receiver(ctx, img, wanted)
	if err != nil {
		return err
	}
	for i, part := range r.missing {
		layer, err := img.LayerByDigest(part.Layer)
		if err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
		m.say("part %d of %d: fetching %s, %s unpacked", i+1, len(r.missing), part, wording.Megabytes(part.Bytes))
		if err := r.fetch(ctx, part, layer.Compressed); err != nil {
			return err
		}
	}
	if err := r.keepRecords(img); err != nil {
		return err
	}
	m.say("%s", r.summary())
	return nil
}

// ofPlatform returns this machine's artifact.
func ofPlatform(found *remote.Descriptor) (v1.Image, error) {
	if !found.MediaType.IsIndex() {
		return found.Image()
	}
	index, err := found.ImageIndex()
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	digest, err := chosenPlatform(manifest)
	if err != nil {
		return nil, err
	}
	return index.Image(digest)
}

// chosenPlatform returns which manifest of an index is this machine's.
func chosenPlatform(manifest *v1.IndexManifest) (v1.Hash, error) {
	var there []string
	for _, each := range manifest.Manifests {
		if each.Platform == nil {
			continue
		}
		if own := platform(); each.Platform.Satisfies(own) {
			return each.Digest, nil
		}
		there = append(there, each.Platform.String())
	}
	return v1.Hash{}, fmt.Errorf("there are parts for %s, this machine is %s: build and push them on such a machine",
		cmp.Or(strings.Join(there, ", "), "no other platform"), platform())
}

// fetch receives a part, and tries again if the connection broke off.
func (r *receiver) fetch(ctx context.Context, part Part, open func() (io.ReadCloser, error)) error {
	for attempt := 1; ; attempt++ {
		err := r.receive(ctx, part, open)
		if err == nil || ctx.Err() != nil || attempt == attempts || !brokeOff(err) {
			return err
		}
		r.say("%s: %v; attempt %d of %d", part, err, attempt+1, attempts)
	}
}

// brokeOff reports whether it is the network that failed.
func brokeOff(err error) bool {
	var network net.Error
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network)
}

// unavailable is the problem of a registry that has not said what it has.
type unavailable struct{ error }

// Unwrap returns the cause.
func (u unavailable) Unwrap() error { return u.error }

// Unavailable reports whether a pull failed because the registry is away or has no such parts: building from source helps. A registry that
// refuses, or that gives something else than was asked for, is no such case.
func Unavailable(err error) bool {
	var away unavailable
	if !errors.As(err, &away) {
		return false
	}
	var answer *transport.Error
	var network net.Error
	if errors.As(err, &answer) {
		return answer.StatusCode == http.StatusNotFound || answer.StatusCode >= http.StatusInternalServerError
	}
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// explain adds to the answer of a registry what to do.
func explain(err error) error {
	var answer *transport.Error
	switch {
	case !errors.As(err, &answer):
		return err
	case answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w; log in to the registry (\"docker login\" or \"podman login\"): the credentials of the user who calls "+
			"sparkchaos are read", err)
	case answer.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w; nobody pushed the parts that this program needs: \"sparkchaos parts push\" does, on a machine that has them",
			err)
	default:
		return err
	}
}
