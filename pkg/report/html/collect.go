package html

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// maxRaw bounds the raw data of events that a page holds, in bytes before they are packed. Of more events only those that are evidence keep
// theirs; "sparkchaos show" prints the others.
const maxRaw = 48 << 20

// maxBeats is the number of heartbeats up to which each is an event of the page.
const maxBeats = 50_000

// Collector keeps of the events of a history what the page shows of each. Observe takes them in their order.
type Collector struct {
	Beats  []time.Duration // offsets of heartbeats
	events []event
	keep   map[int64]bool // whose raw data stays whatever else is left out
	last   map[string]seen
	bytes  int
	over   bool // raw data was left out
	base   int64
}

type event struct {
	seq        int64
	at         time.Duration
	kind, name string
	raw        []byte
	prev       int // how many events back the object is that raw, a merge patch, changes; 0: raw is whole
}

type seen struct {
	index int
	data  any
}

// NewCollector returns a Collector that keeps the raw data of the given events in any case.
func NewCollector(evidence []int64) *Collector {
	c := &Collector{keep: map[int64]bool{}, last: map[string]seen{}}
	for _, seq := range evidence {
		c.keep[seq] = true
	}
	return c
}

// Observe takes the next event, whose memory is not kept.
func (c *Collector) Observe(e *history.Event) {
	if c.base == 0 {
		c.base = e.Wall.Add(-e.Offset).UnixMicro()
	}
	one := event{seq: e.Seq, at: e.Offset, kind: string(e.Source) + "/" + e.Type}
	if e.Object != nil {
		one.name = e.Object.Kind + " " + e.Object.Name
	}
	if e.Source == history.Witness {
		one.at = c.told(e)
		if e.Type == history.Heartbeat {
			c.Beats = append(c.Beats, one.at)
			if len(c.Beats) > maxBeats && !c.keep[e.Seq] {
				c.over = true
				return
			}
		}
	}
	if c.bytes > maxRaw && !c.keep[e.Seq] {
		c.over = true
	} else if e.Source == history.Kubernetes && e.Object != nil && e.Object.UID != "" {
		one.raw, one.prev = c.patch(e.Object.Kind+e.Object.UID, e.Data)
	} else {
		one.raw = bytes.Clone(e.Data)
	}
	c.bytes += len(one.raw)
	c.events = append(c.events, one)
}

// told returns when a process wrote a record, by its own clock; when it arrived if that cannot be so.
func (c *Collector) told(e *history.Event) time.Duration {
	var record struct {
		WallMicros int64 `json:"wallMicros"`
	}
	if json.Unmarshal(e.Data, &record) != nil {
		return e.Offset
	}
	told := time.Duration(record.WallMicros-c.base) * time.Microsecond
	if told < 0 || told > e.Offset+time.Minute {
		return e.Offset
	}
	return told
}

// patch returns the data of an object as a merge patch of what was seen of it before, and how many events ago that was; whole if it is the
// first time, or if no patch says the same.
func (c *Collector) patch(key string, data json.RawMessage) ([]byte, int) {
	whole := bytes.Clone(data)
	var now any
	if json.Unmarshal(data, &now) != nil {
		return whole, 0
	}
	before, known := c.last[key]
	c.last[key] = seen{len(c.events), now}
	if !known {
		return whole, 0
	}
	difference := diff(before.data, now)
	if !reflect.DeepEqual(apply(before.data, difference), now) {
		return whole, 0
	}
	encoded, err := json.Marshal(difference)
	if err != nil || len(encoded) >= len(whole) {
		return whole, 0
	}
	return encoded, len(c.events) - before.index
}

// diff returns the JSON merge patch (RFC 7396) that makes b of a.
func diff(a, b any) any {
	x, ok := a.(map[string]any)
	y, too := b.(map[string]any)
	if !ok || !too {
		return b
	}
	changes := map[string]any{}
	for key, value := range y {
		old, had := x[key]
		if !had || !reflect.DeepEqual(old, value) {
			changes[key] = diff(old, value)
		}
	}
	for key := range x {
		if _, has := y[key]; !has {
			changes[key] = nil
		}
	}
	return changes
}

// apply returns what a merge patch makes of a.
func apply(a, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	result := map[string]any{}
	if x, ok := a.(map[string]any); ok {
		for key, value := range x {
			result[key] = value
		}
	}
	for key, value := range changes {
		if value == nil {
			delete(result, key)
			continue
		}
		result[key] = apply(result[key], value)
	}
	return result
}
