//go:build linux

package machine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// initArgument is argv[0] of a machine's init: the same program, called by another name.
const initArgument = "sparkchaos-machine"

// The inherited descriptors of an init.
const (
	specFD     = 3 // read: the Spec, then one byte to continue
	reportFD   = 4 // write: "ready\n" or what failed
	firstLsnFD = 5 // listeners of the host that forward into the machine
)

// IsInit reports whether the process was started as the init of a machine. A program that boots machines asks this
// first of all in its main, and calls Init if so.
func IsInit(args []string) bool { return len(args) > 0 && args[0] == initArgument }

// Init is the life of a machine: it makes the root file system, starts the services and ends with the machine.
// It returns an exit code.
func Init() int {
	report := os.NewFile(reportFD, "report")
	// An init is small and idle: it gives the memory that the program's start needed back.
	debug.SetGCPercent(20)
	if err := run(os.NewFile(specFD, "spec"), report); err != nil {
		fmt.Fprintln(os.Stderr, "machine:", err)
		_, _ = fmt.Fprintln(report, err) // the launcher may be gone
		return 1
	}
	return 0
}

func run(input, report *os.File) error {
	// A machine ignores what would end an ordinary program: it goes down by an order or by losing power. The signals are
	// caught and dropped, because one that is ignored would be ignored by every process of every pod, too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	spec, err := receive(input)
	if err != nil {
		return err
	}
	listeners, err := inherited(len(spec.Forward))
	if err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(spec.Name)); err != nil {
		return fmt.Errorf("set the host name of machine %s: %w", spec.Name, err)
	}
	if err := makeRoot(spec); err != nil {
		return fmt.Errorf("make the root file system of machine %s: %w", spec.Name, err)
	}
	if err := os.Setenv("PATH", spec.searchPath()); err != nil {
		return err
	}
	if err := writeSysctls(); err != nil {
		return err
	}
	for i, listener := range listeners {
		go forward(listener, spec.Forward[i])
	}
	supervisor := newSupervisor(spec.Services)
	control, err := newControl(supervisor)
	if err != nil {
		return err
	}
	go supervisor.reap()
	go supervisor.boundLogs()
	supervisor.startAll()
	if _, err := fmt.Fprintln(report, "ready"); err != nil && !errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("report that machine %s is up: %w", spec.Name, err)
	}
	_ = report.Close() // written already; the launcher sees the end of the pipe
	debug.FreeOSMemory()
	return control.serve(context.Background())
}

// receive reads the spec and waits for the launcher to have placed the process into its cgroup and network. If the
// launcher dies before, the pipe ends and so does the machine that nobody knows of.
func receive(input *os.File) (Spec, error) {
	reader := bufio.NewReader(input)
	line, err := reader.ReadBytes('\n')
	if err != nil {
		return Spec{}, fmt.Errorf("read the machine's spec from its launcher: %w", err)
	}
	var spec Spec
	if err := json.Unmarshal(line, &spec); err != nil {
		return Spec{}, fmt.Errorf("decode the machine's spec: %w", err)
	}
	if _, err := reader.ReadByte(); err != nil {
		return Spec{}, fmt.Errorf("machine %s was not released by its launcher: %w", spec.Name, err)
	}
	if !spec.Bound {
		return spec, input.Close()
	}
	go func() {
		_, _ = reader.ReadByte() // ends when the launcher does
		os.Exit(0)
	}()
	return spec, nil
}

func inherited(count int) ([]net.Listener, error) {
	var listeners []net.Listener
	for i := range count {
		file := os.NewFile(uintptr(firstLsnFD+i), "listener")
		listener, err := net.FileListener(file)
		if err != nil {
			return nil, fmt.Errorf("take over the listening socket %d: %w", i, err)
		}
		_ = file.Close() // FileListener duplicated it
		listeners = append(listeners, listener)
	}
	return listeners, nil
}

// forward carries connections that arrive at a socket of the host to an address inside the machine's network.
func forward(listener net.Listener, address string) {
	for {
		outside, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Such as too many open files: the next one may find room.
			fmt.Fprintln(os.Stderr, "machine: accept:", err)
			<-time.After(acceptPause)
			continue
		}
		go func() {
			inside, err := net.Dial("tcp", address)
			if err != nil {
				_ = outside.Close() // the client sees a closed connection, as from any server that is not up yet
				return
			}
			join(outside, inside)
		}()
	}
}

// acceptPause keeps a socket that cannot be accepted from using up the machine.
const acceptPause = 100 * time.Millisecond

// join carries bytes both ways until both ends have been handed on, and closes both connections.
func join(outside, inside net.Conn) {
	var directions sync.WaitGroup
	directions.Go(func() { pipe(inside, outside) })
	directions.Go(func() { pipe(outside, inside) })
	directions.Wait()
	_ = outside.Close()
	_ = inside.Close()
}

// pipe copies one direction and hands the end of the stream on. What broke ends the other direction, too.
func pipe(to, from net.Conn) {
	_, err := io.Copy(to, from)
	half, ok := to.(interface{ CloseWrite() error })
	if ok && err == nil && half.CloseWrite() == nil {
		return
	}
	_ = to.Close()
	_ = from.Close()
}
