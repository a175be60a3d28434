// Package pod has the faults that end a pod by the API alone. Nothing of them has to be undone.
package pod

import "github.com/sparkchaos/sparkchaos/pkg/faults"

// Family returns the faults of pods.
func Family() faults.Family {
	return faults.Family{Kinds: []faults.Kind{
		podKillKind(),
		podEvictKind(),
	}}
}

var (
	_ faults.Patient = podKill{}
	_ faults.Patient = podEvict{}
)
