// Package otlp receives spans that programs export by OTLP/gRPC, keeps them in a file, and reads that file. Whoever reaches a receiver can
// send it anything, so its memory and the file are bounded, and a message that cannot be read costs no other one.
package otlp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

const (
	// maxMessage is the size of the largest message that is received and read, in bytes: the limit of gRPC, which exporters expect.
	maxMessage = 4 << 20
	// maxConnections and maxCalls bound the memory that callers can take: each call holds one message.
	maxConnections = 128
	maxCalls       = 2
	// connectWithin is how long a caller may take to greet.
	connectWithin = 10 * time.Second
)

// Receiver keeps what is exported to it. It is safe for concurrent use.
type Receiver struct {
	server *grpc.Server
	served chan error

	mu     sync.Mutex
	file   io.WriteCloser
	left   int64 // bytes that may still be written
	stats  Stats
	err    error // of the file; nothing is written after it
	closed bool
}

// Stats counts the spans that were exported to a receiver.
type Stats struct {
	Kept, Dropped int
	Bytes         int64 // of the file
}

// Receive serves a listener and writes what comes into a file, which has most bytes at the most. Both are closed by Close.
func Receive(listener net.Listener, file io.WriteCloser, most int64) *Receiver {
	server := grpc.NewServer(grpc.ForceServerCodecV2(raw{}), grpc.MaxRecvMsgSize(maxMessage), grpc.MaxConcurrentStreams(maxCalls),
		grpc.ConnectionTimeout(connectWithin))
	r := &Receiver{served: make(chan error, 1), file: file, left: most, server: server}
	r.server.RegisterService(&grpc.ServiceDesc{
		ServiceName: collector.TraceService_ServiceDesc.ServiceName, HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Export", Handler: export}},
	}, r)
	go func() { r.served <- r.server.Serve(netutil.LimitListener(listener, maxConnections)) }()
	return r
}

// export implements the method of the service for a Receiver.
func export(r any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var message []byte
	if err := decode(&message); err != nil {
		return nil, err
	}
	return r.(*Receiver).keep(message)
}

// keep writes a message. Spans that find no room are dropped, which the exporter is told.
func (r *Receiver) keep(message []byte) (*collector.ExportTraceServiceResponse, error) {
	spans, err := count(message)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "no ExportTraceServiceRequest: %v", err)
	}
	framed := protowire.AppendBytes(make([]byte, 0, protowire.SizeBytes(len(message))), message)
	r.mu.Lock()
	defer r.mu.Unlock()
	if size := int64(len(framed)); r.err == nil && size <= r.left {
		if _, r.err = r.file.Write(framed); r.err == nil {
			r.left -= size
			r.stats.Kept += spans
			r.stats.Bytes += size
			return &collector.ExportTraceServiceResponse{}, nil
		}
	}
	r.stats.Dropped += spans
	return &collector.ExportTraceServiceResponse{PartialSuccess: &collector.ExportTracePartialSuccess{
		RejectedSpans: int64(spans), ErrorMessage: "the file of spans is full, or cannot be written",
	}}, nil
}

// Close ends the receiving and returns what came. Closing again does nothing.
func (r *Receiver) Close() (Stats, error) {
	r.server.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return r.stats, nil
	}
	r.closed = true
	err := <-r.served
	if errors.Is(err, grpc.ErrServerStopped) {
		err = nil
	}
	if err = errors.Join(err, r.err, r.file.Close()); err != nil {
		return r.stats, fmt.Errorf("receive spans: %w", err)
	}
	return r.stats, nil
}

// The numbers of the fields on the way from a message to its spans: resource_spans, scope_spans, spans.
const (
	fieldResource protowire.Number = 1
	fieldScope    protowire.Number = 2
	fieldSpan     protowire.Number = 2
)

// count returns the number of spans of a message without decoding them: a message of empty spans takes a hundred times its size.
func count(message []byte) (int, error) {
	return counted(message, fieldResource, fieldScope, fieldSpan)
}

// counted returns how many fields there are at the end of a way through a message.
func counted(message []byte, way ...protowire.Number) (int, error) {
	total := 0
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		message = message[n:]
		length := protowire.ConsumeFieldValue(number, kind, message)
		if length < 0 {
			return 0, protowire.ParseError(length)
		}
		if number == way[0] && kind == protowire.BytesType {
			inner, _ := protowire.ConsumeBytes(message)
			below, err := 1, error(nil)
			if len(way) > 1 {
				below, err = counted(inner, way[1:]...)
			}
			if err != nil {
				return 0, err
			}
			total += below
		}
		message = message[length:]
	}
	return total, nil
}

// raw is a codec that takes messages as they came and writes answers.
type raw struct{}

// Name implements encoding.CodecV2.
func (raw) Name() string { return "proto" }

// Marshal implements encoding.CodecV2.
func (raw) Marshal(v any) (mem.BufferSlice, error) {
	message, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("encode an answer: %T is no message", v)
	}
	content, err := proto.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encode an answer: %w", err)
	}
	return mem.BufferSlice{mem.SliceBuffer(content)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	into, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("take a message: expected bytes, not %T", v)
	}
	*into = data.Materialize()
	return nil
}
