// Package kinds lists the kinds of clusters that sparkchaos knows.
package kinds

import (
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/existing"
)

// All returns all kinds, the default first. Each call returns kinds whose options nobody has set yet.
func All() []cluster.Kind { return append(local(), existing.Entry()) }

// Names returns the names of all kinds, in their order.
func Names() []string {
	var names []string
	for _, kind := range All() {
		names = append(names, kind.Name)
	}
	return names
}
