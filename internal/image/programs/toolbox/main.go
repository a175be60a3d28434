// Toolbox is one static program with the small commands that the cluster's tests and the scenarios run in pods. Every
// line it prints goes out at once, unbuffered, so a container's log tells when something was seen.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sort"
	"strings"
	"syscall"
	"time"
)

// Exit codes beside those that a command is asked for.
const (
	exitOK       = 0
	exitFailure  = 1
	exitReset    = 3  // the peer reset the connection
	exitUsage    = 64 // EX_USAGE of sysexits.h
	exitSignaled = 143
)

// world is what a command works on.
type world struct {
	stdout, stderr io.Writer
	hostname       func() (string, error)
	now            func() time.Time
}

// command is one subcommand. It returns the exit code; its error is printed.
type command struct {
	usage string
	run   func(ctx context.Context, w world, args []string) (int, error)
}

func commands() map[string]command {
	return map[string]command{
		"tick":      {"tick [-interval 100ms] PATH|-: write a numbered line with the time at each interval", tick},
		"serve":     {"serve :PORT: answer HTTP requests with the host's name and what was asked", serve},
		"get":       {"get [-timeout 5s] URL: print what a URL serves; fails on a status of 400 and more", get},
		"tcp-hold":  {"tcp-hold [-timeout 10s] HOST:PORT: open a connection, print when it is established and when data, FIN or RST arrives", tcpHold},
		"tcp-serve": {"tcp-serve [-every 1s] :PORT: accept connections and send each a line at each interval (0: never)", tcpServe},
		"sleep":     {"sleep DURATION", sleep},
		"write":     {"write FILE TEXT: replace the file's content and sync it to disk", write},
		"cat":       {"cat FILE...", cat},
		"id":        {"id: print user, group, host name and boot ID", id},
		"true":      {"true: exit with 0", exitWith(exitOK)},
		"false":     {"false: exit with 1", exitWith(exitFailure)},
		"exit":      {"exit CODE", exit},
		"trap-term": {"trap-term DURATION: run until SIGTERM, then say so, go on for the duration and exit with 0", trapTerm},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	w := world{stdout: os.Stdout, stderr: os.Stderr, hostname: os.Hostname, now: time.Now}
	os.Exit(dispatch(ctx, w, os.Args[1:]))
}

// dispatch runs the command that args name and returns the exit code.
func dispatch(ctx context.Context, w world, args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(w.stderr, usage())
		return exitUsage
	}
	c, ok := commands()[args[0]]
	if !ok {
		fmt.Fprintf(w.stderr, "toolbox: there is no command %q\n%s\n", args[0], usage())
		return exitUsage
	}
	code, err := c.run(ctx, w, args[1:])
	if errors.Is(err, errUsage) {
		fmt.Fprintf(w.stderr, "toolbox %s: %v\nusage: toolbox %s\n", args[0], err, c.usage)
		return exitUsage
	}
	if err != nil {
		fmt.Fprintf(w.stderr, "toolbox %s: %v\n", args[0], err)
	}
	return code
}

func usage() string {
	var lines []string
	for _, c := range commands() {
		lines = append(lines, "  "+c.usage)
	}
	sort.Strings(lines)
	return "usage: toolbox COMMAND\n" + strings.Join(lines, "\n")
}

var errUsage = errors.New("wrong use")

// arguments parses args by flags (which may be nil) and wants at least and at most so many words beside.
func arguments(flags *flag.FlagSet, args []string, least, most int) ([]string, error) {
	if flags == nil {
		flags = flag.NewFlagSet("", flag.ContinueOnError)
	}
	flags.SetOutput(io.Discard)
	if err := flags.Parse(args); err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	if n := flags.NArg(); n < least || n > most {
		return nil, fmt.Errorf("%w: %d arguments given, %d to %d wanted", errUsage, n, least, most)
	}
	return flags.Args(), nil
}

// duration parses a duration that may be zero and not negative.
func duration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errUsage, err)
	}
	if d < 0 {
		return 0, fmt.Errorf("%w: the duration %s is negative", errUsage, s)
	}
	return d, nil
}

// say prints one line that begins with the time.
func (w world) say(format string, args ...any) error {
	_, err := fmt.Fprintf(w.stdout, "%s %s\n", stamp(w.now()), fmt.Sprintf(format, args...))
	return err
}

// stamp has a fixed width, so that lines sort by time.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }

// pause waits and reports whether the time passed undisturbed.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
