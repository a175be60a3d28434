package losstest

import (
	"context"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/paths"
)

const (
	// killsVariable says how often the server is killed.
	killsVariable = "SPARKCHAOS_STAGING_KILLS"
	defaultKills  = 20
	// testsVariable asks for the tests that need a component: with it set, none of them is skipped.
	testsVariable = "SPARKCHAOS_STAGING_TESTS"

	uploaders, downloaders = 4, 4
)

func kills(t *testing.T) int {
	t.Helper()
	text := os.Getenv(killsVariable)
	if text == "" {
		return defaultKills
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, want how often to kill the server", killsVariable, text)
	}
	return n
}

func TestKillingTheServerLosesNothingOnFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bundles")
	l := soak(t, &serverProcess{t: t, storage: "file://" + dir})
	sweepHalfUploads(t, l.server)
	if left := filesBelow(t, filepath.Join(dir, "partial")); len(left) > 0 {
		t.Errorf("remains of uploads are left after a sweep: %v", left)
	}
	for _, data := range filesBelow(t, filepath.Join(dir, "data")) {
		if _, err := os.Stat(filepath.Join(dir, "index", data+".json")); err != nil {
			t.Errorf("bytes without an index entry are left after a sweep: %v", err)
		}
	}
	l.server.start()
	verifyAll(t, l)
	l.server.kill()
}

func TestKillingTheServerLosesNothingOnS3(t *testing.T) {
	if os.Getenv(testsVariable) == "" {
		t.Skipf("%s is not set: \"make test-staging\" runs this against a real S3 server", testsVariable)
	}
	storage, environ, dir := startS3(t)
	l := soak(t, &serverProcess{t: t, storage: storage, environ: environ})
	sweepHalfUploads(t, l.server)
	if left := filesBelow(t, filepath.Join(dir, ".sgwtmp", "multipart")); len(left) > 0 {
		t.Errorf("unfinished multipart uploads are left after a sweep: %d files", len(left))
	}
	l.server.start()
	verifyAll(t, l)
	l.server.kill()
}

// soak kills the server under load and judges what was seen. The server is dead when it returns.
func soak(t *testing.T, server *serverProcess) *load {
	t.Helper()
	l := &load{server: server}
	server.start()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.run(ctx, uploaders, downloaders)
	}()
	random := rand.New(rand.NewPCG(3, 4))
	begun := time.Now()
	total := kills(t)
	for n := range total {
		pause(ctx, 50*time.Millisecond+time.Duration(random.IntN(300))*time.Millisecond)
		server.kill()
		server.start()
		if (n+1)%100 == 0 {
			t.Logf("%d kills in %s: %s", n+1, time.Since(begun).Round(time.Second), l.figures())
		}
	}
	pause(ctx, 300*time.Millisecond)
	cancel()
	<-ended
	verifyAll(t, l)
	server.kill()
	t.Logf("%s: %d SIGKILLs in %s under %d uploaders and %d downloaders: %s; %d violations",
		scheme(server.storage), total, time.Since(begun).Round(time.Second), uploaders, downloaders, l.figures(), len(l.violations()))
	// Without these the test would have seen nothing.
	if l.uploaded.Load() < int64(total) || l.downloaded.Load() < int64(total) || l.denied.Load() == 0 || l.interrupted.Load() == 0 {
		t.Errorf("too little was done to prove anything: %s", l.figures())
	}
	return l
}

func scheme(storage string) string {
	before, _, _ := strings.Cut(storage, ":")
	return before
}

// verifyAll downloads every bundle that was acknowledged.
func verifyAll(t *testing.T, l *load) {
	t.Helper()
	for _, ticket := range l.acked {
		if !l.check(t.Context(), ticket) {
			l.violate("%s could not be downloaded in the end", ticket)
		}
	}
	for i, violation := range l.violations() {
		if i == 20 {
			t.Errorf("and %d more", len(l.violations())-i)
			break
		}
		t.Error(violation)
	}
	if t.Failed() {
		log := l.server.log()
		t.Fatalf("the server's log ends with:\n%s", log[max(0, len(log)-4000):])
	}
}

// sweepHalfUploads runs a server that takes everything for a remainder that is older than two seconds.
func sweepHalfUploads(t *testing.T, server *serverProcess) {
	t.Helper()
	pause(t.Context(), 3*time.Second)
	server.start("--transfer-time", "1s", "--clean-up-every", "100ms")
	deadline := time.Now().Add(time.Minute)
	for !strings.Contains(sweeps(t, server), `sparkchaos_staging_sweeps_total{result="ok"}`) {
		if time.Now().After(deadline) {
			t.Fatalf("no sweep within a minute; the server said:\n%s", server.log())
		}
		pause(t.Context(), 100*time.Millisecond)
	}
	server.kill()
}

// sweeps returns the server's metrics.
func sweeps(t *testing.T, server *serverProcess) string {
	t.Helper()
	response, err := http.Get(server.client().Server() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var text strings.Builder
	if err := response.Write(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func filesBelow(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, entry.Name())
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return files
}

// startS3 starts a real S3 server over a directory and returns the location of a bucket on it, how to be admitted, and
// the directory behind the bucket.
func startS3(t *testing.T) (storage string, environ []string, bucket string) {
	t.Helper()
	cache, err := paths.Cache(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	program, err := components.LocateOnDemand(cache, components.VersityGW)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	bucket = filepath.Join(root, "bundles")
	sidecar := t.TempDir()
	if err := os.Mkdir(bucket, 0o755); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	const key, secret = "soak", "soak-secret"
	command := exec.Command(program, "--access", key, "--secret", secret, "--port", address, "--quiet", "posix", "--sidecar", sidecar, root)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said strings.Builder
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-ended
	})
	for deadline := time.Now().Add(time.Minute); ; pause(t.Context(), 50*time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			break
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the S3 server ended: %v; it said:\n%s", err, said.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the S3 server does not listen: %v", err)
		}
	}
	storage = "s3://bundles?region=us-east-1&use_path_style=true&endpoint=http://" + address
	return storage, []string{"AWS_ACCESS_KEY_ID=" + key, "AWS_SECRET_ACCESS_KEY=" + secret, "AWS_EC2_METADATA_DISABLED=true"}, bucket
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
