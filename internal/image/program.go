package image

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	goversion "go/version"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkchaos/sparkchaos/internal/child"
)

// programSources are the static programs that images hold. They use the standard library alone, so they can be built
// wherever a Go toolchain is, and their own directory is all that decides what they are.
//
//go:embed programs/*/*.go
var programSources embed.FS

// programFormat changes when the same sources are to be built or packed in another way.
const programFormat = "1"

// programSpec is an image that holds one static program.
type programSpec struct {
	name      string // directory below programs/
	reference string
	path      string // of the program inside the image
	config    v1.Config
	dirs      []entry // directories beside the program
}

func programImage(ctx context.Context, env Env, spec programSpec) (Archive, error) {
	if err := env.check(); err != nil {
		return Archive{}, err
	}
	received, err := spec.source()
	if err != nil {
		return Archive{}, err
	}
	if archive, found := env.prebuiltArchive(spec.name, received); found {
		return archive, nil
	}
	binary, err := env.program(ctx, spec.name)
	if err != nil {
		return Archive{}, err
	}
	key := newStageKey(spec.name + "-layer")
	key.add("program", filepath.Base(filepath.Dir(binary)))
	key.add("path", spec.path)
	key.add("format", programFormat)
	for _, d := range spec.dirs {
		key.add("directory", fmt.Sprint(d.path, d.mode))
	}
	dir, err := env.make(ctx, stage{
		kind: spec.name + "-layer", key: key.sum(), why: spec.path,
		build: func(_ context.Context, dir string) error {
			e, err := file(spec.path, binary, 0o755)
			if err != nil {
				return err
			}
			return writeLayer(dir, append([]entry{e}, spec.dirs...))
		},
	})
	if err != nil {
		return Archive{}, err
	}
	layer, err := openLayer(dir)
	if err != nil {
		return Archive{}, err
	}
	return env.archiveStage(ctx, spec.name+imageKind, spec.reference, spec.config, layer)
}

// program returns the path of a static program, which is compiled first when the cache does not have it.
func (e Env) program(ctx context.Context, name string) (string, error) {
	sources, err := sourcesOf(name)
	if err != nil {
		return "", err
	}
	key := newStageKey(name + "-program")
	key.add("toolchain", runtime.Version())
	key.add("platform", runtime.GOARCH)
	key.add("format", programFormat)
	for _, s := range sources {
		key.add(s.name, string(s.data))
	}
	dir, err := e.make(ctx, stage{
		kind: name + "-program", key: key.sum(), why: "go build",
		build: func(ctx context.Context, dir string) error { return compile(ctx, dir, name, sources) },
	})
	return filepath.Join(dir, name), err
}

type source struct {
	name string
	data []byte
}

// sourcesOf returns the files that make a program, sorted by name.
func sourcesOf(program string) ([]source, error) {
	dir := path.Join("programs", program)
	entries, err := fs.ReadDir(programSources, dir)
	if err != nil {
		return nil, fmt.Errorf("sources of %s: %w", program, err)
	}
	var sources []source
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		data, err := fs.ReadFile(programSources, path.Join(dir, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("sources of %s: %w", program, err)
		}
		sources = append(sources, source{entry.Name(), data})
	}
	return sources, nil
}

// compile builds a program out of its sources alone, as a static binary without any path of this machine.
func compile(ctx context.Context, dir, name string, sources []source) error {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return fmt.Errorf("the program is not in the cache and there is no Go toolchain to build it: install Go %s or newer: %w",
			languageVersion(), err)
	}
	work := filepath.Join(dir, "src")
	if err := os.Mkdir(work, 0o755); err != nil {
		return err
	}
	module := source{"go.mod", fmt.Appendf(nil, "module sparkchaos.dev/programs/%s\n\ngo %s\n", name, languageVersion())}
	for _, s := range append([]source{module}, sources...) {
		if err := os.WriteFile(filepath.Join(work, s.name), s.data, 0o644); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, goTool, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o",
		filepath.Join(dir, name), ".")
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH, "GOFLAGS=", "GOWORK=off",
		"GOTOOLCHAIN="+toolchain())
	if err := run(cmd); err != nil {
		return err
	}
	return os.RemoveAll(work)
}

// languageVersion is the least Go that the programs are written for.
func languageVersion() string { return "1.26.0" }

// toolchain asks for the very compiler that built this binary, so that the same key means the same bytes.
func toolchain() string {
	if goversion.IsValid(runtime.Version()) {
		return runtime.Version()
	}
	return "local"
}

// run runs a command; its error holds the end of what the command said.
func run(cmd *exec.Cmd) error {
	_, err := output(cmd)
	return err
}

// output is run, and returns all that a command said that succeeded.
func output(cmd *exec.Cmd) (string, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := child.Run(cmd)
	if err == nil {
		return out.String(), nil
	}
	const shown, said = 300, 8 << 10
	command := strings.Join(cmd.Args, " ")
	if len(command) > shown {
		command = command[:shown] + " …"
	}
	output := strings.TrimSpace(out.String())
	if len(output) > said {
		output = "… " + output[len(output)-said:]
	}
	return "", fmt.Errorf("%s: %w, after saying:\n%s", command, err, output)
}
