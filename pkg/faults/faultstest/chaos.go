package faultstest

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
)

// Chaos is a Chaos Mesh that brings about what its resources ask for, unless it is mute: then it only says so.
type Chaos struct {
	api  *API
	Mute bool
	Lack string // queueing discipline that the kernel has not

	Blind bool     // no script can be run on a node
	looks []string // scripts that were run on nodes

	mu   sync.Mutex
	made map[string]chaosmesh.Spec
}

func newChaos(api *API) *Chaos {
	return &Chaos{api: api, made: map[string]chaosmesh.Spec{}}
}

func (c *Chaos) Create(_ context.Context, r chaosmesh.Resource, _ string, spec chaosmesh.Spec, _ bool) (chaosmesh.Resource, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.made[r.Name]; there {
		return r, apierrors.NewAlreadyExists(schema.GroupResource{Resource: r.Kind}, r.Name)
	}
	c.made[r.Name] = spec
	if pods, ok := spec.(v1alpha1.PodChaosSpec); ok && !c.Mute {
		return r, c.strike(r, pods.Action)
	}
	if instance, ok := spec.(v1alpha1.AWSChaosSpec); ok && !c.Mute {
		return r, c.api.stop(strings.TrimPrefix(instance.Ec2Instance, "i-"), corev1.ConditionUnknown)
	}
	return r, nil
}

// stop is what Kubernetes sees of an instance that is stopped, or started.
func (a *API) stop(node string, ready corev1.ConditionStatus) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.SilentLease = ready != corev1.ConditionTrue
	nodes := schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	found, err := a.Tracker().Get(nodes, "", node)
	if err != nil {
		return err
	}
	object := found.(*corev1.Node).DeepCopy()
	object.Status.Conditions[0].Status = ready
	return a.Tracker().Update(nodes, object, "")
}

// Meanwhile changes what is in effect while somebody may look at it.
func (c *Chaos) Meanwhile(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// Looked is how often something was looked at on a node.
func (c *Chaos) Looked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.looks)
}

func PodResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "pods"}
}

func (c *Chaos) strike(r chaosmesh.Resource, action v1alpha1.PodChaosAction) error {
	switch action {
	case v1alpha1.PodKillAction:
		return c.api.Tracker().Delete(PodResource(), r.Namespace, r.Pods[0])
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

func (c *Chaos) change(r chaosmesh.Resource, change func(*corev1.Pod)) error {
	found, err := c.api.Tracker().Get(PodResource(), r.Namespace, r.Pods[0])
	if err != nil {
		return err
	}
	pod := found.(*corev1.Pod).DeepCopy()
	change(pod)
	return c.api.Tracker().Update(PodResource(), pod, r.Namespace)
}

func (c *Chaos) AwaitInjected(context.Context, chaosmesh.Resource) (chaosmesh.State, error) {
	return chaosmesh.State{Injected: true}, nil
}

func (c *Chaos) State(_ context.Context, r chaosmesh.Resource) (chaosmesh.State, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.made[r.Name]; !there {
		return chaosmesh.State{}, apierrors.NewNotFound(schema.GroupResource{Resource: r.Kind}, r.Name)
	}
	return chaosmesh.State{Injected: true}, nil
}

func (c *Chaos) Delete(_ context.Context, r chaosmesh.Resource) (chaosmesh.Freed, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	spec, there := c.made[r.Name]
	delete(c.made, r.Name)
	if pods, ok := spec.(v1alpha1.PodChaosSpec); there && ok && pods.Action == v1alpha1.PodFailureAction {
		return chaosmesh.Freed{}, c.change(r, func(pod *corev1.Pod) { pod.Spec.Containers[0].Image = "spark" })
	}
	if instance, ok := spec.(v1alpha1.AWSChaosSpec); there && ok && !c.Mute {
		return chaosmesh.Freed{}, c.api.stop(strings.TrimPrefix(instance.Ec2Instance, "i-"), corev1.ConditionTrue)
	}
	return chaosmesh.Freed{}, nil
}

// OnNode answers the scripts of probes by what is in effect.
func (c *Chaos) OnNode(_ context.Context, _, script string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looks = append(c.looks, script)
	if c.Blind {
		return "", ErrBroken
	}
	if strings.Contains(script, "tc qdisc") {
		if c.Lack != "" && strings.Contains(script, c.Lack) {
			return "", ErrBroken
		}
		return "", nil
	}
	answer := "answered 1000000\n"
	flooded := "sent 50000000 1000000000\n"
	var processes string
	for _, spec := range c.made {
		if c.Mute {
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

// Skewed hears of every pod; their wall clocks are as the fake Chaos Mesh says, unless it is mute.
type Skewed struct{ Chaos *Chaos }

func (Skewed) Last(string) (time.Time, bool) { return time.Now(), true }

func (s Skewed) Ahead(string) time.Duration {
	s.Chaos.mu.Lock()
	defer s.Chaos.mu.Unlock()
	for _, spec := range s.Chaos.made {
		if skew, ok := spec.(v1alpha1.TimeChaosSpec); ok && !s.Chaos.Mute && skew.ClockIds[0] == "CLOCK_REALTIME" {
			offset, _ := time.ParseDuration(skew.TimeOffset) // of our own
			return offset
		}
	}
	return 0
}
