package sparkchaos_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sparkchaos/sparkchaos"
	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/internal/fakekube"
	"github.com/sparkchaos/sparkchaos/internal/fakeworld"
	"github.com/sparkchaos/sparkchaos/invariant"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// somebody is who starts applications that are not sparkchaos'.
type somebody struct {
	t     *testing.T
	world *fakeworld.World
}

// creates makes an object.
func (s somebody) creates(resource schema.GroupVersionResource, object any) {
	s.t.Helper()
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err == nil {
		_, err = s.world.API.Create(resource, &unstructured.Unstructured{Object: fields})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// starts makes a Job of a driver in namespace etl, and the namespace.
func (s somebody) starts(name string) {
	s.t.Helper()
	if _, err := s.world.API.Get(fakekube.Namespaces(), "", "etl"); err != nil {
		s.creates(fakekube.Namespaces(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "etl"}})
	}
	s.creates(fakekube.Jobs(), &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "etl"},
		Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"spark-role": "driver", "app": name}},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{
				Name: "driver", Image: "orders:1", Env: []corev1.EnvVar{{Name: "PASSWORD", Value: "hunter2"}},
			}}},
		}},
	})
}

// drivers returns the names of the driver pods that run.
func (s somebody) drivers() []string {
	var names []string
	for _, pod := range s.world.API.List(fakekube.Pods(), "etl") {
		phase, _, _ := unstructured.NestedString(pod.Object, "status", "phase")
		if phase == string(corev1.PodRunning) && pod.GetDeletionTimestamp() == nil && pod.GetLabels()["spark-role"] == "driver" {
			names = append(names, pod.GetName())
		}
	}
	return names
}

// losesDriver deletes the driver's pod.
func (s somebody) losesDriver() {
	for _, name := range s.drivers() {
		if err := s.world.API.Delete(fakekube.Pods(), "etl", name, metav1.DeleteOptions{}); err != nil {
			s.t.Error(err)
		}
	}
}

// keepsNoSecret looks through a run directory for what somebody else's pods are given.
func keepsNoSecret(t *testing.T, directory string) {
	t.Helper()
	err := filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte("hunter2")) {
			t.Errorf("%s has the password of somebody else's pod in it", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// watchingFor is a scenario that watches namespace etl.
func watchingFor(change func(*scenario.Attach)) sparkchaos.Trial {
	return sparkchaos.NewScenario("watch", "").Change(func(s *scenario.Scenario) {
		attach := &scenario.Attach{Namespace: "etl"}
		if change != nil {
			change(attach)
		}
		s.Spec.Workload = scenario.Workload{Application: scenario.Application{Name: "orders"}, Launcher: scenario.LauncherAttach, Attach: attach}
	}).Expect(invariant.DriverRescheduled(time.Minute))
}

// watched returns a cluster of a world, and what is counted of requests that change anything but ask what the user may do.
func watched(t *testing.T, script fakeworld.Script) (*sparkchaos.Cluster, somebody, *atomic.Int32) {
	t.Helper()
	w, changes := fakeworld.New(t, script), &atomic.Int32{}
	w.Reached = func(_ context.Context, point string) {
		if !strings.Contains(point, "selfsubjectaccessreviews") {
			changes.Add(1)
		}
	}
	p := placeIn(t.TempDir())
	c, err := sparkchaos.Prepare(sparkchaos.Of(w.Kind(), "c"), sparkchaos.RunsIn(p.runs), sparkchaos.Getenv(p.getenv))
	if err != nil {
		t.Fatal(err)
	}
	return c, somebody{t, w}, changes
}

// An application that somebody starts while it is waited for loses its driver, which its Job replaces.
func TestAnApplicationOfSomebodyElseIsWatched(t *testing.T) {
	t.Parallel()
	c, who, changes := watched(t, fakeworld.Script{Idle: true})
	who.starts("orders")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var lost, judged atomic.Bool
	got, err := c.Watch(ctx, watchingFor(nil), sparkchaos.Watching{Seen: func(s sparkchaos.Seen) {
		switch {
		case s.Attached && lost.CompareAndSwap(false, true):
			who.losesDriver()
		case s.Incarnations == 2 && s.DriverRuns && s.Verdict.Verdict == check.Pass:
			judged.Store(true)
			stop()
		}
	}})
	if err != nil || got.Trouble != nil || got.LeftBehind != nil {
		t.Fatal(err, got.Trouble, got.LeftBehind)
	}
	if got.RunVerdict.Verdict != check.Pass || !judged.Load() {
		t.Errorf("%s (%s), judged meanwhile: %v; want a pass", got.RunVerdict.Verdict, got.Reason, judged.Load())
	}
	if n := changes.Load(); n > 0 {
		t.Errorf("%d requests changed something in the cluster, want none", n)
	}
	again, err := sparkchaos.Judge(t.Context(), got.Directory, sparkchaos.Catalogue())
	if err != nil || again.RunVerdict.Verdict != check.Pass {
		t.Errorf("judged again: %s, %v", again.RunVerdict.Verdict, err)
	}
	keepsNoSecret(t, got.Directory)
}

// Nothing of what is not there is waited for longer than asked, and what is meant must be clear.
func TestWhatIsNotThereIsNotWatched(t *testing.T) {
	t.Parallel()
	soon := func(a *scenario.Attach) { a.Within = scenario.Duration(time.Second) }
	for name, tt := range map[string]struct {
		begin  func(somebody)
		attach func(*scenario.Attach)
		says   string
	}{
		"no namespace": {nil, soon, "has no namespace etl"},
		"no driver": {func(s somebody) { s.starts("orders") }, func(a *scenario.Attach) {
			soon(a)
			a.Driver = "app=other"
		}, "ran in namespace etl within 1s; last seen: no pod has the labels app=other"},
		"several": {func(s somebody) {
			s.starts("orders")
			s.starts("sales")
			err := await.Until(s.t.Context(), time.Millisecond, func(context.Context) await.Result {
				if len(s.drivers()) < 2 {
					return await.NotYet(errors.New("not both run"))
				}
				return await.Done()
			})
			if err != nil {
				s.t.Fatal(err)
			}
		}, soon, "2 drivers of different applications run in namespace etl"},
		"no cluster": {func(s somebody) { s.world.SetGone(true) }, soon, "there is no"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, who, _ := watched(t, fakeworld.Script{Idle: true})
			if tt.begin != nil {
				tt.begin(who)
			}
			got, err := c.Watch(t.Context(), watchingFor(tt.attach), sparkchaos.Watching{})
			if err != nil || got.Trouble == nil || !strings.Contains(got.Trouble.Error(), tt.says) {
				t.Errorf("%v, %v; want that it says %q", err, got.Trouble, tt.says)
			}
			if got.RunVerdict.Verdict != check.Error {
				t.Errorf("the verdict is %s, want %s", got.RunVerdict.Verdict, check.Error)
			}
		})
	}
}
