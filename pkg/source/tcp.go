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
)

// ServeTCP serves the protocol's TCP half on l until ctx ends, then closes l and every connection; it returns nil when
// ctx ended.
func (s *Source) ServeTCP(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	closed := context.AfterFunc(ctx, func() { l.Close() })
	var connections sync.WaitGroup
	defer connections.Wait()
	defer cancel()
	for {
		conn, err := l.Accept()
		if err != nil {
			if !closed() {
				return nil
			}
			return errors.Join(fmt.Errorf("the word source (TCP) at %s stopped: %w", l.Addr(), err), l.Close())
		}
		connections.Go(func() {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			s.talk(ctx, conn)
		})
	}
}

// talk answers one client. Whatever ends the talk is the client's to notice: it comes back with the offset that it needs.
func (s *Source) talk(ctx context.Context, conn net.Conn) {
	if err := conn.SetReadDeadline(time.Now().Add(requestTimeout)); err != nil {
		return
	}
	offset, err := readRequest(conn)
	if err != nil {
		fmt.Fprintf(conn, "ERROR %v\n", err)
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

// stream sends the words from offset on as the end passes them, until the connection breaks or ctx ends.
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
		timer := s.clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C():
		}
	}
}
