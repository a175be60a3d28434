// Package metrics reads a few metrics of Spark and of the Kubernetes API server from what they offer to Prometheus. Whoever answers may be
// hostile: what is kept of an answer is bounded, and names and labels are those of a fixed selection.
package metrics

import (
	"math"
	"slices"
)

// Selection is what is read of the metrics that a program offers.
type Selection struct {
	From    string // as in history.MetricsData
	Metrics []Metric
	// Labels are those that series have; the series that differ in others are summed. If there are too many series, they are summed over
	// these, too, one after the other from the last to the first.
	Labels []Label
	// Short returns the part of a metric's name by which it is selected; nil: the whole name.
	Short func(name string) string
	// MaxBody and MaxKept bound, in bytes, an answer and what is parsed of it.
	MaxBody, MaxKept int64
}

// Metric is one that is selected.
type Metric struct {
	Source string            // its name in the answer
	Name   string            // its name in the history
	Scale  float64           // what a value is multiplied by; 0: it stays as it is
	Labels map[string]string // that its series have beside those of the selection
}

// Label is a label that is kept.
type Label struct {
	Source, Name string
	Valid        func(value string) bool // a value that is not valid drops the series
}

// find returns the metric of a name in the answer.
func (s Selection) find(name string) (Metric, bool) {
	if s.Short != nil {
		name = s.Short(name)
	}
	i := slices.IndexFunc(s.Metrics, func(m Metric) bool { return m.Source == name })
	if i < 0 {
		return Metric{}, false
	}
	return s.Metrics[i], true
}

// scaled returns a value in the unit of the history, and false if it is no number that a history can hold.
func (m Metric) scaled(value float64) (float64, bool) {
	if m.Scale != 0 {
		value *= m.Scale
	}
	return value, !math.IsNaN(value) && !math.IsInf(value, 0)
}
