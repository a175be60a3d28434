package launcher_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/version"
	celenvironment "k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	. "github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// admission judges requests as an API server of the first release that has policies would.
type admission struct {
	t       *testing.T
	objects *Objects
	env     *cel.Env
}

func newAdmission(t *testing.T, w scenario.Workload, e Environment) admission {
	t.Helper()
	o, err := Render(w, e, components.All())
	if err != nil {
		t.Fatal(err)
	}
	first := version.MajorMinor(1, 30)
	set, err := celenvironment.MustBaseEnvSet(first).Extend(celenvironment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions: []cel.EnvOption{
			cel.Variable("object", cel.DynType), cel.Variable("oldObject", cel.DynType),
			cel.Variable("request", cel.DynType), cel.Variable("variables", cel.MapType(cel.StringType, cel.DynType)),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	env, err := set.Env(celenvironment.NewExpressions)
	if err != nil {
		t.Fatal(err)
	}
	return admission{t: t, objects: o, env: env}
}

func (a admission) eval(expression string, input map[string]any) (any, error) {
	a.t.Helper()
	ast, issues := a.env.Compile(expression)
	if issues.Err() != nil {
		a.t.Fatalf("%s: %v", expression, issues.Err())
	}
	program, err := a.env.Program(ast, cel.CostLimit(1_000_000)) // the API server's for one expression
	if err != nil {
		a.t.Fatalf("%s: %v", expression, err)
	}
	value, _, err := program.Eval(input)
	if err != nil {
		return nil, err
	}
	return value.Value(), nil
}

// refusals are the messages of the validations that a request does not pass; nil if it does, or does not match.
func (a admission) refusals(user string, object, old *corev1.Pod) []string {
	a.t.Helper()
	unstructured := func(pod *corev1.Pod) any {
		if pod == nil {
			return nil
		}
		encoded, err := json.Marshal(pod)
		if err != nil {
			a.t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(encoded, &fields); err != nil {
			a.t.Fatal(err)
		}
		return fields
	}
	operation := "CREATE"
	if old != nil {
		operation = "UPDATE"
	}
	variables := map[string]any{}
	input := map[string]any{
		"object": unstructured(object), "oldObject": unstructured(old), "variables": variables,
		"request": map[string]any{"operation": operation, "userInfo": map[string]any{"username": user}},
	}
	spec := a.objects.Policy.Spec
	for _, condition := range spec.MatchConditions {
		if matches, err := a.eval(condition.Expression, input); err != nil || matches != true {
			if err != nil {
				a.t.Errorf("%s: %v", condition.Name, err)
			}
			return nil
		}
	}
	for _, variable := range spec.Variables {
		value, err := a.eval(variable.Expression, input)
		if err != nil {
			a.t.Errorf("variable %s: %v", variable.Name, err)
		}
		variables[variable.Name] = value
	}
	var refused []string
	for _, validation := range spec.Validations {
		holds, err := a.eval(validation.Expression, input)
		if err != nil {
			a.t.Errorf("%s: %v", validation.Expression, err)
		}
		if holds != true {
			refused = append(refused, validation.Message)
		}
	}
	return refused
}

// executor is a pod as Spark makes it from the template, with what the API server adds.
func (a admission) executor() *corev1.Pod {
	a.t.Helper()
	var pod corev1.Pod
	if err := yaml.Unmarshal([]byte(a.objects.ConfigMap.Data[TemplateFile]), &pod); err != nil {
		a.t.Fatal(err)
	}
	pod.Name, pod.Namespace = "wordcount-driver-abcde-exec-1", a.objects.Namespace.Name
	pod.Labels["spark-role"], pod.Labels["spark-exec-id"] = "executor", "1"
	pod.Spec.RestartPolicy, pod.Spec.ServiceAccountName, pod.Spec.DNSPolicy = corev1.RestartPolicyNever, "default", corev1.DNSClusterFirst
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{}
	pod.Spec.Tolerations = append(pod.Spec.Tolerations,
		corev1.Toleration{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute,
			TolerationSeconds: pointer[int64](300)},
		corev1.Toleration{Key: corev1.TaintNodeMemoryPressure, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule})
	c := &pod.Spec.Containers[0]
	c.Image, c.Args = "image", []string{"executor"}
	c.Env = append(c.Env, corev1.EnvVar{Name: "SPARK_EXECUTOR_ID", Value: "1"}, FieldVariable("SPARK_EXECUTOR_POD_IP", "status.podIP"))
	c.Ports = []corev1.ContainerPort{{Name: "blockmanager", ContainerPort: 7079}}
	if pod.Spec.HostNetwork {
		c.Ports[0].HostPort = 7079
	}
	local := corev1.Volume{Name: "spark-local-dir-1", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
	pod.Spec.Volumes = append(pod.Spec.Volumes, local)
	return &pod
}

const driverAccount = "system:serviceaccount:run-1:spark"

func TestThePolicyAcceptsExecutors(t *testing.T) {
	t.Parallel()
	shuffle := wordCount()
	shuffle.ShuffleService = scenario.ShuffleService{Enabled: true, LocalDirectory: scenario.LocalDirectoryNode}
	local := wordCount()
	local.Storage = scenario.StorageNode
	for name, w := range map[string]scenario.Workload{"plain": wordCount(), "staged": stagedWordCount(), "shuffle": shuffle, "node": local} {
		env := environment()
		env.NodeDirectory = "/var/lib/node"
		a := newAdmission(t, w, env)
		pod := a.executor()
		if name == "shuffle" {
			pod.Spec.Volumes[len(pod.Spec.Volumes)-1].VolumeSource = ExistingDirectory(env.ShuffleDirectory)
		}
		if refused := a.refusals(driverAccount, pod, nil); refused != nil {
			t.Errorf("%s: an executor is refused: %q", name, refused)
		}
		ended := pod.DeepCopy()
		ended.Labels["spark-exec-inactive"] = "true"
		pod.Spec.NodeName, ended.Spec.NodeName = "worker-1", "worker-1" // as the scheduler decided
		if refused := a.refusals(driverAccount, ended, pod); refused != nil {
			t.Errorf("%s: a label is refused: %q", name, refused)
		}
	}
}

func TestThePolicyAcceptsWhatSettingsAskFor(t *testing.T) {
	t.Parallel()
	w := wordCount()
	w.Conf = plainConf(map[string]string{
		"spark.kubernetes.executor.volumes.hostPath.a.options.path":                   "/data",
		"spark.kubernetes.executor.volumes.persistentVolumeClaim.b.options.claimName": "OnDemand",
		"spark.kubernetes.executor.secrets.mine":                                      "/etc/mine",
		"spark.kubernetes.executor.secretKeyRef.TOKEN":                                "yours:token",
		"spark.kubernetes.authenticate.executor.serviceAccountName":                   "exec",
	})
	a := newAdmission(t, w, environment())
	pod := a.executor()
	pod.Spec.ServiceAccountName = "exec"
	pod.Spec.Volumes = append(pod.Spec.Volumes,
		corev1.Volume{Name: "a", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/data"}}},
		corev1.Volume{Name: "b", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "exec-1-pvc-0"},
		}},
		corev1.Volume{Name: "c", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "mine"}}})
	pod.Spec.Containers[0].Env = append(pod.Spec.Containers[0].Env, corev1.EnvVar{Name: "TOKEN", ValueFrom: &corev1.EnvVarSource{
		SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "yours"}, Key: "token"}}})
	if refused := a.refusals(driverAccount, pod, nil); refused != nil {
		t.Errorf("refused: %q", refused)
	}
}

