package cli

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

func TestFlagsOfAnotherKindOfClustersAreRefused(t *testing.T) {
	t.Parallel()
	lab := []string{"--cluster", "existing", "--context", "lab", "--allow-context", "lab", "--pod-image", "i", "--image", "s"}
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"tracing of kind's nodes": {[]string{"run", "executor-pod-kill", "--cluster", "kind", "--trace-components"},
			"--trace-components is for clusters of the kind embedded, and this one is of the kind kind"},
		"tracing of an existing cluster": {append([]string{"run", "executor-pod-kill", "--trace-components"}, lab...),
			"--trace-components is for clusters of the kind embedded, and this one is of the kind existing"},
		"a context for the default": {[]string{"run", "executor-pod-kill", "--context", "prod"},
			"--context is for clusters of the kind existing, and this one is of the kind embedded: leave it out, or give --cluster existing"},
		"a cluster that is made": {[]string{"cluster", "up", "--cluster", "kind", "--trace-components"}, "--trace-components is for"},
	} {
		code, said := runCLI(t, tt.args...)
		if code != int(ExitUsage) || !strings.Contains(said, tt.says) {
			t.Errorf("%s: %d, %q, want %d and %q", name, code, said, ExitUsage, tt.says)
		}
	}
}

func TestFlagsOfAKindBelongToIt(t *testing.T) {
	t.Parallel()
	chosen, flags := newClusterChoice(), pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.Int("repeat", 1, "")
	chosen.addFlags(flags, cluster.ToReach, cluster.ToRun)
	for name, want := range map[string]string{"trace-components": "embedded", "context": "existing", yesFlag: "", "repeat": ""} {
		if got := chosen.owners[name]; got != want || flags.Lookup(name) == nil {
			t.Errorf("--%s is of the kind %q, want %q", name, got, want)
		}
	}
}
