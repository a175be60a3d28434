package launcher_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	. "github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func TestEveryLauncherOfScenariosIsKnown(t *testing.T) {
	t.Parallel()
	var names []string
	for _, launcher := range Launchers() {
		names = append(names, launcher.Name())
	}
	if diff := cmp.Diff(scenario.LauncherNames(), names); diff != "" {
		t.Errorf("launchers (-in scenarios +here):\n%s", diff)
	}
	w := wordCount()
	w.Launcher = "bash"
	if _, err := Render(w, environment(), components.All()); err == nil || !strings.Contains(err.Error(), `launcher is "bash"`) {
		t.Errorf("got %v, want that the launcher is unknown", err)
	}
}

func TestSparkSubmitIsCreatedLastAndMakesTheDriver(t *testing.T) {
	t.Parallel()
	w := wordCount()
	bySparkSubmit(&w)
	client := withUIDs(fake.NewClientset())
	got, err := apply(t.Context(), client, render(t, w))
	if err != nil {
		t.Fatal(err)
	}
	want := history.WorkloadData{
		Namespace: "run-1", DriverKind: "Pod", DriverName: "wordcount-driver", DriverSelector: "sparkchaos.dev/role=driver",
		RunLabel: environment().RunID, Image: environment().Image,
		LaunchedBy: history.Object{Kind: "Job", Namespace: "run-1", Name: "wordcount-submit", UID: "uid-of-wordcount-submit"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("workload (-want +got):\n%s", diff)
	}
	actions := client.Actions()
	if last := actions[len(actions)-1].GetResource().Resource; last != "jobs" {
		t.Errorf("%s are created last, want the Job", last)
	}
}

// Only the account that runs Spark's own program is passed over by the admission policy, and no pod with the workload's code has it.
func TestTheWorkloadsCodeHasNoRightsOfTheSubmitter(t *testing.T) {
	t.Parallel()
	w := wordCount()
	bySparkSubmit(&w)
	o := render(t, w)
	condition := o.Policy.Spec.MatchConditions[0].Expression
	if want := `!(request.userInfo.username in ["system:serviceaccount:run-1:spark-submit"])`; !strings.Contains(condition, want) {
		t.Errorf("the policy is about %s, want %s in it", condition, want)
	}
	objects := o.Launching.Objects
	submitter := objects[len(objects)-1].(*batchv1.Job).Spec.Template.Spec
	if o.Driver.Spec.ServiceAccountName == submitter.ServiceAccountName || submitter.ServiceAccountName != "spark-submit" {
		t.Errorf("the driver has account %s, the submitter %s", o.Driver.Spec.ServiceAccountName, submitter.ServiceAccountName)
	}
}

func TestVariablesOfThePodAreRefusedInClusterMode(t *testing.T) {
	t.Parallel()
	w := wordCount()
	bySparkSubmit(&w)
	w.Conf = plainConf(map[string]string{"spark.example.name": "app-$(POD_NAME)"})
	_, err := Render(w, environment(), components.All())
	if err == nil || !strings.Contains(err.Error(), "conf.spark.example.name refers to $(POD_NAME)") {
		t.Errorf("got %v, want that the variable is refused", err)
	}
}

// Kubernetes turns $$ into $ and leaves it at that, so that the driver's pod gets what the scenario says.
func TestArgumentsReachTheDriverAsTheyAre(t *testing.T) {
	t.Parallel()
	w := wordCount()
	bySparkSubmit(&w)
	w.Application.Args = []string{"$(SPARKCHAOS_SOURCE_URL)", "$$5"}
	o := render(t, w)
	args := o.Launching.Objects[len(o.Launching.Objects)-1].(*batchv1.Job).Spec.Template.Spec.Containers[0].Args
	if diff := cmp.Diff([]string{"$$(SPARKCHAOS_SOURCE_URL)", "$$$$5"}, args[len(args)-2:]); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	for _, variable := range o.Driver.Spec.Containers[0].Env {
		if variable.Name == "SPARK_DRIVER_BIND_ADDRESS" {
			t.Error("the template has SPARK_DRIVER_BIND_ADDRESS, which Spark adds in cluster mode")
		}
	}
	if resources := o.Driver.Spec.Containers[0].Resources; !cmp.Equal(resources, corev1.ResourceRequirements{}) {
		t.Errorf("the template has resources %v, which Spark sets", resources)
	}
}

func TestAnOperatorIsAskedForBeforeTheLaunch(t *testing.T) {
	t.Parallel()
	w := wordCount()
	byOperator(&w, scenario.LauncherSparkApplication, scenario.RestartNever)
	client := fake.NewClientset()
	err := Refused(client, w)
	for _, want := range []string{"kubeflow's spark-operator", "serves no sparkoperator.k8s.io/v1beta2", "launcher: job"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	client.Resources = []*metav1.APIResourceList{{GroupVersion: "sparkoperator.k8s.io/v1beta2"}}
	if err := Refused(client, w); err != nil {
		t.Errorf("with the operator's API: %v", err)
	}
	if err := Refused(client, wordCount()); err != nil {
		t.Errorf("a Job: %v", err)
	}
}

func TestTheApplicationOfAnOperatorIsCreatedAndWatched(t *testing.T) {
	t.Parallel()
	w := wordCount()
	byOperator(&w, scenario.LauncherSparkApplication, scenario.RestartOnFailure)
	resource := Watched(w)[0].Resource
	custom := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
		map[schema.GroupVersionResource]string{resource: "SparkApplicationList"})
	got, err := ApplyDriver(t.Context(), fake.NewClientset(), custom, render(t, w))
	if err != nil {
		t.Fatal(err)
	}
	if got.DriverKind != "SparkApplication" || got.DriverName != "wordcount" || got.DriverSelector == "" {
		t.Errorf("the workload is known by %+v", got)
	}
	made, err := custom.Resource(resource).Namespace("run-1").Get(t.Context(), "wordcount", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	policy, _, _ := unstructured.NestedMap(made.Object, "spec", "restartPolicy")
	want := map[string]any{
		"type": "OnFailure", "onFailureRetries": int64(6), "onFailureRetryInterval": int64(5),
		"onSubmissionFailureRetries": int64(6), "onSubmissionFailureRetryInterval": int64(5),
	}
	if diff := cmp.Diff(want, policy); diff != "" {
		t.Errorf("restart policy (-want +got):\n%s", diff)
	}
	if len(Watched(wordCount())) != 0 {
		t.Error("a Job is watched twice")
	}
}

func TestALauncherSaysWhatTheDriverIs(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(w *scenario.Workload){
		"a Job that replaces its pod at most 6 times, as soon as it is being deleted, so that there may be two drivers for a while " +
			"(TerminatingOrFailed)": func(*scenario.Workload) {},
		"a bare Pod, which spark-submit makes in cluster mode and which is never replaced": bySparkSubmit,
		"a Pod of kubeflow's spark-operator, which starts it again at most 6 times when it has failed " +
			"(restartPolicy OnFailure)": func(w *scenario.Workload) {
			byOperator(w, scenario.LauncherSparkApplication, scenario.RestartOnFailure)
		},
		"a Pod of Apache's spark-kubernetes-operator, which never starts it again (restartPolicy Never)": func(w *scenario.Workload) {
			byOperator(w, scenario.LauncherApacheSparkApplication, scenario.RestartNever)
		},
	} {
		w := wordCount()
		change(&w)
		by, err := LauncherOf(w)
		if err != nil {
			t.Fatal(err)
		}
		if got := by.Explain(w); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
