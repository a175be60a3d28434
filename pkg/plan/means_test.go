package plan

import (
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func TestMeans(t *testing.T) {
	t.Parallel()
	entry := scenario.Entry{
		Name: "nodeShutdown", By: []string{scenario.ByBuiltin, scenario.ByCloud},
		Needs: func(any) []string { return []string{string(cluster.Shutdown), string(cluster.PowerOn)} },
	}
	machines := []cluster.Action{cluster.Shutdown, cluster.PowerOn}
	for name, tt := range map[string]struct {
		by   string // of the scenario
		can  Capabilities
		want string
		why  string // or what is refused
	}{
		"by the machines": {can: Capabilities{Actions: machines, ChaosMesh: true, Cloud: true}, want: scenario.ByBuiltin,
			why: "nothing has to be installed for it"},
		"by the cloud": {can: Capabilities{ChaosMesh: true, Cloud: true}, want: scenario.ByCloud,
			why: "the cluster cannot do it by itself"},
		"as the scenario asks": {by: scenario.ByCloud, can: Capabilities{Actions: machines, ChaosMesh: true, Cloud: true},
			want: scenario.ByCloud, why: "the scenario asks for it"},
		"no cloud": {can: Capabilities{ChaosMesh: true},
			why: "this one can do nothing\nfault stop: nodeShutdown by the cloud needs nodes that are instances of one"},
		"no Chaos Mesh": {can: Capabilities{Cloud: true}, why: "needs Chaos Mesh"},
		"what the fault does not know": {by: scenario.ByChaosMesh, can: Capabilities{ChaosMesh: true},
			why: "cannot be brought about by chaosMesh: expected one of builtin, cloud"},
		"what the cluster does not have": {by: scenario.ByCloud, can: Capabilities{Actions: machines, ChaosMesh: true}, why: "--cloud-secret"},
	} {
		by, why, err := means(scenario.Fault{Name: "stop", By: tt.by}, entry, tt.can)
		if err != nil {
			why = err.Error()
		}
		if by != tt.want || (err == nil) != (tt.want != "") || !strings.Contains(why, tt.why) {
			t.Errorf("%s: by %q, %s, want %q and %q", name, by, why, tt.want, tt.why)
		}
	}
}
