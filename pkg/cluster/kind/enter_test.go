//go:build linux

package kind

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEnter(t *testing.T) {
	t.Parallel()
	running, off := container{Name: "/lab-worker"}, container{Name: "/lab-worker2"}
	running.State.Running = true
	containers := []container{running, off}
	for terminal, want := range map[bool][]string{
		true:  {"docker", "exec", "--interactive", "--tty", "lab-worker", "ip", "link"},
		false: {"docker", "exec", "--interactive", "lab-worker", "ip", "link"},
	} {
		line, err := enter(Docker, "lab", containers, "lab-worker", terminal, []string{"ip", "link"})
		if diff := cmp.Diff(want, line); diff != "" || err != nil {
			t.Errorf("%v, the command line (-want +got):\n%s", err, diff)
		}
	}
	for node, says := range map[string]string{"lab-worker2": "does not run", "other": "expected one of lab-worker, lab-worker2"} {
		if line, err := enter(Docker, "lab", containers, node, false, nil); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, %v; want an error with %q", node, line, err, says)
		}
	}
}
