package faults

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// resolved is a fault whose target was found before.
type resolved struct {
	Fault
	target Target
}

func (r resolved) Resolve(context.Context, Env) (Target, error) { return r.target, nil }

func evictDriver() *PodEvictArgs {
	return &PodEvictArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}}
}

func TestAnEvictionShowsTheReasonThatKubernetesGives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.disturbance(t, "evict", "podEvict", evictDriver()).Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	var proof struct {
		Action string
		After  PodState
	}
	err := json.Unmarshal(w.emitter.data(t, "landed").Evidence, &proof)
	if err != nil || proof.Action != "pod-evict" || proof.After.Disruption != byEviction || !proof.After.ended() {
		t.Errorf("evidence %+v, %v", proof, err)
	}
}

func TestAnEvictionDoesNotLand(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		dry   bool
		setup func(*testing.T, *world)
		want  string
	}{
		{"a budget forbids it until the time is up", false, func(_ *testing.T, w *world) { w.api.budget = true }, "disruption budget"},
		{"nothing is done", true, func(*testing.T, *world) {}, "is still there"},
		{"nothing is done, and the pod ends by itself", true, func(t *testing.T, w *world) {
			w.changePod(t, "driver", func(p *corev1.Pod) {
				p.Status.Phase = corev1.PodSucceeded
				p.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}
			})
		}, "has ended, but not by an eviction"},
		{"nothing is done, and the pod is deleted by somebody", true, func(t *testing.T, w *world) {
			if err := w.api.Tracker().Delete(podResource(), namespace, "driver"); err != nil {
				t.Fatal(err)
			}
		}, "has ended, but not by an eviction"},
		{"the pod went by itself", false, func(t *testing.T, w *world) {
			if err := w.api.Tracker().Delete(podResource(), namespace, "driver"); err != nil {
				t.Fatal(err)
			}
		}, "not found"},
		{"another pod of that name", false, func(t *testing.T, w *world) {
			w.changePod(t, "driver", func(p *corev1.Pod) { p.UID = "another" })
		}, "precondition"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			args := evictDriver()
			args.DryRun = test.dry
			fault, err := New("podEvict", "", args)
			if err != nil {
				t.Fatal(err)
			}
			target, err := fault.Resolve(t.Context(), w.env)
			if err != nil {
				t.Fatal(err)
			}
			test.setup(t, w)
			w.env.LandWithin = 50 * time.Millisecond
			d, err := newDisturbance("evict", "podEvict", args, impatient{resolved{fault, target}}, w.env)
			if err != nil {
				t.Fatal(err)
			}
			expectError(t, d.Inject(t.Context()), test.want)
			if err := d.CleanUp(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnEvictionIsTriedUntilTheBudgetAllowsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.api.refusals = 3
	if err := w.disturbance(t, "evict", "podEvict", evictDriver()).Inject(t.Context()); err != nil {
		t.Error(err)
	}
}
