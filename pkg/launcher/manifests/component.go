// Package manifests is whatever an application needs beside it as a component of a workload: objects in files of the user's, which are
// created before the driver and awaited until they are ready.
package manifests

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Component is what the manifests of a workload make.
type Component struct {
	objects []object // nil before Preflight, and if there are none
	digest  string   // of the files
}

var (
	_ launcher.Component     = Component{}
	_ launcher.Explainer     = Component{}
	_ launcher.Preflighter   = Component{}
	_ launcher.Fingerprinter = Component{}
	_ launcher.Preparer      = (*part)(nil)
)

// Name implements launcher.Component.
func (Component) Name() string { return "the workload's manifests" }

// Roles implements launcher.Component: each manifest with pods gives its role the name of its object.
func (Component) Roles() []string { return nil }

// Validate implements launcher.Component.
func (Component) Validate(launcher.Launch) []error { return nil }

// Explain implements launcher.Explainer.
func (Component) Explain(w scenario.Workload) string {
	if len(w.Manifests) == 0 {
		return ""
	}
	return fmt.Sprintf("Manifests: the objects of %s are created before the driver and awaited until they are ready; they are removed with "+
		"the run's namespace.",
		strings.Join(w.Manifests, ", "))
}

// maxFile is how large a manifest may be, in bytes.
const maxFile = 4 << 20

// Preflight implements launcher.Preflighter: mistakes in manifests are reported before there is a cluster.
func (Component) Preflight(ctx context.Context, m launcher.Machine) (launcher.Component, error) {
	var c Component
	var problems []error
	digest := sha256.New()
	for _, name := range m.Workload.Manifests {
		content, err := contentOf(ctx, m, name)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		fmt.Fprintf(digest, "%s %d\n%s", name, len(content), content)
		objects, err := read(name, content)
		problems = append(problems, err)
		c.objects = append(c.objects, objects...)
	}
	problems = append(problems, twice(c.objects))
	if len(m.Workload.Manifests) > 0 {
		c.digest = hex.EncodeToString(digest.Sum(nil))
	}
	return c, errors.Join(problems...)
}

func contentOf(ctx context.Context, m launcher.Machine, name string) ([]byte, error) {
	file, err := m.Artifact(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", name, err)
	}
	defer func() { _ = file.Close() }() // opened for reading only
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("has more than %d bytes, the most that is accepted", maxFile)
	}
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", name, err)
	}
	return content, nil
}

// Fingerprint implements launcher.Fingerprinter.
func (c Component) Fingerprint() (string, error) { return c.digest, nil }

// Part implements launcher.Component.
func (c Component) Part(l launcher.Launch) (launcher.Part, error) {
	if len(c.objects) == 0 {
		return nil, nil
	}
	return &part{objects: inRun(c.objects, l.Env)}, nil
}