func TestThePolicyRefusesWhatWouldReachTheNode(t *testing.T) {
	t.Parallel()
	yes := true
	unmasked := corev1.UnmaskedProcMount
	secret := func(name string) corev1.VolumeSource {
		return corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: name}}
	}
	volume := func(source corev1.VolumeSource) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "more", VolumeSource: source})
		}
	}
	context := func(c *corev1.SecurityContext) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Spec.Containers[0].SecurityContext = c }
	}
	sidecar := func(c corev1.Container) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Spec.InitContainers = append(p.Spec.InitContainers, c) }
	}
	env := func(e corev1.EnvVar) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Spec.Containers[0].Env = append(p.Spec.Containers[0].Env, e) }
	}
	tolerate := func(t corev1.Toleration) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Spec.Tolerations = append(p.Spec.Tolerations, t) }
	}
	projected := func(source corev1.VolumeProjection) corev1.VolumeSource {
		return corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{source}}}
	}
	claim := func(name string) corev1.VolumeSource {
		return corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name}}
	}
	keyOf := func(name string) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: name},
			Key: "k"}}
	}
	w := stagedWordCount()
	w.StagingServer.URL, w.StagingServer.Credentials = "s3://bucket", []string{"AWS_SECRET"}
	w.Conf = map[string]scenario.ConfValue{"spark.hadoop.fs.s3a.secret.key": {FromEnv: "S"}}
	a := newAdmission(t, w, environment())
	for name, change := range map[string]func(*corev1.Pod){
		"privileged":   context(&corev1.SecurityContext{Privileged: &yes}),
		"capability":   context(&corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_ADMIN"}}}),
		"proc":         context(&corev1.SecurityContext{ProcMount: &unmasked}),
		"seccomp":      context(&corev1.SecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}}),
		"AppArmor":     context(&corev1.SecurityContext{AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}}),
		"SELinux":      context(&corev1.SecurityContext{SELinuxOptions: &corev1.SELinuxOptions{Type: "spc_t"}}),
		"host process": context(&corev1.SecurityContext{WindowsOptions: &corev1.WindowsSecurityContextOptions{HostProcess: &yes}}),
		"pod's seccomp": func(p *corev1.Pod) {
			p.Spec.SecurityContext.SeccompProfile = &corev1.SeccompProfile{Type: "Unconfined"}
		},
		"sysctl":               func(p *corev1.Pod) { p.Spec.SecurityContext.Sysctls = []corev1.Sysctl{{Name: "a", Value: "b"}} },
		"privileged init":      sidecar(corev1.Container{Name: "x", SecurityContext: &corev1.SecurityContext{Privileged: &yes}}),
		"host PID":             func(p *corev1.Pod) { p.Spec.HostPID = true },
		"host IPC":             func(p *corev1.Pod) { p.Spec.HostIPC = true },
		"host network":         func(p *corev1.Pod) { p.Spec.HostNetwork = true },
		"host port":            func(p *corev1.Pod) { p.Spec.Containers[0].Ports[0].HostPort = 80 },
		"root of the node":     volume(corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}),
		"above the witness":    volume(corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/var/lib/sparkchaos"}}),
		"below the witness":    volume(corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/var/lib/sparkchaos/run-1/.."}}),
		"credentials":          volume(secret("staging-credentials")),
		"secret settings":      volume(secret(ConfSecretName)),
		"projected secret":     volume(projected(corev1.VolumeProjection{Secret: &corev1.SecretProjection{}})),
		"projected token":      volume(projected(corev1.VolumeProjection{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{}})),
		"another claim":        volume(claim("witness")),
		"CSI":                  volume(corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{Driver: "d"}}),
		"NFS":                  volume(corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{Server: "s", Path: "/"}}),
		"variable of a secret": env(corev1.EnvVar{Name: "A", ValueFrom: keyOf(ConfSecretName)}),
		"all of a secret": func(p *corev1.Pod) {
			p.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{
				SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "staging-credentials"}},
			}}
		},
		"init variable": sidecar(corev1.Container{Name: "x",
			Env: []corev1.EnvVar{{Name: "A", ValueFrom: keyOf("staging-credentials")}}}),
		"tolerates all": tolerate(corev1.Toleration{Operator: corev1.TolerationOpExists}),
		"control plane": tolerate(corev1.Toleration{Key: "node-role.kubernetes.io/control-plane",
			Effect: corev1.TaintEffectNoSchedule}),
		"all of unreachable":      tolerate(corev1.Toleration{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists}),
		"node":                    func(p *corev1.Pod) { p.Spec.NodeName = "control-plane" },
		"the driver's account":    func(p *corev1.Pod) { p.Spec.ServiceAccountName = ServiceAccountName },
		"the server's account":    func(p *corev1.Pod) { p.Spec.ServiceAccountName = "staging" },
		"a token":                 func(p *corev1.Pod) { p.Spec.AutomountServiceAccountToken = &yes },
		"a token by default":      func(p *corev1.Pod) { p.Spec.AutomountServiceAccountToken = nil },
		"another run":             func(p *corev1.Pod) { p.Labels[RunLabel] = "other" },
		"no labels":               func(p *corev1.Pod) { p.Labels = nil },
		"a staging server":        func(p *corev1.Pod) { p.Labels[RoleLabel] = scenario.OfStagingServer },
		"a witness":               func(p *corev1.Pod) { p.Labels[RoleLabel] = "witness" },
		"part of the system":      func(p *corev1.Pod) { p.Spec.PriorityClassName = "system-node-critical" },
		"a probe by another name": func(p *corev1.Pod) { p.Name, p.Labels = "x", nil },
	} {
		pod := a.executor()
		change(pod)
		if refused := a.refusals(driverAccount, pod, nil); len(refused) != 1 {
			t.Errorf("%s: refused by %q, want one reason", name, refused)
		}
		if refused := a.refusals("admin", pod, nil); refused != nil {
			t.Errorf("%s by somebody else: refused: %q", name, refused)
		}
	}
	for name, change := range map[string]func(now, old *corev1.Pod){
		"image": func(now, _ *corev1.Pod) { now.Spec.Containers[0].Image = "other" },
		"toleration": func(now, _ *corev1.Pod) {
			now.Spec.Tolerations = append(now.Spec.Tolerations, corev1.Toleration{Operator: corev1.TolerationOpExists})
		},
		"becomes a witness": func(now, _ *corev1.Pod) { now.Labels[RoleLabel] = "witness" },
		"becomes a driver":  func(now, _ *corev1.Pod) { now.Labels[RoleLabel] = RoleDriver },
		"loses the run":     func(now, _ *corev1.Pod) { delete(now.Labels, RunLabel) },
		"a witness":         func(now, old *corev1.Pod) { now.Labels[RoleLabel], old.Labels[RoleLabel] = "witness", "witness" },
	} {
		now, old := a.executor(), a.executor()
		change(now, old)
		if refused := a.refusals(driverAccount, now, old); len(refused) == 0 {
			t.Errorf("change of %s: accepted", name)
		}
	}
	if refused := a.refusals("admin", &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: PolicyProbe},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c"}}}}, nil); refused == nil {
		t.Error("the probe is accepted, so nobody sees that the policy is in force")
	}
}

