package existing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/internal/podexec"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

const (
	agentName = "agent"
	// HostDirectory is the only part of the nodes' disks that the harness uses.
	HostDirectory = "/var/lib/sparkchaos"
	// agentTimeout is how long agents may take to run: an image to pull, a node that has just booted.
	agentTimeout = 3 * time.Minute
	// goneTimeout is how long what was deleted may take to go.
	goneTimeout = 2 * time.Minute
)

// agents is the DaemonSet by whose pods the harness works on the nodes' disks. It runs as root: kubelet gives the directory to
// root, and what executors left belongs to other users.
func (c *Cluster) agents(run string, workers []corev1.Node) *appsv1.DaemonSet {
	labels := map[string]string{cluster.RunLabel: run, "app.kubernetes.io/name": "sparkchaos-" + agentName}
	root, yes, no, grace, made := int64(0), true, false, int64(0), corev1.HostPathDirectoryOrCreate
	return &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: agentName, Namespace: Namespace, Labels: labels},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					AutomountServiceAccountToken: &no, TerminationGracePeriodSeconds: &grace,
					// On each node, whatever a fault does to it.
					Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
					Affinity:    on(workers),
					Volumes: []corev1.Volume{{Name: "host",
						VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: HostDirectory, Type: &made}}}},
					Containers: []corev1.Container{{
						Name: agentName, Image: c.options.Image, ImagePullPolicy: corev1.PullIfNotPresent, Args: []string{"node", "wait"},
						SecurityContext: &corev1.SecurityContext{
							RunAsUser: &root, RunAsGroup: &root, AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
							// All that it takes to read and remove what pods of any user left in a directory.
							Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"DAC_OVERRIDE", "FOWNER"}},
							SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
						},
						VolumeMounts: []corev1.VolumeMount{{Name: "host", MountPath: HostDirectory}},
						Resources: corev1.ResourceRequirements{
							Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("32Mi")},
							Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")},
						},
					}},
				},
			},
		},
	}
}

// on keeps pods to some nodes, by their names: labels do not mark each control plane.
func on(nodes []corev1.Node) *corev1.Affinity {
	var terms []corev1.NodeSelectorTerm
	for _, node := range nodes {
		named := corev1.NodeSelectorRequirement{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{node.Name}}
		terms = append(terms, corev1.NodeSelectorTerm{MatchFields: []corev1.NodeSelectorRequirement{named}})
	}
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: terms},
	}}
}

