package image

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkchaos/sparkchaos/internal/components"
)

const (
	// KindNodeRepository is the name of the image of [KindNode] without its tag.
	KindNodeRepository = "docker.io/sparkchaos/kind-node"
	// KindCNILabel of an image says which network for pods it brings: KindNoCNI for the image of [KindNode]. The images of
	// the kind project have no such label and bring kindnet.
	KindCNILabel = "dev.sparkchaos.cni"
	// KindNoCNI is the value of KindCNILabel for images without a network for pods: whoever creates the cluster must provide one.
	KindNoCNI = "none"

	// kindNodeName is what the image is remembered by.
	kindNodeName = "kind-node"
	// kindModule is where the files of kind's base image are taken from; its checksum is that of go.sum.
	kindModule    = "sigs.k8s.io/kind"
	kindVersion   = "v0.33.0"
	kindModuleSum = "h1:AjvDv3vOygb/VKLVQW87lfktIBzkxR8Ump9DjxC8+Lk="

	// kindFormat changes when the same files and programs are to be packed otherwise.
	kindFormat = "1"
	// importUnit has the images of the node image imported; see kindnode/.
	importUnit = "sparkchaos-images.service"
)

// kindNodeFiles are the project's own files in the node image.
//
//go:embed kindnode
var kindNodeFiles embed.FS

// KindNode returns an image for kind's nodes that takes the place of kindest/node where no image can be pulled. It is built of
// Debian packages, kind's own files and the components in the cache. It has neither a network for pods (see [KindCNILabel])
// nor a volume provisioner. Its tag changes with its content. To build it, root and the components kubeadm and cri-tools are
// needed.
func KindNode(ctx context.Context, env Env) (Archive, error) {
	// The images that kubeadm wants are in it. A cluster of it needs networking.disableDefaultCNI and a CNI configuration on
	// each node.
	if err := env.check(); err != nil {
		return Archive{}, err
	}
	archive, err := env.kindNode(ctx)
	if err != nil {
		return Archive{}, fmt.Errorf("image of kind's nodes: %w", err)
	}
	return archive, env.remember(kindNodeName, archive)
}

// LastKindNode returns the node image that was made last; it builds nothing.
func LastKindNode(env Env) (Archive, error) {
	if err := env.check(); err != nil {
		return Archive{}, err
	}
	return env.last(kindNodeName)
}

func (e Env) kindNode(ctx context.Context) (Archive, error) {
	b, err := newKindBuild(ctx, e)
	if err != nil {
		return Archive{}, err
	}
	rootfs, err := e.kindRootfs(ctx)
	if err != nil {
		return Archive{}, err
	}
	if err := fitsTree(filepath.Join(rootfs, rootDir), b.set.Path(components.Runc)); err != nil {
		return Archive{}, err
	}
	images, err := b.nodeImages(ctx, rootfs)
	if err != nil {
		return Archive{}, err
	}
	dirs := []string{rootfs}
	for _, make := range []func(context.Context) (string, error){
		b.programs, b.files,
		func(ctx context.Context) (string, error) { return b.imagesLayer(ctx, images) },
	} {
		dir, err := make(ctx)
		if err != nil {
			return Archive{}, err
		}
		dirs = append(dirs, dir)
	}
	return e.tagged(ctx, taggedImage{kind: "kind-node", repository: KindNodeRepository, version: b.version, config: kindConfig()}, dirs...)
}

// kindConfig is how a node is run; kind gives the same entry point itself.
func kindConfig() v1.Config {
	return v1.Config{
		Entrypoint: []string{"/usr/local/bin/entrypoint", "/sbin/init"},
		// systemd looks for it to know that it is in a container.
		Env:    []string{"container=docker"},
		Labels: map[string]string{KindCNILabel: KindNoCNI},
		// SIGTERM would have systemd execute itself again.
		StopSignal: "SIGRTMIN+3",
	}
}

// kindBuild is one build of the node image.
type kindBuild struct {
	Env
	set             components.Set
	kubeadm, crictl string
	version         string // of Kubernetes
	images          []neededImage
}

func newKindBuild(ctx context.Context, e Env) (kindBuild, error) {
	b := kindBuild{Env: e}
	var err1, err2, err3 error
	b.set, err1 = components.Locate(e.Cache)
	b.kubeadm, err2 = components.LocateOnDemand(e.Cache, components.Kubeadm)
	b.crictl, err3 = components.LocateOnDemand(e.Cache, components.Crictl)
	if err := errors.Join(err1, err2, err3); err != nil {
		return kindBuild{}, err
	}
	b.version = b.set.Versions()["kubernetes"]
	var err error
	b.images, err = neededImages(ctx, b.kubeadm, b.version)
	return b, err
}

// build names the build of the component that installs a program, as a part of keys.
func (b kindBuild) build(program components.Program) string { return buildOf(b.set.Path(program)) }

// buildOf returns the name of the directory of the build that a program lies in: it has the component's key.
func buildOf(program string) string { return filepath.Base(filepath.Dir(filepath.Dir(program))) }

