//go:build linux

package embedded

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/machine"
)

func TestEnter(t *testing.T) {
	t.Parallel()
	me, err := machine.Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	another := me
	another.StartTime++ // an earlier process of the same number
	c := &Cluster{directory: clusterDirectory(t.TempDir(), "lab"), record: record{Name: "lab"}}
	for name, process := range map[string]machine.Process{controlPlane: me, "worker-1": me, "worker-2": another} {
		if err := c.directory.saveMachine(machineRecord{Spec: machine.Spec{Name: name, Disk: "/disk"}, Process: process}); err != nil {
			t.Fatal(err)
		}
	}
	line, err := c.Enter(t.Context(), "worker-1", true, "ip", "link")
	want := []string{
		"nsenter", "--target=" + strconv.Itoa(os.Getpid()), "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd", "--", "ip", "link",
	}
	if diff := cmp.Diff(want, line); diff != "" || err != nil {
		t.Errorf("%v, the command line (-want +got):\n%s", err, diff)
	}
	for node, says := range map[string]string{"worker-2": "node power-on worker-2 --name lab", "worker-9": "has no node"} {
		if line, err := c.Enter(t.Context(), node, true, "ip"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, %v; want an error with %q", node, line, err, says)
		}
	}
}
