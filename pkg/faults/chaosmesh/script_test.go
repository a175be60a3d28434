package chaosmesh

import (
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const testContainer = "containerd://0123abcd"

// proc is a /proc with processes of containers.
type proc struct{ root string }

// add adds a process of a container, which has used some CPU.
func (p proc) add(t *testing.T, pid int, container, name string, ticks int) {
	t.Helper()
	for file, content := range map[string]string{
		"cgroup": "0::/kubepods/pod1/" + container + "\n", "comm": name + "\n",
		"stat": fmt.Sprintf("%d (%s) R 1 1 1 0 -1 0 0 0 0 0 %d 1 0 0 20 0\n", pid, name, ticks),
	} {
		path := filepath.Join(p.root, fmt.Sprint(pid), file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a script as Bash does in the daemon. Commands are found in a directory with those of the test first.
func (p proc) run(t *testing.T, script string, settings map[string]string, commands map[string]string) (out, problems string, err error) {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash: the scripts cannot be run")
	}
	bin := t.TempDir()
	all := map[string]string{"nsenter": `shift 2; exec "$@"`}
	maps.Copy(all, commands)
	for name, body := range all {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!"+bash+"\n"+body+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	with := map[string]string{"proc": p.root}
	maps.Copy(with, settings)
	text, err := inContainer(testContainer, script, with)
	if err != nil {
		t.Fatal(err)
	}
	var said, complained strings.Builder
	command := exec.CommandContext(t.Context(), bash, "-c", text)
	command.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "BIN="+bin)
	command.Stdout, command.Stderr = &said, &complained
	err = command.Run()
	return said.String(), complained.String(), err
}

func TestConnectIsAnswered(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	p := proc{t.TempDir()}
	p.add(t, 7, "0123abcd", "java", 1)
	settings := func(port string) map[string]string {
		return map[string]string{"times": "3", "silent_after": "20", "peer": "127.0.0.1", "port": port}
	}
	for name, port := range map[string]string{"a server": port, "a refusal": "1"} {
		out, problems, err := p.run(t, "connect.sh", settings(port), nil)
		got, broken := parseAnswers(out)
		if err != nil || broken != nil || len(got.roundTrip) != 3 || got.silent != 0 || got.median() <= 0 {
			t.Errorf("%s: got %+v, %v, %v, %s; want three answers", name, got, err, broken, problems)
		}
	}
}

func TestConnectTellsSilenceFromTrouble(t *testing.T) {
	t.Parallel()
	p := proc{t.TempDir()}
	p.add(t, 7, "0123abcd", "java", 1)
	settings := map[string]string{"times": "2", "silent_after": "1", "peer": "127.0.0.1", "port": "1"}
	out, _, err := p.run(t, "connect.sh", settings, map[string]string{"timeout": "exit 124"})
	if got, broken := parseAnswers(out); err != nil || broken != nil || got.silent != 2 || len(got.roundTrip) != 0 {
		t.Errorf("no answer: got %+v, %v, %v; want silence twice", got, err, broken)
	}
	_, problems, err := p.run(t, "connect.sh", settings, map[string]string{"timeout": "echo no route >&2; exit 1"})
	if err == nil || !strings.Contains(problems, "probe failed with 1: no route") {
		t.Errorf("an unknown failure: got %v, %q", err, problems)
	}
}

func TestScriptsSayThatTheContainerIsGone(t *testing.T) {
	t.Parallel()
	p := proc{t.TempDir()}
	p.add(t, 7, "ffff", "java", 1) // another container's
	for _, script := range []string{"connect.sh", "flood.sh"} {
		out, problems, err := p.run(t, script, map[string]string{"times": "1", "port": "9", "peer": "127.0.0.1", "silent_after": "1"}, nil)
		if err == nil || out != "" || !strings.Contains(problems, "no process of the container is left") {
			t.Errorf("%s: got %q, %q, %v", script, out, problems, err)
		}
	}
}

// TestFloodCountsWhatTheLinkSent has a link whose counter goes up by 4000 bytes between two looks.
func TestFloodCountsWhatTheLinkSent(t *testing.T) {
	t.Parallel()
	p := proc{t.TempDir()}
	p.add(t, 7, "0123abcd", "java", 1)
	commands := map[string]string{
		"ip":      "echo default via 127.0.0.1 dev eth0",
		"timeout": `[ "$1" = 1 ]`,
		"cat": `n=$(($(wc -c <"$BIN/count" 2>/dev/null || echo 0) + 1)); echo -n . >>"$BIN/count"
echo "    lo: 9 0 0 0 0 0 0 0 $((n * 77)) 0"; echo "  eth0: 9 0 0 0 0 0 0 0 $((n * 4000)) 0"`,
	}
	out, problems, err := p.run(t, "flood.sh", map[string]string{"port": "9"}, commands)
	var bytes, nanoseconds int64
	if _, scanned := fmt.Sscanf(out, "sent %d %d\n", &bytes, &nanoseconds); scanned != nil || err != nil || bytes != 4000 || nanoseconds <= 0 {
		t.Errorf("got %q, %v, %s; want 4000 bytes", out, err, problems)
	}
}

// TestBusyFindsProcessesThatWork has one process work between the looks, and others that idle, end, or are named or contained otherwise.
func TestBusyFindsProcessesThatWork(t *testing.T) {
	t.Parallel()
	p := proc{t.TempDir()}
	for pid, name := range map[int]string{7: "stress-ng-cpu", 8: "stress-ng-cpu", 9: "java", 10: "stress-ng run)"} {
		p.add(t, pid, "0123abcd", name, 5)
	}
	p.add(t, 11, "ffff", "stress-ng-cpu", 5)
	next := proc{t.TempDir()} // is what the second look sees
	for pid, name := range map[int]string{7: "stress-ng-cpu", 9: "java", 10: "stress-ng run)", 12: "stress-ng-cpu"} {
		next.add(t, pid, "0123abcd", name, 6)
	}
	next.add(t, 8, "0123abcd", "stress-ng-cpu", 5)
	next.add(t, 11, "ffff", "stress-ng-cpu", 6)
	swap := fmt.Sprintf("rm -rf '%[1]s' && mv '%[2]s' '%[1]s'", p.root, next.root)
	out, problems, err := p.run(t, "busy.sh", map[string]string{"process": "stress-ng"}, map[string]string{"sleep": swap})
	if diff := cmp.Diff([]string{"stress-ng-cpu(7)", "stress-ng_run)(10)"}, strings.Fields(out)); diff != "" || err != nil {
		t.Errorf("%v, %s (-want +got):\n%s", err, problems, diff)
	}
	began := time.Now()
	if out, _, err := p.run(t, "busy.sh", map[string]string{"process": "none"}, map[string]string{"sleep": "true"}); out != "" || err != nil {
		t.Errorf("after %v: got %q, %v; want nothing", time.Since(began), out, err)
	}
}

func TestSettingsOfScriptsAreQuoted(t *testing.T) {
	t.Parallel()
	got, err := inContainer(testContainer, "busy.sh", map[string]string{"process": `it's; $(false)`})
	if err != nil || !strings.HasPrefix(got, "container=0123abcd\nprocess='it'\\''s; $(false)'\n") {
		t.Errorf("got %v:\n%s", err, got)
	}
}