// startAgents runs an agent on each worker. Those of an earlier harness that was killed are replaced.
func (c *Cluster) startAgents(ctx context.Context, run string) error {
	if err := c.stopAgents(ctx); err != nil {
		return err
	}
	workers, err := c.workers(ctx)
	if err != nil {
		return err
	}
	if _, err := c.client.AppsV1().DaemonSets(Namespace).Create(ctx, c.agents(run, workers), metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("start the agents: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, agentTimeout, fmt.Errorf("not all of them run within %v", agentTimeout))
	defer cancel()
	err = cluster.PollEvery(ctx, lookPause, func(ctx context.Context) (bool, string) {
		workers, err := c.workers(ctx)
		if err != nil {
			return false, err.Error()
		}
		running, waiting, err := c.agentPods(ctx)
		if err != nil {
			return false, err.Error()
		}
		var missing []string
		for _, worker := range workers {
			if _, ok := running[worker.Name]; !ok && cluster.NodeReady(worker) {
				missing = append(missing, worker.Name)
			}
		}
		if len(missing) == 0 {
			return true, ""
		}
		return false, fmt.Sprintf("none runs on %s %s", strings.Join(missing, ", "), strings.Join(waiting, ", "))
	})
	if err != nil {
		return fmt.Errorf("start the agents (image %s): %w", c.options.Image, err)
	}
	return nil
}

// agentPods returns the names of the agents' pods whose container runs, by their nodes, and why others do not.
func (c *Cluster) agentPods(ctx context.Context) (running map[string]string, waiting []string, err error) {
	pods, err := c.client.CoreV1().Pods(Namespace).List(ctx,
		metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=sparkchaos-" + agentName})
	if err != nil {
		return nil, nil, fmt.Errorf("look for the agents: %w", err)
	}
	running = map[string]string{}
	for _, pod := range pods.Items {
		for _, status := range pod.Status.ContainerStatuses {
			if status.State.Running != nil && pod.DeletionTimestamp == nil {
				running[pod.Spec.NodeName] = pod.Name
			} else if status.State.Waiting != nil {
				waiting = append(waiting, fmt.Sprintf("%s: %s %s", pod.Spec.NodeName, status.State.Waiting.Reason, status.State.Waiting.Message))
			}
		}
	}
	return running, waiting, nil
}

// stopAgents removes the agents and returns when their pods are gone, but for those on nodes that do not answer.
func (c *Cluster) stopAgents(ctx context.Context) error {
	foreground := metav1.DeletePropagationForeground
	err := c.client.AppsV1().DaemonSets(Namespace).Delete(ctx, agentName, metav1.DeleteOptions{PropagationPolicy: &foreground})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stop the agents: %w", err)
	}
	err = awaitGone(ctx, func(ctx context.Context) error {
		_, err := c.client.AppsV1().DaemonSets(Namespace).Get(ctx, agentName, metav1.GetOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("stop the agents: %w", err)
	}
	return nil
}

// agentPatience is how long it is waited for an agent whose node may have booted a moment ago.
const agentPatience = 90 * time.Second

// onNode runs the harness's program in the agent on a node. Running it twice must do no harm: after a boot the first try may be
// cut off.
func (c *Cluster) onNode(ctx context.Context, node string, args ...string) ([]byte, error) {
	answer, err := c.ask(ctx, node, args...)
	return answer.out, err
}

// answer is what an agent said, and when it was asked and had answered.
type answer struct {
	out             []byte
	asked, answered time.Time
}

func (c *Cluster) ask(ctx context.Context, node string, args ...string) (answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, agentPatience, fmt.Errorf("it did not answer within %v", agentPatience))
	defer cancel()
	var a answer
	err := cluster.PollEvery(ctx, lookPause, func(ctx context.Context) (bool, string) {
		running, waiting, err := c.agentPods(ctx)
		if err != nil {
			return false, err.Error()
		}
		pod, ok := running[node]
		if !ok {
			return false, fmt.Sprintf("no agent runs there; %s", strings.Join(waiting, ", "))
		}
		trying, cancel := context.WithTimeout(ctx, agentPatience/3)
		defer cancel()
		a.asked = time.Now()
		a.out, err = podexec.Run(trying, c.config, c.client, podexec.Place{Namespace: Namespace, Pod: pod, Container: agentName},
			append([]string{agentProgram, "node"}, args...)...)
		a.answered = time.Now()
		if err != nil {
			return false, err.Error()
		}
		return true, ""
	})
	if err != nil {
		return answer{}, fmt.Errorf("agent on node %s: %s: %w", node, strings.Join(args, " "), err)
	}
	return a, nil
}

// agentProgram is where the harness's program for pods is in its image.
const agentProgram = "/bin/sparkchaos-pod"

// onWorkerNodes does something on each worker at once, in the order of their names as far as errors go.
func (c *Cluster) onWorkerNodes(ctx context.Context, do func(ctx context.Context, node string) error) error {
	workers, err := c.workers(ctx)
	if err != nil {
		return err
	}
	errs := make([]error, len(workers))
	var group errgroup.Group
	for i, worker := range workers {
		group.Go(func() error {
			errs[i] = do(ctx, worker.Name)
			return nil
		})
	}
	return errors.Join(group.Wait(), errors.Join(errs...))
}

// MakeDirectory makes a directory on the own disk of every worker that pods of any user can write to.
func (c *Cluster) MakeDirectory(ctx context.Context, path string) error {
	if err := c.below(path); err != nil {
		return err
	}
	return c.onWorkerNodes(ctx, func(ctx context.Context, node string) error {
		_, err := c.onNode(ctx, node, "make", path)
		return err
	})
}

// RemoveDirectory removes, from every worker's disk, what MakeDirectory made, with all that is in it.
func (c *Cluster) RemoveDirectory(ctx context.Context, path string) error {
	if err := c.below(path); err != nil {
		return err
	}
	return c.onWorkerNodes(ctx, func(ctx context.Context, node string) error {
		_, err := c.onNode(ctx, node, "remove", path)
		return err
	})
}

// below refuses what is not the harness's own part of the disks.
func (c *Cluster) below(path string) error {
	if !strings.HasPrefix(path, HostDirectory+"/") || strings.Contains(path, "..") {
		return fmt.Errorf("%s is not below %s: nothing else of a node's disk is touched", path, HostDirectory)
	}
	return nil
}

// clockTries is how often a clock is asked: the shortest round trip says most.
const clockTries = 5

// ClockOffsets asks each worker that is up for the time.
func (c *Cluster) ClockOffsets(ctx context.Context) ([]cluster.ClockOffset, error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	var all []cluster.ClockOffset
	var errs []error
	for _, node := range nodes {
		if node.Power != cluster.On || node.Frozen || node.Isolated {
			continue
		}
		offset, err := c.clockOffset(ctx, node.Name)
		errs = append(errs, err)
		if err == nil {
			all = append(all, offset)
		}
	}
	return all, errors.Join(errs...)
}

func (c *Cluster) clockOffset(ctx context.Context, node string) (cluster.ClockOffset, error) {
	best := cluster.ClockOffset{Node: node}
	for try := range clockTries {
		a, err := c.ask(ctx, node, "clock")
		if err != nil {
			return best, err
		}
		there, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(string(a.out)))
		if err != nil {
			return best, fmt.Errorf("clock of node %s: %w", node, err)
		}
		half := a.answered.Sub(a.asked) / 2
		if try == 0 || half < best.Uncertainty {
			best.Uncertainty, best.Offset = half, there.Sub(a.asked.Add(half).Round(0))
		}
	}
	return best, nil
}
