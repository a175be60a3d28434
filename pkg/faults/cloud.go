package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// CloudSecret is the Secret by which Chaos Mesh reaches the cloud that the nodes belong to. Resources are made beside it.
type CloudSecret struct{ Namespace, Name string }

// cloudNode is a node as the instance of a cloud that it is, by what the cloud's controllers wrote into its object.
type cloudNode struct {
	kind string // of the resource that stops it
	spec func(secret string) chaosmesh.Spec
}

// instanceOf reads a node's providerID: aws:///ZONE/INSTANCE, gce://PROJECT/ZONE/INSTANCE or
// azure:///subscriptions/ID/resourceGroups/NAME/providers/Microsoft.Compute/virtualMachines/NAME.
func instanceOf(providerID, region string) (cloudNode, error) {
	cloud, rest, found := strings.Cut(providerID, "://")
	parts := strings.Split(strings.Trim(rest, "/"), "/")
	for _, part := range parts {
		found = found && part != ""
	}
	if !found {
		return cloudNode{}, fmt.Errorf("its providerID is %q: expected that of an instance of AWS, GCP or Azure", providerID)
	}
	switch {
	case cloud == "aws" && len(parts) == 2 && region == "":
		return cloudNode{}, fmt.Errorf("it has no label %s, and without a region its instance %s cannot be found", corev1.LabelTopologyRegion, parts[1])
	case cloud == "aws" && len(parts) == 2:
		return cloudNode{v1alpha1.KindAWSChaos, func(secret string) chaosmesh.Spec {
			return v1alpha1.AWSChaosSpec{
				Action: v1alpha1.Ec2Stop, SecretName: &secret, Duration: durationOf(deadline),
				AWSSelector: v1alpha1.AWSSelector{AWSRegion: region, Ec2Instance: parts[1]},
			}
		}}, nil
	case cloud == "gce" && len(parts) == 3:
		return cloudNode{v1alpha1.KindGCPChaos, func(secret string) chaosmesh.Spec {
			return v1alpha1.GCPChaosSpec{
				Action: v1alpha1.NodeStop, SecretName: &secret, Duration: durationOf(deadline),
				GCPSelector: v1alpha1.GCPSelector{Project: parts[0], Zone: parts[1], Instance: parts[2]},
			}
		}}, nil
	case cloud == "azure" && len(parts) == 8 && strings.EqualFold(parts[0], "subscriptions") && strings.EqualFold(parts[2], "resourceGroups") &&
		strings.EqualFold(parts[6], "virtualMachines"):
		return cloudNode{v1alpha1.KindAzureChaos, func(secret string) chaosmesh.Spec {
			return v1alpha1.AzureChaosSpec{
				Action: v1alpha1.AzureVmStop, Duration: durationOf(deadline),
				AzureSelector: v1alpha1.AzureSelector{SubscriptionID: parts[1], ResourceGroupName: parts[3], VMName: parts[7], SecretName: &secret},
			}
		}}, nil
	default:
		return cloudNode{}, fmt.Errorf("its providerID is %q: expected aws:///ZONE/INSTANCE, gce://PROJECT/ZONE/INSTANCE or azure:///subscriptions/…/virtualMachines/NAME (Chaos Mesh stops no machine of a scale set)", providerID)
	}
}

// cloudStop has Chaos Mesh stop the instance that a node is. Clouds do that in good order: it is a shutdown, and no loss of power.
type cloudStop struct {
	selector scenario.NodeSelector
	dryRun   bool // only has the API server look at the resource
}

// Describe implements Fault.
func (f cloudStop) Describe() string {
	if f.dryRun {
		return fmt.Sprintf("pretend to have the cloud stop %s and do nothing: the proof has to notice", f.selector)
	}
	return fmt.Sprintf("have the cloud stop %s", f.selector)
}

// Needs implements Fault: the cloud acts.
func (f cloudStop) Needs() []cluster.Action { return nil }

// Patience is what a cloud takes to stop an instance, and Kubernetes to notice.
func (f cloudStop) Patience(Target) time.Duration { return shutdownPatience + time.Minute }

