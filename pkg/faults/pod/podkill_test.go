package pod

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8stesting "k8s.io/client-go/testing"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
	"github.com/sparkchaos/sparkchaos/pkg/faults/look"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// newWorld knows the faults of pods.
func newWorld(t *testing.T) *faultstest.World { return faultstest.New(t, Family()) }

func TestPodKillArguments(t *testing.T) {
	t.Parallel()
	driver := scenario.PodSelector{Of: scenario.OfDriver}
	grace := func(d time.Duration) *scenario.Duration { return faultstest.Ptr(scenario.Duration(d)) }
	tests := []struct {
		name     string
		args     PodKillArgs
		problems int
	}{
		{"own grace", PodKillArgs{Pod: driver}, 0},
		{"grace", PodKillArgs{Pod: driver, Grace: grace(30 * time.Second)}, 0},
		{"force", PodKillArgs{Pod: driver, Force: true}, 0},
		{"force with grace", PodKillArgs{Pod: driver, Force: true, Grace: grace(time.Second)}, 1},
		{"grace of nothing", PodKillArgs{Pod: driver, Grace: grace(0)}, 1},
		{"grace of parts of a second", PodKillArgs{Pod: driver, Grace: grace(1500 * time.Millisecond)}, 1},
		{"all wrong at once", PodKillArgs{Force: true, Grace: grace(time.Millisecond)}, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := checkPodKill(test.args); len(got) != test.problems {
				t.Errorf("got %q, want %d problems", got, test.problems)
			}
		})
	}
}

func TestWhatIsKnownOfAKilledPodsProcesses(t *testing.T) {
	t.Parallel()
	long := time.Now().Add(-time.Hour)
	tests := []struct {
		name       string
		args       PodKillArgs
		heartbeats faults.Heartbeats
		want       string
	}{
		{"graceful: the kubelet says", PodKillArgs{}, nil, "the kubelet reported all containers as terminated"},
		{"force without a witness", PodKillArgs{Force: true}, nil,
			"not proven: the object's removal does not prove it, and no witness was asked"},
		{"force of a pod never heard", PodKillArgs{Force: true}, faultstest.Heartbeats{},
			"not proven: the object's removal does not prove it, and the witness never heard of the pod"},
		{"force, then silence", PodKillArgs{Force: true}, faultstest.Heartbeats{"uid-of-driver": long},
			"likely: no heartbeat of the pod's JVM for 1h"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Env.Heartbeats = test.heartbeats
			test.args.Pod = scenario.PodSelector{Of: scenario.OfDriver}
			if err := w.Disturbance(t, "kill", "podKill", &test.args).Inject(t.Context()); err != nil {
				t.Fatal(err)
			}
			landed := w.Emitter.Data(t, "landed")
			if got := landed.Detail[ProcessesEnded]; !strings.HasPrefix(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			var proof struct{ After look.PodState }
			if err := json.Unmarshal(landed.Evidence, &proof); err != nil || proof.After.Gone != test.args.Force {
				t.Errorf("evidence %s: %v", landed.Evidence, err)
			}
		})
	}
}

type beating struct{}

func (beating) Last(string) (time.Time, bool) { return time.Now(), true }

func (beating) Ahead(string) time.Duration { return 0 }

func TestAZombieIsHeard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Env.Heartbeats = beating{}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	words, observation := awaitSilence(ctx, w.Env.WithDefaults(), "uid")
	if !strings.HasPrefix(words, "not proven: the pod's JVM is still heard") || observation != nil {
		t.Errorf("got %q, %v", words, observation)
	}
}

func TestPodKillRefusesTheWrongPod(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*corev1.Pod)
		want   string
	}{
		{"another UID by now", func(p *corev1.Pod) { p.UID = "new" }, "its UID is new, expected uid-of-driver"},
		{"being deleted already", func(p *corev1.Pod) { p.DeletionTimestamp = faultstest.Ptr(metav1.Now()) }, "being deleted already"},
		{"not running", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }, "only a Running one can be killed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			pod := faultstest.RunningPod(faults.Pod{Namespace: faultstest.Namespace, Name: "driver", Node: "worker-1"})
			test.change(pod)
			if err := w.API.Tracker().Update(corev1.SchemeGroupVersion.WithResource("pods"), pod, faultstest.Namespace); err != nil {
				t.Fatal(err)
			}
			d := w.Disturbance(t, "kill", "podKill", &PodKillArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}})
			faultstest.ExpectError(t, d.Inject(t.Context()), test.want)
			if faultstest.Changes(w) > 0 {
				t.Error("a pod was deleted")
			}
		})
	}
}

func TestPodKillHasTheUIDAsPrecondition(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fault := podKill{args: PodKillArgs{Pod: scenario.PodSelector{Name: "driver"}}}
	target, err := fault.Resolve(t.Context(), w.Env)
	if err != nil {
		t.Fatal(err)
	}
	target.Object.UID = "of-the-pod-before"
	_, err = fault.Inject(t.Context(), w.Env, target)
	faultstest.ExpectError(t, err, "precondition")
}

func TestDeletionTimestampAloneIsNoLanding(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.API.Kubelet = false
	w.Env.LandWithin, w.Env.RecoverWithin = 500*time.Millisecond, 500*time.Millisecond
	fault := podKill{args: PodKillArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}}}
	d, err := faults.NewDisturbance("kill", "podKill", fault.args, faultstest.Impatient{Fault: fault}, w.Env)
	if err != nil {
		t.Fatal(err)
	}
	var notLanded *faults.NotLandedError
	if err := d.Inject(t.Context()); !errors.As(err, &notLanded) {
		t.Errorf("got %v, want a NotLandedError", err)
	}
	faultstest.ExpectError(t, d.Recover(t.Context()), "is still ending on node worker-1")
}

func TestGraceReachesTheAPIServer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		args     PodKillArgs
		want     *int64
		patience time.Duration
	}{
		{"own", PodKillArgs{}, nil, 30 * time.Second},
		{"given", PodKillArgs{Grace: faultstest.Ptr(scenario.Duration(7 * time.Second))}, faultstest.Ptr(int64(7)), 7 * time.Second},
		{"force", PodKillArgs{Force: true}, faultstest.Ptr(int64(0)), silenceAwaited},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			test.args.Pod = scenario.PodSelector{Of: scenario.OfDriver}
			fault := podKill{args: test.args}
			target, err := fault.Resolve(t.Context(), w.Env)
			if err != nil {
				t.Fatal(err)
			}
			if got := fault.Patience(target); got != test.patience {
				t.Errorf("patience %s, want %s", got, test.patience)
			}
			if _, err := fault.Inject(t.Context(), w.Env, target); err != nil {
				t.Fatal(err)
			}
			for _, action := range w.API.Actions() {
				if deletion, ok := action.(k8stesting.DeleteActionImpl); ok {
					if diff := cmp.Diff(test.want, deletion.DeleteOptions.GracePeriodSeconds); diff != "" {
						t.Error(diff)
					}
				}
			}
		})
	}
}
