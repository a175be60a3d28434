package history

import "time"

// MetricsData is a sample of the metrics that a program offers, or a gap: why there is none. Samples are for people; no verdict depends on
// them.
type MetricsData struct {
	From string `json:"from"` // the program, one of the constants below
	// Error says why there is no sample. A gap is recorded once, whatever it lasts; the next sample ends it.
	Error string `json:"error,omitempty"`
	// Took is how long the program took to answer.
	Took   time.Duration `json:"took,omitempty"`
	Series []MetricValue `json:"series,omitempty"`
	// Without are labels that were left out, and their series summed, because there were more than MaxMetricSeries with them.
	Without []string `json:"without,omitempty"`
	Dropped int      `json:"dropped,omitempty"` // values that make no sense, and series beyond MaxMetricSeries
}

// The programs whose metrics are sampled. The object of an event with those of a driver is the driver's pod.
const (
	MetricsDriver    = "driver"    // of the driver's own metrics
	MetricsExecutors = "executors" // of the executors, as their driver knows them
	MetricsAPIServer = "apiServer"
)

// MaxMetricSeries is how many series a sample has at most.
const MaxMetricSeries = 40

// MetricValue is the value of a metric at a time. The name of a counter ends in _total; all others are gauges.
type MetricValue struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
	Value  float64           `json:"value"`
}
