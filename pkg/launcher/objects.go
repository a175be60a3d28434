package launcher

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Kinds of a driver, as in scenario.Driver.
const (
	KindJob = scenario.DriverJob
	KindPod = scenario.DriverPod
)

// Names of the objects in a run's namespace.
const (
	serviceAccountName = "spark"
	roleName           = "spark-driver"
	configMapName      = "spark-conf"
	claimName          = "shared"

	claimSize = "1Gi"
)

// Objects are all objects of a run, in the order in which they are created.
type Objects struct {
	Namespace      *corev1.Namespace
	Policy         *admissionv1.ValidatingAdmissionPolicy        // of the pods that the driver may create
	PolicyBinding  *admissionv1.ValidatingAdmissionPolicyBinding // puts it in force
	ServiceAccount *corev1.ServiceAccount
	Role           *rbacv1.Role
	RoleBinding    *rbacv1.RoleBinding
	ConfigMap      *corev1.ConfigMap             // the executors' pod template
	SecretConf     *corev1.Secret                // of the workload's secret settings, whose values FillSecretConf fills in; nil if it has none
	Claim          *corev1.PersistentVolumeClaim // nil when the workload's storage is a directory on each node's own disk
	OutputJar      *corev1.ConfigMap             // of OutputReader
	Members        []Member                      // what the workload has of each component
	Launching      Launching                     // what launches the application
	Driver         corev1.PodTemplateSpec        // the driver's pod, no matter who makes it
	OutputReader   *corev1.Pod                   // to be created once the application has ended; nil if the workload names no outputs
}

// Render returns the objects for a workload whose defaults are filled in, with what it has of the given components. It is
// pure: the same arguments give the same objects. It fails with everything that is wrong with the arguments.
func Render(w scenario.Workload, env Environment, components []Component) (*Objects, error) {
	l := Launch{Workload: w, Env: env, Image: cmp.Or(w.Image, env.Image)}
	by, err := LauncherOf(w)
	if err != nil {
		return nil, err
	}
	if w.Attached() {
		return nil, errAttached
	}
	problems := append(env.problems(), workloadProblems(l, components)...)
	extensions := extensionsOf(l, components)
	l.Settings = settingsOf(by, l, extensions)
	memory, err := driverMemory(l.Settings)
	problems = append(problems, err, storageProblem(w.Storage, env))
	cpu, err := resource.ParseQuantity(w.Driver.Cores)
	if err != nil {
		problems = append(problems, fmt.Errorf("workload: driver.cores %q: want a number of cores like 0.5: %w", w.Driver.Cores, err))
	}
	jar, err := readerJar(w, env)
	problems = append(problems, err)
	members, unmade := partsOf(l, components)
	if err := errors.Join(append(problems, unmade...)...); err != nil {
		return nil, err
	}
	executor, err := executorTemplate(w, env, extensions)
	if err != nil {
		return nil, err
	}
	template, err := manifest(executor)
	if err != nil {
		return nil, err
	}
	allowed := shapeOf(executor.Spec, l.Settings)
	o := frame(w.Storage, env, rules(l.Settings))
	o.OutputJar, o.Members = jar, members
	allowed.foreignClaims = claimsOf(o.components())
	o.ConfigMap.Data = map[string]string{templateFile: string(template)}
	o.SecretConf = confSecret(w, env)
	if o.Driver, err = driverTemplate(by, l, extensions, cpu, memory); err != nil {
		return nil, err
	}
	o.Launching, err = by.Launching(Draft{Launch: l, Artifacts: artifactsOf(extensions), Driver: o.Driver, Files: o.ConfigMap.Data})
	if err != nil {
		return nil, err
	}
	if o.OutputReader, err = outputReader(l, extensions, cpu, memory); err != nil {
		return nil, err
	}
	o.Policy, o.PolicyBinding = policy(env, allowed, o.Launching.Accounts)
	o.Namespace.Labels["pod-security.kubernetes.io/enforce"] = podSecurityLevel(allowed,
		slices.Concat(podsOf(o.components()), o.Launching.Pods)...)
	return o, nil
}

// ObjectMeta names an object of the run.
func ObjectMeta(env Environment, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: env.Namespace, Labels: map[string]string{RunLabel: env.RunID}}
}

// frame returns the objects around the driver.
func frame(storage string, env Environment, rules []rbacv1.PolicyRule) *Objects {
	namespace := ObjectMeta(env, env.Namespace)
	namespace.Namespace = ""
	o := &Objects{
		Namespace: &corev1.Namespace{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
			ObjectMeta: namespace,
		},
		ServiceAccount: &corev1.ServiceAccount{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
			ObjectMeta: ObjectMeta(env, serviceAccountName),
		},
		Role: &rbacv1.Role{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"},
			ObjectMeta: ObjectMeta(env, roleName),
			Rules:      rules,
		},
		RoleBinding: NewRoleBinding(env, roleName, serviceAccountName),
		ConfigMap: &corev1.ConfigMap{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			ObjectMeta: ObjectMeta(env, configMapName),
		},
		Claim: NewClaim(claimName, storage, env),
	}
	return o
}

// NewRoleBinding gives a role to a service account.
func NewRoleBinding(env Environment, role, account string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding"},
		ObjectMeta: ObjectMeta(env, role),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: account, Namespace: env.Namespace}},
	}
}

