//go:build linux

package machine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
)

// The part of logind's interface (org.freedesktop.login1(5)) that kubelet uses for its graceful node shutdown.
const (
	loginName      = "org.freedesktop.login1"
	loginPath      = dbus.ObjectPath("/org/freedesktop/login1")
	loginInterface = "org.freedesktop.login1.Manager"
	busService     = "dbus"

	// BusSocket is where the machine's message bus listens, as on any system.
	BusSocket = "/run/dbus/system_bus_socket"
	// LoginReady exists once the machine's login manager answers on the bus.
	LoginReady = runDirectory + "/login1"
	// inhibitDelayMax is longer than any grace period a node is configured with, so kubelet leaves it as it is.
	inhibitDelayMax = 10 * time.Minute
	// sendTimeout is far longer than the bus takes to send a descriptor on.
	sendTimeout = 5 * time.Second
)

// login is the login manager of a machine as far as kubelet needs one: it hands out delay locks and, before a
// shutdown, tells their holders and waits until they let go.
type login struct {
	mu    sync.Mutex
	conn  *dbus.Conn
	locks map[*os.File]bool
	freed chan struct{}
}

func newLogin() *login {
	return &login{locks: map[*os.File]bool{}, freed: make(chan struct{}, 1)}
}

// serve offers the interface as soon as the bus is there.
func (l *login) serve(ctx context.Context) {
	awaitCondition(ctx, "unix:"+BusSocket)
	if err := l.export(); err != nil {
		fmt.Fprintln(os.Stderr, "machine: login manager:", err)
		return
	}
	if err := os.WriteFile(filepath.Clean(LoginReady), nil, 0o600); err != nil {
		fmt.Fprintln(os.Stderr, "machine: login manager:", err)
	}
}

func (l *login) export() error {
	conn, err := dbus.Connect("unix:path=" + BusSocket)
	if err != nil {
		return fmt.Errorf("connect to the bus: %w", err)
	}
	if err := conn.Export(l, loginPath, loginInterface); err != nil {
		return err
	}
	_, err = prop.Export(conn, loginPath, prop.Map{loginInterface: {
		"InhibitDelayMaxUSec": {Value: uint64(inhibitDelayMax.Microseconds()), Emit: prop.EmitFalse},
	}})
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.conn = conn
	l.mu.Unlock()
	if _, err := conn.RequestName(loginName, dbus.NameFlagDoNotQueue); err != nil {
		return fmt.Errorf("take the name %s: %w", loginName, err)
	}
	return nil
}

// Inhibit is called over the bus: the caller holds the lock for as long as it keeps the descriptor open.
func (l *login) Inhibit(_, _, _, _ string) (dbus.UnixFD, *dbus.Error) {
	ours, theirs, err := os.Pipe()
	if err != nil {
		return 0, dbus.MakeFailedError(err)
	}
	l.mu.Lock()
	l.locks[ours] = true
	l.mu.Unlock()
	go l.watch(ours)
	// The bus sends a duplicate; ours of their end must go, or the pipe would never end.
	time.AfterFunc(sendTimeout, func() { _ = theirs.Close() })
	return dbus.UnixFD(theirs.Fd()), nil
}

// watch notices when the holder of a lock lets go or dies.
func (l *login) watch(lock *os.File) {
	_, _ = lock.Read(make([]byte, 1)) // returns when the other end is closed
	_ = lock.Close()
	l.mu.Lock()
	delete(l.locks, lock)
	l.mu.Unlock()
	select {
	case l.freed <- struct{}{}:
	default:
	}
}

// prepareForShutdown notifies everybody and waits for those who hold a lock.
func (l *login) prepareForShutdown() {
	l.mu.Lock()
	conn := l.conn
	l.mu.Unlock()
	if conn == nil {
		return // nobody can have asked for a delay
	}
	if err := conn.Emit(loginPath, loginInterface+".PrepareForShutdown", true); err != nil {
		fmt.Fprintln(os.Stderr, "machine: announce the shutdown:", err)
		return
	}
	limit := time.After(inhibitDelayMax)
	for l.held() {
		select {
		case <-l.freed:
		case <-limit:
			return
		}
	}
}

func (l *login) held() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.locks) > 0
}
