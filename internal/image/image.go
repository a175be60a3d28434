package image

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// References of the images whose version is the project's own. They are in the form in which containerd and kubelet keep
// them, so a pod that names them finds the imported image without any registry.
const (
	// PauseReference names the image of [Pause]; it is what a node's container runtime takes for sandboxes.
	PauseReference = "docker.io/sparkchaos/pause:1"
	// ToolboxReference names the image of [Toolbox].
	ToolboxReference = "docker.io/sparkchaos/toolbox:1"
)

// Archive is a finished image on disk.
type Archive struct {
	// Path of the tar file: an OCI image layout and a docker-archive at once.
	Path string `json:"path"`
	// Reference by which pods name the image once the archive is imported.
	Reference string `json:"reference"`
	// Digest of the image's manifest, "sha256:…": two archives with the same digest hold the same image. A reference
	// keeps its tag when the content changes, the digest does not.
	Digest string `json:"digest"`
	// Size of the archive in bytes.
	Size int64 `json:"size"`
}

// Env is what building needs to know of the machine.
type Env struct {
	// Cache is sparkchaos' cache directory; images lie in its subdirectory images, which is made when missing.
	Cache string
	// Checkout is the root of a checkout of this repository, or empty. Only [Spark] and
	// [Staging] need it, to build what they hold.
	Checkout string
	// Progress is called at the begin and the end of each stage that is really built; nil means silence. It is
	// called from one goroutine at a time.
	Progress func(Progress)
}

// Progress is news of a stage.
type Progress struct {
	Stage   string        // what is being made, e.g. "pause program"
	Detail  string        // why or with what, may be empty
	Done    bool          // false when the stage begins
	Elapsed time.Duration // since the stage began; 0 at the begin
	Err     error         // why the stage failed, with Done
	Warning string        // what a tool warned of while it succeeded; such news is neither begin nor end
}

func (e Env) report(p Progress) {
	if e.Progress != nil {
		e.Progress(p)
	}
}

func (e Env) check() error {
	if e.Cache == "" {
		return errors.New("no cache directory is set: image.Env.Cache must name a directory that can be written")
	}
	return nil
}

// Cached returns the finished images in the cache, the most recently used of each name, sorted by reference.
func Cached(env Env) ([]Archive, error) {
	if err := env.check(); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(env.images(), "*"+imageKind, "*", archiveMeta))
	if err != nil {
		return nil, err
	}
	newest := map[string]Archive{}
	used := map[string]time.Time{}
	for _, f := range files {
		if strings.HasPrefix(filepath.Base(filepath.Dir(f)), buildingPrefix) {
			continue
		}
		a, err := openArchive(filepath.Dir(f))
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(filepath.Dir(f))
		if err != nil {
			return nil, err
		}
		if info.ModTime().After(used[a.Reference]) {
			newest[a.Reference], used[a.Reference] = a, info.ModTime()
		}
	}
	return slices.SortedFunc(maps.Values(newest), func(a, b Archive) int { return strings.Compare(a.Reference, b.Reference) }), nil
}

// Pause returns the image whose only process holds a pod's namespaces and reaps orphans. It is built when the cache does
// not have it.
func Pause(ctx context.Context, env Env) (Archive, error) {
	return programImage(ctx, env, pauseSpec())
}

func pauseSpec() programSpec {
	return programSpec{
		name:      "pause",
		reference: PauseReference,
		path:      "pause",
		config:    v1.Config{Entrypoint: []string{"/pause"}, User: "65535:65535"},
	}
}

// Toolbox returns the image that holds the toolbox program as /bin/toolbox, which is also its entry point: a pod gives only
// the subcommand as args. It is built when the cache does not have it.
func Toolbox(ctx context.Context, env Env) (Archive, error) {
	return programImage(ctx, env, toolboxSpec())
}

func toolboxSpec() programSpec {
	return programSpec{
		name:      "toolbox",
		reference: ToolboxReference,
		path:      "bin/toolbox",
		config:    v1.Config{Entrypoint: []string{"/bin/toolbox"}, Env: []string{"PATH=/bin"}, WorkingDir: "/"},
		dirs:      []entry{directory("tmp", 0o1777, owner{}), directory("etc", 0o755, owner{})},
	}
}
