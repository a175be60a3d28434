package sparkchaos_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos"
	"github.com/sparkchaos/sparkchaos/pkg/anchor"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// quarantined is the annotation that a team's own scheduler looks at.
const quarantined = "example.com/quarantined"

// teamCatalogue has a fault, its kind of undo, an anchor and an invariant of a team's own.
func teamCatalogue() sparkchaos.Vocabulary {
	return sparkchaos.Catalogue().With(
		sparkchaos.Fault(nodeQuarantine()), sparkchaos.Undo(quarantineUndo()),
		sparkchaos.Anchor(tasksOfDriver()), sparkchaos.Invariant(driverSeen()),
	)
}

// tasksOfDriver is reached when a driver has done so many tasks.
func tasksOfDriver() anchor.Kind {
	return anchor.Definition[anchor.AtLeast]{
		Name: "driverBusy", Doc: "The driver has done some tasks.", Deadline: time.Minute, Defaults: anchor.AtLeast{AtLeast: 1},
		Build: func(a anchor.AtLeast) anchor.Anchor { return driverBusy(a) },
	}.Kind()
}

type driverBusy anchor.AtLeast

func (a driverBusy) Reached(m *model.Model, _ int64) (bool, []int64) {
	done := m.Progress.Tasks
	return len(done) >= a.AtLeast, done
}

func (a driverBusy) Seen(m *model.Model, _ int64) string {
	return fmt.Sprintf("%d of %d tasks", len(m.Progress.Tasks), a.AtLeast)
}

// quarantineArgs are the arguments of nodeQuarantine.
type quarantineArgs struct {
	Node   scenario.NodeSelector `json:"node"`
	Reason string                `json:"reason"`
}

func nodeQuarantine() faults.Kind {
	return faults.Definition[quarantineArgs]{
		Name: "nodeQuarantine", Doc: "A node is quarantined by an annotation.",
		Example: quarantineArgs{Node: scenario.NodeSelector{Of: scenario.OfDriver}, Reason: "test"},
		Effects: faults.Always[quarantineArgs](history.MarksNode),
		Check:   func(a quarantineArgs) []string { return a.Node.Problems("node") },
		Build:   func(a quarantineArgs) faults.Fault { return quarantine{a} },
	}.Kind()
}

type quarantine struct{ args quarantineArgs }

func (f quarantine) Describe() string { return "quarantine " + f.args.Node.String() }

func (f quarantine) Needs() []cluster.Action { return nil }

func (f quarantine) Resolve(ctx context.Context, env faults.Env) (faults.Target, error) {
	driver, err := env.Targets.Driver()
	if err != nil {
		return faults.Target{}, err
	}
	node, err := env.Client.CoreV1().Nodes().Get(ctx, driver.Node, metav1.GetOptions{})
	if err != nil {
		return faults.Target{}, err
	}
	undo, err := faults.NewUndo(quarantineUndo().Name, quarantineData{Annotation: quarantined})
	return faults.Target{Object: history.Object{Kind: "Node", Name: node.Name, UID: string(node.UID)}, Node: node.Name, Undo: undo}, err
}

func (f quarantine) Inject(ctx context.Context, env faults.Env, target faults.Target) (faults.Effect, error) {
	effect := faults.Effect{Began: env.Now()}
	return effect, annotate(ctx, env.Client, target.Node, quarantined, &f.args.Reason)
}

func (f quarantine) ProveLanded(ctx context.Context, env faults.Env, target faults.Target, effect faults.Effect) (faults.Proof, error) {
	return prove(ctx, env, target, effect, true)
}

func (f quarantine) ProveRecovered(ctx context.Context, env faults.Env, target faults.Target, effect faults.Effect) (faults.Proof, error) {
	return prove(ctx, env, target, effect, false)
}

// prove looks whether the annotation is on the node, as it should be.
func prove(ctx context.Context, env faults.Env, target faults.Target, effect faults.Effect, want bool) (faults.Proof, error) {
	node, err := env.Client.CoreV1().Nodes().Get(ctx, target.Node, metav1.GetOptions{})
	if err != nil {
		return faults.Proof{}, err
	}
	if _, is := node.Annotations[quarantined]; is != want {
		return faults.Proof{}, fmt.Errorf("node %s is quarantined: %t, want %t", node.Name, is, want)
	}
	seen := cluster.Observation{What: fmt.Sprintf("the node is quarantined: %t", want), How: "its annotations in the API", At: env.Now()}
	return faults.Proof{Evidence: cluster.Evidence{Node: node.Name, Begun: effect.Began, Observations: []cluster.Observation{seen}}}, nil
}

// annotate changes the annotation of a node; nil removes it.
func annotate(ctx context.Context, client kubernetes.Interface, node, name string, value *string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]*string{name: value}}})
	if err != nil {
		return err
	}
	_, err = client.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

// quarantineData is in the undo records of nodeQuarantine.
type quarantineData struct {
	Annotation string `json:"annotation"`
}

func quarantineUndo() faults.UndoKind {
	return faults.UndoKind{Name: "quarantine", Decode: func(r faults.Record) (faults.Undoing, error) {
		u := quarantineUndoing{node: r.Node}
		return u, faults.DecodeData(r.Undo.Data, &u.quarantineData)
	}}
}

type quarantineUndoing struct {
	quarantineData
	node string
}

func (u quarantineUndoing) Validate() error {
	if u.Annotation == "" {
		return errors.New("no annotation")
	}
	return nil
}

func (u quarantineUndoing) Conflicts(other faults.Undoing) string {
	if o, ok := other.(quarantineUndoing); ok && o == u {
		return "annotation of node " + u.node
	}
	return ""
}

func (u quarantineUndoing) Do(ctx context.Context, env faults.UndoEnv) (faults.Effect, error) {
	effect := faults.Effect{Began: env.Now()}
	if env.Client == nil {
		return effect, faults.ErrUnreachable
	}
	return effect, annotate(ctx, env.Client, u.node, u.Annotation, nil)
}

func (u quarantineUndoing) Look(ctx context.Context, env faults.UndoEnv) error {
	return faults.LookAtNode(ctx, env.Client, u.node)
}
