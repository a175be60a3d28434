//go:build linux

package machine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// socketPath is where a machine's init takes orders. From outside it is reached through the root of the init's process,
// so no network and no file of the host is needed.
const socketPath = runDirectory + "/control.sock"

// Status is what a machine's init says about itself.
type Status struct {
	BootID   string          `json:"bootID"`
	Services []ServiceStatus `json:"services"`
}

// control is the server inside the machine.
type control struct {
	supervisor *supervisor
	login      *login
	listener   net.Listener
	off        chan struct{} // closed when the machine has shut down
}

func newControl(s *supervisor) (*control, error) {
	if err := os.MkdirAll(runDirectory, 0o700); err != nil {
		return nil, err
	}
	listener, err := net.Listen("unix", socketPath)
	if err != nil {
		return nil, fmt.Errorf("listen for orders: %w", err)
	}
	c := &control{supervisor: s, listener: listener, off: make(chan struct{})}
	if _, err := s.find(busService); err == nil {
		c.login = newLogin()
		go c.login.serve(context.Background())
	}
	return c, nil
}

// serve takes orders until the machine was shut down.
func (c *control) serve(context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", c.status)
	mux.HandleFunc("POST /stop/{service}", c.order(func(r *http.Request) error { return c.supervisor.stop(r.PathValue("service")) }))
	mux.HandleFunc("POST /start/{service}", c.order(func(r *http.Request) error { return c.supervisor.want(r.PathValue("service")) }))
	mux.HandleFunc("POST /add", c.order(c.add))
	mux.HandleFunc("POST /remove/{service}", c.order(func(r *http.Request) error { return c.supervisor.remove(r.PathValue("service")) }))
	mux.HandleFunc("POST /shutdown", c.order(func(*http.Request) error { return c.shutdown() }))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(c.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("take orders: %w", err)
	case <-c.off:
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return server.Shutdown(ctx) // lets the answer to the last order out
	}
}

func (c *control) status(w http.ResponseWriter, _ *http.Request) {
	bootID, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	// the asker may be gone
	_ = json.NewEncoder(w).Encode(Status{BootID: strings.TrimSpace(string(bootID)), Services: c.supervisor.statuses()})
}

func (c *control) add(r *http.Request) error {
	var spec Service
	if err := json.NewDecoder(r.Body).Decode(&spec); err != nil {
		return fmt.Errorf("decode the service: %w", err)
	}
	return c.supervisor.add(spec)
}

func (c *control) order(do func(*http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := do(r); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	}
}

// shutdown is the orderly end: who asked to be told first is told and given its time, then the services end.
func (c *control) shutdown() error {
	if c.login != nil {
		c.login.prepareForShutdown()
	}
	c.supervisor.stopAll()
	close(c.off)
	return nil
}

// Remote gives orders to a running machine, from the host.
type Remote struct {
	client *http.Client
}

// NewRemote reaches the init that runs as process pid of the host.
func NewRemote(pid int) Remote {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		socket, err := OpenSocket(pid, socketPath)
		if err != nil {
			return nil, err
		}
		defer func() { _ = socket.Close() }() // connected, or not needed
		var d net.Dialer
		return d.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d", socket.Fd()))
	}
	return Remote{client: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// OpenSocket opens a socket inside a running machine, whose init runs as process pid of the host, as a file to be connected to by its
// name in /proc/self/fd. What pods left in its place, such as a link to a socket of the host, is refused.
func OpenSocket(pid int, path string) (*os.File, error) {
	root, err := unix.Open(fmt.Sprintf("/proc/%d/root", pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open the root of the machine", Path: fmt.Sprintf("/proc/%d/root", pid), Err: err}
	}
	defer func() { _ = unix.Close(root) }()
	fd, err := unix.Openat2(root, strings.TrimPrefix(path, "/"), &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open in the machine", Path: path, Err: err}
	}
	file := os.NewFile(uintptr(fd), path)
	info, err := file.Stat()
	if err == nil && info.Mode().Type() != fs.ModeSocket {
		err = &fs.PathError{Op: "open in the machine", Path: path, Err: fmt.Errorf("it is %v: expected a socket", info.Mode())}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Status asks for the machine's state.
func (r Remote) Status(ctx context.Context) (Status, error) {
	var status Status
	body, err := r.do(ctx, http.MethodGet, "status")
	if err != nil {
		return status, err
	}
	if err := json.Unmarshal(body, &status); err != nil {
		return status, fmt.Errorf("decode the machine's status: %w", err)
	}
	return status, nil
}

// Stop ends a service and returns when its process is gone. It stays stopped until Start.
func (r Remote) Stop(ctx context.Context, service string) error {
	_, err := r.do(ctx, http.MethodPost, "stop/"+service)
	return err
}

// Start starts a stopped service and returns when its process runs.
func (r Remote) Start(ctx context.Context, service string) error {
	_, err := r.do(ctx, http.MethodPost, "start/"+service)
	return err
}

// Add has the machine keep one more service running. It is forgotten when the machine boots again.
func (r Remote) Add(ctx context.Context, service Service) error {
	encoded, err := json.Marshal(service)
	if err != nil {
		return fmt.Errorf("encode service %s: %w", service.Name, err)
	}
	_, err = r.send(ctx, http.MethodPost, "add", bytes.NewReader(encoded))
	return err
}

// Remove ends a service that was added and returns when its process is gone.
func (r Remote) Remove(ctx context.Context, service string) error {
	_, err := r.do(ctx, http.MethodPost, "remove/"+service)
	return err
}

// Shutdown ends the machine in an orderly way and returns when its services have ended.
func (r Remote) Shutdown(ctx context.Context) error {
	_, err := r.do(ctx, http.MethodPost, "shutdown")
	return err
}

func (r Remote) do(ctx context.Context, method, path string) ([]byte, error) {
	return r.send(ctx, method, path, nil)
}

func (r Remote) send(ctx context.Context, method, path string, content io.Reader) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://machine/"+path, content)
	if err != nil {
		return nil, err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s %s to the machine's init: %w", method, path, err)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	err = errors.Join(err, response.Body.Close())
	if err != nil {
		return nil, fmt.Errorf("read the answer of the machine's init: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the machine's init refused %s: %s", path, bytes.TrimSpace(body))
	}
	return body, nil
}
