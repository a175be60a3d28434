package launcher

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/metrics"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

const (
	templateFile = "executor-pod-template.yaml"

	driverPort       = 7078
	blockManagerPort = 7079
)

// settingsOf works out Spark's settings: the user's conf wins over the launcher's own and the components'. Lists that both
// must be in (plugins, class paths) are joined. All of them go onto the driver's command line, where they win over the
// spark-defaults.conf that an image may bring; secret ones are left out, see secretconf.go.
func settingsOf(by Launcher, l Launch, extensions []Extension) map[string]string {
	w := l.Workload
	s := staticSettings(w, l.Env, l.Image)
	maps.Copy(s, by.Settings(l))
	maps.Copy(s, applicationSettings(w.Application))
	for _, extension := range extensions {
		maps.Copy(s, extension.Settings)
	}
	own := scenario.PlainConf(w)
	maps.Copy(s, own)
	for _, asked := range []map[string]string{eventLogSettings(s, l.Env), metricsSettings(s)} {
		for key, value := range asked {
			if _, given := own[key]; !given {
				s[key] = value
			}
		}
	}
	lists := applicationLists(w.Application, artifactsOf(extensions), s[deployMode] == clusterMode)
	for _, extension := range extensions {
		lists = append(lists, extension.Lists...)
	}
	for _, list := range lists {
		s[list.Key] = joinList(list.Separator, list.First, own[list.Key], list.Last)
	}
	hideSecrets(s, scenario.SecretConf(w))
	return s
}

// eventLogSettings let a driver whose workload asks for Spark's event log write it beside the records of the witness, on its node's
// own disk, from where the harness gets it even if the node is lost: in one file that can be read however it ends.
func eventLogSettings(s map[string]string, env Environment) map[string]string {
	if s["spark.eventLog.enabled"] != "true" || env.Witness.Directory == "" {
		return nil
	}
	return map[string]string{
		"spark.eventLog.dir":             "file://" + WitnessDirectory,
		"spark.eventLog.overwrite":       "true", // a driver may have the application id of the one before it
		"spark.eventLog.rolling.enabled": "false",
		"spark.eventLog.compress":        "false",
	}
}

// metricsSettings let a driver whose workload asks for Spark's UI offer its metrics there, for the harness and for anybody else. Without
// the UI nothing serves them, and the harness does not ask for it: it makes the start of each driver longer.
func metricsSettings(s map[string]string) map[string]string {
	if s[uiEnabled] != "true" {
		return nil
	}
	const sink = "spark.metrics.conf.driver.sink.prometheusServlet."
	return map[string]string{
		uiPrometheus:   "true",
		sink + "class": "org.apache.spark.metrics.sink.PrometheusServlet",
		sink + "path":  metrics.DriverPath,
	}
}

const (
	uiEnabled    = "spark.ui.enabled"
	uiPort       = "spark.ui.port"
	uiPrometheus = "spark.ui.prometheus.enabled"

	defaultUIPort = 4040
)

// MetricsPort returns the port at which drivers of a workload offer their metrics by HTTP, and false if they do not.
func MetricsPort(w scenario.Workload) (port int, offered bool) {
	conf := scenario.PlainConf(w)
	if conf[uiEnabled] != "true" || cmp.Or(conf[uiPrometheus], "true") != "true" {
		return 0, false
	}
	if conf["spark.ssl.enabled"] == "true" || conf["spark.ssl.ui.enabled"] == "true" {
		return 0, false
	}
	port, err := strconv.Atoi(cmp.Or(conf[uiPort], strconv.Itoa(defaultUIPort)))
	return port, err == nil && port > 0 && port <= math.MaxUint16
}

func staticSettings(w scenario.Workload, env Environment, image string) map[string]string {
	return map[string]string{
		"spark.app.name":                              w.Application.Name,
		"spark.driver.memory":                         w.Driver.Memory,
		"spark.executor.instances":                    strconv.Itoa(w.Executors.Instances),
		"spark.executor.cores":                        strconv.Itoa(w.Executors.Cores),
		"spark.executor.memory":                       w.Executors.Memory,
		"spark.kubernetes.executor.request.cores":     w.Executors.RequestCores,
		"spark.kubernetes.namespace":                  env.Namespace,
		"spark.kubernetes.container.image":            image,
		"spark.kubernetes.container.image.pullPolicy": string(env.ImagePullPolicy()),
		"spark.kubernetes.executor.podTemplateFile":   confDirectory + "/" + templateFile,
		"spark.kubernetes.executor.disableConfigMap":  "true", // it would hide the image's own conf directory
		"spark.driver.port":                           strconv.Itoa(driverPort),
		"spark.driver.blockManager.port":              strconv.Itoa(blockManagerPort),
		"spark.blockManager.port":                     "0",
		uiEnabled:                                     "false",
	}
}

// joinList joins two lists and leaves out empty and repeated entries.
func joinList(separator string, lists ...string) string {
	var entries []string
	for _, list := range lists {
		for entry := range strings.SplitSeq(list, separator) {
			if entry = strings.TrimSpace(entry); entry != "" && !slices.Contains(entries, entry) {
				entries = append(entries, entry)
			}
		}
	}
	return strings.Join(entries, separator)
}

// confArgs are the options of spark-submit for settings, sorted.
func confArgs(settings map[string]string) []string {
	var args []string
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "--conf", key+"="+settings[key])
	}
	return args
}
