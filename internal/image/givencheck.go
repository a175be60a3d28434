package image

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// oldest is the oldest Spark that is supported.
const oldestMajor, oldestMinor = 3, 4

// Application is what an image has to be able to run.
type Application struct {
	Python, R, SQL bool
	Interpreter    string              // Python's, if the application chooses one
	Inside         []string            // paths of files that have to be in the image
	Beside         map[string]*os.File // jars that come from elsewhere, by the names by which they are told of
}

// look is an image that is looked at.
type look struct {
	image  v1.Image
	config *v1.ConfigFile
	tree   map[string]string // by paths; the target of a link
	env    map[string]string
	home   string // of Spark
	scala  string // of Spark; empty if it is not known
}

// checkGiven returns everything that keeps an application from running in an image.
func checkGiven(img v1.Image, app Application) error {
	tree, err1 := filesOf(img)
	config, err2 := img.ConfigFile()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	l := look{image: img, config: config, tree: tree, env: map[string]string{}}
	for _, variable := range config.Config.Env {
		name, value, _ := strings.Cut(variable, "=")
		l.env[name] = value
	}
	l.home = cmp.Or(l.env["SPARK_HOME"], SparkHome)
	problems := []error{l.platform(), l.spark(), l.java(), l.entrypoint(), l.languages(app)}
	for _, file := range app.Inside {
		problems = append(problems, l.inside(file))
	}
	for name, jar := range sorted(app.Beside) {
		info, err := jar.Stat()
		if err != nil {
			return err
		}
		problems = append(problems, l.jar(name, jar, info.Size()))
	}
	return errors.Join(problems...)
}

func (l *look) platform() error {
	if l.config.OS == "" && l.config.Architecture == "" || fitsMachine(l.config.OS, l.config.Architecture) {
		return nil
	}
	return fmt.Errorf("its image is for %s/%s, and the nodes are %s: build it for them (docker build --platform %s)",
		l.config.OS, l.config.Architecture, machinePlatform(), machinePlatform())
}

// spark finds the jar of Spark's core and takes the versions from its name.
func (l *look) spark() error {
	name := regexp.MustCompile(`^spark-core_(2\.[0-9]+)-(([0-9]+)\.([0-9]+)[^/]*)\.jar$`)
	core, kubernetes := []string(nil), false
	for _, base := range l.list(path.Join(l.home, "jars")) {
		if match := name.FindStringSubmatch(base); match != nil {
			core = match
		}
		kubernetes = kubernetes || strings.HasPrefix(base, "spark-kubernetes_")
	}
	if core == nil {
		return fmt.Errorf("it holds no Spark: there is no spark-core jar in %s/jars; build it on an image of Spark, or set SPARK_HOME in it",
			l.home)
	}
	l.scala = core[1]
	var problems []error
	major, err1 := strconv.Atoi(core[3])
	minor, err2 := strconv.Atoi(core[4])
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if major < oldestMajor || major == oldestMajor && minor < oldestMinor {
		problems = append(problems, fmt.Errorf("its Spark is %s, too old: build it on Spark %d.%d or newer", core[2], oldestMajor, oldestMinor))
	}
	if !kubernetes {
		problems = append(problems, fmt.Errorf("its Spark cannot run on Kubernetes: there is no spark-kubernetes jar in %s/jars; "+
			"use a distribution of Spark that has it", l.home))
	}
	return errors.Join(problems...)
}

func (l *look) java() error {
	if home := l.env["JAVA_HOME"]; home != "" && l.has(path.Join(home, "bin/java")) || l.inPath("java") {
		return nil
	}
	return fmt.Errorf("it has no Java: bin/java is neither below JAVA_HOME (%s) nor in its PATH; install one, or set JAVA_HOME in it",
		cmp.Or(l.env["JAVA_HOME"], "not set"))
}

func (l *look) entrypoint() error {
	if len(l.config.Config.Entrypoint) > 0 {
		return nil
	}
	return errors.New("it has no entry point, and Spark starts drivers and executors by that of its official image (/opt/entrypoint.sh): " +
		"set ENTRYPOINT in it")
}

