package cli

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

func TestPrintDiagnoses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		all  []diagnosis
		any  bool
		want string
	}{
		"one of two": {
			[]diagnosis{
				{"embedded", cluster.Diagnosis{Lacks: errors.Join(errors.New("nft is missing: apt-get install nftables"),
					errors.New("root is needed"))}},
				{"kind", cluster.Diagnosis{Notes: []string{"the nodes are containers of docker"}}},
			}, true,
			"embedded: does not work here\n  - nft is missing: apt-get install nftables\n  - root is needed\nkind: ready\n  the " +
				"nodes are containers of docker\n",
		},
		"none": {[]diagnosis{{"kind", cluster.Diagnosis{Lacks: errors.New("docker is not installed")}}}, false,
			"kind: does not work here\n  - docker is not installed\n"},
	} {
		var out bytes.Buffer
		if any := printDiagnoses(&out, tt.all); any != tt.any {
			t.Errorf("%s: some kind can be had: %v, want %v", name, any, tt.any)
		}
		if diff := cmp.Diff(tt.want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
