package launcher

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// byAttaching launches nothing: somebody else starts the application, and FindDriver finds it.
type byAttaching struct{}

// errAttached says that there is nothing to be made.
var errAttached = errors.New("workload: launcher attach makes no objects: somebody else starts the application")

// Name implements Launcher.
func (byAttaching) Name() string { return scenario.LauncherAttach }

// Explain implements Launcher.
func (byAttaching) Explain(w scenario.Workload) string {
	if w.Attach == nil {
		return "a pod that somebody else makes"
	}
	return fmt.Sprintf("a pod that somebody else makes in namespace %s, with the labels %s", w.Attach.Namespace, w.Attach.Driver)
}

// Settings implements Launcher.
func (byAttaching) Settings(Launch) map[string]string { return nil }

// Driver implements Launcher.
func (byAttaching) Driver(*corev1.PodSpec, Launch, string) {}

// Launching implements Launcher.
func (byAttaching) Launching(Draft) (Launching, error) { return Launching{}, errAttached }

// WatchedAll returns the kinds of operators' applications that a cluster serves: whoever starts an application may use any of them.
func WatchedAll(client kubernetes.Interface) ([]history.Watched, error) {
	var all []history.Watched
	for _, by := range Launchers() {
		custom, ok := by.(Custom)
		if !ok {
			continue
		}
		group := custom.Resource().GroupVersion().String()
		switch _, err := client.Discovery().ServerResourcesForGroupVersion(group); {
		case apierrors.IsNotFound(err):
		case err != nil:
			return nil, fmt.Errorf("ask the cluster for its API %s: %w", group, err)
		default:
			all = append(all, history.Watched{Kind: kindApplication, Resource: custom.Resource()})
		}
	}
	return all, nil
}

// FindDriver looks for the driver of an application that somebody else started, in what was recorded of its namespace, and returns how the
// application is recognised in what follows. As long as none runs, seen says what there is instead. Drivers of several applications are an
// error.
func FindDriver(m *model.Model, a scenario.Attach) (found history.WorkloadData, seen string, err error) {
	selector, err := labels.Parse(a.Driver)
	if err != nil {
		return found, "", fmt.Errorf("attach.driver: %w", err)
	}
	running := map[history.Object][]*model.Pod{} // by what keeps them
	others := 0
	for _, uid := range slices.Sorted(maps.Keys(m.Pods)) {
		pod := m.Pods[uid]
		switch {
		case pod.Namespace != a.Namespace || !pod.Deleted.Never():
		case pod.Owner.Kind == KindPod || !selector.Matches(labels.Set(pod.Labels)):
			others++
		case pod.Runs():
			running[keeper(pod)] = append(running[keeper(pod)], pod)
		default:
			seen = fmt.Sprintf("pod %s is %s", pod.Name, cmp.Or(pod.Phase, "in no phase"))
		}
	}
	switch len(running) {
	case 0:
		if seen == "" {
			seen = fmt.Sprintf("no pod has the labels %s; %d others", a.Driver, others)
		}
		return found, seen, nil
	case 1:
		for by, pods := range running {
			newest := slices.MaxFunc(pods, func(x, y *model.Pod) int {
				return cmp.Or(x.Created.Compare(y.Created), cmp.Compare(x.Added.Seq, y.Added.Seq))
			})
			return attachedTo(by, newest, a), "", nil
		}
	}
	return found, "", severalDrivers(running, a)
}

// keeper returns what keeps a driver running: its owner, or itself.
func keeper(pod *model.Pod) history.Object {
	if pod.Owner.UID == "" {
		return history.Object{Kind: KindPod, Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}
	}
	by := pod.Owner
	by.Namespace = pod.Namespace
	return by
}

// attachedTo says how the application of a driver is recognised.
func attachedTo(by history.Object, driver *model.Pod, a scenario.Attach) history.WorkloadData {
	return history.WorkloadData{
		Namespace: a.Namespace, DriverKind: by.Kind, DriverName: by.Name, DriverUID: by.UID, DriverSelector: a.Driver,
		Attached: true, DriversSince: driver.Created, ExecutorSelector: a.Executors,
	}
}

// severalDrivers is why it is not known which application is meant.
func severalDrivers(running map[history.Object][]*model.Pod, a scenario.Attach) error {
	var names []string
	for by, pods := range running {
		name := "pod " + pods[0].Name
		if by.Kind != KindPod {
			name += " of " + by.Kind + " " + by.Name
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return fmt.Errorf("%d drivers of different applications run in namespace %s with the labels %s, expected one: %s; name labels that only "+
		"one of them has", len(names), a.Namespace, a.Driver, strings.Join(names, ", "))
}