// sorted iterates over a map in the order of its keys.
func sorted[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}

// multiCallEntries puts the multi-call binary of Kubernetes into a directory, with a link for each of its programs.
func (b kindBuild) multiCallEntries(dir string) ([]entry, error) {
	binary := b.set.Path(components.Kubernetes)
	e, err := file(path.Join(dir, string(components.Kubernetes)), binary, 0o755)
	if err != nil {
		return nil, err
	}
	entries := []entry{e}
	for _, program := range []components.Program{
		components.Etcd, components.KubeAPIServer, components.KubeControllerManager, components.KubeProxy, components.KubeScheduler,
		components.Kubectl, components.Kubelet,
	} {
		entries = append(entries, symlink(path.Join(dir, string(program)), string(components.Kubernetes)))
	}
	return entries, nil
}

// places says where a node has the programs of others: kind's units and kubeadm name some of them by path.
func (b kindBuild) places() map[string]string {
	return map[string]string{
		"opt/cni/bin/host-local":                b.set.Path(components.HostLocal),
		"opt/cni/bin/loopback":                  b.set.Path(components.Loopback),
		"opt/cni/bin/portmap":                   b.set.Path(components.PortMap),
		"opt/cni/bin/ptp":                       b.set.Path(components.PTP),
		"usr/bin/kubeadm":                       b.kubeadm,
		"usr/local/bin/containerd":              b.set.Path(components.Containerd),
		"usr/local/bin/containerd-shim-runc-v2": b.set.Path(components.ContainerdShim),
		"usr/local/bin/crictl":                  b.crictl,
		"usr/local/bin/ctr":                     b.set.Path(components.CTR),
		"usr/local/sbin/runc":                   b.set.Path(components.Runc),
	}
}

// programs returns the stage of the layer with the programs.
func (b kindBuild) programs(ctx context.Context) (string, error) {
	key := newStageKey("kind-programs")
	key.add("format", kindFormat)
	key.add("kubernetes", b.build(components.Kubernetes))
	places := b.places()
	for target, source := range sorted(places) {
		key.add(target, buildOf(source))
	}
	return b.make(ctx, stage{
		kind: "kind-programs", key: key.sum(), why: "Kubernetes " + b.version,
		build: func(_ context.Context, dir string) error {
			entries, err := b.multiCallEntries("usr/bin")
			if err != nil {
				return err
			}
			for target, source := range sorted(places) {
				e, err := file(target, source, 0o755)
				if err != nil {
					return err
				}
				entries = append(entries, e)
			}
			return writeLayer(dir, entries)
		},
	})
}

// imagesLayer returns the stage of the layer with the archive of images, which is named after its content.
func (b kindBuild) imagesLayer(ctx context.Context, images string) (string, error) {
	name := "kind/images/" + filepath.Base(images) + ".tar"
	key := newStageKey("kind-images-layer")
	key.add("format", kindFormat)
	key.add("images", name)
	return b.make(ctx, stage{
		kind: "kind-images-layer", key: key.sum(), why: name,
		build: func(_ context.Context, dir string) error {
			e, err := file(name, filepath.Join(images, nodeImagesFile), 0o644)
			if err != nil {
				return err
			}
			return writeLayer(dir, []entry{e})
		},
	})
}

// files returns the stage of the layer with kind's own files and the project's.
func (b kindBuild) files(ctx context.Context) (string, error) {
	own, err := ownFiles(b.version)
	if err != nil {
		return "", err
	}
	key := newStageKey("kind-files")
	key.add("format", kindFormat)
	key.add("kind", kindVersion+" "+kindModuleSum)
	key.add("containerd", b.build(components.Containerd)) // makes cri-base.json
	key.add("sandbox", sandboxImage(b.images))
	for _, f := range own {
		key.add(fmt.Sprint(f.path, " ", f.perm), string(f.data))
	}
	return b.make(ctx, stage{
		kind: "kind-files", key: key.sum(), why: kindModule + " " + kindVersion,
		build: func(ctx context.Context, dir string) error {
			module, err := kindSource(ctx, dir)
			if err != nil {
				return err
			}
			entries, err := baseFiles(os.DirFS(filepath.Join(module, "images", "base", "files")), sandboxImage(b.images))
			if err != nil {
				return fmt.Errorf("files of %s %s: %w", kindModule, kindVersion, err)
			}
			spec, err := runtimeSpec(ctx, b.set.Path(components.CTR))
			if err != nil {
				return err
			}
			entries = append(entries, content("etc/containerd/cri-base.json", 0o644, spec))
			for _, f := range own {
				entries = append(entries, content(f.path, f.perm, f.data))
			}
			return writeLayer(dir, entries)
		},
	})
}

// ownFile is a file of the node image that is the project's.
type ownFile struct {
	path string
	perm fs.FileMode
	data []byte
}

