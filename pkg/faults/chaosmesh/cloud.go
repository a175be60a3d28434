package chaosmesh

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"

	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/look"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

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
		return cloudNode{}, fmt.Errorf("it has no label %s, and without a region its instance %s cannot be found", corev1.LabelTopologyRegion,
			parts[1])
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
	case cloud == "azure" && len(parts) == 8 && strings.EqualFold(parts[0], "subscriptions") &&
		strings.EqualFold(parts[2], "resourceGroups") &&
		strings.EqualFold(parts[6], "virtualMachines"):
		return cloudNode{v1alpha1.KindAzureChaos, func(secret string) chaosmesh.Spec {
			return v1alpha1.AzureChaosSpec{
				Action: v1alpha1.AzureVmStop, Duration: durationOf(deadline),
				AzureSelector: v1alpha1.AzureSelector{SubscriptionID: parts[1], ResourceGroupName: parts[3], VMName: parts[7], SecretName: &secret},
			}
		}}, nil
	default:
		return cloudNode{}, fmt.Errorf("its providerID is %q: expected aws:///ZONE/INSTANCE, gce://PROJECT/ZONE/INSTANCE or "+
			"azure:///subscriptions/…/virtualMachines/NAME (Chaos Mesh stops no machine of a scale set)", providerID)
	}
}

// instanceOfNode reads what the cloud's controllers wrote into a node's object.
func instanceOfNode(node *corev1.Node) (cloudNode, error) {
	instance, err := instanceOf(node.Spec.ProviderID, node.Labels[corev1.LabelTopologyRegion])
	if err != nil {
		return cloudNode{}, fmt.Errorf("node %s: %w", node.Name, err)
	}
	return instance, nil
}

// cloudStop has Chaos Mesh stop the instance that a node is. Clouds do that in good order: it is a shutdown, and no loss of power.
type cloudStop struct {
	selector scenario.NodeSelector
	dryRun   bool // only has the API server look at the resource
	patience time.Duration
}

// cloudTarget is a node whose instance is stopped, as it was before.
type cloudTarget struct {
	chaosTarget
	before cluster.Node
}

// Stop returns the fault that has the cloud stop the instance that a node is; dryRun only has the API server look at the resource. patience
// is what the node may take to be seen to stop beyond what the cloud takes.
func Stop(node scenario.NodeSelector, dryRun bool, patience time.Duration) faults.Fault {
	return cloudStop{selector: node, dryRun: dryRun, patience: patience}
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

// Patience implements faults.Patient: a cloud takes its time to stop an instance, and Kubernetes to notice.
func (f cloudStop) Patience(faults.Target) time.Duration { return f.patience + time.Minute }

// Resolve implements Fault.
func (f cloudStop) Resolve(ctx context.Context, env faults.Env) (faults.Target, error) {
	if env.Chaos == nil || env.CloudSecret == nil {
		return faults.Target{}, errors.New(
			"the cloud that the node belongs to cannot be reached: --cloud-secret names the Secret by which Chaos Mesh does")
	}
	object, err := look.NodeObject(ctx, env, f.selector)
	if err != nil {
		return faults.Target{}, err
	}
	if against := look.NotReady(object); against != "" {
		return faults.Target{}, fmt.Errorf("%s: what is silent already cannot be seen to stop", against)
	}
	instance, err := instanceOfNode(object)
	if err != nil {
		return faults.Target{}, err
	}
	stopped := cloudTarget{
		chaosTarget: chaosTarget{
			Object: history.Object{Kind: "Node", Name: object.Name, UID: string(object.UID)}, Node: object.Name,
			Resource: newResource(env, instance.kind, env.CloudSecret.Namespace),
		},
		before: cluster.Node{Name: object.Name, Power: cluster.On, Kubelet: true, BootID: object.Status.NodeInfo.BootID},
	}
	return stopped.resolved(stopped)
}

// Inject implements Fault.
func (f cloudStop) Inject(ctx context.Context, env faults.Env, target faults.Target) (faults.Effect, error) {
	object, err := look.Node(ctx, env.Client, target.Node)
	if err != nil {
		return faults.Effect{}, err
	}
	instance, err := instanceOfNode(object)
	if err != nil {
		return faults.Effect{}, err
	}
	return createChaos(ctx, env, target.Facts.(cloudTarget).Resource, instance.spec(env.CloudSecret.Name), f.dryRun)
}

// ProveLanded implements Fault: whatever the cloud says, kubelet has to fall silent.
func (f cloudStop) ProveLanded(ctx context.Context, env faults.Env, target faults.Target, effect faults.Effect) (faults.Proof, error) {
	observations, err := awaitSilentNode(ctx, env, target.Node)
	if err != nil {
		return faults.Proof{}, err
	}
	stopped := target.Facts.(cloudTarget)
	return chaosProof(stopped.chaosTarget, effect, stopped.before, observations...), nil
}

// awaitSilentNode waits until the node's lease is not renewed for as long as two renewals take, and the node is not Ready any more.
func awaitSilentNode(ctx context.Context, env faults.Env, name string) ([]cluster.Observation, error) {
	lease := cluster.NodeLease{Node: name}
	err := await.Until(ctx, env.PollEvery, func(ctx context.Context) await.Result {
		if err := lease.Look(ctx, env.Client, env.Now); err != nil {
			return await.NotYet(err)
		}
		node, err := look.Node(ctx, env.Client, name)
		if err != nil {
			return await.NotYet(err)
		}
		if !lease.Silent() {
			return await.NotYet(fmt.Errorf("kubelet of node %s still renews its lease", name))
		}
		if look.NotReady(node) == "" {
			return await.NotYet(fmt.Errorf("node %s is still Ready", name))
		}
		return await.Done()
	})
	if err != nil {
		return nil, err
	}
	return []cluster.Observation{
		{What: "kubelet renews the node's lease no more", How: "renewTime of the Lease, several times", At: env.Now()},
		{What: "the node is not Ready", How: look.NodeConditionsView, At: env.Now()},
	}, nil
}

// ProveRecovered implements Fault: with its resource gone Chaos Mesh has the instance started.
func (f cloudStop) ProveRecovered(ctx context.Context, env faults.Env, target faults.Target, effect faults.Effect) (faults.Proof, error) {
	stopped := target.Facts.(cloudTarget)
	if err := chaosGone(ctx, env, stopped.Resource); err != nil {
		return faults.Proof{}, err
	}
	ready, err := look.AwaitReady(ctx, env, target.Node)
	if err != nil {
		return faults.Proof{}, err
	}
	return chaosProof(stopped.chaosTarget, effect, stopped.before, ready...), nil
}
