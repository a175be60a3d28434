package anchor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// drivers returns the driver's pods in the order of their creation. Anchors rely on the API server: an incarnation that
// only the witness knows is not among them.
func drivers(m *model.Model) model.Incarnations {
	return slices.DeleteFunc(m.Incarnations(), func(i *model.Incarnation) bool { return i.Pod == nil })
}

// ran returns the first event that showed a driver's pod Running and not being deleted; 0 if there is none.
func ran(p *model.Pod) int64 {
	if p.Running.Never() || !p.Terminating.Never() && p.Terminating.Seq <= p.Running.Seq {
		return 0
	}
	return p.Running.Seq
}

// tell describes what is known about the driver's pods.
func tell(m *model.Model) string {
	all := drivers(m)
	if len(all) == 0 {
		return "no pod of the driver was seen"
	}
	var words []string
	for i, driver := range all {
		p := driver.Pod
		word := fmt.Sprintf("incarnation %d (pod %s) is %s", i+1, p.Name, cmp.Or(p.Phase, "without a phase"))
		if p.Node != "" {
			word += " on node " + p.Node
		}
		switch {
		case !p.Deleted.Never():
			word += " and gone"
		case !p.Terminating.Never():
			word += " and being deleted"
		}
		words = append(words, word)
	}
	if broken := m.Unreadable["Pod"] + m.Unreadable[history.WorkloadLaunched]; broken > 0 {
		words = append(words, plural(broken, "event could not be read", "events could not be read"))
	}
	return strings.Join(words, ", ")
}
