// Package parts moves what sparkchaos builds between machines: components of clusters and images, as an OCI artifact in any registry or as
// a file.
//
// An artifact is an OCI index with one manifest for each platform. Its config is the [Inventory]; each layer is one part, a tar compressed
// by zstd; two more layers say what the parts consist of (CycloneDX) and what they were built from (in-toto, SLSA provenance). The tag is
// that of the components' lock unless another one is named, so a program finds the parts that it was made for.
//
// Parts that arrive must have the digests of the manifest, the keys of this program's lock, and the SHA-256 that was recorded for each file
// when it was built. They appear in the cache one by one, each as a whole or not at all: an interrupted transfer continues with the part
// that it had not finished.
package parts

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/filesums"
	"github.com/sparkchaos/sparkchaos/internal/image"
)

// Media types of the artifact.
const (
	typeInventory  types.MediaType = "application/vnd.sparkchaos.parts.v1+json"
	typePart       types.MediaType = "application/vnd.sparkchaos.part.v1.tar+zstd"
	typeBOM        types.MediaType = "application/vnd.cyclonedx+json"
	typeProvenance types.MediaType = "application/vnd.in-toto+json"
)

// inventoryVersion is that of the inventory; another one was written by another sparkchaos.
const inventoryVersion = 1

// Inventory says what an artifact holds for one platform.
type Inventory struct {
	Version  int    `json:"version"`
	Platform string `json:"platform"` // linux/amd64
	Lock     string `json:"lock"`     // SHA-256 of the components' lock
	Program  string `json:"program"`  // the version of sparkchaos that packed it
	Parts    []Part `json:"parts"`
}

// Kind is what a part is.
type Kind string

// The kinds.
const (
	Component Kind = "component"
	Image     Kind = "image" // or the jars that are built with one
)

// Part is one directory of the cache.
type Part struct {
	Kind    Kind   `json:"kind"`
	Name    string `json:"name"`
	Version string `json:"version,omitempty"` // of a component
	// Key is that of a component, or the digest of an image's sources.
	Key   string  `json:"key"`
	Stage string  `json:"stage,omitempty"` // of an image in the cache
	Layer v1.Hash `json:"layer"`
	Bytes int64   `json:"bytes"` // unpacked
	Files int     `json:"files"`
}

// String returns what messages call the part.
func (p Part) String() string {
	if p.Kind == Component {
		return p.Name + " " + p.Version
	}
	return "image " + p.Name
}

// Machine is where parts are made and used.
type Machine struct {
	// Env is the cache and the checkout.
	Env image.Env
	// Program is this program's version.
	Program string
	// Say receives a line whenever there is something to say; nil means nowhere.
	Say func(format string, args ...any)
	// Transport carries requests to registries; nil is that of the system, with its proxies and authorities.
	Transport http.RoundTripper
}

func (m Machine) say(format string, args ...any) {
	if m.Say != nil {
		m.Say(format, args...)
	}
}

// progress passes on what is written, line by line.
func (m Machine) progress() io.Writer { return sayer{m} }

type sayer struct{ Machine }

// Write implements io.Writer. Builders write whole lines.
func (s sayer) Write(text []byte) (int, error) {
	for line := range strings.Lines(string(text)) {
		s.say("%s", strings.TrimRight(line, "\n"))
	}
	return len(text), nil
}

// platform is this machine's.
func platform() v1.Platform { return v1.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH} }

// local is a part that lies in the cache.
type local struct {
	Part
	tree filesums.Tree
	// programs are the component's executables, relative to the directory.
	programs []string
}

