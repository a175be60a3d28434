package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/report/tell"
)

// openMetricsFormat is what was measured during a run, as OpenMetrics text with timestamps.
func openMetricsFormat() definition {
	return definition{format: OpenMetrics, file: "metrics.openmetrics.txt", asked: true, render: renderOpenMetrics}
}

// metricsSample is a sample in the history.
type metricsSample struct {
	at   time.Duration
	seq  int64
	pod  string // UID of the driver's pod; empty: not of a driver
	data history.MetricsData
}

func renderOpenMetrics(verdict check.RunVerdict, info RunInfo, _ Style) ([]byte, error) {
	var samples []metricsSample
	record, err := info.needed(func(e *history.Event) {
		if e.Source != history.Harness || e.Type != history.MetricsSampled {
			return
		}
		sample := metricsSample{at: e.Offset, seq: e.Seq}
		if json.Unmarshal(e.Data, &sample.data) != nil {
			return // hand-made: the verdict tells of a damaged history
		}
		if e.Object != nil {
			sample.pod = e.Object.UID
		}
		samples = append(samples, sample)
	})
	if err != nil {
		return nil, err
	}
	exposition := exposition{run: map[string]string{"run": verdict.RunID, "scenario": verdict.Scenario}, families: map[string]*metricFamily{}}
	exposition.addLoads(record)
	exposition.addSamples(samples, record)
	var out bytes.Buffer
	exposition.write(&out)
	return out.Bytes(), nil
}

// exposition is a text of OpenMetrics to be.
type exposition struct {
	run      map[string]string // labels of all series
	families map[string]*metricFamily
}

// metricFamily has all series of one name. A counter's name is without the suffix that its samples have.
type metricFamily struct {
	counter bool
	series  map[string]*metricSeries // by their labels as text
}

type metricSeries struct {
	points []metricPoint
}

type metricPoint struct {
	at    time.Time
	value float64
}

// counterSuffix ends the names of a counter's samples.
const counterSuffix = "_total"

// add adds a point to a series, unless its name is none, or another family has it. Points come in the order of time.
func (x *exposition) add(name string, labels map[string]string, at time.Time, value float64) {
	name, counter := strings.CutSuffix(name, counterSuffix)
	if !metricName(name) || math.IsNaN(value) || math.IsInf(value, 0) || counter && value < 0 {
		return
	}
	family := x.families[name]
	if family == nil {
		family = &metricFamily{counter: counter, series: map[string]*metricSeries{}}
		x.families[name] = family
	}
	if family.counter != counter {
		return
	}
	key := x.labelText(labels)
	series := family.series[key]
	if series == nil {
		series = &metricSeries{}
		family.series[key] = series
	}
	if points := series.points; len(points) == 0 || points[len(points)-1].at.Before(at) {
		series.points = append(points, metricPoint{at, value})
	}
}

// metricName reports whether a text may be the name of a metric or of a label.
func metricName(name string) bool {
	return name != "" && strings.IndexFunc(name, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	}) < 0 && (name[0] < '0' || name[0] > '9')
}

// labelText returns the labels of a series and those of the run.
func (x *exposition) labelText(labels map[string]string) string {
	all := maps.Clone(labels)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, x.run)
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if value := clean(all[name]); metricName(name) && value != "" {
			texts = append(texts, name+`="`+escape.Replace(value)+`"`)
		}
	}
	return "{" + strings.Join(texts, ",") + "}"
}

func (x *exposition) write(out io.Writer) {
	for _, name := range slices.Sorted(maps.Keys(x.families)) {
		family, kind, suffix := x.families[name], "gauge", ""
		if family.counter {
			kind, suffix = "counter", counterSuffix
		}
		fmt.Fprintf(out, "# TYPE %s %s\n", name, kind)
		if help := metricHelp(name); help != "" {
			fmt.Fprintf(out, "# HELP %s %s\n", name, help)
		}
		for _, labels := range slices.Sorted(maps.Keys(family.series)) {
			for _, point := range family.series[labels].points {
				fmt.Fprintf(out, "%s%s%s %s %d.%03d\n", name, suffix, labels, strconv.FormatFloat(point.value, 'g', -1, 64),
					point.at.Unix(), point.at.Nanosecond()/int(time.Millisecond))
			}
		}
	}
	fmt.Fprint(out, "# EOF\n")
}

