//go:build linux

package machine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/cgroup"
)

// Boot is what a machine's start needs beside its spec.
type Boot struct {
	Spec       Spec
	Executable string             // the program that becomes init: one whose main asks IsInit first
	Log        string             // file of the host to which init writes
	Listeners  []*net.TCPListener // of the host, one for each of Spec.Forward
	Cgroups    cgroup.Host
	// Recorded is called when the machine's process exists and nothing runs in it yet: a process that must find it after a
	// crash of this process writes it down here.
	Recorded func(Process) error
	// Connected is called to give the machine its network before anything runs in it.
	Connected func(pid int) error
}

// Start boots the machine and returns when its init runs. On failure nothing of it is left.
func (b Boot) Start(ctx context.Context) (process Process, err error) {
	if err := b.prepare(ctx); err != nil {
		return Process{}, err
	}
	child, err := b.spawn()
	if err != nil {
		return Process{}, err
	}
	defer func() {
		if err != nil {
			child.abandon()
		}
	}()
	process, err = Identify(child.pid)
	if err != nil {
		return Process{}, err
	}
	if err := b.Cgroups.Enter(b.Spec.processCgroup(), child.pid); err != nil {
		return Process{}, err
	}
	if err := b.Recorded(process); err != nil {
		return Process{}, fmt.Errorf("record the process of machine %s: %w", b.Spec.Name, err)
	}
	if err := b.Connected(child.pid); err != nil {
		return Process{}, fmt.Errorf("connect machine %s: %w", b.Spec.Name, err)
	}
	if err := child.release(ctx, b.Spec.Bound); err != nil {
		return Process{}, fmt.Errorf("boot machine %s (see %s): %w", b.Spec.Name, b.Log, err)
	}
	return process, nil
}

// prepare makes what must exist before the process does. Groups of pods of a former life are removed: kubelet's
// statistics would wait seconds for each of them.
func (b Boot) prepare(ctx context.Context) error {
	if err := os.MkdirAll(b.Spec.Disk, 0o755); err != nil {
		return fmt.Errorf("make the disk of machine %s: %w", b.Spec.Name, err)
	}
	if err := os.MkdirAll(filepath.Dir(b.Log), 0o755); err != nil {
		return fmt.Errorf("make the log directory of machine %s: %w", b.Spec.Name, err)
	}
	if err := b.Cgroups.Remove(ctx, b.Spec.Cgroup); err != nil {
		return err
	}
	return b.Cgroups.Make(b.Spec.processCgroup())
}

// child is a machine's process that waits to be released.
type child struct {
	pid    int
	spec   *os.File // write
	report *os.File // read
}

func (b Boot) spawn() (*child, error) {
	encoded, err := json.Marshal(b.Spec)
	if err != nil {
		return nil, fmt.Errorf("encode the spec of machine %s: %w", b.Spec.Name, err)
	}
	log, err := os.OpenFile(b.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the log of machine %s: %w", b.Spec.Name, err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	specRead, specWrite, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, log.Close(), null.Close())
	}
	reportRead, reportWrite, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, log.Close(), null.Close(), specRead.Close(), specWrite.Close())
	}
	inherited := []*os.File{null, log, log, specRead, reportWrite}
	closeInherited := func() {
		for _, file := range []*os.File{null, log, specRead, reportWrite} {
			_ = file.Close() // the child holds them
		}
	}
	defer closeInherited()
	for _, listener := range b.Listeners {
		file, err := listener.File()
		if err != nil {
			return nil, errors.Join(err, specWrite.Close(), reportRead.Close())
		}
		defer func() { _ = file.Close() }() // the child holds it
		inherited = append(inherited, file)
	}
	pid, err := forkInit(b.Executable, inherited)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the process of machine %s: %w", b.Spec.Name, err), specWrite.Close(), reportRead.Close())
	}
	c := &child{pid: pid, spec: specWrite, report: reportRead}
	if _, err := specWrite.Write(append(encoded, '\n')); err != nil {
		c.abandon()
		return nil, fmt.Errorf("hand the spec to machine %s: %w", b.Spec.Name, err)
	}
	return c, nil
}

func forkInit(executable string, files []*os.File) (int, error) {
	fds := make([]uintptr, len(files))
	for i, file := range files {
		fds[i] = file.Fd()
	}
	pid, err := syscall.ForkExec(executable, []string{initArgument}, &syscall.ProcAttr{
		Dir:   "/",
		Env:   environment(),
		Files: fds,
		Sys: &syscall.SysProcAttr{
			Setsid:     true,
			Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC,
		},
	})
	if errors.Is(err, syscall.EPERM) {
		return 0, fmt.Errorf("%w: a machine needs namespaces of its own; run as root, with CAP_SYS_ADMIN where capabilities are restricted", err)
	}
	return pid, err
}

// release lets the machine continue and waits for its init to report. The pipe to a bound machine stays open until this
// process ends, so that the machine notices.
func (c *child) release(ctx context.Context, bound bool) error {
	stop := context.AfterFunc(ctx, func() { _ = c.report.Close() }) // ends the read below
	defer stop()
	if _, err := c.spec.Write([]byte{'\n'}); err != nil {
		return fmt.Errorf("it ended before it was released: %w", err)
	}
	line, err := bufio.NewReader(c.report).ReadString('\n')
	line = strings.TrimSpace(line)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if line != "ready" {
		return fmt.Errorf("its init reported %q instead of being ready: %w", line, errors.Join(err, errors.New("no machine")))
	}
	_ = c.report.Close()
	if !bound {
		_ = c.spec.Close()
	}
	go func() {
		reap(c.pid)
		_ = c.spec.Close() // held until now: a bound machine ends with this pipe
	}()
	return nil
}

// abandon ends a machine that did not come up.
func (c *child) abandon() {
	_ = c.spec.Close()
	_ = c.report.Close()
	_ = syscall.Kill(c.pid, syscall.SIGKILL) // gone already is what is wanted
	reap(c.pid)
}

// reap collects the machine's init should it end while this process still lives; otherwise the host's init does.
func reap(pid int) {
	var status syscall.WaitStatus
	for {
		if _, err := syscall.Wait4(pid, &status, 0, nil); !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}