// YAML returns the manifests in the order in which they are to be created, as kubectl apply takes them.
func (o *Objects) YAML() ([]byte, error) {
	objects := slices.Concat([]Object{o.Namespace, o.Policy, o.PolicyBinding}, o.frame(), o.components(), o.Launching.Objects)
	var all []byte
	for i, object := range objects {
		if i > 0 {
			all = append(all, "---\n"...)
		}
		one, err := manifest(object)
		if err != nil {
			return nil, err
		}
		all = append(all, one...)
	}
	return all, nil
}

// manifest writes one object without its status, which is the cluster's to say.
func manifest(object any) ([]byte, error) {
	data, err := yaml.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("write %T as YAML: %w", object, err)
	}
	var fields map[string]any
	if err := yaml.Unmarshal(data, &fields); err != nil {
		return nil, fmt.Errorf("read %T as YAML: %w", object, err)
	}
	delete(fields, "status")
	return yaml.Marshal(fields)
}

// frame returns what the driver needs in its namespace, in the order in which it is to be created.
func (o *Objects) frame() []Object {
	objects := []Object{o.ServiceAccount, o.Role, o.RoleBinding, o.ConfigMap}
	if o.SecretConf != nil {
		objects = append(objects, o.SecretConf)
	}
	if o.Claim != nil {
		objects = append(objects, o.Claim)
	}
	if o.OutputJar != nil {
		objects = append(objects, o.OutputJar)
	}
	return objects
}

// components returns the objects around the driver, in the order in which they are to be created.
func (o *Objects) components() []Object {
	var objects []Object
	for _, member := range o.Members {
		objects = append(objects, member.Part.Objects()...)
	}
	return objects
}

// podsOf returns the pods that objects make.
func podsOf(objects []Object) []corev1.PodSpec {
	var pods []corev1.PodSpec
	for _, object := range objects {
		switch o := object.(type) {
		case *corev1.Pod:
			pods = append(pods, o.Spec)
		case *appsv1.Deployment:
			pods = append(pods, o.Spec.Template.Spec)
		case *appsv1.StatefulSet:
			pods = append(pods, o.Spec.Template.Spec)
		case *appsv1.DaemonSet:
			pods = append(pods, o.Spec.Template.Spec)
		case *batchv1.Job:
			pods = append(pods, o.Spec.Template.Spec)
		}
	}
	return pods
}

// claimsOf returns the names of the volume claims among objects.
func claimsOf(objects []Object) []string {
	var names []string
	for _, object := range objects {
		if claim, ok := object.(*corev1.PersistentVolumeClaim); ok {
			names = append(names, claim.Name)
		}
	}
	slices.Sort(names)
	return names
}

// driverProblems returns what is impossible in a driver that the harness makes.
func driverProblems(w scenario.Workload) []error {
	kind, policy := w.Driver.Kind, batchv1.PodReplacementPolicy(w.Driver.PodReplacementPolicy)
	switch {
	case scenario.LauncherOf(w) != scenario.LauncherJob:
		return nil
	case kind != KindJob && kind != KindPod:
		return []error{fmt.Errorf("workload: driver.kind is %q, want %s or %s", kind, KindJob, KindPod)}
	case kind == KindJob && !slices.Contains([]batchv1.PodReplacementPolicy{"", batchv1.TerminatingOrFailed, batchv1.Failed}, policy):
		return []error{fmt.Errorf("workload: driver.podReplacementPolicy is %q, want %s or %s", policy, batchv1.TerminatingOrFailed,
			batchv1.Failed)}
	default:
		return nil
	}
}

// workloadProblems returns what is missing or impossible in a workload. What a scenario may write at all is checked
// where scenarios are loaded.
func workloadProblems(l Launch, components []Component) []error {
	w, env := l.Workload, l.Env
	var problems []error
	wrong := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("workload: "+format, args...))
	}
	for _, reason := range validation.IsDNS1123Label(w.Application.Name + "-driver") {
		wrong("application.name %q cannot name the driver: %s", w.Application.Name, reason)
	}
	if a := w.Application; a.Language() == scenario.Java && a.MainClass == "" {
		wrong("application.mainClass is missing: name the Java class whose main is run")
	} else if a.Language() == "" {
		wrong("application.main is %q: want a jar, a Python file, an R file or a SQL script", a.Resource())
	}
	if l.Image == "" {
		wrong("image is missing: neither the workload nor the environment names one")
	}
	problems = append(problems, driverProblems(w)...)
	if w.Executors.Instances < 1 || w.Executors.Cores < 1 {
		wrong("executors are %d with %d cores, want at least 1 each", w.Executors.Instances, w.Executors.Cores)
	}
	if _, err := parseMemory(w.Executors.Memory); err != nil {
		wrong("executors.memory: %w", err)
	}
	if _, err := resource.ParseQuantity(w.Executors.RequestCores); err != nil {
		wrong("executors.requestCores %q: want a number of cores like 0.5: %w", w.Executors.RequestCores, err)
	}
	for _, component := range components {
		problems = append(problems, component.Validate(l)...)
	}
	if n := w.Driver.NodeName; n != "" && len(env.Nodes) > 0 && !slices.Contains(env.Nodes, n) {
		wrong("driver.nodeName is %q, which is none of the cluster's nodes %q", n, env.Nodes)
	}
	return problems
}