func TestThePolicyIsOfOneRun(t *testing.T) {
	t.Parallel()
	o := render(t, wordCount())
	want := map[string]string{corev1.LabelMetadataName: "run-1"}
	if diff := cmp.Diff(want, o.Policy.Spec.MatchConstraints.NamespaceSelector.MatchLabels); diff != "" {
		t.Error(diff)
	}
	if o.PolicyBinding.Spec.PolicyName != o.Policy.Name || o.Policy.Labels[RunLabel] != environment().RunID ||
		o.PolicyBinding.Labels[RunLabel] != environment().RunID {
		t.Errorf("policy %+v, binding %+v", o.Policy.ObjectMeta, o.PolicyBinding)
	}
	a := newAdmission(t, wordCount(), environment())
	pod := a.executor()
	pod.Spec.HostPID = true
	for _, user := range []string{"system:serviceaccount:run-1-base:spark", "system:serviceaccount:kube-system:job-controller"} {
		if refused := a.refusals(user, pod, nil); refused != nil {
			t.Errorf("%s: %q", user, refused)
		}
	}
}

func TestPodSecurityIsAsStrictAsThePodsAllow(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*scenario.Workload, *Environment)
		want   string
	}{
		"the witness's directory": {func(*scenario.Workload, *Environment) {}, "privileged"},
		"nothing of the node":     {func(_ *scenario.Workload, e *Environment) { e.Witness.Directory = "" }, "baseline"},
		"the node's storage": {func(w *scenario.Workload, e *Environment) {
			e.Witness.Directory, e.NodeDirectory, w.Storage = "", "/var/lib/node", scenario.StorageNode
		}, "privileged"},
		"the shuffle service": {func(w *scenario.Workload, e *Environment) {
			e.Witness.Directory, w.ShuffleService.Enabled = "", true
		}, "privileged"},
		"a setting": {func(w *scenario.Workload, e *Environment) {
			e.Witness.Directory = ""
			w.Conf = plainConf(map[string]string{"spark.kubernetes.executor.volumes.hostPath.a.options.path": "/data"})
		}, "privileged"},
	} {
		w, env := wordCount(), environment()
		tc.change(&w, &env)
		o, err := Render(w, env, components.All())
		if err != nil {
			t.Fatal(err)
		}
		if got := o.Namespace.Labels["pod-security.kubernetes.io/enforce"]; got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

func TestThePolicyComesAndGoes(t *testing.T) {
	t.Parallel()
	client := withUIDs(fake.NewClientset())
	env := environment()
	env.RunID = env.Namespace
	o, err := Render(wordCount(), env, components.All())
	if err != nil {
		t.Fatal(err)
	}
	if err := ApplyPolicy(t.Context(), client, o); err != nil {
		t.Fatal(err)
	}
	left, err := ClusterScopedLeft(t.Context(), client, env.RunID)
	if err != nil || len(left) != 2 {
		t.Errorf("left are %v, %v; want policy and binding", left, err)
	}
	if left, err := ClusterScopedLeft(t.Context(), client, "other"); err != nil || left != nil {
		t.Errorf("of another run %v, %v are left", left, err)
	}
	for range 2 { // the second finds nothing
		if err := DeleteClusterScoped(t.Context(), client, env.RunID); err != nil {
			t.Error(err)
		}
	}
	if left, err := ClusterScopedLeft(t.Context(), client, env.RunID); err != nil || left != nil {
		t.Errorf("%v, %v are left", left, err)
	}
	o.Policy.Labels[RunLabel], o.PolicyBinding.Labels[RunLabel] = "other", "other"
	if err := ApplyPolicy(t.Context(), client, o); err != nil {
		t.Fatal(err)
	}
	if err := DeleteClusterScoped(t.Context(), client, env.RunID); err == nil || !strings.Contains(err.Error(), "belongs to run other") {
		t.Errorf("%v, want that another run's policy is left alone", err)
	}
}

func TestWithoutThePermissionItIsTold(t *testing.T) {
	t.Parallel()
	resource := schema.GroupResource{Group: "admissionregistration.k8s.io", Resource: "validatingadmissionpolicies"}
	for _, refusal := range []error{
		apierrors.NewForbidden(resource, "p", errors.New("no")), apierrors.NewNotFound(resource, ""),
		apierrors.NewInternalError(errors.New("broken")),
	} {
		client := fake.NewClientset()
		client.PrependReactor("*", "validatingadmissionpolicies", func(k8stesting.Action) (bool, runtime.Object, error) {
			return true, nil,
				refusal
		})
		client.PrependReactor("*", "validatingadmissionpolicybindings",
			func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, refusal })
		var unrestricted *UnrestrictedError
		err := ApplyPolicy(t.Context(), client, render(t, wordCount()))
		if known := !apierrors.IsInternalError(refusal); errors.As(err, &unrestricted) != known {
			t.Errorf("%v ends in %v", refusal, err)
		}
		if err := DeleteClusterScoped(t.Context(), client, "run-1"); (err != nil) != apierrors.IsInternalError(refusal) {
			t.Errorf("%v: the clean-up ends in %v", refusal, err)
		}
	}
}