// ownFiles returns the files of the project's.
func ownFiles(version string) ([]ownFile, error) {
	files := []ownFile{{"kind/version", 0o644, []byte(version)}}
	for _, f := range []struct {
		name, target string
		perm         fs.FileMode
	}{
		{"default-storage.yaml", "kind/manifests/default-storage.yaml", 0o644},
		{"import-images.sh", "kind/bin/import-images.sh", 0o755},
		{"kubelet.conf", "etc/systemd/system/kubelet.service.d/20-sparkchaos-images.conf", 0o644},
		{importUnit, "etc/systemd/system/" + importUnit, 0o644},
	} {
		data, err := fs.ReadFile(kindNodeFiles, path.Join("kindnode", f.name))
		if err != nil {
			return nil, err
		}
		files = append(files, ownFile{f.target, f.perm, data})
	}
	return files, nil
}

// kindSource returns the directory of the module cache with kind's sources, which are downloaded when they are not there.
func kindSource(ctx context.Context, work string) (string, error) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return "", fmt.Errorf("the files of %s come through the Go module cache: install Go %s or newer: %w", kindModule, languageVersion(), err)
	}
	cmd := exec.CommandContext(ctx, goTool, "mod", "download", "-json", kindModule+"@"+kindVersion)
	// Outside of any module, so that nothing but the version given decides.
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "GO111MODULE=on", "GOFLAGS=-mod=mod", "GOWORK=off", "PWD="+work)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	runError := cmd.Run()
	var module struct{ Dir, Sum, Error string }
	// When the download fails go says why in the same document.
	if err := json.Unmarshal(out.Bytes(), &module); err != nil || runError != nil || module.Error != "" {
		return "", fmt.Errorf("download %s %s: %w: %s %s", kindModule, kindVersion, errors.Join(runError, err), module.Error,
			strings.TrimSpace(said.String()))
	}
	if module.Sum != kindModuleSum {
		return "", fmt.Errorf("%s %s in the Go module cache has the checksum %s, want %s: clean the cache (go clean -modcache) and look at "+
			"what GOPROXY serves", kindModule, kindVersion, module.Sum, kindModuleSum)
	}
	return module.Dir, nil
}

// baseFiles takes the files of kind's base image, with the modes that its Dockerfile gives them.
func baseFiles(files fs.FS, sandbox string) ([]entry, error) {
	var entries []entry
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		perm := fs.FileMode(0o644)
		if dir := path.Dir(name); dir == "usr/local/bin" || dir == "kind/bin" {
			perm = 0o755
		}
		if name == "etc/containerd/config.toml" {
			if data, err = containerdConfig(data, sandbox); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		entries = append(entries, content(name, perm, data))
		return nil
	})
	return entries, err
}

// containerdConfig returns kind's configuration of containerd with the sandbox image that kubeadm expects, and with the one
// setting that machines need on which even root may not make processes safer from the kernel's out-of-memory killer
// (without CAP_SYS_RESOURCE). Elsewhere it changes nothing: containerd then never asks for less than its own score, which its unit
// sets to -999, and kubelet asks for -998 at the least.
func containerdConfig(config []byte, sandbox string) ([]byte, error) {
	var problems []error
	for _, setting := range []struct{ name, value string }{
		{"sandbox_image", fmt.Sprintf("%q", sandbox)},
		{"restrict_oom_score_adj", "true"},
	} {
		line := regexp.MustCompile(`(?m)^(\s*` + setting.name + `\s*=\s*).*$`)
		if n := len(line.FindAll(config, -1)); n != 1 {
			problems = append(problems, fmt.Errorf("the setting %s stands there %d times, want once: this version of kind has another "+
				"configuration of containerd; correct containerdConfig", setting.name, n))
		}
		config = line.ReplaceAll(config, []byte("${1}"+setting.value))
	}
	return config, errors.Join(problems...)
}

// runtimeSpec returns the base of all containers' specifications as kind's Dockerfile makes it.
func runtimeSpec(ctx context.Context, ctr string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, ctr, "oci", "spec")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w, after saying:\n%s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(said.String()))
	}
	return nodeSpec(out.Bytes())
}

// nodeSpec adds kind's hook, which gives each container the node's own product name and UUID, and drops the limits, which are
// lower than those of containerd itself.
func nodeSpec(spec []byte) ([]byte, error) {
	var document map[string]any
	if err := json.Unmarshal(spec, &document); err != nil {
		return nil, fmt.Errorf("containerd's default specification of containers: %w", err)
	}
	process, ok := document["process"].(map[string]any)
	if !ok {
		return nil, errors.New("containerd's default specification of containers has no process")
	}
	delete(process, "rlimits")
	hooks, _ := document["hooks"].(map[string]any)
	if hooks == nil {
		hooks = map[string]any{}
	}
	created, _ := hooks["createContainer"].([]any)
	hooks["createContainer"] = append(created, map[string]any{"path": "/kind/bin/mount-product-files.sh"})
	document["hooks"] = hooks
	return json.MarshalIndent(document, "", "  ")
}
