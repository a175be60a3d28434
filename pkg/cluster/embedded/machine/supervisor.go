//go:build linux

package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// restartDelay keeps a service that dies at once from using up the machine.
const restartDelay = time.Second

// ServiceStatus is the state of one service, as `status` shows it.
type ServiceStatus struct {
	Name     string    `json:"name"`
	PID      int       `json:"pid"` // inside the machine; 0 when it does not run
	Wanted   bool      `json:"wanted"`
	Ready    bool      `json:"ready"`
	Restarts int       `json:"restarts"`
	LastExit string    `json:"lastExit,omitempty"`
	Since    time.Time `json:"since"`
}

// supervisor keeps the services running and reaps every orphan of the machine.
type supervisor struct {
	mu       sync.Mutex
	services []*service
	exits    map[int]func(syscall.WaitStatus) // by PID, of services
}

type service struct {
	Service
	status  ServiceStatus
	changed chan struct{} // closed and renewed at each change of status
}

func newSupervisor(specs []Service) *supervisor {
	s := &supervisor{exits: map[int]func(syscall.WaitStatus){}}
	for _, spec := range specs {
		s.services = append(s.services, newService(spec))
	}
	return s
}

func newService(spec Service) *service {
	return &service{Service: spec, status: ServiceStatus{Name: spec.Name, Wanted: true}, changed: make(chan struct{})}
}

func (s *supervisor) startAll() {
	for _, svc := range s.all() {
		go s.keep(svc)
	}
}

// keep is the life of one service: waited for, started, awaited, started again. What it waits for is asked for once:
// a service that was started before is started again as soon as it may be, whatever else is away at that moment.
func (s *supervisor) keep(svc *service) {
	for _, condition := range svc.After {
		awaitCondition(context.Background(), condition)
	}
	for {
		s.await(svc, func(status ServiceStatus) bool { return status.Wanted })
		exited, err := s.start(svc)
		if errors.Is(err, errNotWanted) {
			continue // stopped since
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "machine: start %s: %v\n", svc.Name, err)
			s.change(svc, func(status *ServiceStatus) { status.LastExit, status.Restarts = err.Error(), status.Restarts+1 })
			<-time.After(restartDelay)
			continue
		}
		s.watch(svc, exited)
	}
}

// watch marks the service ready when it serves and returns a moment after it has ended.
func (s *supervisor) watch(svc *service, exited <-chan syscall.WaitStatus) {
	alive, ended := context.WithCancel(context.Background())
	defer ended()
	go func() {
		if svc.Ready != "" {
			awaitCondition(alive, svc.Ready)
		}
		if alive.Err() == nil {
			s.change(svc, func(status *ServiceStatus) { status.Ready = status.PID != 0 })
		}
	}()
	exit := <-exited
	ended()
	again := false
	s.change(svc, func(now *ServiceStatus) {
		now.PID, now.Ready, now.LastExit = 0, false, describe(exit)
		if again = now.Wanted; again {
			now.Restarts++
		}
	})
	if again {
		fmt.Fprintf(os.Stderr, "machine: %s ended (%s); starting it again in %v\n", svc.Name, describe(exit), restartDelay)
		<-time.After(restartDelay)
	}
}

// errNotWanted is a start that a stop has overtaken.
var errNotWanted = errors.New("the service is not wanted any more")

func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "killed by " + status.Signal().String()
	}
	return fmt.Sprintf("exit code %d", status.ExitStatus())
}

