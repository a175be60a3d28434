package launcher

import (
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// byJob launches a driver in client mode, in a pod that the harness makes: that of a Job, or a bare one.
type byJob struct{}

// Name implements Launcher.
func (byJob) Name() string { return scenario.LauncherJob }

// Explain implements Launcher.
func (byJob) Explain(w scenario.Workload) string {
	d := w.Driver
	if d.Kind == KindPod {
		return "a bare Pod, which is never replaced"
	}
	when := "only when it has ended, so that there are never two drivers"
	if d.PodReplacementPolicy == scenario.TerminatingOrFailed {
		when = "as soon as it is being deleted, so that there may be two drivers for a while"
	}
	limit := int32(0)
	if d.BackoffLimit != nil {
		limit = *d.BackoffLimit
	}
	return fmt.Sprintf("a Job that replaces its pod at most %s, %s (%s)", wording.Count(int(limit), "time"), when, d.PodReplacementPolicy)
}

// Settings implements Launcher: those that differ from one driver pod to the next; Kubernetes fills in the variables. The
// executors' names begin with the driver pod's, so no two incarnations ask for the same name.
func (byJob) Settings(Launch) map[string]string {
	return map[string]string{
		"spark.master":                            apiServer,
		"spark.kubernetes.driver.pod.name":        "$(POD_NAME)",
		"spark.kubernetes.executor.podNamePrefix": "$(POD_NAME)",
		"spark.driver.host":                       "$(POD_IP)",
		"spark.driver.bindAddress":                "$(POD_IP)",
	}
}

// Driver implements Launcher: the entry point's driver mode is spark-submit in client mode.
func (byJob) Driver(pod *corev1.PodSpec, l Launch, artifacts string) {
	volume, mount := templates()
	volumes, mounts := []corev1.Volume{volume}, []corev1.VolumeMount{mount}
	var secretArgs []string
	if len(scenario.SecretConf(l.Workload)) > 0 {
		volume, mount := confSecretVolume()
		volumes, mounts = append(volumes, volume), append(mounts, mount)
		secretArgs = confSecretArgs()
	}
	main := &pod.Containers[0]
	main.Args = slices.Concat([]string{"driver"}, secretArgs, confArgs(l.Settings), applicationArgs(l.Workload.Application, artifacts))
	main.VolumeMounts = append(main.VolumeMounts, mounts...)
	pod.Volumes = append(pod.Volumes, volumes...)
}

// templates are how a pod gets the ConfigMap with the pod templates.
func templates() (corev1.Volume, corev1.VolumeMount) {
	return corev1.Volume{Name: confVolume, VolumeSource: corev1.VolumeSource{
			ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: configMapName}},
		}},
		corev1.VolumeMount{Name: confVolume, MountPath: confDirectory, ReadOnly: true}
}

// Launching implements Launcher.
func (byJob) Launching(d Draft) (Launching, error) {
	meta := ObjectMeta(d.Env, d.Workload.Application.Name+"-driver")
	l := Launching{
		Pods:     []corev1.PodSpec{d.Driver.Spec},
		Workload: history.WorkloadData{DriverKind: d.Workload.Driver.Kind, DriverName: meta.Name},
	}
	if d.Workload.Driver.Kind == KindPod {
		l.Objects = []Object{driverPod(meta, d.Driver)}
		return l, nil
	}
	job, err := driverJob(d.Workload, meta, d.Driver)
	l.Objects = []Object{job}
	return l, err
}

// driverJob runs the driver's pod and replaces it when it is lost.
func driverJob(w scenario.Workload, meta metav1.ObjectMeta, driver corev1.PodTemplateSpec) (*batchv1.Job, error) {
	one := int32(1)
	job := &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: KindJob},
		ObjectMeta: meta,
		Spec: batchv1.JobSpec{
			Parallelism:  &one,
			Completions:  &one,
			BackoffLimit: w.Driver.BackoffLimit,
			Template:     driver,
		},
	}
	if policy := batchv1.PodReplacementPolicy(w.Driver.PodReplacementPolicy); policy != "" {
		job.Spec.PodReplacementPolicy = &policy
	}
	if w.Driver.Job == nil {
		return job, nil
	}
	merged, err := merge(job.Spec, w.Driver.Job.JSON())
	if err != nil {
		return nil, fmt.Errorf("workload: driver.job: %w", err)
	}
	job.Spec = merged
	return job, nil
}

// driverPod runs the driver without anything that would replace it.
func driverPod(meta metav1.ObjectMeta, driver corev1.PodTemplateSpec) *corev1.Pod {
	meta.Labels, meta.Annotations = driver.Labels, driver.Annotations
	return &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: KindPod}, ObjectMeta: meta, Spec: driver.Spec}
}
