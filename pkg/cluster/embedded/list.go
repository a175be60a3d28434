//go:build linux

package embedded

import (
	"fmt"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// Summary describes a cluster by its files and the processes of its machines. It changes nothing; what cannot be found out is part of the
// state.
func (p Provider) Summary(name string) cluster.Summary {
	s := cluster.Summary{Name: name}
	c, err := p.Open(name)
	if err != nil {
		s.State = "unknown: " + err.Error()
		return s
	}
	s.Nodes, s.Created, s.State = c.record.Workers, c.record.Created, c.state()
	if c.record.Phase != running || s.State != string(running) {
		return s
	}
	disturbed := 0
	for _, worker := range c.directory.machineNames() {
		m, err := c.directory.loadMachine(worker)
		if err != nil || !m.Process.Alive() {
			disturbed++
		}
	}
	if disturbed > 0 {
		s.State = fmt.Sprintf("running, %d of %d nodes are %s", disturbed, c.record.Workers, cluster.Off)
	}
	return s
}