// languages returns what is missing of the languages beside Java.
func (l *look) languages(app Application) error {
	var problems []error
	if app.Python {
		problems = append(problems, l.interpreter(app))
		if !l.has(path.Join(l.home, "python/lib/pyspark.zip")) && !l.has(path.Join(l.home, "python/pyspark/__init__.py")) {
			problems = append(problems, fmt.Errorf("it has no PySpark: there is none in %s/python; build it on Spark's image with Python", l.home))
		}
	}
	if app.R && !l.inPath("Rscript") {
		problems = append(problems, errors.New("it has no R, and the application is written in it: build it on Spark's image with R"))
	}
	thriftServer := func(name string) bool { return strings.HasPrefix(name, "spark-hive-thriftserver_") }
	if app.SQL && !slices.ContainsFunc(l.list(path.Join(l.home, "jars")), thriftServer) {
		problems = append(problems,
			fmt.Errorf("it has no spark-sql, which runs SQL scripts: there is no spark-hive-thriftserver jar in %s/jars", l.home))
	}
	return errors.Join(problems...)
}

// interpreter looks for the Python by which Spark starts the application: the one that was chosen, by the scenario or in the image.
func (l *look) interpreter(app Application) error {
	chosen := cmp.Or(app.Interpreter, l.env["PYSPARK_DRIVER_PYTHON"], l.env["PYSPARK_PYTHON"], "python3")
	switch {
	case strings.Contains(chosen, "/") && !path.IsAbs(chosen):
		return nil // comes with one of the application's archives
	case path.IsAbs(chosen) && l.has(chosen), !path.IsAbs(chosen) && l.inPath(chosen):
		return nil
	}
	return fmt.Errorf("it has no Python, in which the application is written: there is no %s; install it in the image, "+
		"or set spark.pyspark.python to where one is", chosen)
}

// inside looks at a file that the application names in the image.
func (l *look) inside(file string) error {
	at, known := l.resolve(file)
	if !known {
		return fmt.Errorf("%s is not in it: correct the path in spec.workload.application, or copy the file into the image", file)
	}
	if path.Ext(file) != ".jar" {
		return nil
	}
	copied, size, err := fileIn(l.image, at)
	if copied != nil {
		defer func() { _ = errors.Join(copied.Close(), os.Remove(copied.Name())) }() // nothing of it is kept
	}
	if err != nil {
		return err
	}
	return l.jar(file, copied, size)
}

// jar compares the Scala of a jar with that of Spark.
func (l *look) jar(name string, content io.ReaderAt, size int64) error {
	scala, err := ScalaOf(content, size)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if scala == "" || l.scala == "" || scala == l.scala {
		return nil
	}
	return fmt.Errorf("%s is compiled for Scala %s, and the image's Spark is one of Scala %s: "+
		"compile it for Scala %s, or take an image of Spark for Scala %s", name, scala, l.scala, l.scala, scala)
}

// inPath reports whether a program is in the image's path.
func (l *look) inPath(program string) bool {
	dirs := cmp.Or(l.env["PATH"], "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	return slices.ContainsFunc(strings.Split(dirs, ":"), func(dir string) bool { return l.has(path.Join(dir, program)) })
}

func (l *look) has(file string) bool {
	_, known := l.resolve(file)
	return known
}

// list returns the names of the files in a directory.
func (l *look) list(dir string) []string {
	real, _ := l.follow(dir)
	var names []string
	for name := range l.tree {
		if path.Dir(name) == real {
			names = append(names, path.Base(name))
		}
	}
	slices.Sort(names)
	return names
}

// resolve returns where a file lies once all links on the way are followed, and whether it is there.
func (l *look) resolve(file string) (string, bool) {
	at, ended := l.follow(file)
	_, known := l.tree[at]
	return at, known && ended
}

// follow returns a path once all links on the way are followed; false if they lead nowhere.
func (l *look) follow(file string) (string, bool) {
	const most = 40
	rest, at := strings.TrimPrefix(path.Clean("/"+file), "/"), ""
	for hops := 0; rest != ""; {
		first, after, _ := strings.Cut(rest, "/")
		at, rest = path.Join(at, first), after
		if link := l.tree[at]; link != "" {
			if hops++; hops > most {
				return at, false
			}
			at, rest = "", strings.TrimPrefix(path.Join(link, rest), "/")
		}
	}
	return at, true
}
