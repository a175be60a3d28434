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

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

const (
	// followEvery is how often a Store is asked for more: it delays what is heard live.
	followEvery = 200 * time.Millisecond
	// followTimeout bounds one answer; a connection to the store that hangs is opened again.
	followTimeout = 5 * time.Second
)

// Reach opens a connection to a Store's server and returns its HTTP address; close ends it.
type Reach func(ctx context.Context) (address string, closing func(), err error)

// Following defines where a Store is found, and who is informed about failures.
type Following struct {
	Reach Reach
	Token string
	// Failed is called once when the connection breaks, not for each retry. No evidence is lost: the disks have all of it.
	Failed func(error)
	// Report is called for records that the store lost and for data that is not a record: a bounded number of times.
	Report func(history.ProblemData)
}

// Follow copies the records of a Store into inbox until ctx is done, and reconnects whenever the connection breaks. It
// skips records that inbox refuses and lines that are not records. It returns nil when ctx is done, otherwise the
// reason why inbox took no more.
func Follow(ctx context.Context, store Following, inbox *Inbox) error {
	f := follower{Following: store, inbox: inbox, teller: teller{report: store.Report}}
	for ctx.Err() == nil {
		err := f.way(ctx)
		var refused *sinkError
		if errors.As(err, &refused) {
			return err
		}
		if err != nil && ctx.Err() == nil && !f.broken {
			f.Failed(err)
			f.broken = true
		}
		wait(ctx, followEvery)
	}
	return nil
}

// follower knows how far it has read.
type follower struct {
	Following
	inbox  *Inbox
	teller teller
	store  string // its identity; empty until it answered once
	from   int64
	within bool // of a line that is too long for an answer: its rest is skipped, too
	broken bool // no answer was read to its end since it was told that the way broke
}

// way follows the store through one connection until that breaks.
func (f *follower) way(ctx context.Context) error {
	address, closing, err := f.Reach(ctx)
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
		f.broken = false
		if !more {
			wait(ctx, followEvery)
		}
	}
	return nil
}

// ask reads on from the current position, and reports whether there may be more at once.
func (f *follower) ask(ctx context.Context, client *http.Client, address string) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	query := url.Values{"from": {strconv.FormatInt(f.from, 10)}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+StoredPath+"?"+query.Encode(), nil)
	if err != nil {
		return false, err
	}
	Authorize(request, f.Token)
	response, err := client.Do(request)
	if err != nil {
		return false, fmt.Errorf("ask the witness in the cluster: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // read to its end
	store := response.Header.Get(StoreHeader)
	lost := response.StatusCode == http.StatusRequestedRangeNotSatisfiable
	switch {
	case response.StatusCode != http.StatusOK && !lost:
		said, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10)) // goes into an error
		return false, fmt.Errorf("the witness in the cluster answered %s: %s", response.Status, said)
	case store == "":
		return false, fmt.Errorf("the witness in the cluster does not say which store it has: expected the header %s", StoreHeader)
	case lost, f.store != "" && store != f.store:
		f.beginAnew(store)
		return true, nil
	default:
		f.store = store
		return f.take(response.Body)
	}
}

// beginAnew goes back to the beginning of a store that is not the one that was read so far. Records that are known
// already are not passed on again.
func (f *follower) beginAnew(store string) {
	f.teller.tell(history.ProblemData{
		What: "the witness in the cluster lost the records that it kept, and with them those that were not read yet; " +
			"what the nodes' disks have of them comes when they are collected",
		Error: fmt.Sprintf("store %s was read up to byte %d, then store %s answered", quoted(f.store), f.from, quoted(store)),
	})
	f.store, f.from, f.within = store, 0, false
}

// take passes on the lines of an answer, and reports whether there may be more at once.
func (f *follower) take(body io.Reader) (more bool, err error) {
	for l, err := range allLines(body) {
		switch {
		case err != nil:
			return more, err
		case f.within:
			f.from += l.size
			f.within = !l.complete
		case l.complete && l.blank():
			f.from += l.size
		case !l.complete && l.size >= MaxStoredBytes:
			// No answer will ever hold this line.
			f.skip(fmt.Errorf("%w: more than %d bytes", ErrLineTooLong, l.size))
			f.from += l.size
			f.within = true
		case !l.complete: // the rest comes with the next answer
			return more, nil
		default:
			if err := f.hand(l); err != nil {
				return false, err
			}
			f.from += l.size
		}
		more = true
	}
	return more, nil
}

// hand passes one whole line to the inbox. It fails only if the inbox fails for a reason that is not the record's own.
func (f *follower) hand(l line) error {
	record, err := l.record()
	if err == nil {
		record.Via = ViaHTTP
		_, err = f.inbox.Take(record)
		if err != nil && !refused(err) {
			return &sinkError{err}
		}
		if errors.Is(err, ErrQuota) && !f.teller.isNew(record.PodUID) {
			return nil
		}
	}
	if err != nil {
		f.skip(err)
	}
	return nil
}

// skip reports a record that is not passed on.
func (f *follower) skip(err error) {
	f.teller.tell(history.ProblemData{
		What:  fmt.Sprintf("a record that the witness in the cluster keeps, at byte %d, could not be taken", f.from),
		Error: err.Error(),
	})
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
