package stagingserver

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/pkg/staging"
)

// bundleFile is where the bundle lies in the run directory.
const bundleFile = "artifacts.tar.gz"

// bundle is what the harness uploads for a run: the application's jar and files.
type bundle struct {
	path  string
	names []string
}

// Preflight implements launcher.Preflighter: it finds what pods have to fetch and packs it into the run directory.
func (c Component) Preflight(ctx context.Context, m launcher.Machine) (launcher.Component, error) {
	if !m.Workload.StagingServer.Enabled() {
		return c, nil
	}
	packed, err := pack(ctx, m)
	if err != nil {
		return nil, err
	}
	return Component{bundle: packed}, nil
}

// pack packs the artifacts of an application; nil if it has none.
func pack(ctx context.Context, m launcher.Machine) (*bundle, error) {
	names := scenario.Artifacts(m.Workload.Application)
	if len(names) == 0 {
		return nil, nil
	}
	var files []*os.File
	defer func() {
		for _, file := range files {
			_ = file.Close() // opened for reading only, or removed
		}
	}()
	var problems []error
	for _, name := range names {
		file, err := m.Artifact(ctx, name)
		if problems = append(problems, err); err == nil {
			files = append(files, file)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	padding, err := noise(m)
	if err != nil {
		return nil, err
	}
	if padding != nil {
		files = append(files, padding)
		defer func() { _ = os.Remove(padding.Name()) }() // it is in the bundle
	}
	b := &bundle{path: filepath.Join(m.Directory, bundleFile)}
	for _, file := range files {
		b.names = append(b.names, filepath.Base(file.Name()))
	}
	file, err := createPrivate(b.path)
	if err != nil {
		return nil, fmt.Errorf("pack the application's artifacts: %w", err)
	}
	if err := errors.Join(staging.PackFiles(file, files...), file.Close()); err != nil {
		return nil, fmt.Errorf("pack the application's artifacts: %w", err)
	}
	return b, nil
}

// noise makes a file of noise, which no compression makes small; the seed decides it. If none is asked for there is no file.
func noise(m launcher.Machine) (*os.File, error) {
	size, err := staging.ParseBytes(m.Workload.StagingServer.Padding)
	if err != nil || size == 0 {
		return nil, err
	}
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], m.Seed)
	file, err := createPrivate(filepath.Join(m.Directory, "padding.bin"))
	if err != nil {
		return nil, fmt.Errorf("make the padding of the artifacts: %w", err)
	}
	_, err = io.CopyN(file, rand.NewChaCha8(seed), size)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the padding of the artifacts: %w", err), file.Close(), os.Remove(file.Name()))
	}
	return file, nil
}

// Fingerprint implements launcher.Fingerprinter.
func (c Component) Fingerprint() (string, error) {
	if c.bundle == nil {
		return "", nil
	}
	content, err := os.ReadFile(c.bundle.path)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), nil
}

// createPrivate makes a file that nobody else can read: artifacts may be keytabs.
func createPrivate(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
}
