package chaosmesh

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"

	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// newWorld knows the faults by Chaos Mesh.
func newWorld(t *testing.T) *faultstest.World { return faultstest.New(t, Family()) }

func TestAFaultOfTheNetworkIsRefusedWhereItDoesNotReachBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.Chaos.Create(t.Context(), chaosmesh.Resource{Name: "other"}, "",
		v1alpha1.NetworkChaosSpec{Action: v1alpha1.PartitionAction}, false); err != nil {
		t.Fatal(err)
	}
	faultstest.ExpectError(t, w.Disturbance(t, "f", "networkPartition", w.Example(t, "networkPartition")).Inject(t.Context()),
		"before anything is done")
}

func TestPreflightFindsWhatTheKernelLacks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ kind, lack, want string }{
		{"networkDelay", "netem", "has no queueing discipline netem"},
		{"networkDelay", "prio", "has no queueing discipline prio"},
		{"networkDelay", "", ""},
		{"networkPartition", "netem", ""},
		{"podFailure", "netem", ""},
	} {
		w := newWorld(t)
		w.Chaos.Lack = test.lack
		err := w.Disturbance(t, "f", test.kind, w.Example(t, test.kind)).Preflight(t.Context())
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s without %q: %v, want %q", test.kind, test.lack, err, test.want)
		}
	}
}

func TestWithoutChaosMeshNothingIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Env.Chaos = nil
	faultstest.ExpectError(t, w.Disturbance(t, "f", "podFailure", w.Example(t, "podFailure")).Inject(t.Context()),
		"sparkchaos chaos-mesh install")
}

// The reason quotes Chaos Mesh beside what was seen instead.
func TestAClaimIsNoProof(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Chaos.Mute = true
	w.Env.LandWithin /= 100
	faultstest.ExpectError(t, w.Disturbance(t, "f", "memoryStress", w.Example(t, "memoryStress")).Inject(t.Context()),
		"Chaos Mesh says AllInjected, but no process memStress")
}

func TestParseAnswers(t *testing.T) {
	t.Parallel()
	got, err := parseAnswers("silent\nanswered 3000\nanswered 1000\nanswered 2000\n")
	if err != nil || got.silent != 1 || got.median() != 2000 {
		t.Errorf("answers %+v, %v", got, err)
	}
	for _, bad := range []string{"", "answered", "answered x\n", "nothing 1\n"} {
		if _, err := parseAnswers(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestInContainerRefusesWhatIsNoID(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "abc", "containerd://", "containerd://x; rm -rf /", fmt.Sprintf("containerd://%s", "$(true)")} {
		if _, err := inContainer(bad, "busy.sh", nil); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestASkewThatIsNotSeenDoesNotLand(t *testing.T) {
	t.Parallel()
	driver := scenario.PodSelector{Of: scenario.OfDriver}
	for says, tt := range map[string]struct {
		args       ClockSkewArgs
		heartbeats func(*faultstest.World) faults.Heartbeats
	}{
		// AllInjected, as of processes that did not live at the injection.
		"Chaos Mesh says AllInjected, but the clock of pod driver moved by 0s, expected -5s": {
			ClockSkewArgs{Pod: driver, Behind: scenario.Duration(5 * time.Second), Clock: clockBoot},
			func(w *faultstest.World) faults.Heartbeats { return faultstest.Skewed{Chaos: w.Chaos} },
		},
		"no witness was asked": {ClockSkewArgs{Pod: driver, Ahead: scenario.Duration(5 * time.Second)},
			func(*faultstest.World) faults.Heartbeats { return nil }},
		"the witness never heard of pod driver": {
			ClockSkewArgs{Pod: driver, Ahead: scenario.Duration(5 * time.Second)},
			func(*faultstest.World) faults.Heartbeats { return faultstest.Heartbeats{} },
		},
		"was last heard of 1m0": {
			ClockSkewArgs{Pod: driver, Ahead: scenario.Duration(5 * time.Second)},
			func(*faultstest.World) faults.Heartbeats {
				return faultstest.Heartbeats{"uid-of-driver": time.Now().Add(-time.Minute)}
			},
		},
	} {
		w := newWorld(t)
		w.Env.LandWithin /= 100
		w.Env.Heartbeats = tt.heartbeats(w)
		faultstest.ExpectError(t, w.Disturbance(t, "f", "clockSkew", &tt.args).Inject(t.Context()), says)
	}
	for _, bad := range []ClockSkewArgs{{Pod: driver}, {Pod: driver, Ahead: 1, Behind: 1}} {
		if problems := checkClockSkew(bad); len(problems) != 1 {
			t.Errorf("%+v: %v", bad, problems)
		}
	}
}

// A node that was booted meanwhile has lost the rules, and Chaos Mesh still says AllInjected.
func TestAPartitionThatIsNotThereDoesNotLand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Chaos.Mute = true
	w.Env.LandWithin /= 100
	faultstest.ExpectError(t, w.Disturbance(t, "f", "networkPartition", w.Example(t, "networkPartition")).Inject(t.Context()),
		"Chaos Mesh says AllInjected, but pod driver reaches pod exec-1 as before")
}

func TestBytesPerSecond(t *testing.T) {
	t.Parallel()
	for rate, want := range map[string]float64{"1mbit": 125_000, "800kbit": 100_000} {
		if got, err := bytesPerSecond(rate); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", rate, got, err, want)
		}
	}
	for _, bad := range []string{"", "1", "mbit", "-1mbit", "1mbps", "1.5mbit"} {
		if _, err := bytesPerSecond(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	if problems := checkBandwidth(BandwidthArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}, Rate: "17mbit"}); len(problems) != 1 {
		t.Errorf("too fast to be seen: %v", problems)
	}
}

func TestParseSent(t *testing.T) {
	t.Parallel()
	if got, err := parseSent("sent 250000 2000000000\n"); err != nil || got != 125_000 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "sent", "sent -1 5\n", "sent 5 0\n"} {
		if _, err := parseSent(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
