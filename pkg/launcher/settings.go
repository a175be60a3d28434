package launcher

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

const (
	propertiesFile = "spark.properties"
	templateFile   = "executor-pod-template.yaml"

	driverPort       = 7078
	blockManagerPort = 7079
)

// settings are Spark's settings for a workload, by where they come from.
type settings struct {
	file map[string]string // the launcher's, the same for every driver pod
	args map[string]string // those that name the driver's own pod, and the user's: on the command line, which wins over the file
}

// all returns the settings as Spark will see them.
func (s settings) all() map[string]string {
	all := maps.Clone(s.file)
	maps.Copy(all, s.args)
	return all
}

// settingsOf works out the settings: the user's conf wins over the launcher's own. Lists that both must be in
// (plugins, class paths) are joined.
func settingsOf(w scenario.Workload, env Environment, image string) settings {
	s := settings{file: staticSettings(w, env, image), args: podSettings()}
	joined := map[string]string{}
	if env.Witness.enabled() {
		maps.Copy(s.file, witnessSettings(env.Witness))
		joined = map[string]string{
			"spark.plugins":                 joinList(",", witnessPlugin, w.Conf["spark.plugins"]),
			"spark.driver.extraClassPath":   joinList(":", w.Conf["spark.driver.extraClassPath"], workloadsJar),
			"spark.executor.extraClassPath": joinList(":", w.Conf["spark.executor.extraClassPath"], workloadsJar),
		}
		maps.Copy(s.file, joined)
	}
	for key, value := range w.Conf {
		if list, ok := joined[key]; ok {
			value = list
		}
		delete(s.file, key)
		s.args[key] = value
	}
	return s
}

// podSettings are the settings that differ from one driver pod to the next; Kubernetes fills in the variables. The
// executors' names begin with the driver pod's, so no two incarnations ask for the same name.
func podSettings() map[string]string {
	return map[string]string{
		"spark.master":                            "k8s://https://$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)",
		"spark.kubernetes.driver.pod.name":        "$(POD_NAME)",
		"spark.kubernetes.executor.podNamePrefix": "$(POD_NAME)",
		"spark.driver.host":                       "$(POD_IP)",
		"spark.driver.bindAddress":                "$(POD_IP)",
	}
}

func staticSettings(w scenario.Workload, env Environment, image string) map[string]string {
	return map[string]string{
		"spark.app.name":                               w.Application.Name,
		"spark.driver.memory":                          w.Driver.Memory,
		"spark.executor.instances":                     strconv.Itoa(w.Executors.Instances),
		"spark.executor.cores":                         strconv.Itoa(w.Executors.Cores),
		"spark.executor.memory":                        w.Executors.Memory,
		"spark.kubernetes.executor.request.cores":      w.Executors.RequestCores,
		"spark.kubernetes.namespace":                   env.Namespace,
		"spark.kubernetes.container.image":             image,
		"spark.kubernetes.container.image.pullPolicy":  string(env.pullPolicy()),
		"spark.kubernetes.executor.podTemplateFile":    confDirectory + "/" + templateFile,
		"spark.kubernetes.executor.disableConfigMap":   "true", // it would hide the image's own conf directory
		"spark.kubernetes.allocation.batch.delay":      "200ms",
		"spark.kubernetes.executor.apiPollingInterval": "5s",
		"spark.executor.maxNumFailures":                "1000", // by default the fourth failure of two executors ends the driver
		"spark.driver.port":                            strconv.Itoa(driverPort),
		"spark.driver.blockManager.port":               strconv.Itoa(blockManagerPort),
		"spark.blockManager.port":                      "0",
		"spark.ui.enabled":                             "false",
	}
}

func witnessSettings(w Witness) map[string]string {
	s := map[string]string{}
	if w.URL != "" {
		s["spark.sparkchaos.witness.url"] = w.URL
	}
	if w.Directory != "" {
		s["spark.sparkchaos.witness.dir"] = WitnessDirectory
	}
	if w.Interval > 0 {
		s["spark.sparkchaos.witness.interval"] = fmt.Sprintf("%dms", w.Interval.Milliseconds())
	}
	return s
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

// properties writes settings in the format of java.util.Properties, sorted.
func properties(settings map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s=%s\n", escape(key, true), escape(settings[key], false))
	}
	return b.String()
}

// escape writes a key or a value so that java.util.Properties reads the same back.
func escape(text string, key bool) string {
	var b strings.Builder
	for i, c := range text {
		switch {
		case c == '\\' || key && (c == '=' || c == ':'), (key || i == 0) && (c == ' ' || c == '#' || c == '!'):
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\f':
			b.WriteString(`\f`)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// confArgs are the options of spark-submit for settings, sorted.
func confArgs(settings map[string]string) []string {
	var args []string
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "--conf", key+"="+settings[key])
	}
	return args
}
