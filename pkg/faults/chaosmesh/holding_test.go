package chaosmesh

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// A node that was booted during a partition has lost the rules, and Chaos Mesh continues to say that all is injected: the partition
// was shorter than the run would be judged by.
func TestAFaultThatEndedByItselfIsTold(t *testing.T) {
	t.Parallel()
	booted := func(_ *testing.T, w *faultstest.World) { w.Chaos.Mute = true }
	tests := []struct {
		name, kind string
		meanwhile  func(*testing.T, *faultstest.World)
		says       string
	}{
		{"the node of a partition was booted", "networkPartition", booted, "reaches pod exec-1 as before"},
		{"a partition held", "networkPartition", func(*testing.T, *faultstest.World) {}, ""},
		{"a loss ended", "networkLoss", booted, "reaches pod exec-1 as before"},
		{"a limit of bandwidth ended", "bandwidth", booted, "sends 50000 kB a second"},
		{"a clock was set right", "clockSkew", booted, "moved by 0s, expected -1m0s"},
		{"stress ended", "cpuStress", booted, "no process stress-ng"},
		{"the pod is gone, so nothing was to be parted", "networkPartition", func(t *testing.T, w *faultstest.World) {
			booted(t, w)
			if err := w.API.Tracker().Delete(faultstest.PodResource(), faultstest.Namespace, "driver"); err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"the pod at the other end is no more", "networkPartition", func(t *testing.T, w *faultstest.World) {
			booted(t, w)
			if err := w.API.Tracker().Delete(faultstest.PodResource(), faultstest.Namespace, "exec-1"); err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"the container was restarted", "networkPartition", func(t *testing.T, w *faultstest.World) {
			pod := faultstest.RunningPod(faults.Pod{Namespace: faultstest.Namespace, Name: "driver", Node: "worker-1"})
			pod.Status.ContainerStatuses[0].ContainerID = "containerd://2"
			if _, err := w.API.CoreV1().Pods(faultstest.Namespace).Update(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}, "container containerd://1 of pod driver, which was hit, does not run any more"},
		{"a pod that was made to fail has other containers", "podFailure", func(*testing.T, *faultstest.World) {}, ""},
		{"nothing can be seen", "networkPartition", func(_ *testing.T, w *faultstest.World) {
			w.Chaos.Blind = true
			time.AfterFunc(200*time.Millisecond, func() { w.Chaos.Meanwhile(func() { w.Chaos.Blind = false }) })
		}, ""},
		{"what hits once does not hold", "containerKill", func(t *testing.T, w *faultstest.World) {
			pod := faultstest.RunningPod(faults.Pod{Namespace: faultstest.Namespace, Name: "driver", Node: "worker-1"})
			if _, err := w.API.CoreV1().Pods(faultstest.Namespace).Update(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t).Suiting(test.kind)
			w.Env.HoldWithin = 50 * time.Millisecond
			d := w.Disturbance(t, "f", test.kind, w.Example(t, test.kind))
			if err := d.Inject(t.Context()); err != nil {
				t.Fatal(err)
			}
			test.meanwhile(t, w)
			if err := d.CleanUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			said := w.Emitter.Data(t, history.FaultRecovering).Detail[history.DidNotHold]
			if test.says == "" && said != "" || !strings.Contains(said, test.says) {
				t.Errorf("it is told that it did not hold: %q, want %q", said, test.says)
			}
		})
	}
}

// TestALookAtALimitOfBandwidthIsLoud has a look use up what is left of the limit, so that it is made once.
func TestALookAtALimitOfBandwidthIsLoud(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]bool{"bandwidth": true, "networkLoss": false, "podFailure": false, "cpuStress": false} {
		w := newWorld(t)
		fault, err := w.Faults.New(kind, "", w.Example(t, kind))
		if err != nil {
			t.Fatal(err)
		}
		if got := fault.(faults.Lasting).Loud(); got != want {
			t.Errorf("a look at %s is loud: %t, want %t", kind, got, want)
		}
	}
	w := newWorld(t)
	w.Env.WatchEvery = time.Millisecond
	d := w.Disturbance(t, "f", "bandwidth", w.Example(t, "bandwidth"))
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	landed := w.Chaos.Looked()
	if err := d.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	const looks = 2 // whether it still holds, and whether it is over
	if got := w.Chaos.Looked() - landed; got != looks {
		t.Errorf("%d looks after the landing, want %d", got, looks)
	}
}

func TestOnlyAFaultThatLandedIsAskedWhetherItHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Chaos.Mute = true
	w.Env.LandWithin = 50 * time.Millisecond
	d := w.Disturbance(t, "f", "networkPartition", w.Example(t, "networkPartition"))
	if err := d.Inject(t.Context()); err == nil {
		t.Fatal("it landed")
	}
	if err := d.CleanUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if detail := w.Emitter.Data(t, history.FaultRecovering).Detail; detail != nil {
		t.Errorf("a fault that did not land is said not to have held: %v", detail)
	}
}
