package launcher

import (
	"maps"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

const (
	// RoleSubmitter is the role of the pod in which spark-submit runs.
	RoleSubmitter = "submitter"

	submitterAccount = "spark-submit"
	submitProgram    = SparkHome + "/bin/spark-submit"
	masterSetting    = "spark.master"
	// driverMasterSetting is how the driver reaches the API server, whose name it would have to resolve else.
	driverMasterSetting = "spark.kubernetes.driver.master"
)

// bySparkSubmit runs spark-submit in cluster mode, once, in a Job of the run and in the workload's image. It makes the driver, a bare pod.
type bySparkSubmit struct{}

// Name implements Launcher.
func (bySparkSubmit) Name() string { return scenario.LauncherSparkSubmit }

// Explain implements Launcher.
func (bySparkSubmit) Explain(scenario.Workload) string {
	return "a bare Pod, which spark-submit makes in cluster mode and which is never replaced"
}

// Settings implements Launcher.
func (bySparkSubmit) Settings(l Launch) map[string]string {
	s := clusterModeSettings(l)
	maps.Copy(s, map[string]string{
		masterSetting:       apiServer,
		driverMasterSetting: apiServer[len("k8s://"):],
		"spark.kubernetes.driver.podTemplateFile":       confDirectory + "/" + driverTemplateFile,
		"spark.kubernetes.driver.pod.name":              driverName(l),
		"spark.kubernetes.submission.waitAppCompletion": "false",
	})
	return s
}

func driverName(l Launch) string { return l.Workload.Application.Name + "-driver" }

// Driver implements Launcher.
func (bySparkSubmit) Driver(pod *corev1.PodSpec, _ Launch, _ string) { clusterModeDriver(pod) }

// Launching implements Launcher.
func (bySparkSubmit) Launching(d Draft) (Launching, error) {
	template, err := driverTemplateYAML(d.Driver)
	if err != nil {
		return Launching{}, err
	}
	d.Files[driverTemplateFile] = template
	settings, err := inlined(d.Settings, d.Env)
	if err != nil {
		return Launching{}, err
	}
	job := submitter(d, settings)
	return Launching{
		Objects:  append(account(d.Env, submitterAccount, submitterRules()), job),
		Pods:     []corev1.PodSpec{d.Driver.Spec, job.Spec.Template.Spec},
		Accounts: []string{submitterAccount},
		Workload: history.WorkloadData{DriverKind: KindPod, DriverName: driverName(d.Launch), DriverSelector: driverSelector()},
	}, nil
}

// submitterRules are what spark-submit does in the namespace: it makes the driver and what belongs to it, and the driver their owner.
func submitterRules() []rbacv1.PolicyRule {
	verbs := []string{"create", "get", "list", "watch", "patch", "update", "delete"}
	return []rbacv1.PolicyRule{Rule("pods", verbs...), Rule("services", verbs...), Rule("configmaps", verbs...),
		Rule("persistentvolumeclaims", verbs...)}
}

// submitter is the Job in which spark-submit runs. A second attempt would only find the driver of the first.
func submitter(d Draft, settings map[string]string) *batchv1.Job {
	volume, mount := templates()
	once := int32(0)
	labels := map[string]string{RunLabel: d.Env.RunID, RoleLabel: RoleSubmitter}
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: KindJob},
		ObjectMeta: ObjectMeta(d.Env, d.Workload.Application.Name+"-submit"),
		Spec: batchv1.JobSpec{
			BackoffLimit: &once,
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
				ServiceAccountName: submitterAccount,
				RestartPolicy:      corev1.RestartPolicyNever,
				Volumes:            []corev1.Volume{volume},
				Containers: []corev1.Container{{
					Name:            submitterAccount,
					Image:           d.Image,
					ImagePullPolicy: d.Env.ImagePullPolicy(),
					Args:            submitArgs(d, settings),
					// Spark copies the files of its conf directory to the driver.
					Env:          []corev1.EnvVar{{Name: "SPARK_CONF_DIR", Value: SparkHome + "/conf"}, FieldVariable("SPARK_LOCAL_IP", "status.podIP")},
					VolumeMounts: []corev1.VolumeMount{mount},
					Resources: corev1.ResourceRequirements{
						Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("256Mi")},
						Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
					},
				}},
			}},
		},
	}
}

// submitArgs are spark-submit's command line. Kubernetes fills in where the API server is, here and in nothing else: what is the driver's
// is filled in in the driver's pod.
func submitArgs(d Draft, settings map[string]string) []string {
	own := map[string]string{}
	for _, key := range []string{masterSetting, driverMasterSetting} {
		own[key] = settings[key]
		delete(settings, key)
	}
	args := append([]string{submitProgram}, confArgs(own)...)
	for _, arg := range slices.Concat(confArgs(settings), applicationArgs(d.Workload.Application, d.Artifacts)) {
		args = append(args, literal(arg))
	}
	return args
}
