package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits of a TCP request.
const (
	maxRequestBytes = 64 // the line feed included
	requestTimeout  = 10 * time.Second
	// maxAhead is how long a client may have to wait for the end to pass its offset: readers ask for what follows what they
	// have read, so nobody waits for more.
	maxAhead = time.Hour
	// firstPause and lastPause are the shortest and the longest time between two tries to accept a connection.
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// ServeTCP serves the TCP half of the protocol on l until ctx is done, then closes l and every connection and returns
// nil. It retries after an error of accepting a connection (for example, no file descriptor is left) unless l was
// closed.
func (s *Source) ServeTCP(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	closed := context.AfterFunc(ctx, func() { l.Close() })
	var connections sync.WaitGroup
	defer connections.Wait()
	defer cancel()
	pause := firstPause
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
				s.pause(ctx, pause)
				pause = min(2*pause, lastPause)
				continue
			}
			if !closed() {
				return nil
			}
			return errors.Join(fmt.Errorf("the word source (TCP) at %s stopped: %w", l.Addr(), err), l.Close())
		}
		pause = firstPause
		connections.Go(func() {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			s.talk(ctx, conn)
		})
	}
}

// talk serves one client. Whatever ends the connection, the client notices it and comes back with the offset that it
// needs.
func (s *Source) talk(ctx context.Context, conn net.Conn) {
	if err := conn.SetReadDeadline(time.Now().Add(requestTimeout)); err != nil {
		return
	}
	offset, err := readRequest(conn)
	if err != nil {
		fmt.Fprintf(conn, "ERROR %v\n", err)
		return
	}
	if end := s.End(); !s.reachable(offset) {
		fmt.Fprintf(conn, "ERROR offset %d is too far beyond the end, which is %d: it is not reached within %s\n", offset, end, maxAhead)
		return
	}
	s.stream(ctx, conn, offset)
}

// readRequest reads "FROM <offset>" and its line feed.
func readRequest(conn io.Reader) (int64, error) {
	request, err := bufio.NewReader(io.LimitReader(conn, maxRequestBytes)).ReadString('\n')
	if err != nil {
		if len(request) == maxRequestBytes {
			return 0, fmt.Errorf("request longer than %d bytes, want FROM <offset> and a line feed", maxRequestBytes)
		}
		return 0, fmt.Errorf("no whole request line, want FROM <offset> and a line feed")
	}
	text, ok := strings.CutPrefix(strings.TrimSuffix(request, "\n"), "FROM ")
	if !ok {
		return 0, fmt.Errorf("request is %q, want FROM <offset>", request)
	}
	return parseOffset(text)
}

// stream sends the words from offset on as the stream grows, until the connection breaks or ctx is done.
func (s *Source) stream(ctx context.Context, conn io.Writer, offset int64) {
	var page []byte
	for {
		end := min(s.End(), offset+MaxWordsPerRequest)
		page = page[:0]
		for ; offset < end; offset++ {
			page = append(strconv.AppendInt(page, offset, 10), ' ')
			page = append(s.appendWord(page, offset), '\n')
		}
		if len(page) > 0 {
			if _, err := conn.Write(page); err != nil {
				return
			}
		}
		wait := s.untilPast(offset)
		if wait == 0 {
			continue
		}
		if !s.pause(ctx, wait) {
			return
		}
	}
}

// pause waits, and reports whether ctx is still alive.
func (s *Source) pause(ctx context.Context, d time.Duration) bool {
	timer := s.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C():
		return true
	}
}

// reachable reports whether the stream grows beyond an offset within maxAhead.
func (s *Source) reachable(offset int64) bool {
	return offset-s.End() <= s.rate*int64(maxAhead/time.Second)
}
