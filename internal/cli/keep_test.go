package cli

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// oneCluster is a kind of which there is at most one cluster.
type oneCluster struct {
	cluster.Provider
	there   bool
	stuck   bool
	removed int
}

func (*oneCluster) Kind() string { return "embedded" }

func (o *oneCluster) Open(string) (cluster.Cluster, error) {
	if !o.there {
		return nil, cluster.ErrNotFound
	}
	return nil, nil
}

func (o *oneCluster) Remove(ctx context.Context, _ string) (bool, error) {
	if o.stuck || ctx.Err() != nil {
		return true, errors.New("it does not end")
	}
	o.removed++
	return true, nil
}

func TestTheClusterOfARunThatFailedIsKept(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		code        ExitCode
		before, off bool
		absent      bool
		stuck       bool
		interrupted bool
		goesOn      bool
		removed     int
		says, fails string
	}{
		"passed":                        {code: ExitPass, goesOn: true, removed: 1},
		"passed on a cluster of before": {code: ExitPass, before: true, goesOn: true},
		"passed, cannot be removed":     {code: ExitPass, stuck: true, goesOn: true, fails: "remove cluster lab"},
		"violation":                     {code: ExitViolation, says: "`sparkchaos cluster down --cluster embedded --name lab`"},
		"inconclusive":                  {code: ExitInconclusive, says: "further runs were not made: 2"},
		"an error of the cluster":       {code: ExitError, says: "cluster shell --cluster embedded --name lab"},
		"no cluster was made":           {code: ExitError, absent: true, says: "there is no cluster to keep"},
		"interrupted":                   {code: ExitError, interrupted: true, goesOn: true, removed: 1},
		"not asked for":                 {code: ExitViolation, off: true, goesOn: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tt.interrupted {
				cancel()
			}
			var out bytes.Buffer
			clusters := &oneCluster{there: !tt.absent, stuck: tt.stuck}
			keeper := failureKeeper{clusters: clusters, name: "lab", before: tt.before, show: newProgress(&out, noEnvironment, false)}
			if tt.off {
				keeper = failureKeeper{}
			}
			goesOn, err := keeper.after(ctx, outcome{code: tt.code}, 2)
			if goesOn != tt.goesOn || clusters.removed != tt.removed {
				t.Errorf("goes on: %v, removed %d times; want %v, %d", goesOn, clusters.removed, tt.goesOn, tt.removed)
			}
			if (err != nil) != (tt.fails != "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("error %v, want %q", err, tt.fails)
			}
			if !strings.Contains(out.String(), tt.says) || tt.says == "" && out.Len() > 0 {
				t.Errorf("it said %q, want %q", out.String(), tt.says)
			}
		})
	}
}

func TestKeepOnFailureIsForClustersOfThisMachine(t *testing.T) {
	t.Parallel()
	code, _, said := run(t.Context(), NewRoot(), "run", "executor-pod-kill", "--keep-on-failure", "--cluster", "existing", "--context", "lab",
		"--allow-context", "lab")
	if code != ExitUsage || !strings.Contains(said, "an existing cluster is never removed") {
		t.Errorf("exit code %d, %q", code, said)
	}
}
