//go:build linux

// Package losstest kills the staging server under load, again and again, and looks for what was lost.
package losstest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/child"
	"github.com/sparkchaos/sparkchaos/internal/stagingcli"
	"github.com/sparkchaos/sparkchaos/pkg/staging"
)

// serveVariable makes the test binary be the server: its arguments, one a line.
const serveVariable = "SPARKCHAOS_LOSSTEST_SERVE"

func TestMain(m *testing.M) {
	if arguments := os.Getenv(serveVariable); arguments != "" {
		os.Exit(stagingcli.Main("staging", strings.Split(arguments, "\n"), os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// serverProcess is a real server in a process of its own, which is killed and restarted at another port each time.
type serverProcess struct {
	t       *testing.T
	storage string

	mu        sync.Mutex
	command   *exec.Cmd
	wait      func() error    // for the command's end
	client    *staging.Client // of this life, or of the last one
	listening chan struct{}   // closed while the server lives
	logged    strings.Builder // of all lives
}

func newServerProcess(t *testing.T, storage string) *serverProcess {
	return &serverProcess{t: t, storage: storage, listening: make(chan struct{})}
}

// start starts the server and returns when it listens.
func (p *serverProcess) start(flags ...string) {
	p.t.Helper()
	arguments := append([]string{"serve", "--listen", "127.0.0.1:0", "--storage", p.storage, "--clean-up", "initial-access",
		"--initial-access", "24h"}, flags...)
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), serveVariable+"="+strings.Join(arguments, "\n"))
	output, err := command.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	wait, err := child.Start(command)
	if err != nil {
		p.t.Fatal(err)
	}
	listening := make(chan string, 1)
	go p.follow(output, listening)
	select {
	case address := <-listening:
		client, err := staging.NewClient("http://"+address, nil)
		if err != nil {
			p.t.Fatal(err)
		}
		p.mu.Lock()
		p.command, p.wait, p.client = command, wait, client
		close(p.listening)
		p.mu.Unlock()
	case <-time.After(time.Minute):
		_ = command.Process.Kill()
		p.t.Fatalf("the server does not listen after a minute; it said:\n%s", p.log())
	}
}

// follow keeps what the server says and tells its address.
func (p *serverProcess) follow(output io.Reader, listening chan<- string) {
	address := regexp.MustCompile(`msg=serving address=(\S+)`)
	for lines := bufio.NewScanner(output); lines.Scan(); {
		p.mu.Lock()
		p.logged.WriteString(lines.Text() + "\n")
		p.mu.Unlock()
		if match := address.FindStringSubmatch(lines.Text()); match != nil {
			listening <- match[1]
		}
	}
}

func (p *serverProcess) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.logged.String()
}

// kill ends the server as a power failure of its process: nothing of it runs any more.
func (p *serverProcess) kill() {
	p.t.Helper()
	p.mu.Lock()
	command, wait := p.command, p.wait
	p.mu.Unlock()
	if err := command.Process.Signal(syscall.SIGKILL); err != nil {
		p.t.Fatalf("kill the server: %v; it said:\n%s", err, p.log())
	}
	var exit *exec.ExitError
	if err := wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		p.t.Fatalf("the server ended with %v before it was killed; it said:\n%s", err, p.log())
	}
	p.mu.Lock()
	p.listening = make(chan struct{})
	p.mu.Unlock()
}

// alive waits for the server, or for the end of ctx, and returns a client of it. Asking while nothing listens would tell
// nothing and slow down what is starting.
func (p *serverProcess) alive(ctx context.Context) *staging.Client {
	p.mu.Lock()
	listening := p.listening
	p.mu.Unlock()
	select {
	case <-listening:
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.client
}

// pause waits for a while, or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
