package runner

import (
	"errors"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
)

func TestWhatLiesOutsideOfTheNamespaceGoesWithIt(t *testing.T) {
	t.Parallel()
	options := secretOptions(t, &fakeClusters{})
	env := launcher.Environment{RunID: "r", Namespace: "r", Image: "i", PodImage: "s",
		Witness: launcher.Witness{Directory: "/var/lib/w", Jar: []byte("jar")}}
	objects, err := launcher.Render(options.Plan.Workload, env, components.All())
	if err != nil {
		t.Fatal(err)
	}
	client := fake.NewClientset(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "r", Labels: map[string]string{launcher.RunLabel: "r"}}})
	if err := launcher.ApplyPolicy(t.Context(), client, objects); err != nil {
		t.Fatal(err)
	}
	r := &run{Options: options, id: "r", client: client}
	found, err := r.clusterScopedLeft(t.Context())
	if err != nil || len(found) != 2 {
		t.Errorf("%v, %v; want policy and binding", found, err)
	}
	for _, del := range []deletion{launcher.Empty, launcher.Delete} {
		if err := removeSession(t.Context(), newFakeMachines("n1"), client, "r", del); err != nil {
			t.Error(err)
		}
	}
	if found, err := r.clusterScopedLeft(t.Context()); err != nil || found != nil {
		t.Errorf("%v, %v is left", found, err)
	}
}

func TestARunWithoutThePolicyGoesOnAndTellsIt(t *testing.T) {
	t.Parallel()
	options := someOptions(t, &fakeClusters{})
	s := &session{run: &run{Options: options}}
	if err := s.tellUnrestricted(&launcher.UnrestrictedError{Cause: errors.New("forbidden")}); err != nil {
		t.Errorf("the run ends: %v", err)
	}
	if said := options.Progress.(*fakeProgress).said; !slices.Contains(said, "%v") {
		t.Errorf("nothing was told: %q", said)
	}
	trouble := errors.New("the API server is away")
	if err := s.tellUnrestricted(trouble); !errors.Is(err, trouble) {
		t.Errorf("%v, want the trouble itself", err)
	}
	if err := s.tellUnrestricted(nil); err != nil {
		t.Error(err)
	}
}
