package launcher

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// The driver may create pods, and the code that it runs is the workload's. Without more, that code could become root on
// every node by a privileged pod. A ValidatingAdmissionPolicy of the run keeps what the run's service accounts create to
// the shape of the executors' template.
const (
	policyPrefix = "sparkchaos-"
	// policyProbe is the name of the pod by which it is seen that a policy is in force. It is never made.
	policyProbe = "sparkchaos-policy-probe"

	policyTimeout = 20 * time.Second
	policyPoll    = 200 * time.Millisecond
)

// policyName is that of the policy and of its binding, for the namespace of a run.
func policyName(namespace string) string { return policyPrefix + namespace }

// shape is what the executors of a workload may have.
type shape struct {
	hostPaths []string
	claims    []string
	anyClaim  bool // Spark makes claims, whose names nobody knows beforehand
	// foreignClaims are those of the components, which executors may not have even then.
	foreignClaims []string
	nfs           bool
	exports       []corev1.NFSVolumeSource // of the template
	secrets       []string
	accounts      []string
	tolerations   []corev1.Toleration
	hostNetwork   bool
}

// shapeOf reads what executors may have from their template, and from the settings by which Spark adds to it.
func shapeOf(template corev1.PodSpec, settings map[string]string) shape {
	s := shape{tolerations: template.Tolerations, hostNetwork: template.HostNetwork, accounts: []string{"default"}}
	if template.ServiceAccountName != "" {
		s.accounts = append(s.accounts, template.ServiceAccountName)
	}
	for _, v := range template.Volumes {
		switch {
		case v.HostPath != nil:
			s.hostPaths = append(s.hostPaths, v.HostPath.Path)
		case v.PersistentVolumeClaim != nil:
			s.claims = append(s.claims, v.PersistentVolumeClaim.ClaimName)
		case v.Secret != nil:
			s.secrets = append(s.secrets, v.Secret.SecretName)
		case v.NFS != nil:
			s.exports = append(s.exports, *v.NFS)
		case v.Projected != nil:
			for _, source := range v.Projected.Sources {
				if source.Secret != nil {
					s.secrets = append(s.secrets, source.Secret.Name)
				}
			}
		}
	}
	for _, c := range slices.Concat(template.InitContainers, template.Containers) {
		for _, from := range c.EnvFrom {
			if from.SecretRef != nil {
				s.secrets = append(s.secrets, from.SecretRef.Name)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				s.secrets = append(s.secrets, e.ValueFrom.SecretKeyRef.Name)
			}
		}
	}
	for key, value := range settings {
		s.add(key, value)
	}
	for _, names := range []*[]string{&s.hostPaths, &s.claims, &s.secrets, &s.accounts} {
		slices.Sort(*names)
		*names = slices.Compact(*names)
	}
	return s
}

// add adds what a setting makes Spark put into executors.
func (s *shape) add(key, value string) {
	const executor = "spark.kubernetes.executor."
	switch volume, isVolume := strings.CutPrefix(key, executor+"volumes."); {
	case isVolume && strings.HasPrefix(volume, "hostPath.") && strings.HasSuffix(volume, ".options.path"):
		s.hostPaths = append(s.hostPaths, value)
	case isVolume && strings.HasPrefix(volume, "persistentVolumeClaim.") && strings.HasSuffix(volume, ".options.claimName"):
		s.anyClaim = s.anyClaim || value == "OnDemand" || strings.Contains(value, "SPARK_EXECUTOR_ID")
		s.claims = append(s.claims, value)
	case isVolume && strings.HasPrefix(volume, "nfs."):
		s.nfs = true
	case strings.HasPrefix(key, executor+"secrets."):
		s.secrets = append(s.secrets, strings.TrimPrefix(key, executor+"secrets."))
	case strings.HasPrefix(key, executor+"secretKeyRef."):
		name, _, _ := strings.Cut(value, ":")
		s.secrets = append(s.secrets, name)
	case key == "spark.kubernetes.authenticate.executor.serviceAccountName", key == "spark.kubernetes.authenticate.driver.serviceAccountName":
		s.accounts = append(s.accounts, value)
	}
}

