package stagingcli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/staging"
)

// fetcher fetches one bundle, however often it takes.
type fetcher struct {
	client   *staging.Client
	ticket   staging.Ticket
	into     string
	replace  bool
	retryFor time.Duration
	stall    time.Duration
	rate     int64     // bytes a second, 0 for no limit
	report   *reporter // nil for none
	out      io.Writer
}

// outcome is the result of the attempts so far.
type outcome struct {
	attempts int
	received received // of the last attempt
	err      error    // of the last attempt
}

// received is the result of one attempt.
type received struct {
	bytes  int64
	sha256 string
}

// run fetches and unpacks. Its error carries the exit code.
func (f *fetcher) run(ctx context.Context) error {
	if err := f.checkPlace(); err != nil {
		return usagef("%w", err)
	}
	f.report.say(ctx, history.ArtifactsFetching, f.describe(outcome{}))
	begun := time.Now()
	result := f.try(ctx, begun)
	kind, err := f.conclude(result, time.Since(begun))
	f.report.say(context.WithoutCancel(ctx), kind, f.describe(result))
	if err != nil {
		return err
	}
	fmt.Fprintf(f.out, "bundle %s: %d bytes, SHA-256 %s, unpacked into %s after %d attempts\n",
		f.ticket.ID, result.received.bytes, result.received.sha256, f.into, result.attempts)
	return nil
}

// checkPlace refuses a directory that Unpack could not take, before anything is downloaded.
func (f *fetcher) checkPlace() error {
	entries, err := os.ReadDir(f.into)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("--into: %w", err)
	case len(entries) > 0 && !f.replace:
		return fmt.Errorf("--into %s is not empty: name another directory, or give --replace to have it replaced", f.into)
	}
	return nil
}

// try makes attempts until one succeeds, is refused, or the time is over.
func (f *fetcher) try(ctx context.Context, begun time.Time) outcome {
	pause := wait.Backoff{Duration: 200 * time.Millisecond, Factor: 1.6, Jitter: 0.3, Steps: 1 << 20, Cap: 5 * time.Second}
	var result outcome
	for {
		result.attempts++
		result.received, result.err = f.attempt(ctx)
		var unavailable *staging.UnavailableError
		if result.err == nil || !errors.As(result.err, &unavailable) {
			return result
		}
		next := max(pause.Step(), unavailable.RetryAfter)
		if time.Since(begun)+next > f.retryFor {
			return result
		}
		fmt.Fprintf(f.out, "attempt %d: %v; again in %s\n", result.attempts, result.err, next.Round(time.Millisecond))
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return result
		case <-timer.C:
		}
	}
}

// attempt downloads to a file beside the place of the result, and unpacks it once all of it is verified.
func (f *fetcher) attempt(ctx context.Context) (got received, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, err := f.client.Fetch(ctx, f.ticket)
	if err != nil {
		return received{}, err
	}
	defer body.Close()
	file, err := os.CreateTemp(filepath.Dir(f.into), "."+filepath.Base(f.into)+"-download-")
	if err != nil {
		return received{}, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	digest := sha256.New()
	got.bytes, err = io.Copy(io.MultiWriter(file, digest), f.paced(ctx, cancel, body))
	got.sha256 = hex.EncodeToString(digest.Sum(nil))
	if err != nil {
		return got, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return got, err
	}
	return got, f.unpack(file)
}

func (f *fetcher) unpack(bundle io.Reader) error {
	if !f.replace {
		return staging.Unpack(bundle, f.into, staging.DefaultLimits())
	}
	fresh := f.into + ".fresh"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := staging.Unpack(bundle, fresh, staging.DefaultLimits()); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(f.into), os.Rename(fresh, f.into))
}

// paced reads a body no faster than the limit, and gives up when nothing arrives any more.
func (f *fetcher) paced(ctx context.Context, cancel context.CancelFunc, body io.Reader) io.Reader {
	p := &pacedReader{ctx: ctx, cancel: cancel, r: body, stall: f.stall}
	if f.rate > 0 {
		p.chunk = int(max(1, min(f.rate/10, 32<<10)))
		p.limit = rate.NewLimiter(rate.Limit(f.rate), p.chunk)
	}
	return p
}

type pacedReader struct {
	ctx    context.Context
	cancel context.CancelFunc // of the request
	r      io.Reader
	stall  time.Duration
	limit  *rate.Limiter // nil for none
	chunk  int
}

// Read implements io.Reader.
func (p *pacedReader) Read(b []byte) (int, error) {
	if p.limit != nil {
		b = b[:min(len(b), p.chunk)]
	}
	watch := time.AfterFunc(p.stall, p.cancel)
	n, err := p.r.Read(b)
	if !watch.Stop() && err != nil {
		err = fmt.Errorf("no byte in %s: %w", p.stall, err)
	}
	if p.limit != nil && n > 0 {
		if waited := p.limit.WaitN(p.ctx, n); waited != nil && err == nil {
			err = waited
		}
	}
	return n, err
}

// conclude turns the outcome into the type of its record and the error to exit with.
func (f *fetcher) conclude(o outcome, took time.Duration) (string, error) {
	if o.err == nil {
		return history.ArtifactsFetched, nil
	}
	failed := func(code int, advice string) error {
		return &Error{code, fmt.Errorf("%w (attempt %d, %s after the first, %d bytes received); %s",
			o.err, o.attempts, took.Round(time.Millisecond), o.received.bytes, advice)}
	}
	var unavailable *staging.UnavailableError
	switch {
	case errors.Is(o.err, staging.ErrTooLarge):
		return history.ArtifactsRefused, failed(ExitRefused, "if it is that large, give more with --max-bytes")
	case staging.Definitive(o.err), errors.Is(o.err, staging.ErrBadBundle):
		return history.ArtifactsRefused, failed(ExitRefused, "asking again is no use: upload again and use the new ticket; "+
			"if the bundle was there before, the server's log says why it was removed, unless its storage is memory, which forgets")
	case errors.As(o.err, &unavailable):
		return history.ArtifactsUnreachable, failed(ExitUnreachable,
			"see whether a server is ready behind this address and reaches its storage, or give more time with --retry-for")
	default:
		return history.ArtifactsUnreachable, failed(ExitUnreachable, "see that "+filepath.Dir(f.into)+" can be written and has room")
	}
}

// describe returns the detail of a record; the secret is no part of it.
func (f *fetcher) describe(o outcome) map[string]string {
	detail := map[string]string{"server": f.client.Server(), "resourceID": f.ticket.ID}
	if o.attempts == 0 {
		return detail
	}
	detail["attempts"] = fmt.Sprint(o.attempts)
	detail["bytes"] = fmt.Sprint(o.received.bytes)
	if o.received.sha256 != "" {
		detail["sha256"] = o.received.sha256
	}
	if status := statusOf(o.err); status != 0 {
		detail["status"] = fmt.Sprint(status)
	}
	if o.err != nil {
		detail["error"] = o.err.Error()
	}
	return detail
}

// statusOf returns the HTTP status behind an outcome, or 0 when there was no answer.
func statusOf(err error) int {
	var refused *staging.RefusedError
	var unavailable *staging.UnavailableError
	switch {
	case errors.As(err, &refused):
		return refused.Status
	case errors.As(err, &unavailable):
		return unavailable.Status
	default:
		return 200
	}
}
