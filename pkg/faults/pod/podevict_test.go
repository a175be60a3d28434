package pod

import (
	"encoding/json"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
	"github.com/sparkchaos/sparkchaos/pkg/faults/look"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func evictDriver() *PodEvictArgs {
	return &PodEvictArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}}
}

func TestAnEvictionShowsTheReasonThatKubernetesGives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.Disturbance(t, "evict", "podEvict", evictDriver()).Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	var proof struct {
		Action string
		After  look.PodState
	}
	err := json.Unmarshal(w.Emitter.Data(t, "landed").Evidence, &proof)
	if err != nil || proof.Action != "pod-evict" || proof.After.Disruption != byEviction || !proof.After.HasEnded() {
		t.Errorf("evidence %+v, %v", proof, err)
	}
}

func TestAnEvictionDoesNotLand(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		dry   bool
		setup func(*testing.T, *faultstest.World)
		want  string
	}{
		{"a budget forbids it until the time is up", false, func(_ *testing.T, w *faultstest.World) { w.API.Budget = true }, "disruption budget"},
		{"nothing is done", true, func(*testing.T, *faultstest.World) {}, "is still there"},
		{"nothing is done, and the pod ends by itself", true, func(t *testing.T, w *faultstest.World) {
			w.ChangePod(t, "driver", func(p *corev1.Pod) {
				p.Status.Phase = corev1.PodSucceeded
				p.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}
			})
		}, "has ended, but not by an eviction"},
		{"nothing is done, and the pod is deleted by somebody", true, func(t *testing.T, w *faultstest.World) {
			if err := w.API.Tracker().Delete(faultstest.PodResource(), faultstest.Namespace, "driver"); err != nil {
				t.Fatal(err)
			}
		}, "has ended, but not by an eviction"},
		{"the pod went by itself", false, func(t *testing.T, w *faultstest.World) {
			if err := w.API.Tracker().Delete(faultstest.PodResource(), faultstest.Namespace, "driver"); err != nil {
				t.Fatal(err)
			}
		}, "not found"},
		{"another pod of that name", false, func(t *testing.T, w *faultstest.World) {
			w.ChangePod(t, "driver", func(p *corev1.Pod) { p.UID = "another" })
		}, "precondition"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			args := evictDriver()
			args.DryRun = test.dry
			fault, err := w.Faults.New("podEvict", "", args)
			if err != nil {
				t.Fatal(err)
			}
			target, err := fault.Resolve(t.Context(), w.Env)
			if err != nil {
				t.Fatal(err)
			}
			test.setup(t, w)
			w.Env.LandWithin = 50 * time.Millisecond
			d, err := faults.NewDisturbance("evict", "podEvict", args,
				faultstest.Impatient{Fault: faultstest.Resolved{Fault: fault, Target: target}}, w.Env)
			if err != nil {
				t.Fatal(err)
			}
			faultstest.ExpectError(t, d.Inject(t.Context()), test.want)
			if err := d.CleanUp(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnEvictionIsTriedUntilTheBudgetAllowsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.API.Refusals = 3
	if err := w.Disturbance(t, "evict", "podEvict", evictDriver()).Inject(t.Context()); err != nil {
		t.Error(err)
	}
}
