package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"sigs.k8s.io/kind/pkg/apis/config/defaults"

	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/kind"
	"github.com/sparkchaos/sparkchaos/pkg/image"
)

// diagnose looks at this machine for each kind of cluster.
func diagnose(ctx context.Context, state, cache string) []diagnosis {
	all := []diagnosis{diagnoseEmbedded(state, cache), diagnoseKind(ctx, cache)}
	if note := inotifyNote(os.ReadFile); note != "" {
		for i := range all {
			all[i].notes = append(all[i].notes, note)
		}
	}
	return all
}

// inotifyNote says when the kernel may refuse the nodes of several clusters; empty if it will not.
func inotifyNote(read func(string) ([]byte, error)) string {
	const setting, enough = "fs.inotify.max_user_instances", 512 // kind's own advice
	content, err := read("/proc/sys/" + strings.ReplaceAll(setting, ".", "/"))
	if err != nil {
		return ""
	}
	instances, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil || instances >= enough {
		return ""
	}
	return fmt.Sprintf("%s is %d, which all nodes of all clusters share: with too many of them kubelet fails with \"too many open files\"; fix it with `sysctl %s=%d`", setting, instances, setting, enough)
}

func diagnoseEmbedded(state, cache string) diagnosis {
	provider, err := embedded.NewProvider(state, cache, nil)
	if err == nil {
		err = provider.Lacks()
	}
	return diagnosis{kind: embeddedKind, lacks: err}
}

// kindNeedsRoot says that clusters of kind are only for root.
func kindNeedsRoot() error {
	return needsRoot("sparkchaos accesses the disks and network links of kind's nodes")
}

func diagnoseKind(ctx context.Context, cache string) diagnosis {
	engine, err := kind.FindEngine(ctx)
	d := diagnosis{kind: kindKind, lacks: errors.Join(err, kindNeedsRoot())}
	if err != nil {
		return d
	}
	d.notes = append(d.notes, fmt.Sprintf("the nodes are containers of %s", engine))
	made, notMade := image.LastKindNode(imagesOf(cache))
	switch {
	case engine.HasImage(ctx, defaults.Image):
		d.notes = append(d.notes, "they run "+defaults.Image+", which is there")
	case notMade == nil:
		d.notes = append(d.notes, "they run "+made.Reference+", which was made on this machine")
	default:
		d.notes = append(d.notes, "they run "+defaults.Image+", which will be pulled; where no registry can be reached, `sparkchaos kind build-node-image` makes one from package registries")
	}
	return d
}
