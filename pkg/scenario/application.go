package scenario

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Application is what Spark runs.
type Application struct {
	// the driver's object and spark.app.name carry it
	Name string `json:"name" pattern:"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$" like:"wordcount"`
	// what spark-submit is given: a jar, a Python file (.py), an R file (.R) or a SQL script (.sql); a file beside the
	// scenario, inside the image as local:///…, or from where Spark fetches it, as https://… or s3a://…
	Main string `json:"main,omitempty" pattern:"^[^\\s]+$" like:"etl.py"`
	// of a jar: the Java class whose main is run
	MainClass string `json:"mainClass,omitempty" pattern:"^[A-Za-z_$][\\w$]*(\\.[A-Za-z_$][\\w$]*)*$" like:"com.example.Main"`
	// the older name of main for a jar, inside the image or beside the scenario; neither: the jar with the applications of
	// sparkchaos in its own image
	Jar string `json:"jar,omitempty" pattern:"^(local:///[^\\s]+|[^\\s:]+\\.jar)$" like:"local:///opt/spark/workloads/workloads.jar"`
	// of a Python file: modules and packages (.py, .zip, .egg) that it imports, from the same places as main
	PyFiles []string `json:"pyFiles,omitempty" pattern:"^[^\\s,]+$" like:"helpers.zip"`
	// on the class paths of driver and executors, from the same places as main
	Jars []string `json:"jars,omitempty" pattern:"^[^\\s,]+$" like:"connector.jar"`
	// unpacked into the executors' working directories, under the name after #; from the same places as main
	Archives []string `json:"archives,omitempty" pattern:"^[^\\s,]+$" like:"environment.tar.gz#environment"`
	// Maven coordinates, which Spark resolves when the driver starts
	Packages []string `json:"packages,omitempty" pattern:"^[^\\s,:]+:[^\\s,:]+:[^\\s,:]+$" like:"org.apache.spark:spark-avro_2.13:4.1.0"`
	// beside the scenario; pods fetch them from the staging server into the directory $SPARKCHAOS_ARTIFACTS
	Files []string `json:"files,omitempty"`
	// of the application
	Args []string `json:"args,omitempty"`
}

// Language is what an application is written in.
type Language string

// The languages of applications, by what spark-submit is given.
const (
	Java   Language = "Java" // or any other that is compiled to a jar
	Python Language = "Python"
	R      Language = "R"
	SQL    Language = "SQL"
)

// schemeLocal is that of files inside the image.
const schemeLocal = "local"

// Resource returns the file that spark-submit is given; empty for the jar with the applications of sparkchaos.
func (a Application) Resource() string {
	if a.Main != "" {
		return a.Main
	}
	return a.Jar
}

// Language returns what the application is written in, by the ending of its file; empty if the ending says nothing.
func (a Application) Language() Language {
	if a.Resource() == "" {
		return Java
	}
	switch path.Ext(a.Resource()) {
	case ".jar":
		return Java
	case ".py":
		return Python
	case ".R", ".r":
		return R
	case ".sql":
		return SQL
	default:
		return ""
	}
}

// Scheme returns where a file of an application comes from, as "local" or "s3a"; empty for one beside the scenario.
func Scheme(file string) string {
	scheme, _, found := strings.Cut(file, "://")
	if !found {
		return ""
	}
	return scheme
}

// schemes are those from which Spark fetches files by itself, and that of files inside the image.
func schemes() []string {
	return []string{schemeLocal, "https", "http", "s3a", "gs", "abfs", "abfss", "hdfs"}
}

// named is a file that an application names at a path below spec.workload.application.
type named struct{ at, file string }

// resources returns what an application gives to Spark, without the names under which archives are unpacked.
func (a Application) resources() []named {
	var all []named
	if a.Main != "" {
		all = append(all, named{"main", a.Main})
	}
	if a.Jar != "" {
		all = append(all, named{"jar", a.Jar})
	}
	for _, list := range []struct {
		at    string
		files []string
	}{{"pyFiles", a.PyFiles}, {"jars", a.Jars}, {"archives", a.Archives}} {
		for i, file := range list.files {
			if list.at == "archives" {
				file, _, _ = strings.Cut(file, "#")
			}
			all = append(all, named{fmt.Sprintf("%s[%d]", list.at, i), file})
		}
	}
	return all
}

