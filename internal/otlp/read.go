package otlp

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/sparkchaos/sparkchaos/internal/printable"
)

// Limits of what is read; they bound the memory that a file takes, whoever wrote it.
const (
	maxFile       = 1 << 30 // bytes
	maxSpans      = 200_000
	maxOfMessage  = 20_000 // spans; exporters send some hundred at once
	maxAttributes = 32     // of a span
	maxText       = 1 << 10
)

// Span is a span as its exporter told it. Ids are hexadecimal.
type Span struct {
	Service, Host     string // of the exporter
	Trace, ID, Parent string
	Name              string
	Kind              int // as OTLP numbers them
	Start, End        time.Time
	Attributes        []Attribute
	Failed            bool
	Message           string // of the failure
}

// Attribute says something of a span. Values that are no texts are written as such.
type Attribute struct{ Key, Value string }

// Kept is what could be read of a file.
type Kept struct {
	Spans   []Span // in the order of their begins
	LeftOut int    // further spans: there are too many, or their message cannot be read
	Damaged bool   // what follows the last message cannot be read; a torn end, as a killed process leaves it, is no damage
}

// Read returns the spans of a file. The error is the reader's.
func Read(file io.Reader) (Kept, error) {
	var kept Kept
	in := bufio.NewReader(io.LimitReader(file, maxFile))
	for {
		message, err := next(in)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if errors.Is(err, errFraming) {
			kept.Damaged = true
			break
		}
		if err != nil {
			return Kept{}, fmt.Errorf("read the components' spans: %w", err)
		}
		kept.add(message)
	}
	slices.SortStableFunc(kept.Spans, func(a, b Span) int { return a.Start.Compare(b.Start) })
	return kept, nil
}

// errFraming reports bytes that are not the length of a message.
var errFraming = errors.New("no length of a message")

// next returns the next message.
func next(in *bufio.Reader) ([]byte, error) {
	header, err := in.Peek(binary.MaxVarintLen64)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	length, n := protowire.ConsumeVarint(header)
	switch {
	case n < 0 && len(header) < binary.MaxVarintLen64:
		return nil, io.EOF
	case n < 0 || length > maxMessage:
		return nil, errFraming
	}
	if _, err := in.Discard(n); err != nil {
		return nil, err
	}
	message := make([]byte, length)
	if _, err := io.ReadFull(in, message); err != nil {
		return nil, err
	}
	return message, nil
}

// add adds the spans of a message.
func (k *Kept) add(message []byte) {
	spans, err := count(message)
	var request collector.ExportTraceServiceRequest
	if err != nil || spans > maxOfMessage || len(k.Spans)+spans > maxSpans || proto.Unmarshal(message, &request) != nil {
		k.LeftOut += max(spans, 1)
		return
	}
	for _, resource := range request.GetResourceSpans() {
		exporter := resource.GetResource().GetAttributes()
		service, host := attribute(exporter, "service.name"), attribute(exporter, "host.name")
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				k.Spans = append(k.Spans, read(span, service, host))
			}
		}
	}
}

func read(s *trace.Span, service, host string) Span {
	span := Span{
		Service: service, Host: host, Trace: id(s.GetTraceId()), ID: id(s.GetSpanId()), Parent: id(s.GetParentSpanId()),
		Name: short(s.GetName()), Kind: kind(s.GetKind()), Start: moment(s.GetStartTimeUnixNano()), End: moment(s.GetEndTimeUnixNano()),
		Failed: s.GetStatus().GetCode() == trace.Status_STATUS_CODE_ERROR, Message: short(s.GetStatus().GetMessage()),
	}
	if span.End.Before(span.Start) {
		span.End = span.Start
	}
	for _, a := range s.GetAttributes()[:min(len(s.GetAttributes()), maxAttributes)] {
		span.Attributes = append(span.Attributes, Attribute{short(a.GetKey()), text(a.GetValue())})
	}
	return span
}

// kind returns the number of a kind of spans, or of none for a number that none has.
func kind(k trace.Span_SpanKind) int {
	if _, known := trace.Span_SpanKind_name[int32(k)]; !known {
		return 0
	}
	return int(k)
}

// id writes an id. One that is longer than any may be is none.
func id(bytes []byte) string {
	if len(bytes) > 16 {
		return ""
	}
	return hex.EncodeToString(bytes)
}

// moment returns a time. Those that Go cannot count are the last one that it can.
func moment(nanoseconds uint64) time.Time {
	return time.Unix(0, int64(min(nanoseconds, math.MaxInt64))).UTC()
}

func attribute(all []*common.KeyValue, key string) string {
	for _, a := range all {
		if a.GetKey() == key {
			return text(a.GetValue())
		}
	}
	return ""
}

func text(v *common.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return short(v.StringValue)
	case *common.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	case *common.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *common.AnyValue_DoubleValue:
		return strconv.FormatFloat(v.DoubleValue, 'g', -1, 64)
	case *common.AnyValue_ArrayValue:
		return "an array of " + strconv.Itoa(len(v.ArrayValue.GetValues()))
	case *common.AnyValue_KvlistValue:
		return "a map of " + strconv.Itoa(len(v.KvlistValue.GetValues()))
	case *common.AnyValue_BytesValue:
		return strconv.Itoa(len(v.BytesValue)) + " bytes"
	default:
		return ""
	}
}

// short returns what is kept of a text.
func short(text string) string {
	kept, cut := printable.Cut(text, maxText)
	if cut {
		kept += "…"
	}
	return kept
}
