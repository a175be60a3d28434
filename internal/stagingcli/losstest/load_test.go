//go:build linux

package losstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
)

const (
	// keptBundles bounds how many bundles are on the disk at a time; beyond it the oldest are removed by their owners.
	keptBundles = 1000
	// largeBundle is above the 16 MiB from which on an upload to S3 takes several parts.
	largeBundle = 24 << 20
	// requestTime bounds one request of the load; a server that was killed ends its connections by itself.
	requestTime = time.Minute
)

// load uploads and downloads as long as its context lasts, and knows what must be there.
type load struct {
	server *serverProcess

	mu    sync.Mutex
	acked []staging.Ticket // what the server answered for
	wrong []string         // what must never be

	uploaded, interrupted, downloaded, denied, removed atomic.Int64
	bytes                                              atomic.Int64
}

func (l *load) violate(format string, arguments ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, fmt.Sprintf(format, arguments...))
}

// violations returns what went wrong so far.
func (l *load) violations() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wrong
}

// run keeps uploaders and downloaders busy until ctx ends.
func (l *load) run(ctx context.Context, uploaders, downloaders int) {
	var wait sync.WaitGroup
	for i := range uploaders {
		wait.Go(func() { l.upload(ctx, newSource(1, i)) })
	}
	for i := range downloaders {
		wait.Go(func() { l.download(ctx, newSource(2, i)) })
	}
	wait.Wait()
}

func owner() staging.Owner {
	return staging.Owner{Namespace: "soak", Labels: map[string]string{"spark-role": "driver"}, Type: staging.OwnerTypePod}
}

// source gives the same numbers and bytes in each run.
type source struct {
	*rand.Rand
	bytes *rand.ChaCha8
}

func newSource(kind, number int) source {
	bytes := rand.NewChaCha8([32]byte{byte(kind), byte(number)})
	return source{rand.New(bytes), bytes}
}

// content returns a bundle's bytes: mostly from 1 KiB to 256 KiB, each order of magnitude as often as the next, and some large ones.
func (s source) content() []byte {
	size := int(1024 * math.Exp2(8*s.Float64()))
	if s.IntN(100) == 0 {
		size = largeBundle
	}
	data := make([]byte, size)
	_, _ = s.bytes.Read(data) // it never fails
	return data
}

func (l *load) upload(ctx context.Context, random source) {
	for ctx.Err() == nil {
		bundle := bytes.NewReader(random.content())
		client := l.server.alive(ctx)
		asking, cancel := context.WithTimeout(ctx, requestTime)
		ticket, err := client.Upload(asking, owner(), bundle)
		cancel()
		switch {
		case err == nil:
			l.uploaded.Add(1)
			l.bytes.Add(ticket.Size)
			l.keep(ctx, ticket)
			// The disk and the machine are others' too.
			pause(ctx, 5*time.Millisecond)
		case staging.Definitive(err):
			l.violate("upload refused: %v", err)
		default:
			l.interrupted.Add(1)
		}
	}
}

// keep notes a bundle that was acknowledged, and removes the oldest when there are many.
func (l *load) keep(ctx context.Context, ticket staging.Ticket) {
	l.mu.Lock()
	l.acked = append(l.acked, ticket)
	var oldest staging.Ticket
	if len(l.acked) > keptBundles {
		oldest, l.acked = l.acked[0], l.acked[1:]
	}
	l.mu.Unlock()
	if oldest.ID != "" && l.check(ctx, oldest) {
		// Nobody can know whether a removal that was cut off took place: the bundle is off the list before.
		if l.server.alive(ctx).Remove(ctx, oldest) == nil {
			l.removed.Add(1)
		}
	}
}

func (l *load) download(ctx context.Context, random source) {
	for ctx.Err() == nil {
		l.mu.Lock()
		known := len(l.acked)
		var ticket staging.Ticket
		if known > 0 {
			// Recent ones more often: what was acknowledged just before the kill is what may be lost.
			ticket = l.acked[known-1-int(float64(known)*math.Pow(random.Float64(), 3))]
		}
		l.mu.Unlock()
		switch {
		case known == 0:
		case random.IntN(8) == 0:
			l.deny(ctx, ticket, random)
		default:
			l.check(ctx, ticket)
		}
		// Uploads need the machine more than downloads do.
		pause(ctx, 5*time.Millisecond)
	}
}

// check downloads a bundle and reports whether the server had all of it, right. That it was not there to be asked is no violation.
func (l *load) check(ctx context.Context, ticket staging.Ticket) bool {
	client := l.server.alive(ctx)
	asking, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	body, err := client.Fetch(asking, ticket)
	var n int64
	if err == nil {
		n, err = io.Copy(io.Discard, body)
		body.Close()
	}
	if staging.Definitive(err) {
		// A bundle that its owner removed between the choice and the question is not lost.
		if !errors.Is(err, staging.ErrUnknown) || l.mustBeThere(ticket) {
			l.violate("acknowledged bundle: %v", err)
		}
		return false
	}
	var unavailable *staging.UnavailableError
	if errors.As(err, &unavailable) && unavailable.Status >= 500 {
		if !errors.Is(ctx.Err(), context.Canceled) && l.mustBeThere(ticket) {
			l.violate("acknowledged bundle, from a server that lives: %v", err)
		}
		return false
	}
	if err != nil {
		return false
	}
	if n != ticket.Size {
		l.violate("%s: served as good with %d bytes, %d were uploaded", ticket, n, ticket.Size)
	}
	l.downloaded.Add(1)
	return true
}

func (l *load) mustBeThere(ticket staging.Ticket) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, known := range l.acked {
		if known.ID == ticket.ID {
			return true
		}
	}
	return false
}

// deny asks with a secret that is not the bundle's.
func (l *load) deny(ctx context.Context, ticket staging.Ticket, random source) {
	forged := ticket
	switch random.IntN(3) {
	case 0:
		forged.Secret = ""
	case 1:
		forged.Secret = ticket.Secret[:len(ticket.Secret)-1]
	default:
		forged.Secret = strings.ToUpper(ticket.Secret)
	}
	client := l.server.alive(ctx)
	asking, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	body, err := client.Fetch(asking, forged)
	if err == nil {
		body.Close()
		l.violate("%s was served without its secret", ticket)
		return
	}
	if errors.Is(err, staging.ErrUnauthorized) {
		l.denied.Add(1)
	}
}

// figures says what was done.
func (l *load) figures() string {
	return fmt.Sprintf(
		"%d uploads acknowledged (%.1f MB), %d interrupted, %d downloads verified, %d forged secrets refused, %d bundles removed by their owners",
		l.uploaded.Load(), float64(l.bytes.Load())/1e6, l.interrupted.Load(), l.downloaded.Load(), l.denied.Load(), l.removed.Load())
}
