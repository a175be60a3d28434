package shuffleservice

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
	"sigs.k8s.io/yaml"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/launchertest"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func withService(localDirectory string) scenario.Workload {
	w := launchertest.WordCount()
	w.ShuffleService = scenario.ShuffleService{Enabled: true, LocalDirectory: localDirectory}
	return w
}

// rendered returns the objects of a workload, and what it has of the service.
func rendered(t *testing.T, w scenario.Workload) (*launcher.Objects, *part) {
	t.Helper()
	o, err := launcher.Render(w, launchertest.Environment(), []launcher.Component{Component{}})
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Members) == 0 {
		return o, nil
	}
	return o, o.Members[0].Part.(*part)
}

// podOf returns the service's pod.
func podOf(t *testing.T, w scenario.Workload) corev1.PodSpec {
	t.Helper()
	_, service := rendered(t, w)
	return service.daemons.Spec.Template.Spec
}

// executorOf returns the pod that Spark makes executors from, and the settings that the driver gets.
func executorOf(t *testing.T, w scenario.Workload) (corev1.PodSpec, map[string]string) {
	t.Helper()
	o, _ := rendered(t, w)
	var template corev1.Pod
	if err := yaml.UnmarshalStrict([]byte(o.ConfigMap.Data["executor-pod-template.yaml"]), &template); err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for _, arg := range o.Driver.Spec.Containers[0].Args {
		if key, value, ok := strings.Cut(arg, "="); ok {
			settings[key] = value
		}
	}
	return template.Spec, settings
}

// TestServiceAndExecutorsMeet holds both sides to what makes stock executors find the service and its files.
func TestServiceAndExecutorsMeet(t *testing.T) {
	t.Parallel()
	service := podOf(t, withService(scenario.LocalDirectoryNode))
	template, s := executorOf(t, withService(scenario.LocalDirectoryNode))
	for who, spec := range map[string]corev1.PodSpec{"service": service, "executor": template} {
		if !spec.HostNetwork || spec.DNSPolicy != corev1.DNSClusterFirstWithHostNet {
			t.Errorf("the %s is not on the node's network with the cluster's DNS: %v, %s", who, spec.HostNetwork, spec.DNSPolicy)
		}
	}
	const local = "spark.kubernetes.executor.volumes.hostPath.spark-local-dir-1."
	mount := service.Containers[0].VolumeMounts[0]
	if s[local+"options.path"] != service.Volumes[0].HostPath.Path || s[local+"mount.path"] != mount.MountPath ||
		mount.MountPath != mountPath {
		t.Errorf("executors have %s at %s, the service has %s at %s", s[local+"options.path"], s[local+"mount.path"],
			service.Volumes[0].HostPath.Path, mount.MountPath)
	}
	if s["spark.shuffle.service.enabled"] != "true" || s["spark.blockManager.port"] != "0" {
		t.Errorf("settings %v do not make executors use the service on a network that they share", s)
	}
	if plain, _ := executorOf(t, launchertest.WordCount()); plain.HostNetwork {
		t.Error("executors without a service are on the node's network")
	}
}

func options(t *testing.T, w scenario.Workload) string {
	t.Helper()
	for _, v := range podOf(t, w).Containers[0].Env {
		if v.Name == "SPARK_SHUFFLE_OPTS" {
			return v.Value
		}
	}
	t.Fatal("the service has no options")
	return ""
}

func TestWhereTheServiceKeepsItsList(t *testing.T) {
	t.Parallel()
	if got := options(t, withService(scenario.LocalDirectoryNode)); !strings.Contains(got, "-Dspark.local.dir="+mountPath) {
		t.Errorf("options %q do not put the list of executors on the node", got)
	}
	if got := options(t, withService(scenario.LocalDirectoryContainer)); strings.Contains(got, "spark.local.dir") {
		t.Errorf("options %q put the list of executors on the node", got)
	}
}

func TestThePortIsTheUsers(t *testing.T) {
	t.Parallel()
	w := withService(scenario.LocalDirectoryNode)
	w.Conf = map[string]scenario.ConfValue{portSetting: scenario.Plain("7447")}
	container := podOf(t, w).Containers[0]
	if container.Ports[0].HostPort != 7447 || container.ReadinessProbe.TCPSocket.Port.IntVal != 7447 ||
		!strings.Contains(options(t, w), portSetting+"=7447") {
		t.Errorf("ports %v, probe %v, options %q; want 7447 throughout", container.Ports, container.ReadinessProbe, options(t, w))
	}
	for _, bad := range []string{"", "0", "65536", "many"} {
		w.Conf[portSetting] = scenario.Plain(bad)
		if _, err := launcher.Render(w, launchertest.Environment(), []launcher.Component{Component{}}); err == nil ||
			!strings.Contains(err.Error(), "want a port") {
			t.Errorf("port %q: %v, want an error that says so", bad, err)
		}
	}
}

func TestServiceNeedsADirectory(t *testing.T) {
	t.Parallel()
	env := launchertest.Environment()
	for directory, want := range map[string]string{"": "names none", "relative": "want an absolute path"} {
		env.ShuffleDirectory = directory
		if _, err := launcher.Render(withService(scenario.LocalDirectoryNode), env, []launcher.Component{Component{}}); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("directory %q: %v, want %q", directory, err, want)
		}
	}
}

// serviceOf returns a service with a status and the pods of it.
func serviceOf(t *testing.T, status appsv1.DaemonSetStatus, pods ...corev1.PodStatus) (*fake.Clientset, *part) {
	t.Helper()
	_, service := rendered(t, withService(scenario.LocalDirectoryNode))
	service.daemons.Status = status
	objects := []runtime.Object{service.daemons}
	for i, s := range pods {
		meta := metav1.ObjectMeta{Name: "shuffle-service-" + string(rune('a'+i)), Namespace: "run-1",
			Labels: service.daemons.Spec.Template.Labels}
		objects = append(objects, &corev1.Pod{ObjectMeta: meta, Status: s})
	}
	return fake.NewClientset(objects...), service
}

func notScheduled(message string) corev1.PodStatus {
	return corev1.PodStatus{Phase: corev1.PodPending,
		Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: message}}}
}

func TestLacking(t *testing.T) {
	t.Parallel()
	ready := corev1.PodStatus{Phase: corev1.PodRunning,
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
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
			"ready on 1 of 2 nodes: pod shuffle-service-b on no node is Running, CrashLoopBackOff back-off, it ended 3 times, last with " +
				"exit code 1", false},
		{"port taken", appsv1.DaemonSetStatus{DesiredNumberScheduled: 1},
			[]corev1.PodStatus{notScheduled("1 node(s) didn't have free ports for the requested pod ports")},
			"not scheduled: 1 node(s) didn't have free ports", true},
		{"no room", appsv1.DaemonSetStatus{DesiredNumberScheduled: 1}, []corev1.PodStatus{notScheduled("Insufficient memory")},
			"Insufficient memory", false},
		{"on all nodes", appsv1.DaemonSetStatus{DesiredNumberScheduled: 2, NumberReady: 2}, []corev1.PodStatus{ready, ready}, "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			client, service := serviceOf(t, tc.status, tc.pods...)
			lacks, taken, err := lacking(t.Context(), client, service.daemons)
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
	if err := launcher.AwaitReady(t.Context(), client, "the service", service, func(s string) { seen = append(seen, s) }); err != nil {
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
	err := launcher.AwaitReady(ctx, client, "the service", service, func(string) {})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "Insufficient memory") {
		t.Errorf("Await = %v, want the deadline and what is lacking", err)
	}
}