// policy returns the policy for a run and what binds it. It is not about what the trusted service accounts create, which run none of the
// workload's code.
func policy(env Environment, s shape, trusted []string) (*admissionv1.ValidatingAdmissionPolicy,
	*admissionv1.ValidatingAdmissionPolicyBinding) {
	fail, equivalent := admissionv1.Fail, admissionv1.Equivalent
	meta := ObjectMeta(env, policyName(env.Namespace))
	meta.Namespace = ""
	p := &admissionv1.ValidatingAdmissionPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "ValidatingAdmissionPolicy"},
		ObjectMeta: meta,
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy: &fail,
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: env.Namespace}},
				MatchPolicy:       &equivalent,
				ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
					Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
				}}},
			},
			MatchConditions: []admissionv1.MatchCondition{{
				Name:       "of-the-run",
				Expression: fmt.Sprintf("%s || object.metadata.?name.orValue('') == %q", ofTheRun(env, trusted), policyProbe),
			}},
			Variables: []admissionv1.Variable{
				{Name: "run", Expression: "object.metadata.?labels[?" + strconv.Quote(RunLabel) + "].orValue('')"},
				{Name: "role", Expression: "object.metadata.?labels[?" + strconv.Quote(RoleLabel) + "].orValue('')"},
				{Name: "containers", Expression: "object.spec.containers + object.spec.?initContainers.orValue([])"},
				{Name: "volumes", Expression: "object.spec.?volumes.orValue([])"},
			},
			Validations: s.validations(env.RunID),
		},
	}
	meta.Labels = maps.Clone(meta.Labels)
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "ValidatingAdmissionPolicyBinding"},
		ObjectMeta: meta,
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: p.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		},
	}
	return p, binding
}

// ofTheRun is the expression for a request of a service account of the run, other than the trusted ones.
func ofTheRun(env Environment, trusted []string) string {
	prefix := "system:serviceaccount:" + env.Namespace + ":"
	expression := fmt.Sprintf("request.userInfo.username.startsWith(%q)", prefix)
	if len(trusted) == 0 {
		return expression
	}
	names := make([]string, 0, len(trusted))
	for _, name := range trusted {
		names = append(names, prefix+name)
	}
	return fmt.Sprintf("(%s && !(request.userInfo.username in %s))", expression, list(names...))
}

// validations are what a pod must be like. Of an existing pod only labels and annotations may change.
func (s shape) validations(runID string) []admissionv1.Validation {
	var all []admissionv1.Validation
	on := func(operation, expression, message string) {
		all = append(all, admissionv1.Validation{
			Expression: fmt.Sprintf("request.operation != '%s' || (%s)", operation, expression), Message: message,
		})
	}
	create := func(expression, message string) { on("CREATE", expression, message) }
	update := func(expression, message string) { on("UPDATE", expression, message) }

	create(fmt.Sprintf("variables.run == %q && variables.role == %q", runID, RoleExecutor),
		"the driver creates executors with the labels of the run alone")
	update(fmt.Sprintf("variables.run == %q && variables.role in %s && oldObject.metadata.?labels[?%q].orValue('') == variables.role",
		runID, list(RoleDriver, RoleExecutor), RoleLabel), "the driver changes drivers and executors alone, and keeps the labels of the run")
	update("object.spec == oldObject.spec", "the driver changes labels and annotations of pods alone")

	host := "!object.spec.?hostPID.orValue(false) && !object.spec.?hostIPC.orValue(false)"
	if !s.hostNetwork {
		host += " && !object.spec.?hostNetwork.orValue(false)" +
			" && variables.containers.all(c, c.?ports.orValue([]).all(p, p.?hostPort.orValue(0) == 0))"
	}
	create(host, "executors have no namespace of their node, other than those of the template")
	confined := func(of string) string {
		return fmt.Sprintf("%[1]s.?seccompProfile.?type.orValue('') != 'Unconfined' && %[1]s.?appArmorProfile.?type.orValue('') != 'Unconfined'"+
			" && !%[1]s.?seLinuxOptions.hasValue() && !%[1]s.?windowsOptions.?hostProcess.orValue(false)", of)
	}
	create("variables.containers.all(c, !c.?securityContext.?privileged.orValue(false)"+
		" && size(c.?securityContext.?capabilities.?add.orValue([])) == 0 && c.?securityContext.?procMount.orValue('Default') == 'Default'"+
		" && "+confined("c.?securityContext")+")", "containers of executors are not privileged and add no capability")
	create(confined("object.spec.?securityContext")+" && size(object.spec.?securityContext.?sysctls.orValue([])) == 0",
		"executors are confined as other pods are")
	create("variables.volumes.all(v, "+s.volumes()+")", "executors have the volumes of the template alone")
	create(fmt.Sprintf("variables.containers.all(c, c.?env.orValue([]).all(e, !e.?valueFrom.?secretKeyRef.hasValue() || "+
		"e.valueFrom.secretKeyRef.name in %[1]s)"+
		" && c.?envFrom.orValue([]).all(e, !e.?secretRef.hasValue() || e.secretRef.name in %[1]s))", list(s.secrets...)),
		"executors read the Secrets of the template alone")
	create("object.spec.?tolerations.orValue([]).all(t, "+s.tolerated()+")", "executors tolerate what the template tolerates alone")
	create("object.spec.?nodeName.orValue('') == ''", "the scheduler chooses the nodes of executors")
	create(fmt.Sprintf("object.spec.?serviceAccountName.orValue('default') in %s && "+
		"!object.spec.?automountServiceAccountToken.orValue(true)", list(s.accounts...)),
		"executors have the service account of the template, and no token")
	create("!object.spec.?priorityClassName.orValue('').startsWith('system-')", "executors are no part of the system")
	return all
}

