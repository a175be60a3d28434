package losstest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/paths"
)

// startS3 starts a real S3 server over a directory and returns the location of a bucket on it. The environment says how to
// be admitted.
func startS3(t *testing.T) string {
	t.Helper()
	cache, err := paths.Cache(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	program, err := components.LocateOnDemand(cache, components.VersityGW)
	if err != nil {
		t.Fatal(err)
	}
	const bucket, key, secret = "bundles", "soak", "soak-secret"
	root, sidecar := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(root, bucket), 0o755); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	command := exec.Command(program, "--access", key, "--secret", secret, "--port", address, "--quiet", "posix", "--sidecar", sidecar, root)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said strings.Builder
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = command.Wait() // what it said tells more
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-ended
	})
	awaitListener(t, address, ended, &said)
	for variable, value := range map[string]string{"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(variable, value)
	}
	return "s3://" + bucket + "?region=us-east-1&use_path_style=true&endpoint=http://" + address
}

// awaitListener returns when a process listens; said may be read once it has ended.
func awaitListener(t *testing.T, address string, ended <-chan struct{}, said *strings.Builder) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("the S3 server ended; it said:\n%s", said)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the S3 server does not listen: %v", err)
		}
		pause(t.Context(), 50*time.Millisecond)
	}
}

// freeAddress returns an address of this machine that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
