package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sparkchaos/sparkchaos/internal/fakeworld"
	"github.com/sparkchaos/sparkchaos/internal/otlp"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// fakeTraced is a cluster whose components export spans.
type fakeTraced struct {
	cluster.Cluster
	listen func(context.Context) (net.Listener, error)
}

func (c fakeTraced) ListenForSpans(ctx context.Context) (net.Listener, error) { return c.listen(ctx) }

// fakeTracedClusters are clusters whose components export messages.
type fakeTracedClusters struct {
	cluster.Provider
	exports [][]*trace.Span
	none    bool          // the cluster was made without tracing
	err     error         // of the listening
	address chan<- string // takes the address at which spans are received
}

func (p fakeTracedClusters) Make(ctx context.Context, spec cluster.Spec) (cluster.Cluster, bool, error) {
	made, fresh, err := p.Provider.Make(ctx, spec)
	if err != nil {
		return nil, false, err
	}
	return fakeTraced{made, p.listen}, fresh, nil
}

func (p fakeTracedClusters) listen(ctx context.Context) (net.Listener, error) {
	if p.none || p.err != nil {
		return nil, p.err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err == nil {
		p.address <- listener.Addr().String()
	}
	return listener, err
}

// exporting has the components of a world export while its first run makes directories, which it does before it launches anything.
func exporting(t *testing.T, w *fakeworld.World, clusters fakeTracedClusters, o *runner.Options) {
	t.Helper()
	address := make(chan string, 1)
	clusters.address = address
	o.Clusters = clusters
	w.Reached = func(ctx context.Context, point string) {
		if !strings.HasPrefix(point, "make /") {
			return
		}
		select {
		case at := <-address:
			export(t, at, clusters.exports)
		default: // it was done, or nobody listens
		}
	}
}

func export(t *testing.T, address string, exports [][]*trace.Span) {
	t.Helper()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = connection.Close() }()
	for _, spans := range exports {
		_, err := collector.NewTraceServiceClient(connection).Export(context.Background(), &collector.ExportTraceServiceRequest{
			ResourceSpans: []*trace.ResourceSpans{{ScopeSpans: []*trace.ScopeSpans{{Spans: spans}}}},
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// exportedOf returns what a run recorded of spans, and whether it did.
func exportedOf(t *testing.T, run runner.Directory) (history.SpansData, bool) {
	t.Helper()
	var data history.SpansData
	for _, event := range eventsOf(t, run) {
		if event.Type == history.SpansExported {
			if err := json.Unmarshal(event.Data, &data); err != nil {
				t.Fatal(err)
			}
			return data, true
		}
	}
	return data, false
}

// TestSpansOfComponentsAreKept lets components export what fits, more than that, and nothing: the run passes all the same, and says in its
// history what was kept and what was not.
func TestSpansOfComponentsAreKept(t *testing.T) {
	t.Parallel()
	large := &trace.Span{Name: strings.Repeat("x", 4<<20-1000)}
	var tooMany [][]*trace.Span
	for range 20 {
		tooMany = append(tooMany, []*trace.Span{large})
	}
	for name, tt := range map[string]struct {
		clusters      fakeTracedClusters
		kept, dropped int
		file          bool
	}{
		"some":         {clusters: fakeTracedClusters{exports: [][]*trace.Span{{{Name: "a"}, {Name: "b"}}, {{Name: "c"}}}}, kept: 3, file: true},
		"none came":    {file: true},
		"not traced":   {clusters: fakeTracedClusters{none: true}},
		"without room": {clusters: fakeTracedClusters{exports: tooMany}, kept: 16, dropped: 4, file: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := fakeworld.New(t, fakeworld.Script{Working: fakeworld.UntilLost})
			o := optionsIn(t, w, planned(t, ""))
			tt.clusters.Provider = o.Clusters
			exporting(t, w, tt.clusters, &o)
			finished, err := runner.Run(t.Context(), o)
			if err != nil || finished.Err != nil {
				t.Fatal(err, finished.Err)
			}
			if tt.dropped == 0 { // else the messages may keep a busy machine from seeing everything in time
				checkPassed(t, o.Plan, finished.Directory)
			}
			checkNothingIsLeft(t, w, o, finished)
			data, recorded := exportedOf(t, finished.Directory)
			if recorded != tt.file || data.Kept != tt.kept || data.Dropped != tt.dropped || data.Error != "" || data.Bytes > data.Most {
				t.Errorf("recorded %t: %+v, want %d kept and %d dropped", recorded, data, tt.kept, tt.dropped)
			}
			file, err := os.Open(finished.Directory.Spans())
			if !tt.file {
				if !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("there is a file of spans, or %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = file.Close() }() // opened for reading only
			info, err := file.Stat()
			if kept, errRead := otlp.Read(file); err != nil || errRead != nil || len(kept.Spans) != tt.kept || info.Size() != data.Bytes ||
				info.Mode().Perm() != 0o600 {
				t.Errorf("%d spans in %d bytes, %v, mode %v, %v", len(kept.Spans), info.Size(), errRead, info.Mode(), err)
			}
		})
	}
}

func TestARunWhoseSpansCannotBeReceivedIsNotLaunched(t *testing.T) {
	t.Parallel()
	w := fakeworld.New(t, fakeworld.Script{})
	o := optionsIn(t, w, planned(t, ""))
	o.Clusters = fakeTracedClusters{Provider: o.Clusters, err: errors.New("the address is in use")}
	finished, err := runner.Run(t.Context(), o)
	if err != nil || finished.Err == nil || !strings.Contains(finished.Err.Error(), "the components of cluster c: the address is in use") {
		t.Errorf("%v, %v", err, finished.Err)
	}
	if phase := failedPhase(t, finished.Directory); phase != runner.PhaseCluster {
		t.Errorf("it failed in the phase %q", phase)
	}
	checkNothingIsLeft(t, w, o, finished)
}

func TestAnInterruptedRunKeepsItsSpans(t *testing.T) {
	t.Parallel()
	w := fakeworld.New(t, fakeworld.Script{Working: fakeworld.UntilLost})
	o := optionsIn(t, w, planned(t, ""))
	exporting(t, w, fakeTracedClusters{Provider: o.Clusters, exports: [][]*trace.Span{{{Name: "a"}}}}, &o)
	export, ctx := w.Reached, t.Context()
	ctx, interrupt := context.WithCancel(ctx)
	defer interrupt()
	w.Reached = func(at context.Context, point string) {
		export(at, point)
		if point == "power-off has ended" {
			interrupt()
		}
	}
	finished, err := runner.Run(ctx, o)
	if err != nil || ctx.Err() == nil {
		t.Fatal(err, ctx.Err())
	}
	data, recorded := exportedOf(t, finished.Directory)
	if info, err := os.Stat(finished.Directory.Spans()); err != nil || !recorded || data.Kept != 1 || info.Size() != data.Bytes {
		t.Errorf("recorded %t: %+v; %v", recorded, data, err)
	}
	checkNothingIsLeft(t, w, o, finished)
}