// volumes is the expression for a volume v that an executor may have.
func (s shape) volumes() string {
	claim := "v.persistentVolumeClaim.claimName in " + list(s.claims...)
	if s.anyClaim {
		claim = "!(v.persistentVolumeClaim.claimName in " + list(s.foreignClaims...) + ")"
	}
	may := []string{
		"has(v.emptyDir)", "has(v.configMap)", "has(v.downwardAPI)",
		"has(v.hostPath) && v.hostPath.path in " + list(s.hostPaths...),
		"has(v.persistentVolumeClaim) && " + claim,
		"has(v.secret) && v.secret.?secretName.orValue('') in " + list(s.secrets...),
		"has(v.projected) && v.projected.?sources.orValue([]).all(p, has(p.configMap) || has(p.downwardAPI)" +
			" || has(p.secret) && p.secret.?name.orValue('') in " + list(s.secrets...) + ")",
	}
	for _, export := range s.exports {
		may = append(may, fmt.Sprintf("has(v.nfs) && v.nfs.server == %q && v.nfs.path == %q", export.Server, export.Path))
	}
	if s.nfs {
		may = append(may, "has(v.nfs)")
	}
	return strings.Join(may, " || ")
}

// tolerated is the expression for a toleration t that an executor may have. Kubernetes itself adds those for nodes that
// are silent, and for nodes short of memory.
func (s shape) tolerated() string {
	may := []string{
		fmt.Sprintf("t.?key.orValue('') in %s && t.?effect.orValue('') == 'NoExecute'",
			list(corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable)),
		fmt.Sprintf("t.?key.orValue('') == %q && t.?effect.orValue('') == 'NoSchedule'", corev1.TaintNodeMemoryPressure),
	}
	for _, t := range s.tolerations {
		if t.Key != corev1.TaintNodeNotReady && t.Key != corev1.TaintNodeUnreachable {
			may = append(may, fmt.Sprintf("t.?key.orValue('') == %q && t.?effect.orValue('') == %q && t.?value.orValue('') == %q", t.Key, t.Effect,
				t.Value))
		}
	}
	return strings.Join(may, " || ")
}

// list is a list of texts in CEL.
func list(texts ...string) string {
	quoted := make([]string, 0, len(texts))
	for _, text := range texts {
		quoted = append(quoted, strconv.Quote(text))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// podSecurityLevel is the strictest level of Kubernetes' Pod Security Standards that pods can have: baseline unless
// one of them uses a directory, the network or a port of its node.
func podSecurityLevel(s shape, pods ...corev1.PodSpec) string {
	const privileged, baseline = "privileged", "baseline"
	if len(s.hostPaths) > 0 || s.hostNetwork {
		return privileged
	}
	for _, pod := range pods {
		if pod.HostNetwork || slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return v.HostPath != nil }) {
			return privileged
		}
	}
	return baseline
}

// UnrestrictedError reports that nothing prevents the workload's code from creating pods other than executors.
type UnrestrictedError struct{ Cause error }

// Error implements error.
func (e *UnrestrictedError) Error() string {
	return fmt.Sprintf("nothing restricts which pods the workload's code can create in its namespace, so it can become root on "+
		"the nodes: %v", e.Cause)
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *UnrestrictedError) Unwrap() error { return e.Cause }

// ApplyPolicy creates what restricts the pods that the driver may create. It returns an UnrestrictedError if the user may not, or
// if the API server is too old for it (1.30 is the first that is not).
func ApplyPolicy(ctx context.Context, client kubernetes.Interface, o *Objects) error {
	_, err := Create(ctx, client, o.Policy)
	if err == nil {
		_, err = Create(ctx, client, o.PolicyBinding)
	}
	if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
		return &UnrestrictedError{Cause: err}
	}
	return err
}

