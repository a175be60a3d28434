package launcher

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func withService(localDirectory string) scenario.Workload {
	w := wordCount()
	w.ShuffleService = scenario.ShuffleService{Enabled: true, LocalDirectory: localDirectory}
	return w
}

// TestServiceAndExecutorsMeet holds both sides to what makes stock executors find the service and its files.
func TestServiceAndExecutorsMeet(t *testing.T) {
	t.Parallel()
	o := render(t, withService(scenario.LocalDirectoryNode))
	service := o.ShuffleService.Spec.Template.Spec
	template := executorTemplate(withService(scenario.LocalDirectoryNode), environment()).Spec
	for who, spec := range map[string]corev1.PodSpec{"service": service, "executor": template} {
		if !spec.HostNetwork || spec.DNSPolicy != corev1.DNSClusterFirstWithHostNet {
			t.Errorf("the %s is not on the node's network with the cluster's DNS: %v, %s", who, spec.HostNetwork, spec.DNSPolicy)
		}
	}
	s := settingsOf(withService(scenario.LocalDirectoryNode), environment(), "image")
	volume := "spark.kubernetes.executor.volumes.hostPath.spark-local-dir-1."
	mount := service.Containers[0].VolumeMounts[0]
	if s[volume+"options.path"] != service.Volumes[0].HostPath.Path || s[volume+"mount.path"] != mount.MountPath || mount.MountPath != ShuffleDirectory {
		t.Errorf("executors have %s at %s, the service has %s at %s", s[volume+"options.path"], s[volume+"mount.path"], service.Volumes[0].HostPath.Path, mount.MountPath)
	}
	if s["spark.shuffle.service.enabled"] != "true" || s["spark.blockManager.port"] != "0" {
		t.Errorf("settings %v do not make executors use the service on a network that they share", s)
	}
	if executorTemplate(wordCount(), environment()).Spec.HostNetwork {
		t.Error("executors without a service are on the node's network")
	}
}

func options(t *testing.T, w scenario.Workload) string {
	t.Helper()
	for _, v := range render(t, w).ShuffleService.Spec.Template.Spec.Containers[0].Env {
		if v.Name == "SPARK_SHUFFLE_OPTS" {
			return v.Value
		}
	}
	t.Fatal("the service has no options")
	return ""
}

func TestWhereTheServiceKeepsItsList(t *testing.T) {
	t.Parallel()
	if got := options(t, withService(scenario.LocalDirectoryNode)); !strings.Contains(got, "-Dspark.local.dir="+ShuffleDirectory) {
		t.Errorf("options %q do not put the list of executors on the node", got)
	}
	if got := options(t, withService(scenario.LocalDirectoryContainer)); strings.Contains(got, "spark.local.dir") {
		t.Errorf("options %q put the list of executors on the node", got)
	}
}

func TestThePortIsTheUsers(t *testing.T) {
	t.Parallel()
	w := withService(scenario.LocalDirectoryNode)
	w.Conf = plainConf(map[string]string{portSetting: "7447"})
	container := render(t, w).ShuffleService.Spec.Template.Spec.Containers[0]
	if container.Ports[0].HostPort != 7447 || container.ReadinessProbe.TCPSocket.Port.IntVal != 7447 || !strings.Contains(options(t, w), portSetting+"=7447") {
		t.Errorf("ports %v, probe %v, options %q; want 7447 throughout", container.Ports, container.ReadinessProbe, options(t, w))
	}
	for _, bad := range []string{"", "0", "65536", "many"} {
		w.Conf[portSetting] = scenario.Plain(bad)
		if _, err := Render(w, environment()); err == nil || !strings.Contains(err.Error(), "want a port") {
			t.Errorf("port %q: %v, want an error that says so", bad, err)
		}
	}
}

func TestServiceNeedsADirectory(t *testing.T) {
	t.Parallel()
	env := environment()
	for directory, want := range map[string]string{"": "names none", "relative": "want an absolute path"} {
		env.ShuffleDirectory = directory
		if _, err := Render(withService(scenario.LocalDirectoryNode), env); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("directory %q: %v, want %q", directory, err, want)
		}
	}
}

