//go:build !linux

package kinds

import (
	"context"
	"fmt"
	"runtime"

	"github.com/spf13/pflag"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// Main does nothing: only Linux has embedded clusters.
func Main([]string) (code int, ok bool) { return 0, false }

// local are the kinds whose clusters are made on Linux alone. What can be done to them is known here, too: runs on them can be planned.
func local() []cluster.Kind {
	return []cluster.Kind{unavailable("embedded", "made on this machine, without Docker"), unavailable("kind", "nodes are containers")}
}

func unavailable(name, title string) cluster.Kind {
	err := fmt.Errorf("clusters of the kind %s are made on Linux only, this is %s: use a Linux machine, or a virtual one; "+
		"judging and reporting stored runs works here, and runs on existing clusters do", name, runtime.GOOS)
	return cluster.Kind{
		Name: name, Title: title, Unavailable: err,
		AddFlags:    func(*pflag.FlagSet, cluster.Use) {},
		ClusterName: cluster.NamedHere,
		CheckRun:    func() error { return nil },
		Can: func() (cluster.Capabilities, error) {
			return cluster.Capabilities{Kind: name, Actions: cluster.Actions(), ChaosMesh: true}, nil
		},
		New:      func(cluster.Environment) (cluster.Provider, error) { return nil, err },
		Diagnose: func(context.Context, cluster.Environment) cluster.Diagnosis { return cluster.Diagnosis{Lacks: err} },
	}
}
