package testbed

import (
	"fmt"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/existing"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/kinds"
)

// defaultName is the name of a cluster of this machine when nobody gives one.
const defaultName = "sparkchaos"

// Source says which cluster is meant, while its options are still being chosen.
type Source struct {
	Target
	Err      error
	existing *existing.Settings // nil for a cluster of this machine
}

// Of is a cluster of a kind whose options are set already.
func Of(kind cluster.Kind, name string) Source {
	return Source{Target: Target{Kind: kind, Name: name, Timing: cluster.Fast()}}
}

// Made is a cluster of this machine with as many nodes for pods; kind is the name of its kind.
func Made(kind string, workers int) Source {
	for _, known := range kinds.All() {
		if known.Name == kind {
			s := Of(known, defaultName)
			s.Workers = workers
			return s
		}
	}
	return Source{Err: fmt.Errorf("this sparkchaos has no clusters of the kind %s", kind)}
}

// Existing is the cluster of a context of the kubeconfig.
func Existing(context string) Source {
	settings := &existing.Settings{Context: context}
	s := Of(settings.Entry(), context)
	s.existing = settings
	return s
}

// OnExisting changes the settings of a cluster that exists. For any other it is an error of the caller.
func (s *Source) OnExisting(change func(*existing.Settings)) {
	if s.existing == nil {
		s.Err = fmt.Errorf("an option of existing clusters was given for a cluster of the kind %s", s.Kind.Name)
		return
	}
	change(s.existing)
}
