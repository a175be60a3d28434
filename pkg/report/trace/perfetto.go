package trace

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of Perfetto's messages, as published in protos/perfetto/trace of github.com/google/perfetto: trace.proto,
// trace_packet.proto and, in track_event/, track_descriptor.proto, counter_descriptor.proto, track_event.proto and
// debug_annotation.proto. Numbers of fields never change.
const (
	tracePacket = 1 // Trace.packet

	packetTimestamp  = 8  // TracePacket
	packetSequence   = 10 // trusted_packet_sequence_id
	packetTrackEvent = 11
	packetTrack      = 60

	trackUUID     = 1 // TrackDescriptor
	trackName     = 2
	trackParent   = 5
	trackCounter  = 8
	trackOrdering = 11 // child_ordering
	trackRank     = 12 // sibling_order_rank

	eventAnnotation = 4 // TrackEvent
	eventType       = 9
	eventTrack      = 11
	eventCategory   = 22
	eventName       = 23
	eventCounter    = 30

	annotationString = 6 // DebugAnnotation
	annotationName   = 10
)

// Values of Perfetto's enums: TrackEvent.Type and TrackDescriptor.ChildTracksOrdering.
const (
	typeSliceBegin  = 1
	typeSliceEnd    = 2
	typeInstant     = 3
	typeCounter     = 4
	orderByRank     = 3
	perfettoWriters = 1 // the only sequence of packets
)

// message is an encoded message that grows.
type message []byte

func (m message) number(field protowire.Number, value uint64) message {
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), value)
}

func (m message) text(field protowire.Number, value string) message {
	return protowire.AppendString(protowire.AppendTag(m, field, protowire.BytesType), strings.ToValidUTF8(value, "\uFFFD"))
}

func (m message) message(field protowire.Number, value message) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), value)
}

// perfetto is a trace that grows by packets.
type perfetto struct{ out message }

func (p *perfetto) track(descriptor message) {
	p.out = p.out.message(tracePacket, message{}.number(packetSequence, perfettoWriters).message(packetTrack, descriptor))
}

func (p *perfetto) event(at time.Duration, event message) {
	p.out = p.out.message(tracePacket, message{}.number(packetTimestamp, uint64(at)).number(packetSequence,
		perfettoWriters).message(packetTrackEvent, event))
}

func annotation(name, value string) message {
	return message{}.text(annotationName, name).text(annotationString, value)
}

// Perfetto writes TrackEvents as protobuf, which ui.perfetto.dev opens. Times are nanoseconds since the begin of the run.
func (r *Run) Perfetto() ([]byte, error) {
	uuid := func(parts ...string) uint64 {
		id := r.id(append([]string{"perfetto"}, parts...)...)
		return binary.BigEndian.Uint64(id[:8])
	}
	var p perfetto
	for i, g := range r.groups() {
		parent := uuid(g.name)
		p.track(message{}.number(trackUUID, parent).text(trackName, g.name).number(trackOrdering, orderByRank).number(trackRank, uint64(i)))
		for k, row := range g.rows {
			id := uuid(g.name, fmt.Sprint(k))
			p.track(message{}.number(trackUUID, id).text(trackName, row.name).number(trackParent, parent).number(trackRank, uint64(k)))
			p.row(id, g.name, row)
		}
	}
	for _, c := range r.counters() {
		id := uuid("figures", c.name)
		p.track(message{}.number(trackUUID, id).text(trackName, c.name).message(trackCounter, nil))
		c.changes(func(at time.Duration, value int) {
			p.event(at, message{}.number(eventType, typeCounter).number(eventTrack, id).number(eventCounter, uint64(value)))
		})
	}
	return p.out, nil
}

func (p *perfetto) row(id uint64, category string, row row) {
	for _, s := range row.slices {
		begin := message{}.number(eventType, typeSliceBegin).number(eventTrack, id).text(eventCategory, category).text(eventName, s.name)
		begin = begin.message(eventAnnotation, annotation("text", s.text)).message(eventAnnotation, annotation("events", numbers(s.events)))
		p.event(s.from, begin)
		p.event(s.to, message{}.number(eventType, typeSliceEnd).number(eventTrack, id))
	}
	for _, m := range row.marks {
		mark := message{}.number(eventType, typeInstant).number(eventTrack, id).text(eventCategory, category).text(eventName, m.Text)
		p.event(m.At, mark.message(eventAnnotation, annotation("events", numbers([]int64{m.Event}))))
	}
}

// numbers writes the numbers of events as reports do.
func numbers(events []int64) string {
	var words []string
	for _, seq := range events {
		words = append(words, fmt.Sprintf("#%d", seq))
	}
	return strings.Join(words, ", ")
}
