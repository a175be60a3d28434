package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func testWorld(out, err io.Writer) world {
	return world{
		stdout: out, stderr: err,
		hostname: func() (string, error) { return "host-1", nil },
		now:      func() time.Time { return time.Unix(0, 0) },
	}
}

func runTool(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = dispatch(ctx, testWorld(&out, &err), args)
	return code, out.String(), err.String()
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		want int
	}{
		{"true", exitOK},
		{"false", exitFailure},
		{"exit 0", 0},
		{"exit 137", 137},
		{"sleep 1ms", exitOK},
		{"", exitUsage},
		{"nothing", exitUsage},
		{"true x", exitUsage},
		{"exit", exitUsage},
		{"exit -1", exitUsage},
		{"exit 256", exitUsage},
		{"sleep", exitUsage},
		{"sleep 5", exitUsage},
		{"sleep -- -5s", exitUsage},
		{"trap-term x", exitUsage},
		{"tick", exitUsage},
		{"tick -interval 0s -", exitUsage},
		{"tick /nowhere/file", exitFailure},
		{"cat /nowhere/file", exitFailure},
		{"write /nowhere/file x", exitFailure},
		{"get", exitUsage},
		{"get ://", exitUsage},
		{"get http://127.0.0.1:1/", exitFailure},
		{"serve x", exitFailure},
		{"tcp-serve x", exitFailure},
		{"tcp-hold 127.0.0.1:1", exitFailure},
		{"id x", exitUsage},
	} {
		code, _, stderr := runTool(t.Context(), strings.Fields(c.args)...)
		if code != c.want {
			t.Errorf("%q: exit code %d, want %d; %s", c.args, code, c.want, stderr)
		}
		if quiet := c.args == "false" || strings.HasPrefix(c.args, "exit 137"); code != 0 && !quiet && stderr == "" {
			t.Errorf("%q fails without a word", c.args)
		}
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "f")
	if code, _, stderr := runTool(t.Context(), "write", file, "text"); code != exitOK {
		t.Fatal(stderr)
	}
	if code, out, stderr := runTool(t.Context(), "cat", file, file); code != exitOK || out != "text\ntext\n" {
		t.Errorf("%d %q %s", code, out, stderr)
	}
}

func TestID(t *testing.T) {
	t.Parallel()
	code, out, stderr := runTool(t.Context(), "id")
	if code != exitOK || !regexp.MustCompile(`^uid=\d+ gid=\d+ hostname=host-1 boot=[0-9a-f-]{36}\n$`).MatchString(out) {
		t.Errorf("%d %q %s", code, out, stderr)
	}
}

// closingWriter ends the command after a number of writes, which must be whole lines.
type closingWriter struct {
	t     *testing.T
	lines int
	stop  func()
}

func (c *closingWriter) Write(p []byte) (int, error) {
	if !bytes.HasSuffix(p, []byte("\n")) || bytes.Count(p, []byte("\n")) != 1 {
		c.t.Errorf("write of %q is not one line", p)
	}
	if c.lines--; c.lines <= 0 {
		c.stop()
	}
	return len(p), nil
}

func TestTickWritesWholeLines(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	w := &closingWriter{t: t, lines: 3, stop: cancel}
	if code := dispatch(ctx, testWorld(w, io.Discard), []string{"tick", "-interval", "1ms", "-"}); code != exitSignaled {
		t.Errorf("exit code %d", code)
	}
	if w.lines > 0 {
		t.Errorf("%d lines are missing", w.lines)
	}
}

func TestTickAppendsToFile(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	file := filepath.Join(t.TempDir(), "f")
	for range 2 {
		if code, _, stderr := runTool(ctx, "tick", file); code != exitSignaled {
			t.Fatal(stderr)
		}
	}
	data, err := os.ReadFile(file)
	if want := strings.Repeat("1970-01-01T00:00:00.000000000Z 1\n", 2); err != nil || string(data) != want {
		t.Errorf("%q, %v, want %q", data, err, want)
	}
}