// gather finds all that this machine can give away: what a cluster needs, what else was built, and the images that every scenario needs,
// which are built first if they are missing. All files are read and compared with their digests.
func (m Machine) gather(ctx context.Context) ([]local, error) {
	all, err := components.Components()
	if err != nil {
		return nil, err
	}
	var found []local
	var problems []error
	for _, component := range all {
		if component.OnDemand && !component.Built(m.Env.Cache) {
			continue
		}
		if !component.Built(m.Env.Cache) {
			problems = append(problems, fmt.Errorf("%s is not built", component))
			continue
		}
		part, err := m.component(component)
		problems, found = append(problems, err), append(found, part)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("%w\nbuild what is missing or damaged first: \"sparkchaos setup\"", err)
	}
	prebuilt, err := image.Build(ctx, m.Env)
	if err != nil {
		return nil, err
	}
	for _, p := range prebuilt {
		if p.Source == "" {
			return nil, fmt.Errorf("the sources of image %s are not known: call it in a checkout of sparkchaos, or with Go in the PATH",
				p.Name)
		}
		problems = append(problems, p.Verify(m.Env))
		tree := filesums.Tree{Dir: p.Directory(m.Env)}
		found = append(found, local{Part: Part{Kind: Image, Name: p.Name, Key: p.Source, Stage: p.Stage}, tree: tree})
	}
	return found, errors.Join(problems...)
}

func (m Machine) component(c components.Component) (local, error) {
	part := local{
		Part: Part{Kind: Component, Name: c.Name, Version: c.Version, Key: c.Key},
		tree: filesums.Tree{Dir: c.Directory(m.Env.Cache)},
	}
	for _, binary := range c.Binaries() {
		part.programs = append(part.programs, "bin/"+string(binary))
	}
	return part, c.Verify(m.Env.Cache)
}

// readInventory reads an inventory and refuses one that this machine cannot use.
func readInventory(data []byte) (Inventory, error) {
	var inventory Inventory
	if err := json.Unmarshal(data, &inventory); err != nil {
		return Inventory{}, fmt.Errorf("the inventory: %w", err)
	}
	own := platform()
	switch {
	case inventory.Version != inventoryVersion:
		return Inventory{}, fmt.Errorf("the inventory has version %d, this program reads version %d: use the sparkchaos that packed it, %s",
			inventory.Version, inventoryVersion, cmp.Or(inventory.Program, "unknown"))
	case inventory.Platform != own.String():
		return Inventory{}, fmt.Errorf("the parts are for %s, this machine is %s", inventory.Platform, own)
	case inventory.Lock != components.LockDigest():
		return Inventory{}, fmt.Errorf("the parts are those of the components' lock %.12s, packed by sparkchaos %s; this program needs those "+
			"of %.12s", inventory.Lock, cmp.Or(inventory.Program, "unknown"), components.LockDigest())
	}
	return inventory, nil
}

// Wanted says which parts to take.
type Wanted struct {
	// Names are parts by name; none are those that a cluster and every scenario need.
	Names []string
	All   bool
}

// choose returns the parts that are wanted.
func (w Wanted) choose(parts []Part) ([]Part, error) {
	if w.All {
		return parts, nil
	}
	names := w.Names
	if len(names) == 0 {
		usual, err := usualNames()
		if err != nil {
			return nil, err
		}
		names = usual
	}
	var chosen []Part
	var known []string
	for _, part := range parts {
		known = append(known, part.Name)
		if slices.Contains(names, part.Name) {
			chosen = append(chosen, part)
		}
	}
	var problems []error
	for _, name := range w.Names {
		if !slices.Contains(known, name) {
			problems = append(problems, fmt.Errorf("there is no part %q; there are %s", name, strings.Join(known, ", ")))
		}
	}
	return chosen, errors.Join(problems...)
}

func usualNames() ([]string, error) {
	all, err := components.Components()
	names := image.PrebuiltNames()
	for _, component := range all {
		if !component.OnDemand {
			names = append(names, component.Name)
		}
	}
	return names, err
}

// recordDirectory is where the bill of materials and the provenance of received parts are kept.
func recordDirectory(cache string) string {
	return filepath.Join(cache, "parts", components.LockDigest()[:lockDigits])
}

// lockDigits is how much of the lock's digest a tag has.
const lockDigits = 24