func TestItIsWaitedUntilThePolicyRefuses(t *testing.T) {
	t.Parallel()
	o := render(t, wordCount())
	client := fake.NewClientset()
	asked := 0
	client.PrependReactor("create", "pods", func(action k8stesting.Action) (bool, runtime.Object, error) {
		asked++
		options := action.(k8stesting.CreateActionImpl).GetCreateOptions()
		if !slices.Equal(options.DryRun, []string{metav1.DryRunAll}) {
			t.Errorf("a pod is made: %+v", options)
		}
		if asked < 3 {
			return true, &corev1.Pod{}, nil
		}
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, PolicyProbe,
			fmt.Errorf("ValidatingAdmissionPolicy '%s' with binding '%s' denied request: no", o.Policy.Name, o.Policy.Name))
	})
	if err := AwaitPolicy(t.Context(), client, o); err != nil || asked != 3 {
		t.Errorf("%v after %d tries", err, asked)
	}
}

func TestPriorityClassesOfARunGoWithIt(t *testing.T) {
	t.Parallel()
	class := func(name, run string) *schedulingv1.PriorityClass {
		return &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: name, UID: "uid-of-" + types.UID(name),
			Labels: map[string]string{RunLabel: run}}}
	}
	client := fake.NewClientset(class("mine", "run-1"), class("others", "run-2"))
	left, err := ClusterScopedLeft(t.Context(), client, "run-1")
	if err != nil || len(left) != 1 || left[0].Name != "mine" || left[0].Kind != "PriorityClass" {
		t.Errorf("left are %v, %v; want the run's own class", left, err)
	}
	if err := DeleteClusterScoped(t.Context(), client, "run-1"); err != nil {
		t.Fatal(err)
	}
	all, err := client.SchedulingV1().PriorityClasses().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(all.Items) != 1 || all.Items[0].Name != "others" {
		t.Errorf("there are %v, %v; want the other run's class alone", all, err)
	}
}
