// Chaostools is the two small programs that the daemon of Chaos Mesh calls by name: nsexec runs a command in namespaces of
// another process, pause runs a command once it is told to continue.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
)

const exitFailure = 125 // as env and nsenter give it, for failures of their own

func main() {
	var err error
	code := exitFailure
	switch name := filepath.Base(os.Args[0]); name {
	case "nsexec":
		code, err = nsexec(os.Args[1:])
	case "pause":
		err = pause(os.Args[1:])
	case ward:
		err = endWithParent(os.Args[1:])
	default:
		err = fmt.Errorf("this program is nsexec and pause, but it was called as %q", name)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
		code = exitFailure
	}
	os.Exit(code)
}

// pause waits for SIGCONT and becomes the command. Until then the process has the name pause, by which the daemon knows
// that it still waits.
func pause(command []string) error {
	if len(command) == 0 {
		return errors.New("no command is given")
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGCONT)
	<-told
	signal.Reset(syscall.SIGCONT)
	return become(command)
}

// become replaces the process by a command.
func become(command []string) error {
	program, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	return fmt.Errorf("run %s: %w", program, syscall.Exec(program, command, os.Environ()))
}

// order is what nsexec is asked to do.
type order struct {
	namespaces []namespace
	command    []string
}

// namespace is one of another process.
type namespace struct {
	kind int    // CLONE_NEW…
	path string // below /proc
}

// kinds are the namespaces by the options that name them.
func kinds() map[string]int {
	return map[string]int{"-n": syscall.CLONE_NEWNET, "-m": syscall.CLONE_NEWNS, "-i": syscall.CLONE_NEWIPC, "-p": syscall.CLONE_NEWPID}
}

// parse reads -n PATH, -m PATH, -i PATH and -p PATH, then -- and the command.
func parse(args []string) (order, error) {
	var o order
	for len(args) > 0 {
		option := args[0]
		kind, known := kinds()[option]
		switch {
		case option == "--":
			if len(args) == 1 {
				return o, errors.New("no command is given after --")
			}
			o.command = args[1:]
			return o, nil
		case option == "-l":
			return o, errors.New("-l (a program of this file system in another mount namespace) cannot be done: what needs it, IOChaos, HTTPChaos and BlockChaos, is not supported by this image")
		case !known:
			return o, fmt.Errorf("option %q is not known: expected -n, -m, -i, -p with a path each, then -- and a command", option)
		case len(args) == 1:
			return o, fmt.Errorf("option %s lacks its path", option)
		}
		o.namespaces = append(o.namespaces, namespace{kind, args[1]})
		args = args[2:]
	}
	return o, errors.New("no command is given: expected -- and a command")
}

// nsexec runs the command and returns its exit code. The one thread that enters the namespaces is the one that runs it.
func nsexec(args []string) (int, error) {
	o, err := parse(args)
	if err != nil {
		return 0, err
	}
	runtime.LockOSThread()
	opened, err := open(o.namespaces)
	if err != nil {
		return 0, err
	}
	for i, n := range o.namespaces {
		if err := enter(n, opened[i]); err != nil {
			return 0, err
		}
	}
	for _, n := range o.namespaces {
		if n.kind == syscall.CLONE_NEWPID {
			return child(o.command) // only children of the thread are in the namespace
		}
	}
	return 0, become(o.command)
}

// open opens all of them before one is entered: the paths are of this mount namespace.
func open(namespaces []namespace) ([]*os.File, error) {
	var opened []*os.File
	for _, n := range namespaces {
		f, err := os.Open(n.path)
		if err != nil {
			return nil, err
		}
		opened = append(opened, f)
	}
	return opened, nil
}

func enter(n namespace, file *os.File) error {
	if n.kind == syscall.CLONE_NEWNS {
		// A thread that shares its working directory with others may not change its mounts.
		if err := syscall.Unshare(syscall.CLONE_FS); err != nil {
			return fmt.Errorf("part this thread's directories: %w", err)
		}
	}
	if _, _, errno := syscall.RawSyscall(sysSetns, file.Fd(), uintptr(n.kind), 0); errno != 0 {
		return fmt.Errorf("enter %s: %w", n.path, errno)
	}
	return nil
}

// ward is the name by which this program calls itself to become a command that ends with its parent.
const ward = "nsexec-child"

// endWithParent becomes a command that the kernel kills when the thread ends that started it. Go's own way to ask for that has the
// child look for its parent, which it cannot see from another PID namespace, and kill itself.
func endWithParent(command []string) error {
	runtime.LockOSThread()
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0); errno != 0 {
		return fmt.Errorf("ask to be ended with the parent: %w", errno)
	}
	if len(command) == 0 {
		return errors.New("no command is given")
	}
	return become(command)
}

// child runs the command as a child that ends with this process, and hands on the signals.
func child(command []string) (int, error) {
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: append([]string{ward}, command...)}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGCONT)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s) // it may have ended
		}
	}()
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal()), nil
		}
		return exit.ExitCode(), nil
	}
	return 0, err
}
