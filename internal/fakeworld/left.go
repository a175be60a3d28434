package fakeworld

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/fakekube"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
)

// Left returns what there is in the world that no run may leave.
func (w *World) Left() []string {
	var left []string
	for _, namespace := range w.API.List(fakekube.Namespaces(), "") {
		if namespace.GetLabels()[launcher.RunLabel] != "" {
			left = append(left, "Namespace "+namespace.GetName())
		}
	}
	for _, resource := range []string{"validatingadmissionpolicies", "validatingadmissionpolicybindings"} {
		for _, object := range w.API.List(fakekube.AdmissionPolicies(resource), "") {
			left = append(left, object.GetKind()+" "+object.GetName())
		}
	}
	nodes, _ := fakeCluster{w}.Nodes(context.Background()) // never fails
	for _, node := range nodes {
		if node.Disturbed() {
			left = append(left, "disturbed node "+node.Name)
		}
	}
	directories, _ := filepath.Glob(filepath.Join(w.disks, "*/var/lib/sparkchaos/*/*")) // the pattern is right
	return append(left, directories...)
}

// UntilLost is a Script's Working that lets the first driver of a run work until its node is lost, and all others finish.
func UntilLost(ctx context.Context, namespace string, incarnation int) {
	if !strings.HasSuffix(namespace, "-base") && incarnation == 1 {
		<-ctx.Done()
	}
}