func TestTrapTerm(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	code, out, _ := runTool(ctx, "trap-term", "1ms")
	stamp := "1970-01-01T00:00:00.000000000Z "
	if want := stamp + "waiting\n" + stamp + "terminating, done in 1ms\n" + stamp + "done\n"; code != exitOK || out != want {
		t.Errorf("%d %q, want %q", code, out, want)
	}
}

// background runs a command and returns its output's lines; after stop it returns the exit code.
func background(t *testing.T, args ...string) (lines *bufio.Scanner, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- dispatch(ctx, testWorld(w, io.Discard), args)
		w.Close()
	}()
	return bufio.NewScanner(r), func() int {
		cancel()
		go func() { _, _ = io.Copy(io.Discard, r) }()
		return <-code
	}
}

func nextLine(t *testing.T, lines *bufio.Scanner) string {
	t.Helper()
	if !lines.Scan() {
		t.Fatalf("no further line, %v", lines.Err())
	}
	_, said, _ := strings.Cut(lines.Text(), " ")
	return said
}

func TestServeAndGet(t *testing.T) {
	t.Parallel()
	lines, stop := background(t, "serve", "127.0.0.1:0")
	address := strings.TrimPrefix(nextLine(t, lines), "serving on ")
	code, out, stderr := runTool(t.Context(), "get", "http://"+address+"/path?q")
	if code != exitOK || !strings.HasPrefix(out, "host-1 GET /path?q from 127.0.0.1:") {
		t.Errorf("%d %q %s", code, out, stderr)
	}
	if code := stop(); code != exitSignaled {
		t.Errorf("serve ends with %d", code)
	}
}

func TestGetFailsOnStatus(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = bufio.NewReader(conn).ReadString('\n')
		_, _ = fmt.Fprint(conn, "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
	}()
	code, out, stderr := runTool(t.Context(), "get", "http://"+listener.Addr().String())
	if code != exitFailure || out != "no" || !strings.Contains(stderr, "503") {
		t.Errorf("%d %q %q", code, out, stderr)
	}
}

func TestTCPHoldSeesHowTheConnectionEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(*net.TCPConn) error
		says string
		code int
	}{
		"fin": {(*net.TCPConn).Close, "fin from", exitOK},
		"rst": {func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) }, "rst from", exitReset},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			lines, stop := background(t, "tcp-hold", listener.Addr().String())
			conn, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if said := nextLine(t, lines); !strings.HasPrefix(said, "established ") {
				t.Errorf("said %q", said)
			}
			if _, err := io.WriteString(conn, "abc"); err != nil {
				t.Fatal(err)
			}
			if said := nextLine(t, lines); !strings.HasPrefix(said, "data 3 from ") {
				t.Errorf("said %q", said)
			}
			if err := c.end(conn.(*net.TCPConn)); err != nil {
				t.Fatal(err)
			}
			if said := nextLine(t, lines); !strings.HasPrefix(said, c.says) {
				t.Errorf("said %q, want %q", said, c.says)
			}
			if code := stop(); code != c.code && code != exitSignaled {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
		})
	}
}

func TestTCPServe(t *testing.T) {
	t.Parallel()
	lines, stop := background(t, "tcp-serve", "-every", "1ms", "127.0.0.1:0")
	address := strings.TrimPrefix(nextLine(t, lines), "listening on ")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if said := nextLine(t, lines); said != "accepted "+conn.LocalAddr().String() {
		t.Errorf("said %q", said)
	}
	sent := bufio.NewScanner(conn)
	for _, want := range []string{"1", "2"} {
		if got := nextLine(t, sent); got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if said := nextLine(t, lines); !strings.Contains(said, " from ") {
		t.Errorf("said %q", said)
	}
	if code := stop(); code != exitSignaled {
		t.Errorf("exit code %d", code)
	}
}

func TestUsageNamesAllCommands(t *testing.T) {
	t.Parallel()
	for name, c := range commands() {
		if !strings.HasPrefix(c.usage, name) {
			t.Errorf("the usage of %s begins otherwise: %s", name, c.usage)
		}
	}
}
