package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// served is a lab with the deadlines of a real server.
func served(t *testing.T, header time.Duration, change func(*Config)) lab {
	t.Helper()
	dir := t.TempDir()
	s, log := newServer(t, dir, change)
	s.headerTime = header
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener, time.Minute) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	url := "http://" + listener.Addr().String()
	return lab{server: s, url: url, dir: dir, log: log, client: newClient(t, url)}
}

// A client that holds a connection without getting on is cut off, whatever it drips.
func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	const upload = "POST /api/v0/resources HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; " +
		"boundary=b\r\nContent-Length: 100000000\r\n\r\n--b\r\n"
	const bundleHead = "Content-Disposition: form-data; name=\"resources\"\r\n\r\n"
	// Only where the head is slow may the server's time for it be short: a busy machine may need long to send one.
	const head, slowHead = time.Minute, 300 * time.Millisecond
	usual := func(*Config) {}
	shortTransfer := func(c *Config) { c.TransferTime = 2 * time.Second }
	for name, tc := range map[string]struct {
		begin, drip string
		head        time.Duration
		change      func(*Config)
		want        string // what the server says before it closes
	}{
		"standing in the head":   {"GET /api/v0/ping HTTP/1.1\r\n", "", slowHead, usual, ""},
		"dripping the head":      {"GET /api/v0/ping HTTP/1.1\r\n", "X-More: x\r\n", slowHead, usual, ""},
		"standing in the body":   {upload, "", head, func(c *Config) { c.StallTime = 200 * time.Millisecond }, "408"},
		"dripping a part's head": {upload, "x", head, shortTransfer, "408"},
		"dripping the bundle":    {upload + bundleHead, "x", head, shortTransfer, "408"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := served(t, tc.head, tc.change)
			conn, err := net.Dial("tcp", strings.TrimPrefix(l.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, tc.begin); err != nil {
				t.Fatal(err)
			}
			go drip(conn, tc.drip)
			// Long before any default of the server.
			if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
				t.Fatal(err)
			}
			said, err := io.ReadAll(conn)
			if isTimeout(err) || !strings.Contains(string(said), tc.want) {
				t.Errorf("it is told %q, %v: want %q and the end of the connection", said, err, tc.want)
			}
			if n := l.server.slots.taken(); n != 0 {
				t.Errorf("it holds the place of %d uploads for ever", n)
			}
		})
	}
}

// drip writes text again and again until nobody takes it.
func drip(w io.Writer, text string) {
	for text != "" {
		if _, err := io.WriteString(w, text); err != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A download lasts as long as its client takes bytes, also beyond the server's time for ordinary requests.
func TestSlowDownloadIsNotCutOff(t *testing.T) {
	t.Parallel()
	const header, stall, size = time.Second, 2 * time.Second, 40 << 20
	l := served(t, header, func(c *Config) { c.StallTime = stall })
	ticket, err := l.client.Upload(t.Context(), owner(), io.LimitReader(zeros{}, size))
	if err != nil {
		t.Fatal(err)
	}
	body, err := l.client.Fetch(t.Context(), ticket)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	begun := time.Now()
	var read int64
	for err == nil {
		var n int64
		n, err = io.CopyN(io.Discard, body, 1<<20)
		read += n
		time.Sleep(100 * time.Millisecond)
	}
	if err != io.EOF || read != size {
		t.Errorf("%d of %d bytes, %v", read, size, err)
	}
	if took := time.Since(begun); took < header+stall {
		t.Errorf("the download took %s: it proves nothing about %s", took, header+stall)
	}
}

// A request of a server that is told to end is answered; then it is gone.
func TestTransfersFinishWhenTheServerEnds(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, t.TempDir(), nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener, time.Minute) }()
	client := newClient(t, fmt.Sprintf("http://%s", listener.Addr()))
	end := readerFunc(func([]byte) (int, error) {
		cancel()
		return 0, io.EOF
	})
	if _, err := client.Upload(t.Context(), owner(), io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), end)); err != nil {
		t.Errorf("an upload that was under way: %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := client.Ping(t.Context()); err == nil {
		t.Error("it still answers")
	}
}
