package faults

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// fakeChaos is a Chaos Mesh that brings about what its resources ask for, unless it is mute: then it only says so.
type fakeChaos struct {
	api  *fakeAPI
	mute bool
	lack string // queueing discipline that the kernel has not

	blind bool     // no script can be run on a node
	looks []string // scripts that were run on nodes

	mu   sync.Mutex
	made map[string]chaosmesh.Spec
}

func newFakeChaos(api *fakeAPI) *fakeChaos {
	return &fakeChaos{api: api, made: map[string]chaosmesh.Spec{}}
}

func (c *fakeChaos) Create(_ context.Context, r chaosmesh.Resource, _ string, spec chaosmesh.Spec, _ bool) (chaosmesh.Resource, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.made[r.Name]; there {
		return r, apierrors.NewAlreadyExists(schema.GroupResource{Resource: r.Kind}, r.Name)
	}
	c.made[r.Name] = spec
	if pods, ok := spec.(v1alpha1.PodChaosSpec); ok && !c.mute {
		return r, c.strike(r, pods.Action)
	}
	if instance, ok := spec.(v1alpha1.AWSChaosSpec); ok && !c.mute {
		return r, c.api.stop(strings.TrimPrefix(instance.Ec2Instance, "i-"), corev1.ConditionUnknown)
	}
	return r, nil
}

// stop is what Kubernetes sees of an instance that is stopped, or started.
func (a *fakeAPI) stop(node string, ready corev1.ConditionStatus) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.silentLease = ready != corev1.ConditionTrue
	nodes := schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	found, err := a.Tracker().Get(nodes, "", node)
	if err != nil {
		return err
	}
	object := found.(*corev1.Node).DeepCopy()
	object.Status.Conditions[0].Status = ready
	return a.Tracker().Update(nodes, object, "")
}

// meanwhile changes what is in effect while somebody may look at it.
func (c *fakeChaos) meanwhile(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// looked is how often something was looked at on a node.
func (c *fakeChaos) looked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.looks)
}

func podResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "pods"}
}

func (c *fakeChaos) strike(r chaosmesh.Resource, action v1alpha1.PodChaosAction) error {
	switch action {
	case v1alpha1.PodKillAction:
		return c.api.Tracker().Delete(podResource(), r.Namespace, r.Pods[0])
	case v1alpha1.PodFailureAction:
		return c.change(r, func(pod *corev1.Pod) {
			pod.Spec.Containers[0].Image = "pause"
			pod.Status.ContainerStatuses[0].ContainerID = "containerd://2"
		})
	default:
		return c.change(r, func(pod *corev1.Pod) {
			pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137}}
		})
	}
}

func (c *fakeChaos) change(r chaosmesh.Resource, change func(*corev1.Pod)) error {
	found, err := c.api.Tracker().Get(podResource(), r.Namespace, r.Pods[0])
	if err != nil {
		return err
	}
	pod := found.(*corev1.Pod).DeepCopy()
	change(pod)
	return c.api.Tracker().Update(podResource(), pod, r.Namespace)
}

func (c *fakeChaos) AwaitInjected(context.Context, chaosmesh.Resource) (chaosmesh.State, error) {
	return chaosmesh.State{Injected: true}, nil
}

func (c *fakeChaos) State(_ context.Context, r chaosmesh.Resource) (chaosmesh.State, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.made[r.Name]; !there {
		return chaosmesh.State{}, apierrors.NewNotFound(schema.GroupResource{Resource: r.Kind}, r.Name)
	}
	return chaosmesh.State{Injected: true}, nil
}

func (c *fakeChaos) Delete(_ context.Context, r chaosmesh.Resource) (chaosmesh.Freed, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	spec, there := c.made[r.Name]
	delete(c.made, r.Name)
	if pods, ok := spec.(v1alpha1.PodChaosSpec); there && ok && pods.Action == v1alpha1.PodFailureAction {
		return chaosmesh.Freed{}, c.change(r, func(pod *corev1.Pod) { pod.Spec.Containers[0].Image = "spark" })
	}
	if instance, ok := spec.(v1alpha1.AWSChaosSpec); there && ok && !c.mute {
		return chaosmesh.Freed{}, c.api.stop(strings.TrimPrefix(instance.Ec2Instance, "i-"), corev1.ConditionTrue)
	}
	return chaosmesh.Freed{}, nil
}

