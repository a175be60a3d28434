package metrics

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// maxMetricLine bounds a line of an answer, in bytes.
const maxMetricLine = 64 * kibibyte

// Read returns the selected metrics of an answer. The text of an error has nothing of the answer in it, which may hold anything.
func (s Selection) Read(answer io.Reader) (history.MetricsData, error) {
	kept, err := s.keep(answer)
	if err != nil {
		return history.MetricsData{}, err
	}
	if len(kept) == 0 { // as of a UI that says that it is starting up
		return history.MetricsData{}, errors.New("the answer has none of the metrics that are selected")
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(kept))
	if err != nil {
		return history.MetricsData{}, syntaxError(err)
	}
	return s.sample(families), nil
}

func syntaxError(err error) error {
	var syntax expfmt.ParseError
	if errors.As(err, &syntax) {
		return fmt.Errorf("the answer is not in Prometheus' text format: line %d of those that were selected", syntax.Line)
	}
	return errors.New("the answer is not in Prometheus' text format")
}

// keep returns the lines of the answer that have a selected metric. They are few of many, and comments are none of them: what is a counter
// the selection knows.
func (s Selection) keep(answer io.Reader) ([]byte, error) {
	limited := &io.LimitedReader{R: answer, N: s.MaxBody + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 4*kibibyte), maxMetricLine)
	var kept bytes.Buffer
	for lines.Scan() {
		line := lines.Bytes()
		name := line[:max(0, bytes.IndexAny(line, "{ \t"))]
		if _, found := s.find(string(name)); !found {
			continue
		}
		if int64(kept.Len()+len(line)) > s.MaxKept {
			return nil, fmt.Errorf("the answer has more than %d bytes of the metrics that are selected", s.MaxKept)
		}
		kept.Write(line)
		kept.WriteByte('\n')
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("the answer has a line of more than %d bytes", maxMetricLine)
	case err != nil:
		return nil, fmt.Errorf("the answer ended too early: %w", err)
	case limited.N <= 0:
		return nil, fmt.Errorf("the answer has more than %d bytes", s.MaxBody)
	}
	return kept.Bytes(), nil
}

// sample sums the families up to the series of the selection.
func (s Selection) sample(families map[string]*dto.MetricFamily) history.MetricsData {
	data := history.MetricsData{From: s.From}
	// The labels that are summed over are deleted from the values, which nobody else has.
	values := s.values(families, &data.Dropped)
	labels := slices.Clone(s.Labels)
	data.Series = s.sum(values)
	for len(data.Series) > history.MaxMetricSeries && len(labels) > 0 {
		last := labels[len(labels)-1].Name
		labels = labels[:len(labels)-1]
		for i := range values {
			delete(values[i].Labels, last)
		}
		data.Without = append(data.Without, last)
		data.Series = s.sum(values)
	}
	if over := len(data.Series) - history.MaxMetricSeries; over > 0 {
		data.Series, data.Dropped = data.Series[:history.MaxMetricSeries], data.Dropped+over
	}
	return data
}

// values returns all values with the labels of the selection, and counts those that make no sense.
func (s Selection) values(families map[string]*dto.MetricFamily, dropped *int) []history.MetricValue {
	var all []history.MetricValue
	for _, source := range slices.Sorted(maps.Keys(families)) {
		metric, found := s.find(source)
		if !found {
			continue
		}
		for _, one := range families[source].GetMetric() {
			value, sensible := metric.scaled(one.GetUntyped().GetValue())
			labels, valid := s.labels(one.GetLabel())
			if !sensible || !valid {
				*dropped++
				continue
			}
			maps.Copy(labels, metric.Labels)
			all = append(all, history.MetricValue{Name: metric.Name, Labels: labels, Value: value})
		}
	}
	return all
}

// labels returns those of the selection, and false if one of them has a value that it cannot have.
func (s Selection) labels(pairs []*dto.LabelPair) (map[string]string, bool) {
	kept := map[string]string{}
	for _, pair := range pairs {
		i := slices.IndexFunc(s.Labels, func(l Label) bool { return l.Source == pair.GetName() })
		if i < 0 {
			continue
		}
		if !s.Labels[i].Valid(pair.GetValue()) {
			return nil, false
		}
		kept[s.Labels[i].Name] = pair.GetValue()
	}
	return kept, true
}

// sum adds up the values of equal names and labels, in the order of the selection.
func (s Selection) sum(values []history.MetricValue) []history.MetricValue {
	at := map[string]int{}
	var sums []history.MetricValue
	for _, v := range values {
		key := seriesKey(v)
		if _, known := at[key]; !known {
			at[key] = len(sums)
			sums = append(sums, history.MetricValue{Name: v.Name, Labels: maps.Clone(v.Labels)})
		}
		sums[at[key]].Value += v.Value
	}
	sums = slices.DeleteFunc(sums, func(v history.MetricValue) bool { return math.IsInf(v.Value, 0) }) // JSON has no such number
	order := map[string]int{}
	for i, m := range s.Metrics {
		order[m.Name] = i
	}
	slices.SortStableFunc(sums, func(a, b history.MetricValue) int {
		return cmp.Or(cmp.Compare(order[a.Name], order[b.Name]), cmp.Compare(seriesKey(a), seriesKey(b)))
	})
	return sums
}

// seriesKey is the same for values of one series.
func seriesKey(v history.MetricValue) string {
	key := []string{v.Name}
	for _, name := range slices.Sorted(maps.Keys(v.Labels)) {
		key = append(key, fmt.Sprintf("%s=%q", name, v.Labels[name]))
	}
	return strings.Join(key, ",")
}
