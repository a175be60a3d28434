package launcher_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	. "github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// began is when the first pod of a test was made.
func began() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// foundPod is a pod that runs, made so many seconds after began.
func foundPod(name string, owner history.Object, after int, change func(*model.Pod)) *model.Pod {
	pod := &model.Pod{
		UID: "uid-" + name, Name: name, Namespace: "etl", Owner: owner, Phase: "Running", Labels: map[string]string{"spark-role": "driver"},
		Created: began().Add(time.Duration(after) * time.Second), Added: model.Moment{Seq: 1}, Running: model.Moment{Seq: 1},
	}
	if change != nil {
		change(pod)
	}
	return pod
}

func TestTheDriverOfSomebodyElseIsFound(t *testing.T) {
	t.Parallel()
	job, app := history.Object{Kind: "Job", Name: "orders", UID: "j"}, history.Object{Kind: "SparkApplication", Name: "orders", UID: "a"}
	nobody := history.Object{}
	driven := func(kind, name, uid string, after int) history.WorkloadData {
		return history.WorkloadData{
			Namespace: "etl", DriverKind: kind, DriverName: name, DriverUID: uid, DriverSelector: "spark-role=driver",
			Attached: true, DriversSince: began().Add(time.Duration(after) * time.Second), ExecutorSelector: "spark-role=executor",
		}
	}
	for name, c := range map[string]struct {
		pods []*model.Pod
		want history.WorkloadData
		seen string
		err  string
	}{
		"nothing": {seen: "no pod has the labels spark-role=driver; 0 others"},
		"a Job":   {pods: []*model.Pod{foundPod("d", job, 0, nil)}, want: driven("Job", "orders", "j", 0)},
		"an application of an operator": {
			pods: []*model.Pod{foundPod("d", app, 0, nil)}, want: driven("SparkApplication", "orders", "a", 0),
		},
		"a bare pod": {pods: []*model.Pod{foundPod("d", nobody, 3, nil)}, want: driven("Pod", "d", "uid-d", 3)},
		"beside drivers that have ended": {
			pods: []*model.Pod{
				foundPod("old", nobody, 0, func(p *model.Pod) { p.Finished = model.Moment{Seq: 2} }), foundPod("d", nobody, 3, nil),
				foundPod("gone", nobody, 9, func(p *model.Pod) { p.Deleted = model.Moment{Seq: 2} }),
			},
			want: driven("Pod", "d", "uid-d", 3),
		},
		"the newest of one Job": {
			pods: []*model.Pod{foundPod("d", job, 0, nil), foundPod("e", job, 4, nil)}, want: driven("Job", "orders", "j", 4),
		},
		"not an executor, whatever its labels say": {
			pods: []*model.Pod{foundPod("d", history.Object{Kind: "Pod", UID: "x"}, 0, nil)},
			seen: "no pod has the labels spark-role=driver; 1 others",
		},
		"in another namespace": {
			pods: []*model.Pod{foundPod("d", job, 0, func(p *model.Pod) { p.Namespace = "other" })},
			seen: "no pod has the labels spark-role=driver; 0 others",
		},
		"one that is not running yet": {
			pods: []*model.Pod{foundPod("d", job, 0, func(p *model.Pod) { p.Running, p.Phase = model.Moment{}, "Pending" })},
			seen: "pod d is Pending",
		},
		"two applications": {
			pods: []*model.Pod{foundPod("d", job, 0, nil), foundPod("e", nobody, 4, nil)},
			err: "2 drivers of different applications run in namespace etl with the labels spark-role=driver, expected one: " +
				"pod d of Job orders, pod e;",
		},
	} {
		m := model.New()
		for _, pod := range c.pods {
			m.Pods[pod.UID] = pod
		}
		got, seen, err := FindDriver(m, scenario.Attach{Namespace: "etl", Driver: "spark-role=driver", Executors: "spark-role=executor"})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q in it", name, err, c.err)
			}
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" || seen != c.seen || err != nil {
			t.Errorf("%s: saw %q, want %q; %v; (-want +got):\n%s", name, seen, c.seen, err, diff)
		}
	}
}

func TestNothingIsMadeOfAnApplicationOfSomebodyElse(t *testing.T) {
	t.Parallel()
	w := wordCount()
	w.Launcher, w.Attach = scenario.LauncherAttach, &scenario.Attach{Namespace: "etl", Driver: "app=orders"}
	_, err := Render(w, environment(), components.All())
	if err == nil || !strings.Contains(err.Error(), "somebody else starts the application") {
		t.Errorf("got %v, want that nothing is made", err)
	}
	by, err := LauncherOf(w)
	if err != nil {
		t.Fatal(err)
	}
	if want, got := "a pod that somebody else makes in namespace etl, with the labels app=orders", by.Explain(w); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheOperatorsThatAClusterHasAreWatched(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset()
	client.Resources = []*metav1.APIResourceList{{GroupVersion: "spark.apache.org/v1"}}
	got, err := WatchedAll(client)
	if err != nil || len(got) != 1 || got[0].Resource.Group != "spark.apache.org" || got[0].Kind != "SparkApplication" {
		t.Errorf("got %+v, %v; want Apache's alone", got, err)
	}
}