// serviceOf returns a service with a status and the pods of it.
func serviceOf(t *testing.T, status appsv1.DaemonSetStatus, pods ...corev1.PodStatus) (*fake.Clientset, *appsv1.DaemonSet) {
	t.Helper()
	service := render(t, withService(scenario.LocalDirectoryNode)).ShuffleService
	service.Status = status
	objects := []runtime.Object{service}
	for i, s := range pods {
		meta := metav1.ObjectMeta{Name: "shuffle-service-" + string(rune('a'+i)), Namespace: "run-1", Labels: service.Spec.Template.Labels}
		objects = append(objects, &corev1.Pod{ObjectMeta: meta, Status: s})
	}
	return fake.NewClientset(objects...), service
}

func notScheduled(message string) corev1.PodStatus {
	return corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: message}}}
}

func TestShuffleLacks(t *testing.T) {
	t.Parallel()
	ready := corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
	broken := corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
		RestartCount:         3,
		State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off"}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}},
	}}}
	for _, tc := range []struct {
		name   string
		status appsv1.DaemonSetStatus
		pods   []corev1.PodStatus
		want   string // empty: nothing is lacking
		taken  bool
	}{
		{"nobody looked at it yet", appsv1.DaemonSetStatus{}, nil, "ready on 0 of 0 nodes", false},
		{"on some nodes", appsv1.DaemonSetStatus{DesiredNumberScheduled: 2, NumberReady: 1}, []corev1.PodStatus{ready, broken},
			"ready on 1 of 2 nodes: pod shuffle-service-b on no node is Running, CrashLoopBackOff back-off, it ended 3 times, last with exit code 1", false},
		{"port taken", appsv1.DaemonSetStatus{DesiredNumberScheduled: 1}, []corev1.PodStatus{notScheduled("1 node(s) didn't have free ports for the requested pod ports")}, "not scheduled: 1 node(s) didn't have free ports", true},
		{"no room", appsv1.DaemonSetStatus{DesiredNumberScheduled: 1}, []corev1.PodStatus{notScheduled("Insufficient memory")}, "Insufficient memory", false},
		{"on all nodes", appsv1.DaemonSetStatus{DesiredNumberScheduled: 2, NumberReady: 2}, []corev1.PodStatus{ready, ready}, "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			client, service := serviceOf(t, tc.status, tc.pods...)
			lacks, taken, err := shuffleLacks(t.Context(), client, service)
			if err != nil || !strings.Contains(lacks, tc.want) || (lacks == "") != (tc.want == "") || taken != tc.taken {
				t.Errorf("lacks %q, port taken %v, %v; want %q, %v", lacks, taken, err, tc.want, tc.taken)
			}
		})
	}
}

func TestAwaitComponent(t *testing.T) {
	t.Parallel()
	client, service := serviceOf(t, appsv1.DaemonSetStatus{DesiredNumberScheduled: 1, NumberReady: 1})
	asked := 0
	client.PrependReactor("get", "daemonsets", func(k8stesting.Action) (bool, runtime.Object, error) {
		asked++
		return asked == 1, nil, errors.New("connection refused")
	})
	var seen []string
	if err := shuffleComponent(client, service).Await(t.Context(), func(s string) { seen = append(seen, s) }); err != nil {
		t.Errorf("Await = %v though it is ready at the second look", err)
	}
	if len(seen) != 1 || !strings.Contains(seen[0], "connection refused") {
		t.Errorf("seen %q, want the trouble of the first look", seen)
	}
}

func TestAwaitComponentSaysWhatItLacks(t *testing.T) {
	t.Parallel()
	client, service := serviceOf(t, appsv1.DaemonSetStatus{DesiredNumberScheduled: 1}, notScheduled("Insufficient memory"))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := shuffleComponent(client, service).Await(ctx, func(string) {})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "Insufficient memory") {
		t.Errorf("Await = %v, want the deadline and what is lacking", err)
	}
}
