package runner_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/internal/fakeworld"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// fakeComponent is a component that notes what the runner does with it.
type fakeComponent struct{ noted *notes }

type notes struct {
	mu   sync.Mutex
	text []string
}

func (n *notes) add(what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.text = append(n.text, what)
}

var (
	_ launcher.Preflighter    = fakeComponent{}
	_ launcher.VariableReader = fakeComponent{}
	_ launcher.Filler         = (*fakePart)(nil)
	_ launcher.Waiter         = (*fakePart)(nil)
	_ launcher.Preparer       = (*fakePart)(nil)
	_ launcher.Verifier       = (*fakePart)(nil)
)

func (fakeComponent) Name() string { return "the fake" }

func (fakeComponent) Roles() []string { return nil }

func (fakeComponent) Validate(launcher.Launch) []error { return nil }

func (fakeComponent) Variables(scenario.Workload) (path string, names []string) {
	return "spec.fake", []string{"FAKE"}
}

func (f fakeComponent) Preflight(context.Context, launcher.Machine) (launcher.Component, error) {
	f.noted.add("preflight")
	return f, nil
}

func (f fakeComponent) Part(l launcher.Launch) (launcher.Part, error) {
	return &fakePart{noted: f.noted, secret: &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: launcher.ObjectMeta(l.Env, "fake"),
	}}, nil
}

type fakePart struct {
	noted  *notes
	secret *corev1.Secret
	looks  int
}

func (p *fakePart) Objects() []launcher.Object { return []launcher.Object{p.secret} }

func (p *fakePart) Fill(values launcher.Values) error {
	p.noted.add("fill with " + values.Variables["FAKE"])
	return nil
}

func (p *fakePart) Lacks(context.Context, kubernetes.Interface) (string, error) {
	if p.looks++; p.looks == 1 {
		p.noted.add("not ready")
		return "a second look", nil
	}
	p.noted.add("ready")
	return "", nil
}

func (p *fakePart) Prepare(ctx context.Context, host *launcher.Host) error {
	return p.look(ctx, host, "prepare")
}

func (p *fakePart) Verify(ctx context.Context, host *launcher.Host) error {
	return p.look(ctx, host, "verify")
}

// look notes whether there is a driver.
func (p *fakePart) look(ctx context.Context, host *launcher.Host, what string) error {
	jobs, err := host.Client.BatchV1().Jobs(host.Env.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	if len(jobs.Items) == 0 {
		what += " without a driver"
	}
	p.noted.add(what)
	return nil
}

// A component that the runner does not know goes through the same life as those that it brings along.
func TestTheRunnerKnowsComponentsByTheirInterfaceAlone(t *testing.T) {
	t.Parallel()
	noted := &notes{}
	w := fakeworld.New(t, fakeworld.Script{Working: fakeworld.UntilLost})
	o := optionsIn(t, w, planned(t, ""))
	o.Components = append(components.All(), fakeComponent{noted})
	o.Variable = func(name string) (string, error) { return "value of " + name, nil }
	finished, err := runner.Run(t.Context(), o)
	if err != nil || finished.Err != nil {
		t.Fatal(err, finished.Err)
	}
	want := []string{
		"preflight",
		"fill with value of FAKE", "not ready", "ready", "prepare without a driver", // of the baseline
		"fill with value of FAKE", "not ready", "ready", "prepare without a driver", "verify",
	}
	if diff := cmp.Diff(want, noted.text); diff != "" {
		t.Errorf("what was done with the component (-want +got):\n%s", diff)
	}
	checkNothingIsLeft(t, w, o, finished)
}
