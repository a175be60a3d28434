package launcher

import (
	"path"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

const (
	// sqlClass is the program of Spark that runs SQL scripts, and sqlResource what spark-submit takes for it instead of a jar.
	sqlClass    = "org.apache.spark.sql.hive.thriftserver.SparkSQLCLIDriver"
	sqlResource = "spark-internal"

	// ivyDirectory is where Spark puts what it resolves packages with. Its default is below the home of the user, who has
	// none in Spark's images.
	ivyDirectory = "/tmp/.ivy2"

	// nonJVMOverhead is what Spark in cluster mode adds to the heap where another language runs beside Java.
	nonJVMOverhead = "0.4"

	localScheme = "local://"
)

// located returns where Spark finds a file that an application names: artifacts is the directory of those beside the scenario.
func located(file, artifacts string) string {
	if strings.Contains(file, ":") {
		return file
	}
	return localScheme + path.Join(artifacts, path.Base(file))
}

// distributed is located for a file that executors get from the driver: Spark passes over those that it believes to be everywhere.
func distributed(file, artifacts string) string {
	if inside, ok := strings.CutPrefix(located(file, artifacts), localScheme); ok {
		return "file://" + inside
	}
	return file
}

// artifactsOf returns the directory in which pods find the files beside the scenario.
func artifactsOf(extensions []Extension) string {
	for _, extension := range extensions {
		if extension.Artifacts != "" {
			return extension.Artifacts
		}
	}
	return ""
}

// applicationArgs are the end of spark-submit's command line: what it runs, and the arguments of that.
func applicationArgs(a scenario.Application, artifacts string) []string {
	main := localScheme + WorkloadsJar
	if a.Resource() != "" {
		main = located(a.Resource(), artifacts)
	}
	var args []string
	switch a.Language() {
	case scenario.SQL:
		args = []string{"--class", sqlClass, sqlResource, "-f", strings.TrimPrefix(main, localScheme)}
	case scenario.Java:
		args = []string{"--class", a.MainClass, main}
	default:
		args = []string{main}
	}
	return append(args, a.Args...)
}

// applicationSettings are those that an application has by its language.
func applicationSettings(a scenario.Application) map[string]string {
	s := map[string]string{}
	if len(a.Packages) > 0 {
		s["spark.jars.ivy"] = ivyDirectory
	}
	if language := a.Language(); language == scenario.Python || language == scenario.R {
		s["spark.driver.memoryOverheadFactor"] = nonJVMOverhead
		s["spark.executor.memoryOverheadFactor"] = nonJVMOverhead
	}
	return s
}

// applicationLists are the settings by which Spark gets what an application needs beside its main file. In cluster mode spark-submit would
// look for the driver's files in its own pod.
func applicationLists(a scenario.Application, artifacts string, inCluster bool) []ListSetting {
	var lists []ListSetting
	handed := distributed
	if inCluster {
		handed = located
	}
	for _, list := range []struct {
		key   string
		files []string
		where func(file, artifacts string) string
	}{
		{"spark.submit.pyFiles", a.PyFiles, handed},
		{"spark.archives", a.Archives, handed},
		{"spark.jars", a.Jars, located},
		{"spark.jars.packages", a.Packages, func(name, _ string) string { return name }},
	} {
		var all []string
		for _, file := range list.files {
			all = append(all, list.where(file, artifacts))
		}
		if len(all) > 0 {
			lists = append(lists, ListSetting{Key: list.key, Separator: ",", First: strings.Join(all, ",")})
		}
	}
	return lists
}
