package nodeobject

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/look"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// NodeOutOfServiceArgs are the arguments of nodeOutOfService.
type NodeOutOfServiceArgs struct {
	// StruckBy is another fault of the scenario: the node that it switched off. Pods of a dead node cannot be selected.
	StruckBy string `json:"struckBy,omitempty" ref:"fault"`
	// Node is the node itself, by name or by a pod that is still seen on it; excludes struckBy.
	Node scenario.NodeSelector `json:"node,omitempty"`
	// DryRun leaves the taint out; for a control that shows that a fault which does not land is noticed.
	DryRun bool `json:"dryRun,omitempty"`
}

// Choose decides what the arguments leave open; see scenario.NodeSelector.
func (a *NodeOutOfServiceArgs) Choose(executors int, pick func(n int) int) {
	a.Node.Choose(executors, pick)
}

func nodeOutOfServiceKind() faults.Kind {
	return faults.Definition[NodeOutOfServiceArgs]{
		Name: "nodeOutOfService",
		Doc: "An operator taints a node that is off as out of service: its pods' objects are deleted though no kubelet confirms that the " +
			"pods ended; recovering removes the taint.",
		Example: NodeOutOfServiceArgs{Node: scenario.NodeSelector{Of: scenario.OfDriver}},
		Effects: faults.Always[NodeOutOfServiceArgs](history.EndsPods, history.MarksNode),
		Check:   checkNodeOutOfService,
		Build:   func(a NodeOutOfServiceArgs) faults.Fault { return nodeOutOfService{args: a} },
	}.Kind()
}

func checkNodeOutOfService(a NodeOutOfServiceArgs) []string {
	byNode := a.Node != scenario.NodeSelector{}
	switch {
	case a.StruckBy != "" && byNode:
		return []string{"struckBy and node exclude each other: keep one"}
	case a.StruckBy != "":
		return nil
	case !byNode:
		return []string{"nothing is selected: give struckBy, the fault that switched the node off, or node"}
	default:
		return a.Node.Problems("node")
	}
}

// outOfService is the taint with which an operator says that a node is off and will not write any more.
func outOfService() corev1.Taint {
	return corev1.Taint{Key: corev1.TaintNodeOutOfService, Value: "nodeshutdown", Effect: corev1.TaintEffectNoExecute}
}

// nodeOutOfService taints a node that is off. It is refused for a node that is on: there the taint would let volumes be
// attached elsewhere while pods still write to them.
type nodeOutOfService struct {
	onNodeObject
	args NodeOutOfServiceArgs
}

// Describe implements Fault.
func (f nodeOutOfService) Describe() string {
	node := f.args.Node.String()
	if f.args.StruckBy != "" {
		node = "the node that " + f.args.StruckBy + " hit"
	}
	if f.args.DryRun {
		return fmt.Sprintf("pretend to taint %s out of service and do nothing: the proof has to notice", node)
	}
	return fmt.Sprintf("taint %s out of service", node)
}

// podGCPeriod is the time between two rounds of Kubernetes' pod garbage collector.
const podGCPeriod = 20 * time.Second

// Patience is the time between two rounds of the pod garbage collector, which frees the pods.
func (f nodeOutOfService) Patience(faults.Target) time.Duration { return podGCPeriod }

// Resolve implements Fault.
func (f nodeOutOfService) Resolve(ctx context.Context, env faults.Env) (faults.Target, error) {
	name, err := f.node(env)
	if err != nil {
		return faults.Target{}, err
	}
	before, err := look.Machine(ctx, env.Machines, name)
	if err != nil {
		return faults.Target{}, err
	}
	if before.Power != cluster.Off {
		return faults.Target{}, fmt.Errorf("node %s is %s: only one that is off may be tainted out of service; anchor this to the landing of a "+
			"fault that switches it off", name, before.Power)
	}
	object, err := look.Node(ctx, env.Client, name)
	if err != nil {
		return faults.Target{}, err
	}
	taint := outOfService()
	change, err := changeNodeObject(object, &taint)
	if err != nil {
		return faults.Target{}, err
	}
	pods, err := podsOn(ctx, env, name)
	if err != nil {
		return faults.Target{}, err
	}
	if len(pods) == 0 {
		return faults.Target{}, fmt.Errorf("node %s carries no pod of namespace %s: the taint would free nothing", name, env.Namespace)
	}
	change.Before, change.Pods = &before, pods
	return change.target()
}

// node finds the node's name: of a fault in effect the undo journal knows what it hit.
func (f nodeOutOfService) node(env faults.Env) (string, error) {
	if f.args.StruckBy == "" {
		return look.NodeOf(env.Targets, f.args.Node)
	}
	var open []string
	for _, record := range env.Journal.Open() {
		if record.Fault == f.args.StruckBy && record.Node != "" {
			return record.Node, nil
		}
		open = append(open, record.Fault)
	}
	return "", fmt.Errorf("fault %s is not in effect, so it holds no node: in effect are %v; anchor this to its landing", f.args.StruckBy,
		open)
}

// Inject implements Fault.
func (f nodeOutOfService) Inject(ctx context.Context, env faults.Env, target faults.Target) (faults.Effect, error) {
	return injectOnNode(ctx, env, target, f.args.DryRun)
}

// ProveLanded implements Fault: the taint stands on the object, and none of the pods that the node carried is left.
func (f nodeOutOfService) ProveLanded(ctx context.Context, env faults.Env, target faults.Target, effect faults.Effect) (faults.Proof,
	error) {
	freed := func(ctx context.Context) error {
		now, err := podsOn(ctx, env, target.Node)
		if err != nil {
			return err
		}
		return stillThere(changeOf(target), now)
	}
	return proveStruck(ctx, env, target, effect, freed,
		"the objects of "+wording.All(len(changeOf(target).Pods), "pod")+" that it carried are gone", look.PodsView)
}

// podsOn returns the run's pods that the API shows on a node, ended ones too.
func podsOn(ctx context.Context, env faults.Env, node string) ([]history.Object, error) {
	pods, err := podsOfRun(ctx, env)
	if err != nil {
		return nil, err
	}
	var found []history.Object
	for _, pod := range pods {
		if pod.Spec.NodeName == node {
			found = append(found, podObject(pod))
		}
	}
	return found, nil
}
