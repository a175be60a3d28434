//go:build linux

package losstest

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/s3test"
)

const (
	// killsVariable says how often the server is killed.
	killsVariable = "SPARKCHAOS_STAGING_KILLS"
	defaultKills  = 5
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
	testKilling(t, "file://"+filepath.Join(t.TempDir(), "bundles"))
}

func TestKillingTheServerLosesNothingOnS3(t *testing.T) {
	if os.Getenv(testsVariable) == "" {
		t.Skipf("%s is not set: \"make test-staging\" runs this against a real S3 server", testsVariable)
	}
	server := s3test.Start(t)
	testKilling(t, server.Location(server.Address))
}

// testKilling kills a server on a storage under load; then a sweep must remove all that the kills left half done, and nothing else.
func testKilling(t *testing.T, storage string) {
	l := &load{server: newServerProcess(t, storage)}
	l.soak(t)
	leaveHalfUpload(t, l.server)
	before := remainsOf(t, storage)
	sweepHalfUploads(t, l.server)
	after := remainsOf(t, storage)
	t.Logf("remains of uploads: before a sweep %+v, after it %+v", before, after)
	if before.unfinished == 0 || after != (remains{}) {
		t.Errorf("remains of uploads: %+v before a sweep, want some that are unfinished; %+v after it, want none", before, after)
	}
	l.server.start()
	l.verifyAll(t)
	l.server.kill()
}

// soak kills the server under load and judges what was seen. The server is dead when it returns.
func (l *load) soak(t *testing.T) {
	t.Helper()
	l.server.start()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.run(ctx, uploaders, downloaders)
	}()
	random := newSource(3, 0)
	begun := time.Now()
	total := kills(t)
	for n := range total {
		l.awaitWork(ctx)
		pause(ctx, time.Duration(random.IntN(250))*time.Millisecond)
		l.server.kill()
		l.server.start()
		if (n+1)%100 == 0 {
			t.Logf("%d kills in %s: %s", n+1, time.Since(begun).Round(time.Second), l.figures())
		}
	}
	l.awaitWork(ctx)
	cancel()
	<-ended
	l.verifyAll(t)
	l.server.kill()
	t.Logf("%s: %d SIGKILLs in %s under %d uploaders and %d downloaders: %s; %d violations",
		scheme(l.server.storage), total, time.Since(begun).Round(time.Second), uploaders, downloaders, l.figures(), len(l.violations()))
	// Without these the test would have seen nothing.
	if l.uploaded.Load() < int64(total) || l.downloaded.Load() < int64(total) || l.denied.Load() == 0 || l.interrupted.Load() == 0 {
		t.Errorf("too little was done to prove anything: %s", l.figures())
	}
}

// awaitWork waits until one more bundle is acknowledged and one more is downloaded: however slow the machine is, each life of the
// server has something to lose.
func (l *load) awaitWork(ctx context.Context) {
	uploaded, downloaded := l.uploaded.Load(), l.downloaded.Load()
	for ctx.Err() == nil && (l.uploaded.Load() == uploaded || l.downloaded.Load() == downloaded) {
		pause(ctx, time.Millisecond)
	}
}

func scheme(storage string) string {
	before, _, _ := strings.Cut(storage, ":")
	return before
}

// verifyAll downloads every bundle that was acknowledged and not removed by its owner.
func (l *load) verifyAll(t *testing.T) {
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
