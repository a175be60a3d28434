package source

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// serveTCP serves s on a socket of this machine until the test ends.
func serveTCP(t *testing.T, s *Source) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.ServeTCP(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("ServeTCP = %v, want nil after its context ended", err)
		}
	})
	return l.Addr().String()
}

func dial(t *testing.T, address, request string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

func readLine(t *testing.T, in *bufio.Reader) string {
	t.Helper()
	l, err := in.ReadString('\n')
	if err != nil {
		t.Fatalf("read %q: %v", l, err)
	}
	return strings.TrimSuffix(l, "\n")
}

// stepWhenAwaited advances the clock once somebody waits for it.
func stepWhenAwaited(clock *clocktesting.FakeClock, d time.Duration) {
	for !clock.HasWaiters() {
		time.Sleep(time.Millisecond)
	}
	clock.Step(d)
}

func TestTCPSendsWhatThereIsThenEachNewWord(t *testing.T) {
	t.Parallel()
	s, clock := newSource(t, Options{Seed: 1, WordsPerSecond: 10})
	clock.Step(time.Second)
	_, in := dial(t, serveTCP(t, s), "FROM 7\n")
	for offset := int64(7); offset < 10; offset++ {
		if got, want := readLine(t, in), fmt.Sprintf("%d %s", offset, s.Word(offset)); got != want {
			t.Errorf("line %q, want %q", got, want)
		}
	}
	for offset := int64(10); offset < 13; offset++ {
		stepWhenAwaited(clock, 100*time.Millisecond)
		if got, want := readLine(t, in), fmt.Sprintf("%d %s", offset, s.Word(offset)); got != want {
			t.Errorf("line %q, want %q", got, want)
		}
	}
}

func TestTCPReplaysTheSameWords(t *testing.T) {
	t.Parallel()
	s, clock := newSource(t, Options{Seed: 5, WordsPerSecond: 1000})
	clock.Step(300 * time.Second)
	address := serveTCP(t, s)
	read := func() string {
		_, in := dial(t, address, "FROM 100000\n")
		var all strings.Builder
		for range 150_000 {
			all.WriteString(readLine(t, in) + "\n")
		}
		return all.String()
	}
	first := read()
	if second := read(); first != second {
		t.Error("two readers of the same offsets read different words")
	}
	if !strings.HasSuffix(first, fmt.Sprintf("\n249999 %s\n", s.Word(249_999))) {
		t.Errorf("the page's last line is not offset 249999: %q", first[len(first)-30:])
	}
}

func TestTCPWaitsForAnOffsetBeyondTheEnd(t *testing.T) {
	t.Parallel()
	s, clock := newSource(t, Options{WordsPerSecond: 1})
	_, in := dial(t, serveTCP(t, s), "FROM 150\n")
	for range 2 {
		stepWhenAwaited(clock, maxWait)
	}
	stepWhenAwaited(clock, 31*time.Second)
	if got, want := readLine(t, in), "150 "+s.Word(150); got != want {
		t.Errorf("line %q, want %q", got, want)
	}
}

func TestTCPRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	s, _ := newSource(t, Options{WordsPerSecond: 1})
	address := serveTCP(t, s)
	for request, want := range map[string]string{
		"HELLO\n":                         `ERROR request is "HELLO\n"`,
		"\n":                              "ERROR request is",
		"FROM\n":                          "ERROR request is",
		"FROM \n":                         "ERROR missing",
		"FROM -1\n":                       `ERROR "-1"`,
		"FROM 1\r\n":                      `ERROR "1\r"`,
		"FROM 9223372036854775808\n":      "ERROR 9223372036854775808 is beyond",
		"FROM " + strings.Repeat("0", 59): "ERROR request longer than 64 bytes",
	} {
		conn, in := dial(t, address, request)
		if got := readLine(t, in); !strings.HasPrefix(got, want) {
			t.Errorf("request %q: answer %q, want %q …", request, got, want)
		}
		if _, err := in.ReadByte(); err == nil {
			t.Errorf("request %q: the connection continues after the error", request)
		}
		conn.Close()
	}
}

func TestTCPEndsConnectionsThatWouldWaitForEver(t *testing.T) {
	t.Parallel()
	s, clock := newSource(t, Options{WordsPerSecond: 10})
	clock.Step(time.Minute)
	address := serveTCP(t, s)
	for _, offset := range []string{"9223372036854775807", "36601"} {
		_, in := dial(t, address, "FROM "+offset+"\n")
		if got, want := readLine(t, in), "ERROR offset "+offset+" is too far beyond the end, which is 600"; !strings.HasPrefix(got, want) {
			t.Errorf("answer %q, want %q …", got, want)
		}
		if _, err := in.ReadByte(); err == nil {
			t.Errorf("offset %s: the connection continues after the error", offset)
		}
	}
	if !s.reachable(36600) || s.reachable(36601) {
		t.Error("what is reached within an hour, 36000 words beyond 600, is not told from what is not")
	}
}

// failingListener fails to accept some times, as one whose process has no file descriptor left.
type failingListener struct {
	net.Listener
	fails atomic.Int64
}

func (l *failingListener) Accept() (net.Conn, error) {
	if l.fails.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

func TestTCPSurvivesWhatKeepsItFromAccepting(t *testing.T) {
	t.Parallel()
	s, err := New(Options{WordsPerSecond: 1, Began: time.Now().Add(-time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &failingListener{Listener: inner}
	l.fails.Store(5)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.ServeTCP(ctx, l) }()
	_, in := dial(t, inner.Addr().String(), "FROM 0\n")
	if got, want := readLine(t, in), "0 "+s.Word(0); got != want {
		t.Errorf("line %q, want %q", got, want)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("ServeTCP = %v, want nil after its context ended", err)
	}
	// A listener that others close is no passing trouble.
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.ServeTCP(t.Context(), closed); err == nil {
		t.Error("a listener that was closed: no error")
	}
}

func TestTCPReadsARequestOfTheLongestLength(t *testing.T) {
	t.Parallel()
	offset, err := readRequest(strings.NewReader("FROM " + strings.Repeat("0", 57) + "3\n"))
	if err != nil || offset != 3 {
		t.Errorf("readRequest = %d, %v; want 3", offset, err)
	}
	if _, err := readRequest(strings.NewReader("FROM 3")); err == nil {
		t.Error("a request without its line feed was understood")
	}
}
