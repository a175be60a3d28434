package launcher

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// In cluster mode Spark makes the driver's pod, from a template and from settings, and writes all settings into a ConfigMap, which the
// driver reads. What the launchers of that mode share stands here.

// driverTemplateFile is the driver's pod template, beside that of executors.
const driverTemplateFile = "driver-pod-template.yaml"

// deployMode is the setting that says where the driver runs.
const (
	deployMode  = "spark.submit.deployMode"
	clusterMode = "cluster"
)

// apiServer is how Spark in a pod names the API server; Kubernetes fills in the variables.
const apiServer = "k8s://https://$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)"

// driverSelector selects the drivers' pods, whose template carries the label.
func driverSelector() string { return RoleLabel + "=" + RoleDriver }

// clusterModeSettings are those by which a driver in cluster mode gets the same pod as one of a Job.
func clusterModeSettings(l Launch) map[string]string {
	return map[string]string{
		deployMode:                              clusterMode,
		"spark.kubernetes.driver.request.cores": l.Workload.Driver.Cores,
		"spark.kubernetes.authenticate.driver.serviceAccountName": serviceAccountName,
		// Else Spark would give executors the driver's.
		"spark.kubernetes.authenticate.executor.serviceAccountName": "default",
	}
}

// clusterModeDriver leaves to Spark what it says about the driver's container itself.
func clusterModeDriver(pod *corev1.PodSpec) {
	main := &pod.Containers[0]
	main.Resources = corev1.ResourceRequirements{}
	main.Env = slices.DeleteFunc(main.Env, func(v corev1.EnvVar) bool { return v.Name == driverBindAddress })
}

// driverTemplateYAML is the driver's pod template as Spark reads it.
func driverTemplateYAML(driver corev1.PodTemplateSpec) (string, error) {
	text, err := manifest(corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: KindPod},
		ObjectMeta: metav1.ObjectMeta{Labels: driver.Labels, Annotations: driver.Annotations},
		Spec:       driver.Spec,
	})
	return string(text), err
}

// inlined returns settings with the harness's variables replaced by their values: nobody fills in variables in the ConfigMap that a driver
// in cluster mode reads. It fails with every other variable of the pod that a setting refers to.
func inlined(settings map[string]string, env Environment) (map[string]string, error) {
	values := []string{"$(SPARKCHAOS_RUN_ID)", env.RunID}
	if env.Source.URL != "" {
		values = append(values, "$(SPARKCHAOS_SOURCE_URL)", env.Source.URL)
	}
	if env.Source.Port != 0 {
		values = append(values, "$(SPARKCHAOS_SOURCE_HOST)", env.Source.Host, "$(SPARKCHAOS_SOURCE_PORT)", strconv.Itoa(env.Source.Port))
	}
	known := strings.NewReplacer(values...)
	all := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		all[key] = known.Replace(settings[key])
		for _, variable := range []string{"$(POD_NAME)", "$(POD_IP)"} {
			if strings.Contains(all[key], variable) {
				return nil, fmt.Errorf("workload: conf.%s refers to %s, but in cluster mode Spark's settings are made before the pod; leave it out "+
					"or write launcher: %s",
					key, variable, scenario.LauncherJob)
			}
		}
	}
	return all, nil
}

// literal keeps Kubernetes from filling in variables in a text of a container's command line.
func literal(text string) string { return strings.ReplaceAll(text, "$", "$$") }
