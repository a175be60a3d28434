package otlp_test

import (
	"bytes"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/sparkchaos/sparkchaos/internal/otlp"
)

func said(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

// exported returns what a kubelet might export: spans that began at the given seconds.
func exported(seconds ...uint64) *collector.ExportTraceServiceRequest {
	var spans []*trace.Span
	for _, second := range seconds {
		spans = append(spans, &trace.Span{
			TraceId: bytes.Repeat([]byte{1}, 16), SpanId: []byte{0, 0, 0, 0, 0, 0, 0, byte(second)}, Name: "syncPod",
			Kind:              trace.Span_SPAN_KIND_SERVER,
			StartTimeUnixNano: second * 1e9, EndTimeUnixNano: second*1e9 + 5e8,
			Attributes: []*common.KeyValue{said("k8s.pod", "a"), {Key: "n", Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: 7}}}},
			Status:     &trace.Status{Code: trace.Status_STATUS_CODE_ERROR, Message: "no"},
		})
	}
	return of(spans...)
}

func of(spans ...*trace.Span) *collector.ExportTraceServiceRequest {
	return &collector.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource:   &resource.Resource{Attributes: []*common.KeyValue{said("service.name", "kubelet"), said("host.name", "worker-1")}},
		ScopeSpans: []*trace.ScopeSpans{{Spans: spans}},
	}}}
}

// framed returns messages as they stand in a file.
func framed(t testing.TB, requests ...*collector.ExportTraceServiceRequest) []byte {
	t.Helper()
	var out []byte
	for _, request := range requests {
		content, err := proto.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		out = protowire.AppendBytes(out, content)
	}
	return out
}

// receive returns a receiver, the file that it writes, and a connection.
func receive(t *testing.T, most int64) (*otlp.Receiver, string, *grpc.ClientConn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "traces.pb")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := otlp.Receive(listener, file, most)
	connection, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return r, path, connection
}

func TestWhatIsReceivedIsRead(t *testing.T) {
	t.Parallel()
	r, path, connection := receive(t, 1<<20)
	client := collector.NewTraceServiceClient(connection)
	for _, request := range []*collector.ExportTraceServiceRequest{exported(20), exported(10, 30)} {
		if answer, err := client.Export(t.Context(), request); err != nil || answer.GetPartialSuccess() != nil {
			t.Fatal(answer, err)
		}
	}
	stats, err := r.Close()
	content, errRead := os.ReadFile(path)
	want := otlp.Stats{Kept: 3, Bytes: int64(len(content))}
	if again, errAgain := r.Close(); err != nil || errAgain != nil || errRead != nil || stats != want || again != want {
		t.Errorf("%+v, %v; again %+v, %v; want %+v, %v", stats, err, again, errAgain, want, errRead)
	}
	kept, err := otlp.Read(bytes.NewReader(content))
	if err != nil || len(kept.Spans) != 3 || kept.LeftOut != 0 || kept.Damaged {
		t.Fatalf("%+v, %v", kept, err)
	}
	first := otlp.Span{
		Service: "kubelet", Host: "worker-1", Trace: strings.Repeat("01", 16), ID: "000000000000000a", Name: "syncPod", Kind: 2,
		Start: time.Unix(10, 0).UTC(), End: time.Unix(10, 5e8).UTC(),
		Attributes: []otlp.Attribute{{Key: "k8s.pod", Value: "a"}, {Key: "n", Value: "7"}},
		Failed:     true, Message: "no",
	}
	if diff := cmp.Diff(first, kept.Spans[0]); diff != "" {
		t.Errorf("the first span (-want +got):\n%s", diff)
	}
	torn, err := otlp.Read(bytes.NewReader(content[:len(content)-3]))
	if err != nil || len(torn.Spans) != 1 || torn.Damaged {
		t.Errorf("of a file with a torn end %+v, %v; want the span of the first message", torn, err)
	}
}

