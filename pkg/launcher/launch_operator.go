package launcher

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// kindApplication is what both operators call the resource that they make drivers of.
const kindApplication = "SparkApplication"

// retryAfter is how many seconds an operator waits before it starts an application again. Without a number kubeflow's never does.
const retryAfter = 5

// Custom is a launcher that leaves the driver to an operator in the cluster.
type Custom interface {
	// Resource returns the resource from which the operator creates drivers.
	Resource() schema.GroupVersionResource
	// Operator names the operator, as "kubeflow's spark-operator".
	Operator() string
}

// Watched returns the kinds of objects that show the state of an application, in addition to those in every history.
func Watched(w scenario.Workload) []history.Watched {
	if by, err := LauncherOf(w); err == nil {
		if custom, ok := by.(Custom); ok {
			return []history.Watched{{Kind: kindApplication, Resource: custom.Resource()}}
		}
	}
	return nil
}

// Refused returns why a cluster cannot launch a workload, before any of its objects is created.
func Refused(client kubernetes.Interface, w scenario.Workload) error {
	by, err := LauncherOf(w)
	if err != nil {
		return err
	}
	custom, ok := by.(Custom)
	if !ok {
		return nil
	}
	group := custom.Resource().GroupVersion().String()
	_, err = client.Discovery().ServerResourcesForGroupVersion(group)
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("launcher %s needs %s, but the cluster serves no %s: install the operator with its CustomResourceDefinitions "+
			"and have it watch all namespaces, or write launcher: %s", by.Name(), custom.Operator(), group, scenario.LauncherJob)
	}
	if err != nil {
		return fmt.Errorf("ask the cluster for its API %s: %w", group, err)
	}
	return nil
}

// byOperator creates a SparkApplication, of which an operator makes drivers in cluster mode.
type byOperator struct {
	name     string
	operator string
	resource schema.GroupVersionResource
	// spec returns the resource's spec, by the operator's own names.
	spec func(o operated) map[string]any
}

var _ Custom = byOperator{}

// operated is what an operator needs to know about an application.
type operated struct {
	Draft
	settings         map[string]any
	driver, executor map[string]any // pod templates
	main             string
	restartPolicy    string
	retries          int64
}

// Name implements Launcher.
func (b byOperator) Name() string { return b.name }

// Resource implements Custom.
func (b byOperator) Resource() schema.GroupVersionResource { return b.resource }

// Operator implements Custom.
func (b byOperator) Operator() string { return b.operator }

// Explain implements Launcher.
func (b byOperator) Explain(w scenario.Workload) string {
	when := map[string]string{
		scenario.RestartAlways: "which starts it again whenever it has ended, also well", scenario.RestartNever: "which never starts it again",
	}[w.Driver.RestartPolicy]
	if w.Driver.RestartPolicy == scenario.RestartOnFailure {
		when = fmt.Sprintf("which starts it again at most %d times when it has failed", retriesOf(w))
	}
	return fmt.Sprintf("a Pod of %s, %s (restartPolicy %s)", b.operator, when, w.Driver.RestartPolicy)
}

func retriesOf(w scenario.Workload) int64 {
	if w.Driver.BackoffLimit == nil {
		return 0
	}
	return int64(*w.Driver.BackoffLimit)
}

// Settings implements Launcher.
func (byOperator) Settings(l Launch) map[string]string { return clusterModeSettings(l) }

// Driver implements Launcher.
func (byOperator) Driver(pod *corev1.PodSpec, _ Launch, _ string) { clusterModeDriver(pod) }

// Launching implements Launcher.
func (b byOperator) Launching(d Draft) (Launching, error) {
	settings, err := inlined(d.Settings, d.Env)
	if err != nil {
		return Launching{}, err
	}
	// The operator sets these itself.
	for _, key := range []string{deployMode, "spark.kubernetes.namespace", "spark.kubernetes.executor.podTemplateFile"} {
		delete(settings, key)
	}
	o := operated{Draft: d, settings: map[string]any{}, restartPolicy: d.Workload.Driver.RestartPolicy, retries: retriesOf(d.Workload)}
	for key, value := range settings {
		o.settings[key] = value
	}
	if o.driver, err = templateFields(&d.Driver); err != nil {
		return Launching{}, err
	}
	var executor corev1.PodTemplateSpec
	if err := yaml.Unmarshal([]byte(d.Files[templateFile]), &executor); err != nil {
		return Launching{}, fmt.Errorf("read the executors' pod template: %w", err)
	}
	if o.executor, err = templateFields(&executor); err != nil {
		return Launching{}, err
	}
	o.main = localScheme + WorkloadsJar
	if file := d.Workload.Application.Resource(); file != "" {
		o.main = located(file, d.Artifacts)
	}
	application := &unstructured.Unstructured{Object: map[string]any{"spec": b.spec(o)}}
	application.SetGroupVersionKind(b.resource.GroupVersion().WithKind(kindApplication))
	meta := ObjectMeta(d.Env, d.Workload.Application.Name)
	application.SetName(meta.Name)
	application.SetNamespace(meta.Namespace)
	application.SetLabels(meta.Labels)
	return Launching{
		Objects:  []Object{application},
		Pods:     []corev1.PodSpec{d.Driver.Spec},
		Resource: b.resource,
		Workload: history.WorkloadData{DriverKind: kindApplication, DriverName: meta.Name, DriverSelector: driverSelector()},
	}, nil
}

// templateFields returns a pod template as an operator's resource holds it.
func templateFields(template *corev1.PodTemplateSpec) (map[string]any, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(template)
	if err != nil {
		return nil, fmt.Errorf("write a pod template: %w", err)
	}
	unstructured.RemoveNestedField(fields, "metadata", "creationTimestamp")
	return fields, nil
}

// texts is a list as unstructured objects have it.
func texts(list []string) []any {
	all := make([]any, 0, len(list))
	for _, text := range list {
		all = append(all, text)
	}
	return all
}

// given returns fields without those that are empty.
func given(fields map[string]any) map[string]any {
	maps.DeleteFunc(fields, func(_ string, value any) bool {
		list, isList := value.([]any)
		return value == "" || isList && len(list) == 0
	})
	return fields
}

// createCustom creates an object of a kind that only the cluster knows. One that exists already is never changed.
func createCustom(ctx context.Context, client dynamic.Interface, resource schema.GroupVersionResource,
	object *unstructured.Unstructured) (Object, error) {
	options := metav1.CreateOptions{FieldManager: fieldManager, FieldValidation: metav1.FieldValidationStrict}
	made, err := client.Resource(resource).Namespace(object.GetNamespace()).Create(ctx, object, options)
	if err != nil {
		return nil, fmt.Errorf("create %s %s: %w", object.GetKind(), FullName(object), err)
	}
	return made, nil
}
