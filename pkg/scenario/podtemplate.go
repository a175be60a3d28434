package scenario

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The names of the containers in which Spark runs. A template's container of that name is merged into it, every other one is beside it.
const (
	DriverContainer   = "spark-kubernetes-driver"
	ExecutorContainer = "spark-kubernetes-executor"
)

// MainContainer returns the name of the container in which a role of Spark runs.
func MainContainer(role string) string {
	if role == OfDriver {
		return DriverContainer
	}
	return ExecutorContainer
}

// templateCheck finds what a pod template may not say, because the run, its record or the nodes would come to harm.
type templateCheck struct {
	at     string
	role   string
	report report
}

// CheckPodTemplate returns what a pod template of a role, at a path, may not say, one problem each.
func CheckPodTemplate(at, role string, template PodTemplate) []string {
	var problems []string
	checkPodTemplate(at, role, template, func(path, format string, args ...any) {
		problems = append(problems, path+": "+fmt.Sprintf(format, args...))
	})
	return problems
}

func checkPodTemplate(at, role string, template PodTemplate, report report) {
	var t corev1.PodTemplateSpec
	if json.Unmarshal(template.JSON(), &t) != nil {
		return // reported already
	}
	c := templateCheck{at: at, role: role, report: report}
	c.metadata(t.ObjectMeta)
	c.spec(t.Spec)
	c.podSecurity(t.Spec.SecurityContext)
	for i, container := range t.Spec.Containers {
		c.container(fmt.Sprintf("spec.containers[%d]", i), container, container.Name == MainContainer(role))
	}
	for i, container := range t.Spec.InitContainers {
		c.container(fmt.Sprintf("spec.initContainers[%d]", i), container, false)
	}
	for i, volume := range t.Spec.Volumes {
		c.volume(fmt.Sprintf("spec.volumes[%d]", i), volume)
	}
	for i, toleration := range t.Spec.Tolerations {
		if toleration.Key == corev1.TaintNodeNotReady || toleration.Key == corev1.TaintNodeUnreachable {
			c.refuse(fmt.Sprintf("spec.tolerations[%d].key", i), "is that of a lost node, for which there is a field; write tolerationSeconds")
		}
	}
}

func (c templateCheck) refuse(at, format string, args ...any) { c.report(c.at+"."+at, format, args...) }

// refuseIf refuses a field if it is given.
func (c templateCheck) refuseIf(given bool, at, why string) {
	if given {
		c.refuse(at, "%s", why)
	}
}

func (c templateCheck) metadata(meta metav1.ObjectMeta) {
	for _, own := range []struct {
		at   string
		keys map[string]string
	}{{"metadata.labels", meta.Labels}, {"metadata.annotations", meta.Annotations}} {
		for key := range own.keys {
			if owner := ownerOfKey(key); owner != "" {
				c.refuse(own.at+"."+key, "is set by %s, by which pods of the application are distinguished from others; choose another key", owner)
			}
		}
	}
	meta.Labels, meta.Annotations = nil, nil
	if reflect.ValueOf(meta).IsZero() {
		return
	}
	v := reflect.ValueOf(meta)
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		c.refuseIf(!v.Field(i).IsZero(), "metadata."+name, "is made by Kubernetes and Spark for each pod again; a template can add labels and "+
			"annotations alone")
	}
}

// ownerOfKey returns who sets a label or annotation; empty if it is free.
func ownerOfKey(key string) string {
	switch {
	case strings.HasPrefix(key, "sparkchaos.dev/"):
		return "sparkchaos"
	case strings.HasPrefix(key, "batch.kubernetes.io/"), key == "job-name", key == "controller-uid":
		return "Kubernetes"
	case strings.HasPrefix(key, "spark-"):
		return "Spark"
	default:
		return ""
	}
}