// AwaitPolicy returns once the policy is in force, which is a moment after its creation. It asks for
// a pod that the policy refuses, without making it. An UnrestrictedError says that no refusal came.
func AwaitPolicy(ctx context.Context, client kubernetes.Interface, o *Objects) error {
	main := o.Driver.Spec.Containers[0]
	no := false
	probe := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: policyProbe, Namespace: o.Namespace.Name},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: &no, RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{Name: "probe", Image: main.Image, Resources: main.Resources}},
		},
	}
	last := errors.New("a pod that it refuses was accepted")
	err := wait.PollUntilContextTimeout(ctx, policyPoll, policyTimeout, true, func(ctx context.Context) (bool, error) {
		_, err := client.CoreV1().Pods(probe.Namespace).Create(ctx, probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil && strings.Contains(err.Error(), o.Policy.Name) {
			return true, nil
		}
		if err != nil {
			last = err
		}
		return false, nil
	})
	if err != nil && ctx.Err() == nil {
		return &UnrestrictedError{Cause: fmt.Errorf("ValidatingAdmissionPolicy %s is not in force after %v: %w", o.Policy.Name, policyTimeout,
			last)}
	}
	return err
}

// DeleteClusterScoped deletes the objects that a run created outside its namespace; a missing one is no error. What belongs to
// another run is left alone.
func DeleteClusterScoped(ctx context.Context, client kubernetes.Interface, runID string) error {
	api, name := client.AdmissionregistrationV1(), policyName(runID)
	bindings, policies := api.ValidatingAdmissionPolicyBindings(), api.ValidatingAdmissionPolicies()
	var errs []error
	if binding, err := bindings.Get(ctx, name, metav1.GetOptions{}); !absentOrForbidden(err) {
		errs = append(errs, deleteOf("ValidatingAdmissionPolicyBinding", binding, err, runID, func(options metav1.DeleteOptions) error {
			return bindings.Delete(ctx, name, options)
		}))
	}
	if found, err := policies.Get(ctx, name, metav1.GetOptions{}); !absentOrForbidden(err) {
		errs = append(errs, deleteOf("ValidatingAdmissionPolicy", found, err, runID, func(options metav1.DeleteOptions) error {
			return policies.Delete(ctx, name, options)
		}))
	}
	classes, err := priorityClasses(ctx, client, runID)
	errs = append(errs, err)
	for _, class := range classes {
		errs = append(errs, deleteOf("PriorityClass", &class, nil, runID, func(options metav1.DeleteOptions) error {
			return client.SchedulingV1().PriorityClasses().Delete(ctx, class.Name, options)
		}))
	}
	return errors.Join(errs...)
}

// priorityClasses returns those that a run made: the only objects of a workload's manifests that are in no namespace.
func priorityClasses(ctx context.Context, client kubernetes.Interface, runID string) ([]schedulingv1.PriorityClass, error) {
	found, err := client.SchedulingV1().PriorityClasses().List(ctx, metav1.ListOptions{LabelSelector: RunLabel + "=" + runID})
	if absentOrForbidden(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the PriorityClasses of run %s: %w", runID, err)
	}
	return found.Items, nil
}

// absentOrForbidden reports whether there is nothing of the kind, or nobody of this user's rights has made it.
func absentOrForbidden(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsForbidden(err)
}

// deleteOf deletes an object that was looked for, if it is the run's.
func deleteOf(kind string, found metav1.Object, err error, runID string, del func(metav1.DeleteOptions) error) error {
	if err != nil {
		return fmt.Errorf("look for %s of run %s: %w", kind, runID, err)
	}
	if found.GetLabels()[RunLabel] != runID {
		return fmt.Errorf("delete %s %s of run %s: it %s, so it is left alone", kind, found.GetName(), runID, ownership(found, runID))
	}
	uid := found.GetUID()
	if err := del(metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s %s: %w", kind, found.GetName(), err)
	}
	return nil
}

// ClusterScopedLeft returns the objects that a run left outside its namespace.
func ClusterScopedLeft(ctx context.Context, client kubernetes.Interface, runID string) ([]history.Object, error) {
	api, name := client.AdmissionregistrationV1(), policyName(runID)
	var found []history.Object
	var errs []error
	note := func(kind string, object metav1.Object, err error) {
		switch {
		case err == nil && object.GetLabels()[RunLabel] == runID:
			found = append(found, history.Object{Kind: kind, Name: object.GetName(), UID: string(object.GetUID())})
		case err != nil && !absentOrForbidden(err):
			errs = append(errs, fmt.Errorf("look for %s of run %s: %w", kind, runID, err))
		}
	}
	binding, err := api.ValidatingAdmissionPolicyBindings().Get(ctx, name, metav1.GetOptions{})
	note("ValidatingAdmissionPolicyBinding", binding, err)
	policy, err := api.ValidatingAdmissionPolicies().Get(ctx, name, metav1.GetOptions{})
	note("ValidatingAdmissionPolicy", policy, err)
	classes, err := priorityClasses(ctx, client, runID)
	errs = append(errs, err)
	for _, class := range classes {
		note("PriorityClass", &class, nil)
	}
	return found, errors.Join(errs...)
}
