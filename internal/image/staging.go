package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	// StagingReference names the image of [Staging].
	StagingReference = "docker.io/sparkchaos/pod:1"

	// podName is the image's name in the cache and on the command line.
	podName = "pod"
	// stagingPackage is the main package of its program.
	stagingPackage = "./cmd/sparkchaos-pod"
	stagingBinary  = "sparkchaos-pod"
	// stagingFormat changes when the same sources are to be built or packed in another way.
	stagingFormat = "1"
	// certificates is where Go programs look for the authorities that they trust, on this machine and in the image.
	certificates = "etc/ssl/certs/ca-certificates.crt"
)

// Staging returns the image of the program that sparkchaos runs in pods: staging server and clients, agents, witness. Its entry
// point has their commands, so a pod gives only args. It runs as Spark's image does, as user and group [SparkUser]. It is built from
// the checkout when the cache does not have it; without a checkout the image made last is returned, if there is one.
func Staging(ctx context.Context, env Env) (Archive, error) {
	if err := env.check(); err != nil {
		return Archive{}, err
	}
	if env.Checkout == "" {
		return env.last(podName)
	}
	archive, err := env.staging(ctx)
	if err != nil {
		return Archive{}, fmt.Errorf("image of the program for pods: %w", err)
	}
	return archive, env.remember(podName, archive)
}

func (e Env) staging(ctx context.Context) (Archive, error) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return Archive{}, fmt.Errorf("there is no Go toolchain to build it from the checkout: install Go %s or newer: %w", languageVersion(), err)
	}
	b := moduleBuild{Env: e, goTool: goTool}
	key, err := b.key(ctx)
	if err != nil {
		return Archive{}, err
	}
	if archive, found := e.prebuiltArchive(podName, key.sum()); found {
		return archive, nil
	}
	binary, err := b.program(ctx, key)
	if err != nil {
		return Archive{}, err
	}
	layer, err := b.layer(ctx, binary)
	if err != nil {
		return Archive{}, err
	}
	user := fmt.Sprintf("%d:%d", SparkUser, SparkUser)
	config := v1.Config{Entrypoint: []string{"/bin/" + stagingBinary}, Env: []string{"PATH=/bin"}, WorkingDir: "/tmp", User: user}
	return e.archiveStage(ctx, podName+imageKind, StagingReference, config, layer)
}

// moduleBuild builds a program of the checkout's own module.
type moduleBuild struct {
	Env
	goTool string
}

// key is of all that the program is built from.
func (b moduleBuild) key(ctx context.Context) (stageKey, error) {
	files, err := b.sources(ctx)
	if err != nil {
		return stageKey{}, err
	}
	key := newStageKey("staging-program")
	key.add("toolchain", runtime.Version())
	key.add("platform", runtime.GOARCH)
	key.add("format", stagingFormat)
	for _, f := range append([]string{"go.mod", "go.sum"}, files...) {
		sum, err := hashFile(filepath.Join(b.Checkout, f))
		if err != nil {
			return stageKey{}, err
		}
		key.add(f, sum)
	}
	return key, nil
}

// program returns the path of the static program.
func (b moduleBuild) program(ctx context.Context, key stageKey) (string, error) {
	dir, err := b.make(ctx, stage{
		kind: "staging-program", key: key.sum(), why: "go build " + stagingPackage,
		build: func(ctx context.Context, dir string) error {
			return run(b.command(ctx, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", filepath.Join(dir, stagingBinary),
				stagingPackage))
		},
	})
	return filepath.Join(dir, stagingBinary), err
}

// command is a call of the go tool in the checkout, for the image's platform.
func (b moduleBuild) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, b.goTool, args...)
	cmd.Dir = b.Checkout
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH, "GOFLAGS=-mod=readonly", "GOWORK=off",
		"GOTOOLCHAIN="+toolchain())
	return cmd
}

// sources lists the files of the module that the program is made of, relative to the checkout, sorted; other modules are
// pinned by go.sum.
func (b moduleBuild) sources(ctx context.Context) ([]string, error) {
	cmd := b.command(ctx, "list", "-deps", "-json=Dir,GoFiles,EmbedFiles,Module", stagingPackage)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("list the sources of %s in %s: %w: %s", stagingPackage, b.Checkout, err, bytes.TrimSpace(said.Bytes()))
	}
	var files []string
	for decoder := json.NewDecoder(&out); ; {
		var pkg struct {
			Dir                 string
			GoFiles, EmbedFiles []string
			Module              *struct{ Main bool }
		}
		err := decoder.Decode(&pkg)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("list the sources of %s: %w", stagingPackage, err)
		}
		if pkg.Module == nil || !pkg.Module.Main {
			continue
		}
		dir, err := filepath.Rel(b.Checkout, pkg.Dir)
		if err != nil || strings.HasPrefix(dir, "..") {
			return nil, fmt.Errorf("package in %s is of the module in %s, but not in it", pkg.Dir, b.Checkout)
		}
		for _, f := range slices.Concat(pkg.GoFiles, pkg.EmbedFiles) {
			files = append(files, path.Join(filepath.ToSlash(dir), f))
		}
	}
	slices.Sort(files)
	return files, nil
}

// layer returns the layer with the program, a directory for temporary files, and the certificates of this machine if there are
// any: without them the image cannot reach an object store by HTTPS.
func (b moduleBuild) layer(ctx context.Context, binary string) (storedLayer, error) {
	program, err := file("bin/"+stagingBinary, binary, 0o755)
	if err != nil {
		return storedLayer{}, err
	}
	entries := []entry{program, directory("tmp", 0o1777, owner{})}
	key := newStageKey("staging-layer")
	key.add("program", filepath.Base(filepath.Dir(binary)))
	key.add("format", stagingFormat)
	if sum, err := hashFile("/" + certificates); err == nil {
		trusted, err := file(certificates, "/"+certificates, 0o644)
		if err != nil {
			return storedLayer{}, err
		}
		entries = append(entries, trusted)
		key.add("certificates", sum)
	}
	dir, err := b.make(ctx, stage{
		kind: "staging-layer", key: key.sum(), why: stagingBinary,
		build: func(_ context.Context, dir string) error { return writeLayer(dir, entries) },
	})
	if err != nil {
		return storedLayer{}, err
	}
	return openLayer(dir)
}
