package server

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
)

// smallDiskVariable makes the test be the process that sees the small disk, and says where to mount it.
const smallDiskVariable = "SPARKCHAOS_TEST_SMALL_DISK"

// noMount is what the process says when it may not mount.
const noMount = "mounting is not permitted"

// TestSmallDiskIsFilled fills a real disk: a tmpfs of 2 MiB that only a process in namespaces of its own sees.
func TestSmallDiskIsFilled(t *testing.T) {
	if dir := os.Getenv(smallDiskVariable); dir != "" {
		fillDisk(t, dir)
		return
	}
	t.Parallel()
	command := exec.Command(os.Args[0], "-test.run=^TestSmallDiskIsFilled$")
	command.Env = append(os.Environ(), smallDiskVariable+"="+t.TempDir())
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	said, err := command.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || strings.Contains(string(said), noMount) {
		t.Skipf("this machine lets nobody make a user namespace with mounts of its own: %v %s", err, said)
	}
	if err != nil {
		t.Errorf("%v:\n%s", err, said)
	}
}

func fillDisk(t *testing.T, dir string) {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Fatalf("%s: %v", noMount, err)
	}
	l := labIn(t, dir, nil)
	upload := func(size int) (staging.Ticket, error) {
		return l.client.Upload(t.Context(), owner(), bytes.NewReader(make([]byte, size)))
	}
	_, err := upload(4 << 20)
	wantNoSpace(t, l, err)
	l.holds(t, 0)
	var acknowledged []staging.Ticket
	for {
		ticket, err := upload(50_000)
		if err != nil {
			wantNoSpace(t, l, err)
			break
		}
		acknowledged = append(acknowledged, ticket)
	}
	l.holds(t, len(acknowledged))
	if len(acknowledged) < 10 {
		t.Errorf("%d bundles of 50 kB fit into 2 MiB", len(acknowledged))
	}
	for _, ticket := range acknowledged {
		body, err := l.client.Fetch(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			t.Errorf("a bundle that was stored before: %v", err)
		}
		body.Close()
	}
	if err := l.client.Remove(t.Context(), acknowledged[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := upload(10_000); err != nil {
		t.Errorf("there is room again: %v", err)
	}
}
