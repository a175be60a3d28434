//go:build linux

// Package s3test runs a real S3 server, the component versitygw, for tests of what keeps bundles in object storage.
package s3test

import (
	"errors"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/child"
	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/paths"
)

const (
	bucket    = "bundles"
	startTime = time.Minute
	startPoll = 50 * time.Millisecond
)

// Server is an S3 server on this machine with one bucket. It ends with the test.
type Server struct {
	// Address is host:port, on the loopback interface.
	Address string
	// Bucket is its bucket's directory; each object is a file.
	Bucket string
}

// Start starts a server. The test's environment says from then on how to be admitted by it.
func Start(t testing.TB) Server {
	t.Helper()
	cache, err := paths.Cache(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	program, err := components.LocateOnDemand(cache, components.VersityGW)
	if err != nil {
		t.Fatal(err)
	}
	root, sidecar := t.TempDir(), t.TempDir()
	server := Server{Address: freeAddress(t), Bucket: filepath.Join(root, bucket)}
	if err := os.Mkdir(server.Bucket, 0o755); err != nil {
		t.Fatal(err)
	}
	admission := credentials()
	command := exec.Command(program, "--access", admission["AWS_ACCESS_KEY_ID"], "--secret", admission["AWS_SECRET_ACCESS_KEY"],
		"--port", server.Address, "--quiet", "posix", "--sidecar", sidecar, root)
	var said strings.Builder
	command.Stdout, command.Stderr = &said, &said
	wait, err := child.Start(command)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = wait() // what it said tells more
	}()
	t.Cleanup(func() {
		err := command.Process.Kill()
		<-ended
		if errors.Is(err, os.ErrProcessDone) {
			t.Errorf("the S3 server ended before the test did; it said:\n%s", &said)
		}
	})
	awaitListener(t, server.Address, ended, &said)
	for variable, value := range admission {
		t.Setenv(variable, value)
	}
	return server
}

// Location is the bucket's URL for gocloud.dev/blob, for a client that reaches the server at an address.
func (s Server) Location(address string) string {
	return "s3://" + bucket + "?region=us-east-1&use_path_style=true&endpoint=http://" + address
}

// Credentials are the names of the environment variables that a client needs.
func Credentials() []string { return slices.Sorted(maps.Keys(credentials())) }

func credentials() map[string]string {
	return map[string]string{"AWS_ACCESS_KEY_ID": "sparkchaos", "AWS_SECRET_ACCESS_KEY": "a-secret-of-tests",
		"AWS_EC2_METADATA_DISABLED": "true"}
}

// awaitListener returns when a process listens; said may be read once it has ended.
func awaitListener(t testing.TB, address string, ended <-chan struct{}, said *strings.Builder) {
	t.Helper()
	deadline := time.Now().Add(startTime)
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("the S3 server ended; it said:\n%s", said)
		case <-time.After(startPoll):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the S3 server does not listen: %v", err)
		}
	}
}

// freeAddress returns an address of this machine that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
