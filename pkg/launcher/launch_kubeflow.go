package launcher

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// oldestSpark is the oldest version of Spark that the witness supports. Operators ask it whether Spark knows pod templates; which version
// runs is the image's to say.
const oldestSpark = "3.4.0"

// byKubeflow has kubeflow's spark-operator make the driver. Its webhook is not needed: what shapes pods stands in their templates.
func byKubeflow() Launcher {
	return byOperator{
		name:     scenario.LauncherSparkApplication,
		operator: "kubeflow's spark-operator",
		resource: schema.GroupVersionResource{Group: "sparkoperator.k8s.io", Version: "v1beta2", Resource: "sparkapplications"},
		spec:     kubeflowSpec,
	}
}

// kubeflowSpec is the spec of a v1beta2 SparkApplication.
func kubeflowSpec(o operated) map[string]any {
	w := o.Workload
	for _, key := range []string{"spark.kubernetes.container.image", "spark.kubernetes.container.image.pullPolicy"} {
		delete(o.settings, key)
	}
	return given(map[string]any{
		"type":                string(w.Application.Language()),
		"mode":                clusterMode,
		"sparkVersion":        oldestSpark,
		"image":               o.Image,
		"imagePullPolicy":     string(o.Env.ImagePullPolicy()),
		"mainClass":           w.Application.MainClass,
		"mainApplicationFile": o.main,
		"arguments":           texts(w.Application.Args),
		"sparkConf":           o.settings,
		"restartPolicy":       kubeflowRestarts(o),
		"driver":              map[string]any{"serviceAccount": serviceAccountName, "template": o.driver},
		"executor":            map[string]any{"template": o.executor},
	})
}

// kubeflowRestarts says when the operator starts the application again. A driver that could not be submitted counts as one that failed.
func kubeflowRestarts(o operated) map[string]any {
	policy := map[string]any{"type": o.restartPolicy}
	if o.restartPolicy == scenario.RestartNever {
		return policy
	}
	policy["onFailureRetryInterval"], policy["onSubmissionFailureRetryInterval"] = int64(retryAfter), int64(retryAfter)
	if o.restartPolicy == scenario.RestartOnFailure {
		policy["onFailureRetries"], policy["onSubmissionFailureRetries"] = o.retries, o.retries
	}
	return policy
}
