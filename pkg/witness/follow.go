package witness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// followEvery is how often a Store is asked for more: it delays what is heard live.
	followEvery = 200 * time.Millisecond
	// followTimeout bounds one answer; a way to the store that hangs is made anew.
	followTimeout = 5 * time.Second
)

// Reach opens a way to a Store's server and returns its HTTP address; closing ends it.
type Reach func(ctx context.Context) (address string, closing func(), err error)

// Follow hands what a Store keeps to inbox until ctx ends, and makes the way to it anew whenever it breaks. failed is told
// when it breaks, and not of each try until it is mended. It returns nil when ctx ends, else why inbox took no more.
func Follow(ctx context.Context, reach Reach, inbox *Inbox, failed func(error)) error {
	f := follower{inbox: inbox}
	for ctx.Err() == nil {
		err := f.way(ctx, reach)
		var refused *sinkError
		if errors.As(err, &refused) {
			return err
		}
		if err != nil && ctx.Err() == nil && !f.broken {
			failed(err)
			f.broken = true
		}
		wait(ctx, followEvery)
	}
	return nil
}

// follower knows how far it has read.
type follower struct {
	inbox  *Inbox
	from   int64
	broken bool // nothing was answered since it was told that the way broke
}

// way follows the store along one way until that breaks.
func (f *follower) way(ctx context.Context, reach Reach) error {
	address, closing, err := reach(ctx)
	if err != nil {
		return err
	}
	defer closing()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for ctx.Err() == nil {
		more, err := f.ask(ctx, client, address)
		if err != nil {
			return err
		}
		if !more {
			wait(ctx, followEvery)
		}
	}
	return nil
}

// ask reads on from where it is, and says whether there may be more at once.
func (f *follower) ask(ctx context.Context, client *http.Client, address string) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	query := url.Values{"from": {strconv.FormatInt(f.from, 10)}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+StoredPath+"?"+query.Encode(), nil)
	if err != nil {
		return false, err
	}
	response, err := client.Do(request)
	if err != nil {
		return false, fmt.Errorf("ask the witness in the cluster: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // read to its end
	switch response.StatusCode {
	case http.StatusOK:
		f.broken = false
		return f.take(response.Body)
	case http.StatusRequestedRangeNotSatisfiable: // it lost its volume; what is known already is not handed on again
		f.from = 0
		return true, nil
	default:
		said, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10)) // goes into an error
		return false, fmt.Errorf("the witness in the cluster answered %s: %s", response.Status, said)
	}
}

func (f *follower) take(body io.Reader) (more bool, err error) {
	for l, err := range lines(body) {
		if err != nil || !l.complete {
			return more, err
		}
		record, err := l.record()
		if err != nil {
			return false, fmt.Errorf("what the witness in the cluster keeps: %w", err)
		}
		record.Via = ViaHTTP
		if _, err := f.inbox.Take(record); err != nil {
			return false, &sinkError{err}
		}
		f.from += int64(len(l.bytes)) + 1
		more = true
	}
	return more, nil
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