func (c templateCheck) spec(s corev1.PodSpec) {
	const inNode = "shares a namespace of the node, from which the application could reach everything that runs there; leave it out"
	c.refuseIf(s.RestartPolicy != "", "spec.restartPolicy", "is Never: a container that was restarted in its pod could not be "+
		"distinguished from the one before; leave it out")
	c.refuseIf(s.NodeName != "", "spec.nodeName", "would pass over the scheduler, which is part of what is tried; use nodeSelector, or "+
		"driver.nodeName")
	c.refuseIf(s.HostPID, "spec.hostPID", inNode)
	c.refuseIf(s.HostIPC, "spec.hostIPC", inNode)
	c.refuseIf(s.DeprecatedServiceAccount != "", "spec.serviceAccount", "is the older name of serviceAccountName, which sparkchaos sets; "+
		"leave it out")
	c.refuseIf(strings.HasPrefix(s.PriorityClassName, "system-"), "spec.priorityClassName",
		"is for parts of the cluster itself; choose another one")
	c.refuseIf(s.AutomountServiceAccountToken != nil, "spec.automountServiceAccountToken", "is decided by sparkchaos: drivers need the "+
		"token, executors must not have it; leave it out")
	c.refuseIf(len(s.EphemeralContainers) > 0, "spec.ephemeralContainers", "can only be added to pods that run; leave them out")
	if c.role == OfDriver {
		c.refuseIf(s.ServiceAccountName != "", "spec.serviceAccountName", "is that of the run, which has the rights that Spark needs and no "+
			"more; leave it out")
		return
	}
	c.refuseIf(s.TerminationGracePeriodSeconds != nil, "spec.terminationGracePeriodSeconds",
		"is overwritten by Spark; write conf: {spark.kubernetes.executor.terminationGracePeriodSeconds: …}")
}

const unconfined = "would free the application's code from what keeps it from becoming root on its node; leave it out"

func (c templateCheck) podSecurity(s *corev1.PodSecurityContext) {
	const at = "spec.securityContext"
	if s == nil {
		return
	}
	c.refuseIf(len(s.Sysctls) > 0, at+".sysctls", unconfined)
	c.confined(at, s.SELinuxOptions, s.SeccompProfile, s.AppArmorProfile, s.WindowsOptions)
}

func (c templateCheck) confined(at string, se *corev1.SELinuxOptions, seccomp *corev1.SeccompProfile, armor *corev1.AppArmorProfile,
	windows *corev1.WindowsSecurityContextOptions) {
	c.refuseIf(se != nil, at+".seLinuxOptions", unconfined)
	c.refuseIf(seccomp != nil && seccomp.Type == corev1.SeccompProfileTypeUnconfined, at+".seccompProfile.type", unconfined)
	c.refuseIf(armor != nil && armor.Type == corev1.AppArmorProfileTypeUnconfined, at+".appArmorProfile.type", unconfined)
	c.refuseIf(windows != nil && windows.HostProcess != nil && *windows.HostProcess, at+".windowsOptions.hostProcess", unconfined)
}

func (c templateCheck) container(at string, container corev1.Container, main bool) {
	if container.Name == "" {
		c.refuse(at+".name", "missing; write %s for Spark's own container, or another name for one beside it", MainContainer(c.role))
	}
	c.refuseIf(slices.Contains(reservedContainers(), container.Name), at+".name", "is a container of sparkchaos; choose another name")
	if s := container.SecurityContext; s != nil {
		at := at + ".securityContext"
		c.refuseIf(s.Privileged != nil && *s.Privileged, at+".privileged", unconfined)
		c.refuseIf(s.Capabilities != nil && len(s.Capabilities.Add) > 0, at+".capabilities.add", unconfined)
		c.refuseIf(s.ProcMount != nil && *s.ProcMount != corev1.DefaultProcMount, at+".procMount", unconfined)
		c.confined(at, s.SELinuxOptions, s.SeccompProfile, s.AppArmorProfile, s.WindowsOptions)
	}
	for i, port := range container.Ports {
		c.refuseIf(port.HostPort != 0, fmt.Sprintf("%s.ports[%d].hostPort", at, i), "takes a port of the node, which two pods there cannot "+
			"share; leave it out")
	}
	if !main {
		c.refuseIf(container.Image == "", at+".image", fmt.Sprintf("missing; a container beside Spark's, which is called %s, needs one",
			MainContainer(c.role)))
		return
	}
	c.mainContainer(at, container)
}

