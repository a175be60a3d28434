package scenario

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Who makes the driver.
const (
	LauncherJob         = "job"          // a Job of the run, in whose pod Spark runs in client mode
	LauncherSparkSubmit = "spark-submit" // spark-submit in cluster mode, which makes a bare pod

	LauncherSparkApplication       = "sparkApplication"       // kubeflow's operator
	LauncherApacheSparkApplication = "apacheSparkApplication" // Apache's operator

	LauncherAttach = "attach" // somebody else: the run makes and removes nothing of the application
)

// When an operator starts an application again.
const (
	RestartAlways    = "Always"
	RestartOnFailure = "OnFailure"
	RestartNever     = "Never"
)

// launch is what the format of scenarios knows of a launcher. How it launches is package launcher's; see launcher.Launcher.
type launch struct {
	name  string                          // in the field launcher
	fill  func(w *Workload)               // sets its defaults
	check func(w Workload, report report) // finds what the types alone cannot
}

// launchers lists them, the default first.
func launchers() []launch {
	return []launch{
		byJob(), bySparkSubmit(), byOperator(LauncherSparkApplication, "kubeflow's operator"),
		byOperator(LauncherApacheSparkApplication, "Apache's operator"),
		byAttaching(),
	}
}

// LauncherOf returns who launches a workload.
func LauncherOf(w Workload) string { return cmp.Or(w.Launcher, LauncherJob) }

// LauncherNames returns the launchers that a scenario can name, the default first.
func LauncherNames() []string {
	var names []string
	for _, l := range launchers() {
		names = append(names, l.name)
	}
	return names
}

// launchOf returns what is known of a workload's launcher; that of a name that nobody knows does nothing, for it was reported already.
func launchOf(w Workload) launch {
	all := launchers()
	i := slices.IndexFunc(all, func(l launch) bool { return l.name == LauncherOf(w) })
	if i < 0 {
		return launch{fill: func(*Workload) {}, check: func(Workload, report) {}}
	}
	return all[i]
}

func byJob() launch {
	return launch{
		name: LauncherJob,
		fill: func(w *Workload) {
			driver := &w.Driver
			fill(&driver.Kind, DriverJob)
			if driver.Kind == DriverJob {
				fill(&driver.PodReplacementPolicy, TerminatingOrFailed)
				fillPointer(&driver.BackoffLimit, defaultBackoffLimit)
			}
		},
		check: func(w Workload, report report) {
			validateDriver(w.Driver, report)
			refuseRestartPolicy(w, report)
		},
	}
}

func bySparkSubmit() launch {
	return launch{
		name: LauncherSparkSubmit,
		fill: func(*Workload) {},
		check: func(w Workload, report report) {
			const why = "spark-submit makes a bare Pod in cluster mode"
			checkClusterMode(w, why, report)
			refuseBackoffLimit(w, why, report)
			refuseRestartPolicy(w, report)
		},
	}
}

func byOperator(name, operator string) launch {
	return launch{
		name: name,
		fill: func(w *Workload) {
			fill(&w.Driver.RestartPolicy, RestartNever)
			if w.Driver.RestartPolicy == RestartOnFailure {
				fillPointer(&w.Driver.BackoffLimit, defaultBackoffLimit)
			}
		},
		check: func(w Workload, report report) {
			checkClusterMode(w, operator+" makes it", report)
			if w.Driver.RestartPolicy != RestartOnFailure {
				refuseBackoffLimit(w, operator+" counts failures with restartPolicy: OnFailure alone", report)
			}
		},
	}
}

// refuseBackoffLimit refuses a limit where nothing counts failed drivers.
func refuseBackoffLimit(w Workload, why string, report report) {
	if w.Driver.BackoffLimit != nil {
		report("spec.workload.driver.backoffLimit", "is how many failed drivers are replaced, but %s; leave it out", why)
	}
}

// refuseRestartPolicy refuses what operators alone know.
func refuseRestartPolicy(w Workload, report report) {
	if w.Driver.RestartPolicy != "" {
		report("spec.workload.driver.restartPolicy", "is for an operator; leave it out or write launcher: %s", LauncherSparkApplication)
	}
}

// checkClusterMode finds what cannot be said of a driver that Spark itself makes a pod for. why says who makes it.
func checkClusterMode(w Workload, why string, report report) {
	const at = "spec.workload."
	driver := w.Driver
	for _, field := range []struct {
		name  string
		given bool
	}{
		{"kind", driver.Kind != ""}, {"podReplacementPolicy", driver.PodReplacementPolicy != ""}, {"job", driver.Job != nil},
	} {
		if field.given {
			report(at+"driver."+field.name, "is for a driver that sparkchaos makes, but %s; leave it out or write launcher: job", why)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(w.Conf)) {
		switch {
		case w.Conf[key].Secret():
			report(at+"conf."+key, "is secret, but in cluster mode Spark writes all settings into a ConfigMap; write launcher: job, "+
				"or give the secret as a variable by driver.template and executors.template")
		case clusterModeOwn(key) != "":
			report(at+"conf."+key, "%s; leave it out", clusterModeOwn(key))
		}
	}
	if w.Application.Language() == SQL {
		report(at+"application.main", "is a SQL script, which Spark does not run in cluster mode; write launcher: job")
	}
	for _, list := range []struct {
		name  string
		files []string
	}{{"pyFiles", w.Application.PyFiles}, {"archives", w.Application.Archives}} {
		for i, file := range list.files {
			if !strings.Contains(file, ":") || list.name == "archives" && Scheme(file) == schemeLocal {
				report(fmt.Sprintf("%sapplication.%s[%d]", at, list.name, i), "%q is where the driver alone would find it, and in cluster mode it "+
					"cannot hand it to executors; name a place that Spark fetches it from, as https://… or s3a://…, or write launcher: job", file)
			}
		}
	}
}

// clusterModeOwn returns why a setting is Spark's own to make in cluster mode; empty if it is not.
func clusterModeOwn(key string) string {
	switch key {
	case "spark.driver.host", "spark.driver.bindAddress":
		return "is the driver's address, which Spark makes itself in cluster mode and refuses from others"
	case "spark.submit.deployMode":
		return "is cluster for this launcher"
	case "spark.master", "spark.kubernetes.namespace", "spark.kubernetes.driver.pod.name", "spark.kubernetes.submission.waitAppCompletion",
		"spark.kubernetes.driver.podTemplateFile", "spark.kubernetes.executor.podTemplateFile":
		return "is how sparkchaos launches the application and finds its pods"
	default:
		return ""
	}
}