// The metrics that are not those of a program that was asked.
const (
	metricPressure = "sparkchaos_pressure_ratio"
	metricRunnable = "sparkchaos_runnable_processes"
	metricCPUs     = "sparkchaos_cpus"
	metricLate     = "sparkchaos_timer_late_seconds"
	metricAnswered = "sparkchaos_metrics_answered"
)

// metricHelp returns what a metric of the harness says; empty for those of Spark and of the API server.
func metricHelp(name string) string {
	return map[string]string{
		metricPressure: "Share of the five seconds before in which a process waited for the resource, as Linux tells.",
		metricRunnable: "Mean number of processes that ran or waited for a CPU in the five seconds before.",
		metricCPUs:     "CPUs of the machine.",
		metricLate:     "The most by which a timer of the harness was late in the five seconds before.",
		metricAnswered: "1 as a program told its metrics, 0 as it began not to.",
	}[name]
}

// addLoads adds how busy the machines were. Without a node it is the machine of the harness, and all nodes that live on it.
func (x *exposition) addLoads(record *tell.Record) {
	for _, load := range record.Model.Loads {
		labels := map[string]string{"node": load.Data.Node}
		for resource, share := range map[string]float64{"cpu": load.Data.CPU, "memory": load.Data.Memory, "io": load.Data.IO} {
			if share >= 0 {
				x.add(metricPressure, map[string]string{"node": load.Data.Node, "resource": resource}, load.At.At, share)
			}
		}
		if load.Data.Runnable >= 0 {
			x.add(metricRunnable, labels, load.At.At, load.Data.Runnable)
		}
		x.add(metricCPUs, labels, load.At.At, float64(load.Data.CPUs))
		x.add(metricLate, labels, load.At.At, load.Data.TimerLate.Seconds())
	}
}

// addSamples adds what programs told of themselves.
func (x *exposition) addSamples(samples []metricsSample, record *tell.Record) {
	incarnations := record.Model.Incarnations()
	began := record.Model.Last.At.Add(-record.Model.Offset(record.Model.Last))
	slices.SortStableFunc(samples, func(a, b metricsSample) int { return cmp.Compare(a.at, b.at) })
	for _, sample := range samples {
		at := began.Add(sample.at)
		i := slices.IndexFunc(incarnations, func(i *model.Incarnation) bool { return sample.pod != "" && i.UID == sample.pod })
		labels := map[string]string{}
		if i >= 0 {
			labels = podLabels(incarnations[i])
		}
		answered := 1.0
		if sample.data.Error != "" {
			answered = 0
		}
		from := maps.Clone(labels)
		from["from"] = sample.data.From
		x.add(metricAnswered, from, at, answered)
		for _, value := range sample.data.Series {
			all := maps.Clone(labels)
			if id := value.Labels["executor"]; i >= 0 && id != "" {
				maps.Copy(all, executorLabels(record.Model, incarnations[i], id))
			}
			maps.Copy(all, value.Labels)
			x.add(value.Name, all, at, value.Value)
		}
	}
}

// podLabels say which driver a series is of.
func podLabels(i *model.Incarnation) map[string]string {
	return map[string]string{"pod": i.Name, "node": i.Node, "incarnation": strconv.Itoa(i.Number)}
}

// executorLabels say in which pod an executor of a driver is; nothing if that is not known. Spark's id of the driver itself is a word.
func executorLabels(m *model.Model, of *model.Incarnation, id string) map[string]string {
	for _, pod := range m.Executors(of) {
		if pod.ExecutorID == id {
			return map[string]string{"pod": pod.Name, "node": pod.Node}
		}
	}
	if id == "driver" {
		return nil
	}
	return map[string]string{"pod": "", "node": ""} // not the driver's
}