// start runs the service's program. Its exit arrives on the channel that is returned.
func (s *supervisor) start(svc *service) (<-chan syscall.WaitStatus, error) {
	program, err := exec.LookPath(svc.Command[0])
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(LogDirectory, svc.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the child holds it
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer func() { _ = null.Close() }() // the child holds it
	exited := make(chan syscall.WaitStatus, 1)
	// The reaper takes the same lock, so a child that ends at once is not reaped before it is known.
	s.mu.Lock()
	defer s.mu.Unlock()
	if !svc.status.Wanted {
		return nil, errNotWanted
	}
	pid, err := syscall.ForkExec(program, svc.Command, &syscall.ProcAttr{
		Dir:   "/",
		Env:   append(environment(), svc.Env...),
		Files: []uintptr{null.Fd(), log.Fd(), log.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, err
	}
	s.exits[pid] = func(status syscall.WaitStatus) { exited <- status }
	svc.update(func(status *ServiceStatus) { status.PID, status.Since = pid, time.Now() })
	return exited, nil
}

func environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=/root", "LANG=C.UTF-8"}
}

// reap collects every child that ends: services, and what was left to init by processes that ended before their children.
func (s *supervisor) reap() {
	for {
		var status syscall.WaitStatus
		// Waiting without reaping, and reaping under the lock, keeps a PID from being taken for another's.
		err := waitAny()
		if errors.Is(err, syscall.ECHILD) {
			<-time.After(10 * time.Millisecond) // nobody to wait for, yet
			continue
		}
		s.mu.Lock()
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		notify := s.exits[pid]
		delete(s.exits, pid)
		s.mu.Unlock()
		if err == nil && pid > 0 && notify != nil {
			notify(status)
		}
	}
}

// add keeps one more service running, from now until remove or the machine's end.
func (s *supervisor) add(spec Service) error {
	if spec.Name == "" || len(spec.Command) == 0 {
		return fmt.Errorf("a service needs a name and a command, this one has %q and %q", spec.Name, spec.Command)
	}
	svc := newService(spec)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.index(spec.Name) >= 0 {
		return fmt.Errorf("this machine has a service %q already", spec.Name)
	}
	s.services = append(s.services, svc)
	go s.keep(svc)
	return nil
}

// remove ends a service for good. Its keeper waits for ever to be asked for it, which costs nothing.
func (s *supervisor) remove(name string) error {
	if err := s.stop(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.services = slices.DeleteFunc(s.services, func(svc *service) bool { return svc.Name == name })
	return nil
}

// index is for callers that hold the supervisor's lock.
func (s *supervisor) index(name string) int {
	return slices.IndexFunc(s.services, func(svc *service) bool { return svc.Name == name })
}

// all returns the services that there are at this moment.
func (s *supervisor) all() []*service {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.services)
}

func (s *supervisor) find(name string) (*service, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.index(name)
	if i < 0 {
		return nil, fmt.Errorf("this machine has no service %q", name)
	}
	return s.services[i], nil
}

// stop ends a service until it is wanted again: SIGTERM, and SIGKILL when its time to stop has passed.
func (s *supervisor) stop(name string) error {
	svc, err := s.find(name)
	if err != nil {
		return err
	}
	var pid int
	s.change(svc, func(status *ServiceStatus) { status.Wanted, pid = false, status.PID })
	if pid == 0 {
		return nil
	}
	_ = syscall.Kill(pid, syscall.SIGTERM) // gone already is what is wanted
	kill := time.AfterFunc(max(svc.Stop, time.Second), func() {
		if s.snapshot(svc).PID == pid {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	defer kill.Stop()
	s.await(svc, func(status ServiceStatus) bool { return status.PID != pid })
	return nil
}

// want starts a service that was stopped.
func (s *supervisor) want(name string) error {
	svc, err := s.find(name)
	if err != nil {
		return err
	}
	s.change(svc, func(status *ServiceStatus) { status.Wanted = true })
	s.await(svc, func(status ServiceStatus) bool { return status.PID != 0 })
	return nil
}

// stopAll ends all services, the last one of the spec first.
func (s *supervisor) stopAll() {
	for _, svc := range slices.Backward(s.all()) {
		_ = s.stop(svc.Name) // it exists: it comes from the list itself
	}
}

func (s *supervisor) statuses() []ServiceStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []ServiceStatus
	for _, svc := range s.services {
		all = append(all, svc.status)
	}
	return all
}

func (s *supervisor) snapshot(svc *service) ServiceStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return svc.status
}

func (s *supervisor) change(svc *service, f func(*ServiceStatus)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	svc.update(f)
}

// update is change for callers that hold the supervisor's lock.
func (svc *service) update(f func(*ServiceStatus)) {
	f(&svc.status)
	close(svc.changed)
	svc.changed = make(chan struct{})
}

// await returns when the service's status is as wanted.
func (s *supervisor) await(svc *service, wanted func(ServiceStatus) bool) {
	for {
		s.mu.Lock()
		ok, changed := wanted(svc.status), svc.changed
		s.mu.Unlock()
		if ok {
			return
		}
		<-changed
	}
}
