//go:build linux

package machine

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// recorded is /proc/PID/stat of a program whose name holds blanks and parentheses.
const recorded = "4321 (tmux: (server) x) S 1 4321 4321 0 -1 4194560 1234 0 0 0 12 34 0 0 20 0 1 0 987654 9015296 1024 " +
	"18446744073709551615 1 1 0 0 0 0 0 4096 16386 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"

func TestParseStat(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		content string
		state   string
		start   uint64
		err     string
	}{
		"a name with blanks and parentheses": {content: recorded, state: "S", start: 987654},
		"a zombie":                           {content: strings.Replace(recorded, ") S ", ") Z ", 1), state: "Z", start: 987654},
		"nothing":                            {content: "", err: "no command"},
		"cut off":                            {content: "1 (a) S 1 1", err: "fields after its command"},
		"no number":                          {content: strings.Replace(recorded, "987654", "soon", 1), err: "start time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state, start, err := parseStat(tt.content)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || state != tt.state || start != tt.start {
				t.Errorf("%s, %d, %v; want %s, %d", state, start, err, tt.state, tt.start)
			}
		})
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add(recorded)
	f.Add(") ) ) )")
	f.Fuzz(func(t *testing.T, content string) {
		if state, _, err := parseStat(content); err == nil && state == "" {
			t.Errorf("%q has no state and no error", content)
		}
	})
}

func TestAProcessIsMoreThanItsPID(t *testing.T) {
	t.Parallel()
	self, err := Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if !self.Alive() {
		t.Error("this very process is taken for dead")
	}
	for name, other := range map[string]Process{
		"another start time":       {PID: self.PID, StartTime: self.StartTime + 1, HostBoot: self.HostBoot},
		"another boot of the host": {PID: self.PID, StartTime: self.StartTime, HostBoot: "00000000-0000-4000-8000-000000000000"},
		"nobody":                   {},
	} {
		if other.Alive() {
			t.Errorf("%s: taken for alive", name)
		}
	}
	command := exec.Command("sleep", "60")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	child, err := Identify(command.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for child.Alive() { // until the kernel has made it a zombie, which nobody has reaped
	}
	_ = command.Wait() // killed is what it is to be
	if _, err := Identify(command.Process.Pid); err == nil {
		t.Error("a process that is gone was identified")
	}
}

func TestPSSCountsLivingProcesses(t *testing.T) {
	t.Parallel()
	own, err := PSS([]int{os.Getpid()})
	if err != nil || own <= 0 {
		t.Errorf("own memory: %d, %v", own, err)
	}
	if none, err := PSS([]int{1 << 30}); err != nil || none != 0 {
		t.Errorf("of a process that does not exist: %d, %v", none, err)
	}
}

func TestUUIDsAreOfVersion4AndDiffer(t *testing.T) {
	t.Parallel()
	first, err := newUUID()
	if err != nil {
		t.Fatal(err)
	}
	second, err := newUUID()
	if err != nil {
		t.Fatal(err)
	}
	if first == second || len(first) != 36 || first[14] != '4' || !strings.ContainsRune("89ab", rune(first[19])) {
		t.Errorf("%s and %s", first, second)
	}
}

func TestInitIsKnownByItsName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want bool
	}{{[]string{initArgument}, true}, {[]string{"sparkchaos"}, false}, {nil, false}} {
		if IsInit(tt.args) != tt.want {
			t.Errorf("%q: want %v", tt.args, tt.want)
		}
	}
}

func TestOnlyThatVeryProcessIsKilled(t *testing.T) {
	t.Parallel()
	command := exec.Command("sleep", "1000")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	itself, err := Identify(command.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	former := itself
	former.StartTime--
	for name, p := range map[string]Process{"a former one of the number": former, "no process": {},
		"a number that nobody has": {PID: 1 << 22, HostBoot: itself.HostBoot}} {
		if err := p.Kill(); err != nil || !itself.Alive() {
			t.Errorf("%s: %v; the process lives on: %v", name, err, itself.Alive())
		}
	}
	if err := itself.Kill(); err != nil {
		t.Error(err)
	}
	<-ended
	if err := itself.Kill(); err != nil {
		t.Errorf("one that has ended: %v", err)
	}
}

func TestOpenSocketFollowsNothing(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	path := filepath.Join(directory, "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	if err := errors.Join(os.Symlink(path, filepath.Join(directory, "link")), os.Symlink(directory, filepath.Join(directory, "way")),
		os.WriteFile(filepath.Join(directory, "file"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	socket, err := OpenSocket(os.Getpid(), path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", fmt.Sprintf("/proc/self/fd/%d", socket.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = conn.Close(), socket.Close()
	for _, name := range []string{"link", "way/s", "file", "none", "../s"} {
		if _, err := OpenSocket(os.Getpid(), filepath.Join(directory)+"/"+name); err == nil {
			t.Errorf("%s was opened", name)
		}
	}
}
