package launcher

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// byApache has the operator of Apache Spark make the driver.
func byApache() Launcher {
	return byOperator{
		name:     scenario.LauncherApacheSparkApplication,
		operator: "Apache's spark-kubernetes-operator",
		resource: schema.GroupVersionResource{Group: "spark.apache.org", Version: "v1", Resource: "sparkapplications"},
		spec:     apacheSpec,
	}
}

// apacheSpec is the spec of a v1 SparkApplication.
func apacheSpec(o operated) map[string]any {
	a := o.Workload.Application
	main := map[scenario.Language]string{scenario.Python: "pyFiles", scenario.R: "sparkRFiles"}[a.Language()]
	if main == "" {
		main = "jars"
	}
	restart := map[string]any{"restartPolicy": o.restartPolicy}
	if o.restartPolicy != scenario.RestartNever {
		restart["restartBackoffMillis"] = int64(retryAfter * 1000)
	}
	if o.restartPolicy == scenario.RestartOnFailure {
		restart["maxRestartAttempts"] = o.retries
	}
	return given(map[string]any{
		"mainClass":              a.MainClass,
		main:                     o.main,
		"driverArgs":             texts(a.Args),
		"sparkConf":              o.settings,
		"runtimeVersions":        map[string]any{"sparkVersion": oldestSpark},
		"applicationTolerations": map[string]any{"restartConfig": restart},
		"driverSpec":             map[string]any{"podTemplateSpec": o.driver},
		"executorSpec":           map[string]any{"podTemplateSpec": o.executor},
	})
}