// staged returns the files beside the scenario that an application names, its own first.
func (a Application) staged() []named {
	all := slices.DeleteFunc(a.resources(), func(n named) bool { return strings.Contains(n.file, ":") })
	for i, file := range a.Files {
		all = append(all, named{fmt.Sprintf("files[%d]", i), file})
	}
	return all
}

// Artifacts returns the files of an application that pods have to fetch, as the scenario names them: those beside it. What it runs
// comes first.
func Artifacts(a Application) []string {
	var names []string
	for _, n := range a.staged() {
		names = append(names, n.file)
	}
	return names
}

// InImage returns the paths of an application's files that are inside its image.
func InImage(a Application) []string {
	var paths []string
	for _, n := range a.resources() {
		if file, inside := strings.CutPrefix(n.file, schemeLocal+"://"); inside {
			paths = append(paths, file)
		}
	}
	return paths
}

const applicationPath = "spec.workload.application"

// checkApplication finds what spark-submit would refuse, or what no pod could run.
func checkApplication(a Application, report report) {
	complain := func(at, format string, args ...any) { report(applicationPath+"."+at, format, args...) }
	if a.Main != "" && a.Jar != "" {
		complain("jar", "is the older name of main, which is given, too; keep main")
	}
	for _, n := range a.resources() {
		if why := unreachable(n.file); why != "" && n.at != "jar" { // whose pattern says it
			complain(n.at, "%q %s", n.file, why)
		}
	}
	checkMain(a, complain)
	checkEndings("pyFiles", a.PyFiles, []string{".py", ".zip", ".egg"}, complain)
	checkEndings("jars", a.Jars, []string{".jar"}, complain)
	checkEndings("archives", a.Archives, []string{".zip", ".tar.gz", ".tgz", ".tar", ".jar"}, complain)
	for _, n := range a.staged() {
		if why := outside(n.file); why != "" {
			complain(n.at, "%q %s; files are taken from the scenario's directory and below it alone", n.file, why)
		}
	}
}

// checkMain finds what does not fit the language of the application.
func checkMain(a Application, complain report) {
	language := a.Language()
	switch {
	case a.Resource() == "" && a.MainClass == "":
		complain("main", "missing; give what spark-submit is given: a jar with its mainClass, a Python file (.py), an R file (.R) or a SQL "+
			"script (.sql)")
		return
	case language == "":
		complain("main", "%q is no application by its ending; want a jar (.jar), a Python file (.py), an R file (.R) or a SQL script (.sql)",
			a.Resource())
		return
	case language == Java && a.MainClass == "":
		complain("mainClass", "missing; a jar needs the class whose main is run")
	case language != Java && a.MainClass != "":
		complain("mainClass", "is for jars, but %s is a %s file; leave it out", a.Resource(), language)
	}
	if language != Python && len(a.PyFiles) > 0 {
		complain("pyFiles", "are for Python, but the application is written in %s; leave them out, or name jars in jars", language)
	}
}

// unreachable returns in words why Spark cannot get a file from where it is said to be, or nothing.
func unreachable(file string) string {
	scheme := Scheme(file)
	switch {
	case scheme == "file":
		return "is on no machine that pods see; write local:///… for a file inside the image, or a path beside the scenario"
	case scheme == "" && strings.Contains(file, ":"):
		return "has a colon but no //; write it like local:///opt/app/etl.py, or give a path beside the scenario"
	case scheme == "":
		return ""
	case !slices.Contains(schemes(), scheme):
		return fmt.Sprintf("has an unknown scheme; want a path beside the scenario, or one of %s", strings.Join(schemes(), "://, ")+"://")
	case scheme == schemeLocal && !strings.HasPrefix(file, "local:///"):
		return "names a host, which files inside the image do not have; write local:///opt/app/etl.py, with three slashes"
	default:
		return ""
	}
}

// checkEndings finds files whose ending Spark does not take.
func checkEndings(at string, files, endings []string, complain report) {
	for i, file := range files {
		file, _, _ := strings.Cut(file, "#")
		if !slices.ContainsFunc(endings, func(ending string) bool { return strings.HasSuffix(file, ending) }) {
			complain(fmt.Sprintf("%s[%d]", at, i), "%q has another ending than Spark takes here; want %s", file, strings.Join(endings, ", "))
		}
	}
}
