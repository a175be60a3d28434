package runner

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/sparkchaos/sparkchaos/internal/otlp"
	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// maxSpans is the size of the file of the components' spans, in bytes: some 200,000 spans, or twenty minutes of a small cluster.
const maxSpans = 64 << 20

// receiveSpans keeps what the cluster's components export in the run directory, if they export anything.
func (r *run) receiveSpans(ctx context.Context) error {
	traced, ok := r.cluster.(cluster.Traced)
	if !ok {
		return nil
	}
	listener, err := traced.ListenForSpans(ctx)
	if err != nil {
		return fmt.Errorf("receive the spans of the components of cluster %s: %w", r.cluster.Name(), err)
	}
	if listener == nil {
		return nil
	}
	file, err := os.OpenFile(r.directory.Spans(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return errors.Join(fmt.Errorf("keep the components' spans: %w", err), listener.Close())
	}
	r.spans = otlp.Receive(listener, file, maxSpans)
	return nil
}

// endSpans ends the receiving and records what came. What is lost of the spans costs no evidence: no verdict looks at them.
func (r *run) endSpans() {
	if r.spans == nil {
		return
	}
	stats, err := r.spans.Close()
	data := history.SpansData{Kept: stats.Kept, Dropped: stats.Dropped, Bytes: stats.Bytes, Most: maxSpans}
	if err != nil {
		data.Error = err.Error()
		r.Progress.Say("the spans of the cluster's components are not complete: %v", err)
	}
	dropped := ""
	if stats.Dropped > 0 {
		dropped = fmt.Sprintf("; %d more found no room", stats.Dropped)
	}
	r.Progress.Say("the cluster's components exported %s%s", wording.Count(stats.Kept, "span"), dropped)
	_ = r.tell(history.SpansExported, data) // what keeps the history from being written is what the run ends with
}
