package cluster

import (
	"encoding/json"
	"fmt"
)

// Status is how a cluster is, to be shown to a person or to another program.
type Status struct {
	Rows   []StatusRow
	Header []string   // of the table of nodes
	Nodes  [][]string // a row each
	// Document is all of it as the kind of clusters has it.
	Document any
}

// StatusRow is one line of the status of a cluster as a whole.
type StatusRow struct{ Name, Text string }

// MarshalJSON encodes the document.
func (s Status) MarshalJSON() ([]byte, error) { return json.Marshal(s.Document) }

// Add appends a row.
func (s *Status) Add(name, format string, args ...any) {
	s.Rows = append(s.Rows, StatusRow{Name: name, Text: fmt.Sprintf(format, args...)})
}

// PowerText returns the power of a node in words; orderly means that a node that is off was shut down gracefully, ready what
// Kubernetes thinks of it, or nothing.
func (n Node) PowerText(orderly bool, ready string) string {
	switch {
	case n.Frozen:
		return "on, frozen"
	case n.Power == Off && orderly:
		return "off, shut down"
	case n.Power == On && ready != "" && !n.Kubelet:
		return "on, no kubelet"
	default:
		return string(n.Power)
	}
}

// LinkText returns the state of a node's link in a word.
func (n Node) LinkText() string {
	if n.Isolated {
		return "isolated"
	}
	return "connected"
}

// String names the timing with its knobs.
func (t Timing) String() string {
	return fmt.Sprintf("%s: nodeStatusUpdateFrequency %v, nodeLeaseDuration %v, nodeMonitorPeriod %v, nodeMonitorGracePeriod %v",
		t.Name, t.NodeStatusUpdateFrequency, t.NodeLeaseDuration, t.NodeMonitorPeriod, t.NodeMonitorGracePeriod)
}

// OrDash returns a text, or a dash for an empty one.
func OrDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
