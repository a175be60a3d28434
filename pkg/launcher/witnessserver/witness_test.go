package witnessserver

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/yaml"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/launchertest"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/shuffleservice"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/stagingserver"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/pkg/witness"
)

// tokenOf returns the variable of a container by which it gets the token.
func tokenOf(c corev1.Container) *corev1.EnvVar {
	i := slices.IndexFunc(c.Env, func(v corev1.EnvVar) bool { return v.Name == witness.TokenVariable })
	if i < 0 {
		return nil
	}
	return &c.Env[i]
}

// render returns the objects of a workload whose pods do not reach the harness, and what it has of the witness.
func render(t *testing.T, w scenario.Workload) (*launcher.Objects, *server) {
	t.Helper()
	env := launchertest.Environment()
	env.Witness = launcher.Witness{Jar: launchertest.WitnessJar()}
	Component{}.Witness(env.Namespace, 1)(&env)
	o, err := launcher.Render(w, env, []launcher.Component{Component{}, stagingserver.Component{}, shuffleservice.Component{}})
	if err != nil {
		t.Fatal(err)
	}
	return o, o.Members[0].Part.(*server)
}

func TestWhoeverReportsGetsTheTokenFromTheSecret(t *testing.T) {
	t.Parallel()
	const token = "the-token-of-this-run"
	o, server := render(t, launchertest.StagedWordCount())
	if err := o.Fill(launcher.Values{WitnessToken: token}); err != nil {
		t.Fatal(err)
	}
	var template corev1.Pod
	if err := yaml.Unmarshal([]byte(o.ConfigMap.Data["executor-pod-template.yaml"]), &template); err != nil {
		t.Fatal(err)
	}
	driver := o.Driver.Spec
	for name, container := range map[string]corev1.Container{
		"driver": driver.Containers[0], "driver's init container": driver.InitContainers[0],
		"executor": template.Spec.Containers[0], "executor's init container": template.Spec.InitContainers[0],
		"witness": server.deployment.Spec.Template.Spec.Containers[0],
	} {
		variable := tokenOf(container)
		if variable == nil || variable.ValueFrom == nil || variable.ValueFrom.SecretKeyRef == nil ||
			variable.ValueFrom.SecretKeyRef.Name != server.secret.Name ||
			server.secret.StringData[variable.ValueFrom.SecretKeyRef.Key] != token {
			t.Errorf("%s has %+v, want a reference to the token in secret %s", name, variable, server.secret.Name)
		}
	}
	// Whatever is recorded of objects has none of the token: the secret is no kind that is.
	for name, object := range map[string]any{"driver": o.Launching.Objects, "config map": o.ConfigMap, "deployment": server.deployment} {
		encoded, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(encoded), token) {
			t.Errorf("the %s has the token", name)
		}
	}

	client, namespace := fake.NewClientset(), launchertest.Environment().Namespace
	if err := launcher.ApplyComponents(t.Context(), client, o); err != nil {
		t.Fatal(err)
	}
	stored, err := client.CoreV1().Secrets(namespace).Get(t.Context(), server.secret.Name, metav1.GetOptions{})
	if err != nil || stored.StringData[tokenKey] != token {
		t.Errorf("the secret in the cluster is %+v, %v", stored, err)
	}
	policy, err := client.NetworkingV1().NetworkPolicies(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil || len(policy.Spec.Ingress) != 1 || len(policy.Spec.Ingress[0].From) != 1 ||
		policy.Spec.Ingress[0].From[0].NamespaceSelector != nil {
		t.Errorf("the network policy is %+v, %v; want that pods of the namespace may come, and no others", policy, err)
	}
	for key, value := range policy.Spec.PodSelector.MatchLabels {
		if server.deployment.Spec.Template.Labels[key] != value {
			t.Errorf("the policy is about pods with %s=%s, which the witness's do not have", key, value)
		}
	}
}

func TestNoPolicyKeepsExecutorsOnTheNodesNetworkOut(t *testing.T) {
	t.Parallel()
	w := launchertest.WordCount()
	w.ShuffleService = scenario.ShuffleService{Enabled: true, LocalDirectory: scenario.LocalDirectoryNode}
	if _, server := render(t, w); server.policy != nil {
		t.Errorf("policy %+v, want none: executors come from the nodes' addresses", server.policy)
	}
}

func TestAWitnessInTheClusterWithoutATokenIsRefused(t *testing.T) {
	t.Parallel()
	env := launchertest.Environment()
	env.Words = &launcher.Words{}
	if _, err := launcher.Render(launchertest.WordCount(), env, nil); err == nil || !strings.Contains(err.Error(), "wants a token") {
		t.Errorf("%v, want that a token is wanted", err)
	}
}
