package faults

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// A node that was booted during a partition has lost the rules, and Chaos Mesh goes on to say that all is injected: the partition
// was shorter than the run would be judged by.
func TestAFaultThatEndedByItselfIsTold(t *testing.T) {
	t.Parallel()
	booted := func(_ *testing.T, w *world) { w.chaos.mute = true }
	tests := []struct {
		name, kind string
		meanwhile  func(*testing.T, *world)
		says       string
	}{
		{"the node of a partition was booted", "networkPartition", booted, "reaches pod exec-1 as before"},
		{"a partition held", "networkPartition", func(*testing.T, *world) {}, ""},
		{"a loss ended", "networkLoss", booted, "reaches pod exec-1 as before"},
		{"a limit of bandwidth ended", "bandwidth", booted, "sends 50000 kB a second"},
		{"a clock was set right", "clockSkew", booted, "moved by 0s, expected -1m0s"},
		{"stress ended", "cpuStress", booted, "no process stress-ng"},
		{"the pod is no more, so nothing was to be parted", "networkPartition", func(t *testing.T, w *world) {
			booted(t, w)
			if err := w.api.Tracker().Delete(podResource(), namespace, "driver"); err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"the pod at the other end is no more", "networkPartition", func(t *testing.T, w *world) {
			booted(t, w)
			if err := w.api.Tracker().Delete(podResource(), namespace, "exec-1"); err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"the container was started anew", "networkPartition", func(t *testing.T, w *world) {
			pod := runningPod(Pod{Namespace: namespace, Name: "driver", Node: "worker-1"})
			pod.Status.ContainerStatuses[0].ContainerID = "containerd://2"
			if _, err := w.api.CoreV1().Pods(namespace).Update(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}, "container containerd://1 of pod driver, which was struck, does not run any more"},
		{"a pod that was made to fail has other containers", "podFailure", func(*testing.T, *world) {}, ""},
		{"nothing can be seen", "networkPartition", func(_ *testing.T, w *world) {
			w.chaos.blind = true
			time.AfterFunc(200*time.Millisecond, func() { w.chaos.meanwhile(func() { w.chaos.blind = false }) })
		}, ""},
		{"what strikes once does not hold", "containerKill", func(t *testing.T, w *world) {
			pod := runningPod(Pod{Namespace: namespace, Name: "driver", Node: "worker-1"})
			if _, err := w.api.CoreV1().Pods(namespace).Update(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t).suiting(test.kind)
			w.env.HoldWithin = 50 * time.Millisecond
			d := w.disturbance(t, "f", test.kind, sample(test.kind))
			if err := d.Inject(t.Context()); err != nil {
				t.Fatal(err)
			}
			test.meanwhile(t, w)
			if err := d.CleanUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			said := w.emitter.data(t, history.FaultRecovering).Detail[history.DidNotHold]
			if test.says == "" && said != "" || !strings.Contains(said, test.says) {
				t.Errorf("it is told that it did not hold: %q, want %q", said, test.says)
			}
		})
	}
}

// An application that is not disturbed any more may be done before the fault is to be undone: then its pods are gone.
func TestAFaultIsWatchedUntilItIsUndone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env.HoldWithin, w.env.WatchEvery = 50*time.Millisecond, time.Millisecond
	d := w.disturbance(t, "f", "networkPartition", sample("networkPartition"))
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.chaos.meanwhile(func() { w.chaos.mute = true })
	d.watch.lapsed <- <-d.watch.lapsed
	if err := w.api.Tracker().Delete(podResource(), namespace, "driver"); err != nil {
		t.Fatal(err)
	}
	if err := d.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	said := w.emitter.data(t, history.FaultRecovering).Detail[history.DidNotHold]
	if !strings.Contains(said, "reaches pod exec-1 as before") || !strings.Contains(said, "after it had landed") {
		t.Errorf("it is told that it did not hold: %q", said)
	}
}

// A look at a limit of bandwidth uses up what is left of it.
func TestALimitOfBandwidthIsLookedAtOnceMoreOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.disturbance(t, "f", "bandwidth", sample("bandwidth"))
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	landed := w.chaos.looked()
	if len(d.watch.lapsed) != 1 {
		t.Error("somebody looks meanwhile")
	}
	if why := d.watch.end(t.Context()); why != "" || w.chaos.looked() != landed+1 {
		t.Errorf("%q, %d looks at the end", why, w.chaos.looked()-landed)
	}
}

func TestOnlyAFaultThatLandedIsAskedWhetherItHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.chaos.mute = true
	w.env.LandWithin = 50 * time.Millisecond
	d := w.disturbance(t, "f", "networkPartition", sample("networkPartition"))
	if err := d.Inject(t.Context()); err == nil {
		t.Fatal("it landed")
	}
	if err := d.CleanUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if detail := w.emitter.data(t, history.FaultRecovering).Detail; detail != nil {
		t.Errorf("a fault that did not land is said not to have held: %v", detail)
	}
}
