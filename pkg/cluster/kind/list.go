//go:build linux

package kind

import (
	"context"
	"fmt"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// Summary describes a cluster by its record and its container engine. It changes nothing; what cannot be found out is part of the state.
func (p Provider) Summary(ctx context.Context, name string) cluster.Summary {
	s := cluster.Summary{Name: name}
	engine, err := EngineOf(p.State, name)
	if err != nil {
		s.State = "unknown: " + err.Error()
		if absent(err) {
			s.State = "without a record"
		}
		return s
	}
	r, err := directoryOf(p.State, name).load()
	if err != nil {
		s.State = "unknown: " + err.Error()
		return s
	}
	s.Nodes, s.Created = r.Workers, r.Created
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	nodes, err := engine.nodes(asking, name)
	on := 0
	for _, node := range nodes {
		if node.State.Running {
			on++
		}
	}
	switch {
	case err != nil:
		s.State = fmt.Sprintf("unknown: %s does not answer", engine)
	case len(nodes) == 0:
		s.State = "gone: its containers were removed"
	case !r.Running:
		s.State = "starting, or left by an interrupted start"
	case on < len(nodes):
		s.State = fmt.Sprintf("running, %d of %d containers are off", len(nodes)-on, len(nodes))
	default:
		s.State = "running"
	}
	return s
}