// mainContainer finds what Spark or the harness say about Spark's own container.
func (c templateCheck) mainContainer(at string, container corev1.Container) {
	const spark = "is how Spark is started, and by that the application found and observed; write application, args and conf"
	c.refuseIf(len(container.Command) > 0, at+".command", spark)
	c.refuseIf(len(container.Args) > 0, at+".args", spark)
	c.refuseIf(container.Image != "", at+".image", "is that of driver and executors; write spec.workload.image")
	for i, variable := range container.Env {
		c.refuseIf(reservedVariable(variable.Name), fmt.Sprintf("%s.env[%d].name", at, i), "is set by sparkchaos, for Spark and for what "+
			"observes it; choose another name")
	}
	for i, mount := range container.VolumeMounts {
		c.refuseIf(reservedPath(mount.MountPath), fmt.Sprintf("%s.volumeMounts[%d].mountPath", at, i),
			"is a directory of sparkchaos; choose another one")
	}
	if c.role == OfDriver {
		return
	}
	const overwritten = "is overwritten by Spark; write executors.%s"
	for _, list := range []struct {
		at   string
		list corev1.ResourceList
	}{{"requests", container.Resources.Requests}, {"limits", container.Resources.Limits}} {
		_, memory := list.list[corev1.ResourceMemory]
		_, cpu := list.list[corev1.ResourceCPU]
		c.refuseIf(memory, at+".resources."+list.at+".memory", fmt.Sprintf(overwritten, "memory, or conf: {spark.executor.memoryOverhead: …}"))
		c.refuseIf(cpu && list.at == "requests", at+".resources.requests.cpu", fmt.Sprintf(overwritten, "requestCores"))
	}
}

func (c templateCheck) volume(at string, volume corev1.Volume) {
	c.refuseIf(slices.Contains(reservedVolumes(), volume.Name), at+".name", "is a volume of sparkchaos; choose another name")
	if c.role == OfDriver {
		return
	}
	v := volume.VolumeSource
	if v.Projected != nil {
		for i, source := range v.Projected.Sources {
			c.refuseIf(source.ServiceAccountToken != nil || source.ClusterTrustBundle != nil || source.PodCertificate != nil,
				fmt.Sprintf("%s.projected.sources[%d]", at, i),
				"gives executors an identity, which they must not have; want configMap, downwardAPI or secret")
		}
	}
	allowed := v.EmptyDir != nil || v.ConfigMap != nil || v.DownwardAPI != nil || v.HostPath != nil || v.PersistentVolumeClaim != nil ||
		v.Secret != nil || v.Projected != nil || v.NFS != nil
	c.refuseIf(!allowed, at, "is of a kind that the run's admission policy cannot distinguish from others of the kind; executors can have "+
		"emptyDir, configMap, downwardAPI, hostPath, persistentVolumeClaim, secret, projected and nfs")
}

// reservedContainers, reservedVolumes and the following are what the launcher and its components add to pods; a test of the launcher
// compares.
func reservedContainers() []string { return []string{"fetch-artifacts"} }

func reservedVolumes() []string {
	return []string{"shared", "witness", "witness-jar", "output-reader", "conf", "spark-secret-conf", "artifacts", "artifacts-secret"}
}

func reservedVariable(name string) bool {
	return strings.HasPrefix(name, "SPARKCHAOS_") || slices.Contains([]string{
		"POD_NAME", "POD_IP", "SPARK_LOCAL_IP", "SPARK_DRIVER_BIND_ADDRESS", "SPARK_EXECUTOR_POD_IP", "SPARK_EXECUTOR_POD_NAME",
	}, name)
}

func reservedPath(path string) bool {
	for _, own := range []string{"/shared", "/witness", "/etc/sparkchaos", "/etc/sparkchaos-secret", "/opt/sparkchaos",
		"/opt/sparkchaos-witness", "/opt/sparkchaos-output", "/etc/sparkchaos-artifacts"} {
		if path == own || strings.HasPrefix(path, own+"/") {
			return true
		}
	}
	return false
}
