package submission

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// SparkSubmit reads the arguments of spark-submit, with or without the program's name before them.
func SparkSubmit(args []string) (Imported, error) {
	return sparkSubmit(args, false)
}

// sparkSubmit reads the arguments of one that runs on somebody's machine, or in the image of a pod.
func sparkSubmit(args []string, inImage bool) (Imported, error) {
	i := Imported{From: "spark-submit", inImage: inImage}
	if len(args) > 0 && (args[0] == "spark-submit" || strings.HasSuffix(args[0], "/spark-submit")) {
		args = args[1:]
	}
	rest, err := i.options(args)
	if err != nil {
		return i, err
	}
	if len(rest) == 0 {
		return i, errors.New("spark-submit: no application: want a jar, a Python file, an R file after the options")
	}
	i.Workload.Application.Main, i.Workload.Application.Args = i.beside(rest[0]), rest[1:]
	if i.Workload.Application.Language() == "" {
		return i, fmt.Errorf(
			"spark-submit: %q is no application that a scenario can run: want a jar (.jar), a Python file (.py) or an R file (.R)", rest[0])
	}
	i.finish()
	return i, nil
}

// options takes over the options and returns what follows them. Settings count less than options, as in spark-submit.
func (i *Imported) options(args []string) (rest []string, err error) {
	settings := map[string]string{}
	var given [][2]string
	for len(args) > 0 {
		option, value, joined := strings.Cut(args[0], "=")
		switch {
		case !strings.HasPrefix(option, "-"):
			i.conf(settings)
			for _, option := range given {
				i.option(option[0], option[1])
			}
			return args, nil
		case slices.Contains(flags(), option) && !joined:
			i.flag(option)
			args = args[1:]
			continue
		case !slices.Contains(options(), option):
			return nil, fmt.Errorf("spark-submit: %s is no option of spark-submit", option)
		case joined:
			args = args[1:]
		case len(args) < 2:
			return nil, fmt.Errorf("spark-submit: %s lacks its value", option)
		default:
			value, args = args[1], args[2:]
		}
		if option != "--conf" && option != "-c" {
			given = append(given, [2]string{option, value})
			continue
		}
		key, text, ok := strings.Cut(value, "=")
		if !ok {
			return nil, fmt.Errorf("spark-submit: %s %s: want NAME=VALUE", option, value)
		}
		settings[key] = text
	}
	return nil, nil
}

// flags are the options of spark-submit without a value.
func flags() []string {
	return []string{"--verbose", "-v", "--supervise", "--load-spark-defaults", "--help", "-h", "--version", "--usage-error"}
}

// options are those with one.
func options() []string {
	return []string{
		"--archives", "--class", "--conf", "-c", "--deploy-mode", "--driver-class-path", "--driver-cores", "--driver-java-options",
		"--driver-library-path",
		"--driver-memory", "--exclude-packages", "--executor-cores", "--executor-memory", "--files", "--jars", "--keytab", "--kill", "--master",
		"--name",
		"--num-executors", "--packages", "--principal", "--properties-file", "--proxy-user", "--py-files", "--queue", "--remote",
		"--repositories",
		"--status", "--total-executor-cores",
	}
}

func (i *Imported) flag(option string) {
	switch option {
	case "--supervise":
		i.note("--supervise is not taken over: the driver's Job replaces a driver that is lost; see driver.backoffLimit.")
	case "--load-spark-defaults":
		i.note("--load-spark-defaults is not taken over: the spark-defaults.conf of the image is read anyway.")
	}
}

// setting is that of Spark which an option stands for; empty if there is none.
func setting(option string) string {
	switch option {
	case "--driver-memory":
		return "spark.driver.memory"
	case "--driver-cores":
		return "spark.driver.cores"
	case "--executor-memory":
		return "spark.executor.memory"
	case "--executor-cores":
		return "spark.executor.cores"
	case "--num-executors":
		return "spark.executor.instances"
	case "--name":
		return "spark.app.name"
	case "--jars":
		return "spark.jars"
	case "--py-files":
		return "spark.submit.pyFiles"
	case "--archives":
		return "spark.archives"
	case "--files":
		return "spark.files"
	case "--packages":
		return "spark.jars.packages"
	case "--exclude-packages":
		return "spark.jars.excludes"
	case "--repositories":
		return "spark.jars.repositories"
	case "--driver-java-options":
		return "spark.driver.extraJavaOptions"
	case "--driver-class-path":
		return "spark.driver.extraClassPath"
	case "--driver-library-path":
		return "spark.driver.extraLibraryPath"
	case "--master":
		return "spark.master"
	case "--deploy-mode":
		return "spark.submit.deployMode"
	default:
		return ""
	}
}

// option takes over an option: it wins over the setting of the same meaning, which is taken over before.
func (i *Imported) option(option, value string) {
	if option == "--class" {
		i.Workload.Application.MainClass = value
		return
	}
	key := setting(option)
	if key == "" {
		i.note("%s %s is not taken over: a scenario has nothing of the kind.", option, value)
		return
	}
	a := &i.Workload.Application
	switch option {
	case "--jars":
		a.Jars = nil
	case "--py-files":
		a.PyFiles = nil
	case "--archives":
		a.Archives = nil
	case "--packages":
		a.Packages = nil
	}
	i.setting(key, value)
}