// Resolve implements Fault.
func (f cloudStop) Resolve(ctx context.Context, env Env) (Target, error) {
	if env.Chaos == nil || env.CloudSecret == nil {
		return Target{}, errors.New("the cloud that the node belongs to cannot be reached: --cloud-secret names the Secret by which Chaos Mesh does")
	}
	name, err := resolveNode(env.Targets, f.selector)
	if err != nil {
		return Target{}, err
	}
	// The machines that a run may disturb are known to the cluster; the control plane's are not among them.
	if _, err := findNode(ctx, env.Machines, name); err != nil {
		return Target{}, err
	}
	object, err := env.Client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return Target{}, fmt.Errorf("look at node %s in the API: %w", name, err)
	}
	if against := notReady(object); against != "" {
		return Target{}, fmt.Errorf("%s: what is silent already cannot be seen to stop", against)
	}
	instance, err := instanceOf(object.Spec.ProviderID, object.Labels[corev1.LabelTopologyRegion])
	if err != nil {
		return Target{}, fmt.Errorf("node %s: %w", name, err)
	}
	return Target{
		Object: history.Object{Kind: "Node", Name: name, UID: string(object.UID)}, Node: name,
		Before: &cluster.Node{Name: name, Power: cluster.On, Kubelet: true, BootID: object.Status.NodeInfo.BootID},
		Chaos:  &ChaosTarget{Resource: chaosmesh.Resource{Kind: instance.kind, Namespace: env.CloudSecret.Namespace, Name: fmt.Sprintf("sparkchaos-%x", env.Now().UnixNano())}},
	}, nil
}

// Inject implements Fault.
func (f cloudStop) Inject(ctx context.Context, env Env, target Target) (Effect, error) {
	object, err := env.Client.CoreV1().Nodes().Get(ctx, target.Node, metav1.GetOptions{})
	if err != nil {
		return Effect{}, fmt.Errorf("look at node %s in the API: %w", target.Node, err)
	}
	instance, err := instanceOf(object.Spec.ProviderID, object.Labels[corev1.LabelTopologyRegion])
	if err != nil {
		return Effect{}, fmt.Errorf("node %s: %w", target.Node, err)
	}
	return createChaos(ctx, env, target, instance.spec(env.CloudSecret.Name), f.dryRun)
}

// ProveLanded implements Fault: whatever the cloud says, kubelet has to fall silent.
func (f cloudStop) ProveLanded(ctx context.Context, env Env, target Target, effect Effect) (Proof, error) {
	observations, err := awaitSilentNode(ctx, env, target.Node)
	if err != nil {
		return Proof{}, err
	}
	return Proof{
		Evidence: cluster.Evidence{Action: cluster.Action(target.Chaos.Kind), Node: target.Node, Begun: effect.Began, Observations: append(effect.Observations, observations...)},
		Before:   target.Before, Claims: effect.Claims,
	}, nil
}

// silentLooks is how many renewals of its lease a node has to miss.
const silentLooks = 2

// awaitSilentNode waits until the node's lease is not renewed for as long as two renewals take, and the node is not Ready any more.
func awaitSilentNode(ctx context.Context, env Env, name string) ([]cluster.Observation, error) {
	var last *metav1.MicroTime
	var since time.Time
	err := until(ctx, env.PollEvery, func(ctx context.Context) (bool, error, error) {
		lease, err := env.Client.CoordinationV1().Leases(nodeLeases).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, fmt.Errorf("look at the lease of node %s: %w", name, err), nil
		}
		if last == nil || !lease.Spec.RenewTime.Equal(last) {
			last, since = lease.Spec.RenewTime, env.Now()
		}
		node, err := env.Client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, fmt.Errorf("look at node %s in the API: %w", name, err), nil
		}
		// kubelet renews each quarter of the lease's time.
		quarter := 10 * time.Second
		if seconds := lease.Spec.LeaseDurationSeconds; seconds != nil {
			quarter = time.Duration(*seconds) * time.Second / 4
		}
		if env.Now().Sub(since) < silentLooks*quarter {
			return false, fmt.Errorf("kubelet of node %s still renews its lease", name), nil
		}
		if notReady(node) == "" {
			return false, fmt.Errorf("node %s is still Ready", name), nil
		}
		return true, nil, nil
	})
	if err != nil {
		return nil, err
	}
	return []cluster.Observation{
		{What: "kubelet renews the node's lease no more", How: "renewTime of the Lease, several times", At: env.Now()},
		{What: "the node is not Ready", How: "conditions of the Node in the API", At: env.Now()},
	}, nil
}

// Recover implements Fault: with its resource gone Chaos Mesh has the instance started.
func (f cloudStop) Recover(ctx context.Context, env Env, target Target, _ []Record) (Effect, error) {
	evidence, freed, err := deleteChaos(ctx, env.Chaos, target)
	return Effect{Began: evidence.Begun, Observations: evidence.Observations, Claims: &freed.State}, err
}

// ProveRecovered implements Fault.
func (f cloudStop) ProveRecovered(ctx context.Context, env Env, target Target, effect Effect) (Proof, error) {
	if err := chaosGone(ctx, env, target); err != nil {
		return Proof{}, err
	}
	ready, err := awaitReady(ctx, env, target.Node)
	if err != nil {
		return Proof{}, err
	}
	return Proof{
		Evidence: cluster.Evidence{Action: cluster.Action(target.Chaos.Kind), Node: target.Node, Begun: effect.Began, Observations: append(effect.Observations, ready...)},
		Before:   target.Before, Claims: effect.Claims,
	}, nil
}
