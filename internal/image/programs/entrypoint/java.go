package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

const (
	defaultHome   = "/opt/spark"
	defaultMemory = "1g" // as spark-submit has it
	optionPrefix  = "SPARK_JAVA_OPT_"
)

// environment turns NAME=VALUE lines into a map.
func environment(lines []string) map[string]string {
	m := make(map[string]string, len(lines))
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		m[name] = value
	}
	return m
}

func (c container) home() string { return cmp.Or(c.environ["SPARK_HOME"], defaultHome) }

func (c container) confDir() string {
	return cmp.Or(c.environ["SPARK_CONF_DIR"], path.Join(c.home(), "conf"))
}

// java is the path of the Java launcher.
func (c container) java() string {
	if home := c.environ["JAVA_HOME"]; home != "" {
		return path.Join(home, "bin", "java")
	}
	return "java"
}

// classPath returns the class path. Spark's jars come one by one and sorted, in front of all that may differ between two
// containers: only then do they match the archive of prepared classes. What the user wants to come first comes first, at
// the price of that archive.
func (c container) classPath(first string) (string, error) {
	jars, err := c.jars(path.Join(c.home(), "jars"))
	if err != nil {
		return "", err
	}
	if len(jars) == 0 {
		return "", fmt.Errorf("%s holds no jars: SPARK_HOME must name an installation of Spark", path.Join(c.home(), "jars"))
	}
	workloads, err := c.jars(path.Join(c.home(), "workloads"))
	if err != nil {
		return "", err
	}
	entries := split(first)
	// What is on the class path anyway need not come first.
	entries = slices.DeleteFunc(entries, func(e string) bool { return slices.Contains(workloads, e) })
	entries = slices.Concat(entries, jars, workloads, split(c.environ["SPARK_EXTRA_CLASSPATH"]), split(c.environ["HADOOP_CONF_DIR"]),
		[]string{c.confDir()}, split(c.environ["SPARK_DIST_CLASSPATH"]))
	return strings.Join(entries, ":"), nil
}

// jars lists the jars of a directory; one that is not there holds none.
func (c container) jars(dir string) ([]string, error) {
	entries, err := fs.ReadDir(c.files, inRoot(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var jars []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".jar") {
			jars = append(jars, path.Join(dir, e.Name()))
		}
	}
	return jars, nil
}

// split takes a class path apart, without empty parts: Java reads these as the working directory.
func split(classPath string) []string {
	return slices.DeleteFunc(strings.Split(classPath, ":"), func(s string) bool { return s == "" })
}

// executor returns the process of an executor, whose settings Spark gives by environment variables.
func (c container) executor() (process, error) {
	classPath, err := c.classPath(c.environ["SPARK_CLASSPATH"])
	if err != nil {
		return process{}, err
	}
	// The working directory is on an executor's class path, for files that were sent there.
	classPath += ":" + c.dir
	var missing []string
	get := func(name string) string {
		value := c.environ[name]
		if value == "" {
			missing = append(missing, name)
		}
		return value
	}
	memory := get("SPARK_EXECUTOR_MEMORY")
	argv := slices.Concat([]string{c.java()}, c.launch.ArchiveOptions, c.numberedOptions(),
		[]string{"-Xms" + memory, "-Xmx" + memory, "-cp", classPath, "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"},
		[]string{"--driver-url", get("SPARK_DRIVER_URL"), "--executor-id", get("SPARK_EXECUTOR_ID"), "--cores", get("SPARK_EXECUTOR_CORES")},
		[]string{"--app-id", get("SPARK_APPLICATION_ID"), "--hostname", get("SPARK_EXECUTOR_POD_IP")},
		[]string{"--resourceProfileId", get("SPARK_RESOURCE_PROFILE_ID"), "--podName", get("SPARK_EXECUTOR_POD_NAME")})
	if len(missing) > 0 {
		return process{}, fmt.Errorf("%w: an executor needs these environment variables, which Spark's driver sets: %s are not set",
			errUsage, strings.Join(missing, ", "))
	}
	return process{argv: argv}, nil
}

// numberedOptions returns the Java options that Spark passes one by one, in the order of their numbers.
func (c container) numberedOptions() []string {
	type option struct {
		number int
		value  string
	}
	var options []option
	for name, value := range c.environ {
		digits, ok := strings.CutPrefix(name, optionPrefix)
		if !ok {
			continue
		}
		if n, err := strconv.Atoi(digits); err == nil {
			options = append(options, option{n, value})
		}
	}
	slices.SortFunc(options, func(a, b option) int { return a.number - b.number })
	var values []string
	for _, o := range options {
		values = append(values, o.value)
	}
	return values
}

// class returns the process of one of Spark's own main classes, as the script spark-class would start it.
func (c container) class(args []string) (process, error) {
	if len(args) == 0 {
		return process{}, fmt.Errorf("%w: give a class", errUsage)
	}
	if args[0] == submitClass {
		return c.submit(args[1:])
	}
	optionsOf, memoryOf, classPathOf := daemon(args[0])
	classPath, err := c.classPath(c.environ[classPathOf])
	if err != nil {
		return process{}, err
	}
	var options []string
	for _, name := range optionsOf {
		parsed, err := javaOptions(name, c.environ[name])
		if err != nil {
			return process{}, err
		}
		options = append(options, parsed...)
	}
	memory := cmp.Or(c.environ[memoryOf], defaultMemory)
	return process{argv: slices.Concat([]string{c.java()}, c.launch.ArchiveOptions, []string{"-cp", classPath}, options,
		[]string{"-Xmx" + memory}, c.launch.ModuleOptions, args)}, nil
}

// daemon names the environment variables that hold a class's options, memory and class path.
func daemon(class string) (options []string, memory, classPath string) {
	own := map[string]string{
		"org.apache.spark.deploy.master.Master":          "SPARK_MASTER_OPTS",
		"org.apache.spark.deploy.worker.Worker":          "SPARK_WORKER_OPTS",
		"org.apache.spark.deploy.history.HistoryServer":  "SPARK_HISTORY_OPTS",
		"org.apache.spark.deploy.ExternalShuffleService": "SPARK_SHUFFLE_OPTS",
	}
	if variable, ok := own[class]; ok {
		return []string{"SPARK_DAEMON_JAVA_OPTS", variable}, "SPARK_DAEMON_MEMORY", "SPARK_DAEMON_CLASSPATH"
	}
	return nil, "SPARK_DRIVER_MEMORY", ""
}

// javaOptions parses a string of Java options, in which the heap has no place.
func javaOptions(name, value string) ([]string, error) {
	options, err := splitOptions(value)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errUsage, name, err)
	}
	for _, o := range options {
		if strings.HasPrefix(o, "-Xmx") {
			return nil, fmt.Errorf("%w: %s must not set the heap (%s): use the setting or variable for the memory", errUsage, name, o)
		}
	}
	return options, nil
}
