package fakeworld

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/sparkchaos/sparkchaos/internal/fakekube"
)

// The states that kubeflow's operator gives its applications, as far as they matter here.
const (
	stateSubmitted    = "SUBMITTED"
	statePendingRerun = "PENDING_RERUN"
	stateCompleted    = "COMPLETED"
	stateFailed       = "FAILED"
)

// lookAsOperator does what kubeflow's spark-operator does: it makes the driver of each application, and recreates it by the restart policy
// when it has ended, or its pod is gone.
func (w *World) lookAsOperator() {
	for _, app := range w.API.List(fakekube.SparkApplications(), "") {
		driver := app.GetName() + "-driver"
		switch state, _, _ := unstructured.NestedString(app.Object, "status", "applicationState", "state"); state {
		case "", statePendingRerun:
			_, gone := w.API.Get(fakekube.Pods(), app.GetNamespace(), driver)
			if gone != nil && submitDriver(w, app, driver) == nil {
				tellApplication(w, app, stateSubmitted)
			}
		case stateSubmitted:
			w.followDriver(app, driver)
		}
	}
}

// followDriver takes note of how a driver ended.
func (w *World) followDriver(app *unstructured.Unstructured, driver string) {
	phase := corev1.PodFailed
	if object, err := w.API.Get(fakekube.Pods(), app.GetNamespace(), driver); err == nil {
		phase = typed[corev1.Pod](object).Status.Phase
	}
	policy, _, _ := unstructured.NestedString(app.Object, "spec", "restartPolicy", "type")
	over := phase == corev1.PodSucceeded || phase == corev1.PodFailed
	switch {
	case !over:
	case policy == "Always", policy == "OnFailure" && phase == corev1.PodFailed:
		_ = w.API.Delete(fakekube.Pods(), app.GetNamespace(), driver, metav1.DeleteOptions{}) // it may be gone
		tellApplication(w, app, statePendingRerun)
	case phase == corev1.PodSucceeded:
		tellApplication(w, app, stateCompleted)
	default:
		tellApplication(w, app, stateFailed)
	}
}

func tellApplication(w *World, app *unstructured.Unstructured, state string) {
	// The application may be gone, so an error is ignored.
	_, _ = w.API.Update(fakekube.SparkApplications(), app.GetNamespace(), app.GetName(), func(app *unstructured.Unstructured) error {
		return unstructured.SetNestedField(app.Object, state, "status", "applicationState", "state")
	})
}

// submitDriver makes the driver's pod of an application, and what belongs to it.
func submitDriver(w *World, app *unstructured.Unstructured, name string) error {
	var spec struct {
		SparkConf map[string]string `json:"sparkConf"`
		Driver    struct {
			Template corev1.PodTemplateSpec `json:"template"`
		} `json:"driver"`
		Executor struct {
			Template corev1.PodTemplateSpec `json:"template"`
		} `json:"executor"`
	}
	fields, _, _ := unstructured.NestedMap(app.Object, "spec")
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &spec); err != nil {
		return err
	}
	executor, err := yaml.Marshal(corev1.Pod{ObjectMeta: spec.Executor.Template.ObjectMeta, Spec: spec.Executor.Template.Spec})
	if err != nil {
		return err
	}
	var args []string
	for key, value := range spec.SparkConf {
		args = append(args, key+"="+value)
	}
	pod := &corev1.Pod{ObjectMeta: spec.Driver.Template.ObjectMeta, Spec: spec.Driver.Template.Spec}
	pod.Name, pod.Namespace = name, app.GetNamespace()
	return w.makeDriver(pod, args, string(executor))
}