// OnNode answers the scripts of probes by what is in effect.
func (c *fakeChaos) OnNode(_ context.Context, _, script string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looks = append(c.looks, script)
	if c.blind {
		return "", errBroken
	}
	if strings.Contains(script, "tc qdisc") {
		if c.lack != "" && strings.Contains(script, c.lack) {
			return "", errBroken
		}
		return "", nil
	}
	answer := "answered 1000000\n"
	flooded := "sent 50000000 1000000000\n"
	var processes string
	for _, spec := range c.made {
		if c.mute {
			continue
		}
		switch spec := spec.(type) {
		case v1alpha1.NetworkChaosSpec:
			answer = "silent\n"
			if spec.Action == v1alpha1.DelayAction {
				answer = "answered 500000000\n"
			}
			if spec.Action == v1alpha1.BandwidthAction {
				flooded = "sent 140000 1000000000\n"
			}
		case v1alpha1.StressChaosSpec:
			processes = "stress-ng-cpu(7)\n"
		}
	}
	if strings.Contains(script, "flood()") {
		return flooded, nil
	}
	if strings.Contains(script, "look()") {
		return processes, nil
	}
	return strings.Repeat(answer, 5), nil
}

func TestAFaultOfTheNetworkIsRefusedWhereItDoesNotReachBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.chaos.Create(t.Context(), chaosmesh.Resource{Name: "other"}, "", v1alpha1.NetworkChaosSpec{Action: v1alpha1.PartitionAction}, false); err != nil {
		t.Fatal(err)
	}
	expectError(t, w.disturbance(t, "f", "networkPartition", sample("networkPartition")).Inject(t.Context()), "before anything is done")
}

func TestPreflightFindsWhatTheKernelLacks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ kind, lack, want string }{
		{"networkDelay", "netem", "has no queueing discipline netem"},
		{"networkDelay", "prio", "has no queueing discipline prio"},
		{"networkDelay", "", ""},
		{"networkPartition", "netem", ""},
		{"nodePowerOff", "netem", ""},
	} {
		w := newWorld(t)
		w.chaos.lack = test.lack
		err := w.disturbance(t, "f", test.kind, sample(test.kind)).Preflight(t.Context())
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s without %q: %v, want %q", test.kind, test.lack, err, test.want)
		}
	}
}

func TestWithoutChaosMeshNothingIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env.Chaos = nil
	expectError(t, w.disturbance(t, "f", "podFailure", sample("podFailure")).Inject(t.Context()), "sparkchaos chaos-mesh install")
}

// What Chaos Mesh says is told beside what was seen instead.
func TestAClaimIsNoProof(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.chaos.mute = true
	w.env.LandWithin /= 100
	expectError(t, w.disturbance(t, "f", "memoryStress", sample("memoryStress")).Inject(t.Context()), "Chaos Mesh says AllInjected, but no process memStress")
}

func TestMachinesAreUndoneBeforeResources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.disturbance(t, "off", "nodePowerOff", sample("nodePowerOff")).Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.disturbance(t, "fail", "podFailure", sample("podFailure")).Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	undone, err := cleanerOf(w.cluster, w.api, w.chaos).UndoPending(t.Context(), w.dir)
	if err != nil || len(undone) != 2 || undone[0].Record.Fault != "off" || undone[1].Record.Fault != "fail" {
		t.Errorf("undone %+v, %v", undone, err)
	}
}

