package html

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/pkg/report/timeline"
)

// The data of the page are columns, which pack better than rows. web/src/data.ts reads them; times are in milliseconds from the begin of
// the run, events are given by their numbers, words by their places in Words.
type columns struct {
	Base     int64    `json:"base"`  // microseconds since the epoch at the begin of the run
	Begin    int64    `json:"begin"` // of what is shown first
	End      int64    `json:"end"`
	Words    []string `json:"words"`
	Lanes    laneColumns
	Spans    spanColumns
	Marks    markColumns
	Faults   []faultData     `json:"faults"`
	Phases   []phaseData     `json:"phases"`
	Overlaps []overlapData   `json:"overlaps"`
	Series   seriesData      `json:"series"`
	Events   eventColumns    `json:"events"`
	Proofs   []invariantData `json:"proofs"`
	Whole    bool            `json:"whole"` // no event and no raw data was left out
}

type laneColumns struct {
	Group, Name, Detail, Depth, Spans, Marks []int // the last two are how many each lane has
}

type spanColumns struct {
	From, For   []int64
	State, Text []int
	Low         []int
	First, Last []int64 // events
}

type markColumns struct {
	At    []int64
	Text  []int
	Event []int64
}

// eventColumns have differences to the event before in Seq and At.
type eventColumns struct {
	Seq, At   []int64
	Type, Obj []int
}

type faultData struct {
	Name   string  `json:"name"`
	Kind   string  `json:"kind"`
	Target string  `json:"target"`
	From   int64   `json:"from"`
	To     int64   `json:"to"`
	Events []int64 `json:"events"`
	Lanes  []int   `json:"lanes"`
	Landed bool    `json:"landed"`
}

type phaseData struct {
	Fault  string  `json:"fault"`
	Name   string  `json:"name"`
	From   int64   `json:"from"`
	To     int64   `json:"to"`
	Events []int64 `json:"events"`
	Row    int     `json:"row"`
	Late   bool    `json:"late"`
}

type overlapData struct {
	From   int64   `json:"from"`
	To     int64   `json:"to"`
	Lanes  [2]int  `json:"lanes"`
	Events []int64 `json:"events"`
}

type seriesData struct {
	Step      int64 `json:"step"`
	Tasks     []int `json:"tasks"`
	Executors []int `json:"executors"`
	Beats     []int `json:"beats"`
}

type invariantData struct {
	Name     string     `json:"name"`
	Verdict  string     `json:"verdict"`
	Message  string     `json:"message"`
	Evidence []int64    `json:"evidence"`
	Lines    []lineData `json:"lines"`
}

type lineData struct {
	Event int64  `json:"event"`
	At    int64  `json:"at"`
	Text  string `json:"text"`
}

// rawData is unpacked only when somebody asks for an event's object, or for a log.
type rawData struct {
	Raw  []string  `json:"raw"`
	Prev []int     `json:"prev"`
	Logs []logData `json:"logs"`
}

type logData struct {
	Name string `json:"name"`
	Cut  bool   `json:"cut"`
	Text string `json:"text"`
}

type dictionary struct {
	words []string
	known map[string]int
}

func (d *dictionary) of(word string) int {
	word = printable.Line(word)
	i, ok := d.known[word]
	if !ok {
		i = len(d.words)
		d.known[word] = i
		d.words = append(d.words, word)
	}
	return i
}

func ms(d time.Duration) int64 { return d.Milliseconds() }

// pack returns the data of the timeline and the raw data, both packed by gzip; nothing without a timeline.
func (p Page) pack() (data, raw []byte, err error) {
	if p.Timeline == nil || p.Record == nil {
		return nil, nil, nil
	}
	if data, err = zipped(p.columns()); err != nil {
		return nil, nil, err
	}
	raw, err = zipped(p.rawData())
	return data, raw, err
}

func zipped(value any) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err == nil {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(value)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("pack the data of report.html: %w", err)
	}
	return out.Bytes(), nil
}

func (p Page) columns() columns {
	words := &dictionary{known: map[string]int{}}
	t := p.Timeline
	c := columns{Base: p.Record.base, Begin: ms(t.Begin), End: ms(t.End), Whole: !p.Record.over}
	for _, lane := range t.Lanes {
		c.lane(lane, words)
	}
	for _, f := range t.Faults {
		c.Faults = append(c.Faults, faultData{printable.Line(f.Fault), printable.Line(f.Kind), printable.Line(f.Target), ms(f.From), ms(f.To),
			f.Events, f.Lanes, f.Landed})
	}
	for _, b := range t.Phases {
		late := b.Bound > 0 && b.To-b.From > b.Bound
		c.Phases = append(c.Phases, phaseData{printable.Line(b.Fault), printable.Line(b.Name), ms(b.From), ms(b.To), b.Events, b.Row, late})
	}
	for _, o := range t.Overlaps {
		c.Overlaps = append(c.Overlaps, overlapData{ms(o.From), ms(o.To), o.Lanes, o.Events})
	}
	c.Series = seriesData{ms(t.Series.Step), t.Series.Tasks, t.Series.Executors, t.Series.Heartbeats}
	c.events(p.Record.events, words)
	for _, i := range p.Invariants {
		one := invariantData{printable.Line(i.Name), printable.Line(i.Verdict), printable.Line(i.Message), i.Evidence, nil}
		for _, line := range i.Lines {
			one.Lines = append(one.Lines, lineData{line.Event, ms(line.At), printable.Line(line.Text)})
		}
		c.Proofs = append(c.Proofs, one)
	}
	c.Words = words.words
	return c
}

func (c *columns) lane(lane timeline.Lane, words *dictionary) {
	l := &c.Lanes
	l.Group, l.Name, l.Detail = append(l.Group, words.of(string(lane.Group))), append(l.Name, words.of(lane.Name)), append(l.Detail,
		words.of(lane.Detail))
	l.Depth, l.Spans, l.Marks = append(l.Depth, lane.Depth), append(l.Spans, len(lane.Spans)), append(l.Marks, len(lane.Marks))
	s := &c.Spans
	for _, span := range lane.Spans {
		low := 0
		if span.Low {
			low = 1
		}
		s.From, s.For = append(s.From, ms(span.From)), append(s.For, ms(span.To)-ms(span.From))
		s.State, s.Text, s.Low = append(s.State, words.of(string(span.State))), append(s.Text, words.of(span.Text)), append(s.Low, low)
		s.First, s.Last = append(s.First, span.Events[0]), append(s.Last, span.Events[len(span.Events)-1])
	}
	m := &c.Marks
	for _, mark := range lane.Marks {
		m.At, m.Text, m.Event = append(m.At, ms(mark.At)), append(m.Text, words.of(mark.Text)), append(m.Event, mark.Event)
	}
}

func (c *columns) events(all []event, words *dictionary) {
	var seq, at int64
	e := &c.Events
	for _, one := range all {
		e.Seq, e.At = append(e.Seq, one.seq-seq), append(e.At, ms(one.at)-at)
		e.Type, e.Obj = append(e.Type, words.of(one.kind)), append(e.Obj, words.of(one.name))
		seq, at = one.seq, ms(one.at)
	}
}

func (p Page) rawData() rawData {
	var r rawData
	for _, one := range p.Record.events {
		r.Raw, r.Prev = append(r.Raw, string(one.raw)), append(r.Prev, one.prev)
	}
	for _, log := range p.Logs {
		r.Logs = append(r.Logs, logData{printable.Line(log.Name), log.Cut, log.Text})
	}
	return r
}
