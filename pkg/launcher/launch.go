package launcher

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Launcher is a way in which an application is launched: who makes its drivers. It is a value without state.
type Launcher interface {
	// Name is what scenarios call it.
	Name() string
	// Explain describes the driver, as "a bare Pod, which is never replaced".
	Explain(w scenario.Workload) string
	// Settings returns the settings of Spark that launch its drivers and identify them. The workload's own settings win over them.
	Settings(l Launch) map[string]string
	// Driver adds to the driver's pod what makes it run Spark, before components change it.
	Driver(pod *corev1.PodSpec, l Launch, artifacts string)
	// Launching returns what is created to launch a workload.
	Launching(d Draft) (Launching, error)
}

// Launchers returns all launchers, in the order of their names in scenarios.
func Launchers() []Launcher {
	return []Launcher{byJob{}, bySparkSubmit{}, byKubeflow(), byApache(), byAttaching{}}
}

// LauncherOf returns the launcher of a workload.
func LauncherOf(w scenario.Workload) (Launcher, error) {
	all, name := Launchers(), scenario.LauncherOf(w)
	i := slices.IndexFunc(all, func(l Launcher) bool { return l.Name() == name })
	if i < 0 {
		return nil, fmt.Errorf("workload: launcher is %q, want one of %q", name, scenario.LauncherNames())
	}
	return all[i], nil
}

// Draft is what a launcher creates drivers from.
type Draft struct {
	Launch
	Artifacts string                 // the directory in which pods find the files beside the scenario
	Driver    corev1.PodTemplateSpec // complete, with what the scenario adds to it
	Files     map[string]string      // of the ConfigMap with the pod templates; a launcher may add its own
}

// Launching is what is created to launch a workload, once its components are ready.
type Launching struct {
	Objects  []Object                    // in the order in which they are created; the last one launches the application
	Resource schema.GroupVersionResource // of an object whose kind only the cluster knows; the zero one if there is none
	Pods     []corev1.PodSpec            // those of the Objects and the drivers'
	Accounts []string                    // service accounts whose pods are no executors, so that the run's admission policy is not about them
	Workload history.WorkloadData        // by what drivers are recognised, without what is known only once they are made
}

// account is a service account with rights of its own in a run's namespace.
func account(env Environment, name string, rules []rbacv1.PolicyRule) []Object {
	frame := frame(scenario.StorageNode, env, rules)
	frame.ServiceAccount.Name, frame.Role.Name = name, name
	return []Object{frame.ServiceAccount, frame.Role, NewRoleBinding(env, name, name)}
}