func TestParseAnswers(t *testing.T) {
	t.Parallel()
	got, err := parseAnswers("silent\nanswered 3000\nanswered 1000\nanswered 2000\n")
	if err != nil || got.silent != 1 || got.median() != 2000 {
		t.Errorf("answers %+v, %v", got, err)
	}
	for _, bad := range []string{"", "answered", "answered x\n", "nothing 1\n"} {
		if _, err := parseAnswers(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestInContainerRefusesWhatIsNoID(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "abc", "containerd://", "containerd://x; rm -rf /", fmt.Sprintf("containerd://%s", "$(true)")} {
		if _, err := inContainer(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// skewed hears of every pod; their wall clocks are as the fake Chaos Mesh says, unless it is mute.
type skewed struct{ chaos *fakeChaos }

func (skewed) Last(string) (time.Time, bool) { return time.Now(), true }

func (s skewed) Ahead(string) time.Duration {
	s.chaos.mu.Lock()
	defer s.chaos.mu.Unlock()
	for _, spec := range s.chaos.made {
		if skew, ok := spec.(v1alpha1.TimeChaosSpec); ok && !s.chaos.mute && skew.ClockIds[0] == clockWall {
			offset, _ := time.ParseDuration(skew.TimeOffset) // of our own
			return offset
		}
	}
	return 0
}

func TestASkewThatIsNotSeenDoesNotLand(t *testing.T) {
	t.Parallel()
	driver := scenario.PodSelector{Of: scenario.OfDriver}
	for says, tt := range map[string]struct {
		args       ClockSkewArgs
		heartbeats func(*world) Heartbeats
	}{
		// AllInjected, as of processes that did not live at the injection.
		"Chaos Mesh says AllInjected, but the clock of pod driver moved by 0s, expected -5s": {
			ClockSkewArgs{Pod: driver, Behind: scenario.Duration(5 * time.Second), Clock: clockBoot}, func(w *world) Heartbeats { return skewed{w.chaos} },
		},
		"no witness was asked": {ClockSkewArgs{Pod: driver, Ahead: scenario.Duration(5 * time.Second)}, func(*world) Heartbeats { return nil }},
		"the witness never heard of pod driver": {
			ClockSkewArgs{Pod: driver, Ahead: scenario.Duration(5 * time.Second)}, func(*world) Heartbeats { return fakeHeartbeats{} },
		},
		"was last heard of 1m0": {
			ClockSkewArgs{Pod: driver, Ahead: scenario.Duration(5 * time.Second)},
			func(*world) Heartbeats { return fakeHeartbeats{"uid-of-driver": time.Now().Add(-time.Minute)} },
		},
	} {
		w := newWorld(t)
		w.env.LandWithin /= 100
		w.env.Heartbeats = tt.heartbeats(w)
		expectError(t, w.disturbance(t, "f", "clockSkew", &tt.args).Inject(t.Context()), says)
	}
	for _, bad := range []ClockSkewArgs{{Pod: driver}, {Pod: driver, Ahead: 1, Behind: 1}} {
		if problems := checkClockSkew(bad); len(problems) != 1 {
			t.Errorf("%+v: %v", bad, problems)
		}
	}
}

// A node that was booted meanwhile has lost the rules, and Chaos Mesh still says AllInjected.
func TestAPartitionThatIsNotThereDoesNotLand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.chaos.mute = true
	w.env.LandWithin /= 100
	expectError(t, w.disturbance(t, "f", "networkPartition", sample("networkPartition")).Inject(t.Context()), "Chaos Mesh says AllInjected, but pod driver reaches pod exec-1 as before")
}

func TestBytesPerSecond(t *testing.T) {
	t.Parallel()
	for rate, want := range map[string]float64{"1mbit": 125_000, "800kbit": 100_000} {
		if got, err := bytesPerSecond(rate); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", rate, got, err, want)
		}
	}
	for _, bad := range []string{"", "1", "mbit", "-1mbit", "1mbps", "1.5mbit"} {
		if _, err := bytesPerSecond(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	if problems := checkBandwidth(BandwidthArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}, Rate: "17mbit"}); len(problems) != 1 {
		t.Errorf("too fast to be seen: %v", problems)
	}
}

func TestParseSent(t *testing.T) {
	t.Parallel()
	if got, err := parseSent("sent 250000 2000000000\n"); err != nil || got != 125_000 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "sent", "sent -1 5\n", "sent 5 0\n"} {
		if _, err := parseSent(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
