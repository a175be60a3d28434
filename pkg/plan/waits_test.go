package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func expecting(settle time.Duration, bounds map[string]time.Duration) *Plan {
	p := &Plan{Settle: scenario.Duration(settle)}
	for _, name := range []string{"completes", "replaced", "recovers", "gone"} {
		if within, ok := bounds[name]; ok {
			p.Expect = append(p.Expect, scenario.Expectation{Name: name, Args: &fakeBoundArgs{Within: scenario.Duration(within)}})
		}
	}
	p.Expect = append(p.Expect, scenario.Expectation{Name: "nothingLeftBehind", Args: &fakeNone{}},
		scenario.Expectation{Name: "unheardOf", Args: &fakeNone{}})
	return p
}

func TestWaits(t *testing.T) {
	t.Parallel()
	const second, minute = time.Second, time.Minute
	tests := map[string]struct {
		settle   time.Duration
		bounds   map[string]time.Duration
		launched time.Duration // ago, when the last fault is over
		want     Waits
		until    time.Duration
		says     string // a part of what is explained; empty: nothing beyond settle
	}{
		"no bounds": {2 * minute, nil, minute, Waits{Settle: 2 * minute, Aftermath: Wait{45 * second, ""}}, 2 * minute, ""},
		"a bound from the launch that ends later": {
			2 * minute, map[string]time.Duration{"completes": 4 * minute}, 30 * second,
			Waits{Settle: 2 * minute, Launch: Wait{250 * second, "completes"}, Aftermath: Wait{45 * second, ""}},
			220 * second, "has 2m to complete, and in any case until 4m10s after its launch (for completes).",
		},
		"a bound from the launch that is over": {
			2 * minute, map[string]time.Duration{"completes": 4 * minute}, 10 * minute,
			Waits{Settle: 2 * minute, Launch: Wait{250 * second, "completes"}, Aftermath: Wait{45 * second, ""}},
			2 * minute, "(for completes)",
		},
		"the largest of two bounds from the fault": {
			minute, map[string]time.Duration{"replaced": 80 * second, "recovers": 2 * minute}, minute,
			Waits{Settle: minute, Fault: Wait{130 * second, "recovers"}, Aftermath: Wait{45 * second, ""}},
			130 * second, "and in any case until 2m10s after the last fault (for recovers).",
		},
		"a bound from the fault that settle covers": {
			3 * minute, map[string]time.Duration{"replaced": 80 * second}, minute,
			Waits{Settle: 3 * minute, Fault: Wait{90 * second, "replaced"}, Aftermath: Wait{45 * second, ""}}, 3 * minute, "",
		},
		"the rest of dead drivers": {
			2 * minute, map[string]time.Duration{"gone": 90 * second}, minute,
			Waits{Settle: 2 * minute, Aftermath: Wait{100 * second, "gone"}}, 2 * minute, "are watched for at most 1m40s (for gone).",
		},
		"a short bound of the rest": {
			2 * minute, map[string]time.Duration{"gone": 5 * second}, minute,
			Waits{Settle: 2 * minute, Aftermath: Wait{45 * second, ""}}, 2 * minute, "",
		},
		"a bound of nothing": {
			2 * minute, map[string]time.Duration{"completes": 0}, minute, Waits{Settle: 2 * minute, Aftermath: Wait{45 * second, ""}}, 2 * minute,
			"",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := expecting(tt.settle, tt.bounds)
			got := p.Waits(fakeCatalogue())
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("waits (-want +got):\n%s", diff)
			}
			if until := got.UntilSettled(tt.launched); until != tt.until {
				t.Errorf("it has %v, want %v", until, tt.until)
			}
			var text strings.Builder
			if err := Explain(&text, p, fakeCatalogue(), components.All()); err != nil {
				t.Fatal(err)
			}
			if tt.says == "" && (strings.Contains(text.String(), "in any case") || strings.Contains(text.String(), "watched for")) ||
				!strings.Contains(text.String(), tt.says) {
				t.Errorf("it is explained as\n%s\nwant %q", text.String(), tt.says)
			}
		})
	}
}
