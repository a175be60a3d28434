package launcher

import (
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Names of volumes in the pods.
const (
	confVolume   = "conf"
	sharedVolume = "shared"
)

// driverBindAddress is the variable from which Spark's entry point takes the address at which the driver listens.
const driverBindAddress = "SPARK_DRIVER_BIND_ADDRESS"

// FieldVariable is a variable that Kubernetes fills with a field of the pod.
func FieldVariable(name, field string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: field}}}
}

// SecretVariable is a variable that Kubernetes fills with a value of a secret.
func SecretVariable(name, secret, key string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key,
	}}}
}

// identity are the variables by which the witness knows its pod, and the address that Spark must use: a pod's own host name need
// not resolve. Those that components add come last.
func identity(extensions []Extension) []corev1.EnvVar {
	vars := []corev1.EnvVar{
		FieldVariable("SPARKCHAOS_POD_UID", "metadata.uid"),
		FieldVariable("SPARKCHAOS_POD_NAME", "metadata.name"),
		FieldVariable("SPARKCHAOS_NODE_NAME", "spec.nodeName"),
		FieldVariable("SPARK_LOCAL_IP", "status.podIP"),
	}
	for _, extension := range extensions {
		vars = append(vars, extension.Env...)
	}
	return vars
}

// driverEnv has, beside the identity, the variables that the command line refers to.
func driverEnv(env Environment, extensions []Extension) []corev1.EnvVar {
	vars := slices.Concat(identity(extensions), []corev1.EnvVar{
		FieldVariable("POD_NAME", "metadata.name"),
		FieldVariable("POD_IP", "status.podIP"),
		FieldVariable(driverBindAddress, "status.podIP"),
		{Name: "SPARKCHAOS_RUN_ID", Value: env.RunID},
	})
	if env.Source.URL != "" {
		vars = append(vars, corev1.EnvVar{Name: "SPARKCHAOS_SOURCE_URL", Value: env.Source.URL})
	}
	if env.Source.Port != 0 {
		vars = append(vars,
			corev1.EnvVar{Name: "SPARKCHAOS_SOURCE_HOST", Value: env.Source.Host},
			corev1.EnvVar{Name: "SPARKCHAOS_SOURCE_PORT", Value: strconv.Itoa(env.Source.Port)})
	}
	return vars
}

// volumes are those that drivers and executors both have: the shared one, and those that components add.
func volumes(w scenario.Workload, env Environment, extensions []Extension) ([]corev1.Volume, []corev1.VolumeMount) {
	vs := []corev1.Volume{{Name: sharedVolume, VolumeSource: sharedSource(w.Storage, env)}}
	for _, extension := range extensions {
		vs = append(vs, extension.Volumes...)
	}
	return vs, append([]corev1.VolumeMount{{Name: sharedVolume, MountPath: SharedDirectory}}, reportMounts(extensions)...)
}

// reportMounts are those of the volumes that components add.
func reportMounts(extensions []Extension) []corev1.VolumeMount {
	var mounts []corev1.VolumeMount
	for _, extension := range extensions {
		mounts = append(mounts, extension.Mounts...)
	}
	return mounts
}

// extend lets components change a pod that is complete otherwise.
func extend(spec *corev1.PodSpec, role string, extensions []Extension) {
	for _, extension := range extensions {
		if extension.Pod != nil {
			extension.Pod(&Pod{PodSpec: spec, Role: role, Env: identity(extensions), Mounts: reportMounts(extensions)})
		}
	}
}

// Tolerations let a pod stay for so many seconds on a node that is not ready or unreachable; nil leaves Kubernetes' default.
func Tolerations(seconds *int64) []corev1.Toleration {
	if seconds == nil {
		return nil
	}
	var ts []corev1.Toleration
	for _, taint := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		ts = append(ts, corev1.Toleration{
			Key: taint, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: seconds,
		})
	}
	return ts
}

// executorTemplate is the pod that Spark's driver makes its executors from; Spark adds name, image, command, ports and resources.
func executorTemplate(w scenario.Workload, env Environment, extensions []Extension) (*corev1.Pod, error) {
	vs, mounts := volumes(w, env, extensions)
	noToken := false
	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{RunLabel: env.RunID, RoleLabel: RoleExecutor}},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: &noToken, // executors have no business with the API server
			Containers: []corev1.Container{{
				Name:         scenario.ExecutorContainer,
				Env:          identity(extensions),
				VolumeMounts: mounts,
			}},
			Tolerations: Tolerations(w.Executors.TolerationSeconds),
			Volumes:     vs,
		},
	}
	extend(&pod.Spec, RoleExecutor, extensions)
	merged, err := withTemplate(corev1.PodTemplateSpec{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec}, w.Executors.Template)
	if err != nil {
		return nil, fmt.Errorf("workload: executors.template: %w", err)
	}
	pod.ObjectMeta, pod.Spec = merged.ObjectMeta, merged.Spec
	return pod, nil
}

// driverLabels are those of the driver's pods.
func driverLabels(env Environment) map[string]string {
	return map[string]string{RunLabel: env.RunID, RoleLabel: RoleDriver, history.SparkRoleLabel: RoleDriver}
}

// driverTemplate is the driver's pod with what the scenario adds to it.
func driverTemplate(by Launcher, l Launch, extensions []Extension, cpu, memory resource.Quantity) (corev1.PodTemplateSpec, error) {
	made := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: driverLabels(l.Env)},
		Spec: driverSpec(by, l, extensions, cpu, memory)}
	merged, err := withTemplate(made, l.Workload.Driver.Template)
	if err != nil {
		return merged, fmt.Errorf("workload: driver.template: %w", err)
	}
	return merged, nil
}

// driverSpec is the driver's pod as its launcher needs it.
func driverSpec(by Launcher, l Launch, extensions []Extension, cpu, memory resource.Quantity) corev1.PodSpec {
	w, env := l.Workload, l.Env
	vs, mounts := volumes(w, env, extensions)
	grace := int64(30)
	spec := corev1.PodSpec{
		ServiceAccountName:            serviceAccountName,
		RestartPolicy:                 corev1.RestartPolicyNever, // restarted in place it would keep its UID, and with it its old executors
		TerminationGracePeriodSeconds: &grace,
		Tolerations:                   Tolerations(w.Driver.TolerationSeconds),
		Volumes:                       vs,
		Containers: []corev1.Container{{
			Name:            scenario.DriverContainer,
			Image:           l.Image,
			ImagePullPolicy: env.ImagePullPolicy(),
			Env:             driverEnv(env, extensions),
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: cpu, corev1.ResourceMemory: memory},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: memory},
			},
			VolumeMounts: mounts,
		}},
	}
	by.Driver(&spec, l, artifactsOf(extensions))
	spec.Affinity = beside(w.Driver.Beside, env)
	extend(&spec, RoleDriver, extensions)
	if w.Driver.NodeName != "" {
		// Not spec.nodeName: the scheduler shall see whether the node can take the pod.
		spec.NodeSelector = map[string]string{corev1.LabelHostname: w.Driver.NodeName}
	}
	return spec
}
