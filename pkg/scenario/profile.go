package scenario

import (
	"maps"
	"slices"
)

// The profiles of Spark's settings.
const (
	ProfileStock     = "stock"     // Spark's own defaults
	ProfileResilient = "resilient" // settings with which an application notices and fixes a lost node within half a minute
)

// Setting is one Spark setting of a profile.
type Setting struct {
	Key, Value string
	Why        string // the reason for it, with what Spark does by default
}

// ProfileSettings returns the settings of a profile, those that belong together beside each other; stock has none.
// The figures were measured with Spark 4.1 on a cluster whose nodes were powered off.
func ProfileSettings(profile string) []Setting {
	if profile != ProfileResilient {
		return nil
	}
	return []Setting{
		{"spark.network.timeout", "20s", "a silent executor is given up after 20 s instead of 120 s"},
		{"spark.network.timeoutInterval", "2s", "silent executors are looked for every 2 s instead of every 60 s, so the driver knows after " +
			"22 s and not after up to 180 s"},
		{"spark.executor.heartbeatInterval", "2s", "executors report every 2 s instead of every 10 s, well within the time-out"},
		{"spark.executor.heartbeat.maxFailures", "8", "an executor whose driver is silent ends after 16 s instead of 600 s"},
		{"spark.shuffle.io.connectionTimeout", "5s", "a fetch from a dead node fails after 5 s instead of 120 s"},
		{"spark.shuffle.io.connectionCreationTimeout", "3s", "connecting to a dead node is given up after 3 s instead of 120 s"},
		{"spark.shuffle.io.maxRetries", "1", "a failed fetch is tried again once instead of thrice: the stage is run again sooner"},
		{"spark.shuffle.io.retryWait", "1s", "the fetch is tried again after 1 s instead of 5 s"},
		{"spark.kubernetes.executor.missingPodDetectDelta", "1s", "a young executor whose pod vanished keeps its tasks for 1 s instead of 30 s"},
		{"spark.kubernetes.executor.apiPollingInterval", "5s", "pods are listed every 5 s instead of every 30 s, which helps when the watch " +
			"missed something"},
		{"spark.kubernetes.allocation.batch.delay", "200ms", "executors are asked for five times a second instead of once"},
		{"spark.executor.maxNumFailures", "1000", "lost executors do not end the application; by default the fourth failure of two " +
			"executors does"},
		{"spark.locality.wait", "0", "a task goes to any free executor at once instead of waiting 3 s for one near its data, which may be a " +
			"receiver's busy one"},
	}
}

// applyProfile adds the profile's settings to those of the workload, whose own ones win.
func applyProfile(w *Workload) {
	settings := ProfileSettings(w.Profile)
	if len(settings) == 0 {
		return
	}
	conf := maps.Clone(w.Conf)
	if conf == nil {
		conf = map[string]ConfValue{}
	}
	for _, s := range settings {
		if _, given := conf[s.Key]; !given {
			conf[s.Key] = Plain(s.Value)
		}
	}
	w.Conf = conf
}

// FromProfile returns the profile's setting that a key of the workload's conf has its value from; false if the value is the user's own.
func FromProfile(w Workload, key string) (Setting, bool) {
	settings := ProfileSettings(w.Profile)
	i := slices.IndexFunc(settings, func(s Setting) bool { return s.Key == key && Plain(s.Value) == w.Conf[key] })
	if i < 0 {
		return Setting{}, false
	}
	return settings[i], true
}