func TestTheFileIsBounded(t *testing.T) {
	t.Parallel()
	r, path, connection := receive(t, 300)
	client := collector.NewTraceServiceClient(connection)
	var rejected int64
	for range 4 {
		answer, err := client.Export(t.Context(), exported(1))
		if err != nil {
			t.Fatal(err)
		}
		rejected += answer.GetPartialSuccess().GetRejectedSpans()
	}
	stats, err := r.Close()
	if err != nil || stats.Kept == 0 || stats.Dropped == 0 || stats.Kept+stats.Dropped != 4 || rejected != int64(stats.Dropped) {
		t.Errorf("%+v, %v; the exporter was told of %d", stats, err, rejected)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 300 || info.Size() != stats.Bytes {
		t.Errorf("%d bytes, %v; want %d", info.Size(), err, stats.Bytes)
	}
}

// TestManyExportAtOnce closes the receiver while others still export.
func TestManyExportAtOnce(t *testing.T) {
	t.Parallel()
	r, path, connection := receive(t, 1<<20)
	client := collector.NewTraceServiceClient(connection)
	var group sync.WaitGroup
	var mu sync.Mutex
	accepted := 0
	for range 20 {
		group.Go(func() {
			for range 5 {
				if _, err := client.Export(t.Context(), exported(1, 2)); err == nil {
					mu.Lock()
					accepted += 2
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	stats, err := r.Close()
	file, errOpen := os.Open(path)
	if err != nil || errOpen != nil {
		t.Fatal(err, errOpen)
	}
	defer func() { _ = file.Close() }()
	kept, err := otlp.Read(file)
	if err != nil || len(kept.Spans) != stats.Kept || accepted != stats.Kept || accepted != 200 {
		t.Errorf("%d spans were accepted, %+v, %d are in the file, %v", accepted, stats, len(kept.Spans), err)
	}
}

func TestAFileThatCannotBeWrittenIsTold(t *testing.T) {
	t.Parallel()
	file, err := os.Open(os.DevNull) // for reading
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := otlp.Receive(listener, file, 1<<20)
	connection, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	answer, err := collector.NewTraceServiceClient(connection).Export(t.Context(), exported(1))
	if err != nil || answer.GetPartialSuccess().GetRejectedSpans() != 1 {
		t.Fatal(answer, err)
	}
	if stats, err := r.Close(); err == nil || stats.Dropped != 1 || stats.Kept != 0 {
		t.Errorf("%+v, %v; want the error of the file", stats, err)
	}
}

// bytesAsTheyAre is a codec that sends bytes, as somebody may who is no exporter.
type bytesAsTheyAre struct{}

func (bytesAsTheyAre) Name() string { return "proto" }

func (bytesAsTheyAre) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (bytesAsTheyAre) Unmarshal(mem.BufferSlice, any) error { return nil }

func TestMessagesThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	r, path, connection := receive(t, 64<<20)
	empty := bytes.Repeat([]byte{0x12, 0}, 1<<20) // a million of spans that say nothing
	bomb := protowire.AppendBytes([]byte{0x0a}, protowire.AppendBytes([]byte{0x12}, empty))
	invalid := framed(t, of(&trace.Span{Name: "NAME"}))[1:]
	copy(invalid[bytes.Index(invalid, []byte("NAME")):], "\xff\xfe\xfd\xfc")
	for name, tt := range map[string]struct {
		message []byte
		code    codes.Code
	}{
		"no protobuf":        {[]byte("GET / HTTP/1.1"), codes.InvalidArgument},
		"a length too large": {[]byte{0x0a, 0xff, 0xff, 0x03}, codes.InvalidArgument},
		"too large":          {make([]byte, 5<<20), codes.ResourceExhausted},
		"nothing":            {nil, codes.OK},
		"empty spans":        {bomb, codes.OK},
		"a text of no runes": {invalid, codes.OK},
	} {
		method := "/" + collector.TraceService_ServiceDesc.ServiceName + "/Export"
		err := connection.Invoke(t.Context(), method, tt.message, nil, grpc.ForceCodecV2(bytesAsTheyAre{}))
		if status.Code(err) != tt.code {
			t.Errorf("%s: %v, want %s", name, err, tt.code)
		}
	}
	if _, err := collector.NewTraceServiceClient(connection).Export(t.Context(), exported(1)); err != nil {
		t.Errorf("a span after them: %v", err)
	}
	if _, err := r.Close(); err != nil {
		t.Error(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := otlp.Read(bytes.NewReader(content))
	if err != nil || len(kept.Spans) != 1 || kept.LeftOut != 1<<20+1 || kept.Damaged {
		t.Errorf("%d spans are read, %d left out, damaged %t, %v", len(kept.Spans), kept.LeftOut, kept.Damaged, err)
	}
}

func TestHostileSpansAreBounded(t *testing.T) {
	t.Parallel()
	var many []*common.KeyValue
	for range 1000 {
		many = append(many, said("k", strings.Repeat("é", 2000)))
	}
	array := &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: make([]*common.AnyValue, 3)}}}
	content := framed(t, of(
		&trace.Span{SpanId: make([]byte, 1000), Name: strings.Repeat("x", 1<<16), Kind: 77, StartTimeUnixNano: math.MaxUint64,
			EndTimeUnixNano: 5, Attributes: many},
		&trace.Span{Attributes: []*common.KeyValue{{Key: "a", Value: array}, {Key: "b"}}},
	))
	kept, err := otlp.Read(bytes.NewReader(append(content, bytes.Repeat([]byte{0xff}, 10)...)))
	if err != nil || len(kept.Spans) != 2 || !kept.Damaged {
		t.Fatalf("%+v, %v", kept, err)
	}
	if diff := cmp.Diff([]otlp.Attribute{{Key: "a", Value: "an array of 3"}, {Key: "b"}}, kept.Spans[0].Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	span := kept.Spans[1]
	if span.ID != "" || span.Kind != 0 || span.End.Before(span.Start) || span.Start.Before(time.Unix(0, 0)) || len(span.Name) > 1100 ||
		len(span.Attributes) > 100 || !strings.HasSuffix(span.Attributes[0].Value, "é…") {
		t.Errorf("id %q, kind %d, from %s to %s, a name of %d, %d attributes", span.ID, span.Kind, span.Start, span.End, len(span.Name),
			len(span.Attributes))
	}
}

func TestTooManySpansAreLeftOut(t *testing.T) {
	t.Parallel()
	message := framed(t, of(make([]*trace.Span, 10_000)...))
	kept, err := otlp.Read(bytes.NewReader(bytes.Repeat(message, 30)))
	if err != nil || len(kept.Spans) != 200_000 || kept.LeftOut != 100_000 {
		t.Errorf("%d spans, %d left out, %v", len(kept.Spans), kept.LeftOut, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(framed(f, exported(1, 2)))
	f.Add([]byte{})
	f.Add([]byte{0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, content []byte) {
		kept, err := otlp.Read(bytes.NewReader(content))
		if err != nil {
			t.Errorf("of a reader without errors: %v", err)
		}
		for _, span := range kept.Spans {
			if span.End.Before(span.Start) || len(span.Trace) > 32 || len(span.ID) > 32 || len(span.Attributes) > 32 {
				t.Errorf("%+v", span)
			}
		}
	})
}
