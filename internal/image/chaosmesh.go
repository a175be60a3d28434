package image

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"

	"github.com/sparkchaos/sparkchaos/internal/components"
)

const (
	// ChaosMeshRepository is the name of the image of [ChaosMesh] without its tag.
	ChaosMeshRepository = "docker.io/sparkchaos/chaos-mesh"

	// chaosMeshFormat changes when the same files are to be packed otherwise.
	chaosMeshFormat = "1"
	// chaosTools is the program that the daemon calls as nsexec and as pause.
	chaosTools = "chaostools"
)

// chaosMeshPackages are the packages of Debian that the daemon of Chaos Mesh calls programs of: iptables, ipset, tc, choom
// and stress-ng.
func chaosMeshPackages() []string {
	return []string{"ca-certificates", "ipset", "iproute2", "iptables", "procps", "stress-ng", "util-linux"}
}

// ChaosMesh returns the image of Chaos Mesh's controller manager and daemon, made of Debian packages and the component
// chaos-mesh. It lacks what Chaos Mesh gets as binary releases alone: toda (IOChaos), tproxy (HTTPChaos), memStress
// (StressChaos memory) and byteman (JVMChaos). Its tag changes with its content. Root is needed when the cache does not have it.
func ChaosMesh(ctx context.Context, env Env) (Archive, error) {
	if err := env.check(); err != nil {
		return Archive{}, err
	}
	archive, err := env.chaosMesh(ctx)
	if err != nil {
		return Archive{}, fmt.Errorf("image of Chaos Mesh: %w", err)
	}
	return archive, nil
}

func (e Env) chaosMesh(ctx context.Context) (Archive, error) {
	manager, err1 := components.LocateOnDemand(e.Cache, components.ChaosControllerManager)
	daemon, err2 := components.LocateOnDemand(e.Cache, components.ChaosDaemon)
	if err := errors.Join(err1, err2); err != nil {
		return Archive{}, err
	}
	tools, err := e.program(ctx, chaosTools)
	if err != nil {
		return Archive{}, err
	}
	rootfs, err := e.debianTree(ctx, debian{kind: "chaos-mesh-rootfs", packages: chaosMeshPackages(), finish: useLegacyTables})
	if err != nil {
		return Archive{}, err
	}
	for _, program := range []string{manager, daemon} {
		if err := fitsTree(filepath.Join(rootfs, rootDir), program); err != nil {
			return Archive{}, err
		}
	}
	programs, err := e.chaosMeshPrograms(ctx, manager, daemon, tools)
	if err != nil {
		return Archive{}, err
	}
	return e.tagged(ctx, taggedImage{
		kind: "chaos-mesh", repository: ChaosMeshRepository, version: chaosMeshFormat,
		config: v1.Config{Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}},
	}, rootfs, programs)
}

// useLegacyTables does what the Dockerfile of Chaos Mesh's daemon does: its sets are matched by the old interface of the kernel.
func useLegacyTables(root string) error {
	for _, name := range []string{"iptables", "ip6tables"} {
		link := filepath.Join("etc/alternatives", name)
		if err := removeAll(root, link); err != nil {
			return err
		}
		if err := materialise(root, symlink(link, "/usr/sbin/"+name+"-legacy")); err != nil {
			return err
		}
	}
	return nil
}

// chaosMeshPrograms returns the stage of the layer with the programs, where the chart and the daemon expect them.
func (e Env) chaosMeshPrograms(ctx context.Context, manager, daemon, tools string) (string, error) {
	key := newStageKey("chaos-mesh-programs")
	key.add("format", chaosMeshFormat)
	key.add("component", buildOf(daemon))
	key.add("tools", filepath.Base(filepath.Dir(tools)))
	const bin = "usr/local/bin/"
	return e.make(ctx, stage{
		kind: "chaos-mesh-programs", key: key.sum(), why: buildOf(daemon),
		build: func(_ context.Context, dir string) error {
			entries := []entry{symlink(bin+"nsexec", chaosTools), symlink(bin+"pause", chaosTools)}
			for target, source := range sorted(map[string]string{
				bin + string(components.ChaosControllerManager): manager, bin + string(components.ChaosDaemon): daemon, bin + chaosTools: tools,
			}) {
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

// taggedImage is an image whose tag changes with its content: Docker keeps what it has under a name.
type taggedImage struct {
	kind       string // of the stage, without the ending
	repository string
	version    string // begins the tag
	config     v1.Config
	base       v1.Image // whose layers are the lowest; nil if there are none
}

// tagged returns the image of the layers that lie in stages, the lowest first.
func (e Env) tagged(ctx context.Context, t taggedImage, stages ...string) (Archive, error) {
	var layers []storedLayer
	for _, dir := range stages {
		layer, err := openLayer(dir)
		if err != nil {
			return Archive{}, err
		}
		layers = append(layers, layer)
	}
	if t.base == nil {
		t.base = empty.Image
	}
	img, err := assembleOn(ofOCI(t.base), t.config, layers...)
	if err != nil {
		return Archive{}, err
	}
	digest, err := img.Digest()
	if err != nil {
		return Archive{}, err
	}
	const shown = 12
	reference := fmt.Sprintf("%s:%s-%s", t.repository, t.version, digest.Hex[:shown])
	return e.keep(ctx, t.kind+imageKind, reference, img)
}
