package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

const submitClass = "org.apache.spark.deploy.SparkSubmit"

// The settings that decide how the driver's JVM is started: it exists before Spark could read them.
const (
	settingMemory         = "spark.driver.memory"
	settingClassPath      = "spark.driver.extraClassPath"
	settingDefaultPath    = "spark.driver.defaultExtraClassPath"
	settingDefaultOptions = "spark.driver.defaultJavaOptions"
	settingExtraOptions   = "spark.driver.extraJavaOptions"
	settingLibraryPath    = "spark.driver.extraLibraryPath"
	settingDeployMode     = "spark.submit.deployMode"
)

// driver returns the process of a driver in client mode.
func (c container) driver(args []string) (process, error) {
	var own []string
	if address := c.environ["SPARK_DRIVER_BIND_ADDRESS"]; address != "" {
		own = append(own, "--conf", "spark.driver.bindAddress="+address, "--conf", "spark.executorEnv.SPARK_DRIVER_POD_IP="+address)
	}
	return c.submit(slices.Concat(own, []string{"--deploy-mode", "client"}, args))
}

// submit returns the process that spark-submit would start, without the JVM in which spark-submit works it out.
func (c container) submit(args []string) (process, error) {
	settings, err := c.settings(args)
	if err != nil {
		return process{}, err
	}
	client := cmp.Or(settings[settingDeployMode], "client") == "client"
	first := ""
	if client {
		first = settings[settingClassPath]
	}
	classPath, err := c.classPath(first + ":" + settings[settingDefaultPath])
	if err != nil {
		return process{}, err
	}
	options, err := javaOptions("SPARK_SUBMIT_OPTS", c.environ["SPARK_SUBMIT_OPTS"])
	if err != nil {
		return process{}, err
	}
	var p process
	if client {
		own, err := c.clientOptions(settings)
		if err != nil {
			return process{}, err
		}
		options = append(options, own...)
		if library := settings[settingLibraryPath]; library != "" {
			p.environ = []string{"LD_LIBRARY_PATH=" + strings.Trim(c.environ["LD_LIBRARY_PATH"]+":"+library, ":")}
		}
	}
	p.argv = slices.Concat([]string{c.java()}, c.launch.ArchiveOptions, []string{"-cp", classPath}, options, c.launch.ModuleOptions,
		[]string{submitClass}, args)
	return p, nil
}

// clientOptions are those of the JVM in which the driver itself runs.
func (c container) clientOptions(settings map[string]string) ([]string, error) {
	memory := cmp.Or(settings[settingMemory], c.environ["SPARK_DRIVER_MEMORY"], c.environ["SPARK_MEM"], defaultMemory)
	options := []string{"-Xmx" + memory}
	for _, name := range []string{settingDefaultOptions, settingExtraOptions} {
		parsed, err := javaOptions(name, settings[name])
		if err != nil {
			return nil, err
		}
		options = append(options, parsed...)
	}
	return options, nil
}

// settings returns what holds for the driver's JVM: the command line before the properties file before the defaults.
func (c container) settings(args []string) (map[string]string, error) {
	line, err := parseSubmit(args)
	if err != nil {
		return nil, err
	}
	settings := map[string]string{}
	if line.propertiesFile == "" || line.loadDefaults {
		defaults, err := c.properties(path.Join(c.confDir(), "spark-defaults.conf"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		maps.Copy(settings, defaults)
	}
	if line.propertiesFile != "" {
		chosen, err := c.properties(line.propertiesFile)
		if err != nil {
			return nil, fmt.Errorf("%w: --properties-file: %w", errUsage, err)
		}
		maps.Copy(settings, chosen)
	}
	maps.Copy(settings, line.settings)
	return settings, nil
}

func (c container) properties(file string) (map[string]string, error) {
	if !path.IsAbs(file) {
		file = path.Join(c.dir, file)
	}
	data, err := fs.ReadFile(c.files, inRoot(file))
	if err != nil {
		return nil, err
	}
	properties, err := parseProperties(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return properties, nil
}

// commandLine is what a command line of spark-submit says of the driver's JVM.
type commandLine struct {
	settings       map[string]string
	propertiesFile string
	loadDefaults   bool
}

// parseSubmit reads the options up to the application's jar; those after it are the application's own.
func parseSubmit(args []string) (commandLine, error) {
	line := commandLine{settings: map[string]string{}}
	withEqualSign := regexp.MustCompile(`^(--[^=]+)=(.+)$`)
	for i := 0; i < len(args); i++ {
		name, value, given := args[i], "", false
		if m := withEqualSign.FindStringSubmatch(name); m != nil {
			name, value, given = m[1], m[2], true
		}
		if isSwitch(name) {
			line.loadDefaults = line.loadDefaults || name == "--load-spark-defaults"
			continue
		}
		if !strings.HasPrefix(name, "-") {
			return line, nil
		}
		// Every other option has a value; SparkSubmit itself says which of them it does not know.
		if !given {
			if i++; i == len(args) {
				return commandLine{}, fmt.Errorf("%w: the option %s lacks its value", errUsage, name)
			}
			value = args[i]
		}
		if err := line.set(name, value); err != nil {
			return commandLine{}, err
		}
	}
	return line, nil
}

func isSwitch(name string) bool {
	return slices.Contains([]string{"--help", "-h", "--supervise", "--usage-error", "--verbose", "-v", "--version", "--load-spark-defaults"}, name)
}

func (l *commandLine) set(option, value string) error {
	options := map[string]string{
		"--deploy-mode":               settingDeployMode,
		"--driver-class-path":         settingClassPath,
		"--driver-default-class-path": settingDefaultPath,
		"--driver-java-options":       settingExtraOptions,
		"--driver-library-path":       settingLibraryPath,
		"--driver-memory":             settingMemory,
	}
	switch option {
	case "--conf", "-c":
		name, setting, ok := strings.Cut(value, "=")
		if !ok {
			return fmt.Errorf("%w: %s %s: a setting has the form NAME=VALUE", errUsage, option, value)
		}
		l.settings[name] = setting
	case "--properties-file":
		l.propertiesFile = value
	default:
		if setting, ok := options[option]; ok {
			l.settings[setting] = value
		}
	}
	return nil
}
