// Package submission reads how an application is launched today, as arguments of spark-submit or as a Job that runs it, and writes it
// as a scenario. What a scenario cannot express is reported, never dropped.
package submission

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Imported is an application as a scenario launches it.
type Imported struct {
	Name     string // of the scenario
	From     string // what it was read from: "spark-submit"
	Workload scenario.Workload
	inImage  bool     // paths are those of the image, and not of somebody's machine
	Notes    []string // what was not taken over as it was, and what there is to do, one sentence each
}

// note tells something that was not taken over.
func (i *Imported) note(format string, args ...any) {
	i.Notes = append(i.Notes, fmt.Sprintf(format, args...))
}

// expectations are what a scenario begins with: any application that survives the loss of its driver's node holds them.
const expectations = `  faults:
  - name: lose-driver-node
    inject: {nodePowerOff: {node: {of: driver}}}
    when: {executorsRegistered: {atLeast: 1}, delay: 5s}
    recover: {when: {executorsRegistered: {atLeast: 1}}, delay: 5s}
  expect:
  - driverRescheduled: {within: 2m}
  - atMostOneDriver: {overlap: 0s}
  - executorNamesUnique: {}
  - applicationIdsUnique: {}
  - completes: {within: 30m}
  - nothingLeftBehind: {}
  # To compare its results write baseline: true, into workload.output what it writes, and here
  # - resultEqualsBaseline: {}
  settle: 20m # how long it may take after the last fault
`

// YAML returns the scenario, with the notes as comments.
func (i Imported) YAML() ([]byte, error) {
	workload, err := strictyaml.YAML(i.Workload, false)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "apiVersion: %s\nkind: %s\nmetadata:\n  name: %s\nspec:\n  cluster: {workers: 3, timing: fast}\n  workload:\n",
		scenario.APIVersion, scenario.Kind, i.Name)
	fmt.Fprintf(&out, "    # From %s.\n", i.From)
	for _, note := range i.Notes {
		fmt.Fprintf(&out, "    # %s\n", strings.ReplaceAll(note, "\n", " "))
	}
	for line := range strings.Lines(string(workload)) {
		out.WriteString("    " + line)
	}
	out.WriteString(expectations)
	return out.Bytes(), nil
}

// name makes of any text one that a scenario and an application can have.
func name(text string) string {
	lower := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(text), "-")
	lower = strings.TrimLeft(lower, "-0123456789")
	if len(lower) > 39 {
		lower = lower[:39]
	}
	if lower = strings.Trim(lower, "-"); lower == "" {
		return "application"
	}
	return lower
}

// finish fills in what follows from the rest.
func (i *Imported) finish() {
	a := &i.Workload.Application
	if a.Name == "" {
		base := path.Base(a.Main)
		a.Name = name(strings.TrimSuffix(base, path.Ext(base)))
	}
	i.Name = a.Name
	if i.Workload.Image == "" && i.Workload.ImageArchive == "" {
		i.note("There is no image: the one of sparkchaos is used, which holds Spark alone; name one with image: …")
	}
}

// beside returns how a scenario names a file: as it is, or by its name beside the scenario.
func (i *Imported) beside(file string) string {
	scheme, rest, _ := strings.Cut(file, "://")
	switch {
	case scheme != "file" && strings.Contains(file, ":"):
		return file
	case scheme == "file":
		file = rest
	}
	if i.inImage && path.IsAbs(file) {
		return "local://" + file
	}
	plain, alias, hasAlias := strings.Cut(file, "#")
	base := path.Base(plain)
	if base != plain {
		i.note("Copy %s beside this file: pods get it from there.", plain)
	}
	if hasAlias {
		return base + "#" + alias
	}
	return base
}

func (i *Imported) allBeside(list string) []string {
	var files []string
	for file := range strings.SplitSeq(list, ",") {
		if file = strings.TrimSpace(file); file != "" {
			files = append(files, i.beside(file))
		}
	}
	return files
}

// conf takes over settings: those for which a scenario has fields as these, those of the harness not at all.
func (i *Imported) conf(settings map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		i.setting(key, settings[key])
	}
}

func (i *Imported) setting(key, value string) {
	w := &i.Workload
	if why := harnessOwn(key); why != "" {
		i.note("%s=%s is not taken over: %s.", key, shown(key, value), why)
		return
	}
	var err error
	switch key {
	case "spark.app.name":
		w.Application.Name = name(value)
	case "spark.kubernetes.container.image", "spark.kubernetes.driver.container.image":
		w.Image = value
	case "spark.driver.memory":
		w.Driver.Memory, err = memory(value)
	case "spark.driver.cores", "spark.kubernetes.driver.request.cores":
		w.Driver.Cores = value
	case "spark.executor.memory":
		w.Executors.Memory, err = memory(value)
	case "spark.executor.instances":
		w.Executors.Instances, err = number(value)
	case "spark.executor.cores":
		w.Executors.Cores, err = number(value)
	case "spark.kubernetes.executor.request.cores":
		w.Executors.RequestCores = value
	case "spark.jars":
		w.Application.Jars = append(w.Application.Jars, i.allBeside(value)...)
	case "spark.submit.pyFiles":
		w.Application.PyFiles = append(w.Application.PyFiles, i.allBeside(value)...)
	case "spark.archives":
		w.Application.Archives = append(w.Application.Archives, i.allBeside(value)...)
	case "spark.files":
		i.files(value)
	case "spark.jars.packages":
		w.Application.Packages = append(w.Application.Packages, strings.Split(value, ",")...)
	default:
		i.plain(key, value)
		return
	}
	if err != nil {
		i.note("%s=%s is not taken over: %v.", key, value, err)
	}
}

// plain takes over a setting as it is; a secret becomes the name of a variable.
func (i *Imported) plain(key, value string) {
	if i.Workload.Conf == nil {
		i.Workload.Conf = map[string]scenario.ConfValue{}
	}
	given := scenario.Plain(value)
	if !accepted(key, given) {
		variable := strings.ToUpper(regexp.MustCompile(`\W+`).ReplaceAllString(strings.TrimPrefix(key, "spark."), "_"))
		given = scenario.ConfValue{FromEnv: variable}
		if !accepted(key, given) {
			i.note("%s is not taken over: it holds a secret, which would be readable in pods; mount it from a Kubernetes Secret.", key)
			return
		}
		i.note("%s is a secret: set the variable %s and give run --allow-env %s.", key, variable, variable)
	}
	i.Workload.Conf[key] = given
}

// accepted reports whether a scenario takes a setting.
func accepted(key string, value scenario.ConfValue) bool {
	fine := true
	scenario.CheckConf("conf", map[string]scenario.ConfValue{key: value}, false, func(string, string, ...any) { fine = false })
	return fine
}

// shown is a setting's value as it may stand in a comment.
func shown(key, value string) string { return scenario.Shown(key, scenario.Plain(value)) }

// files takes over what Spark puts into working directories.
func (i *Imported) files(list string) {
	for _, file := range i.allBeside(list) {
		if strings.Contains(file, ":") {
			i.plain("spark.files", strings.TrimPrefix(i.Workload.Conf["spark.files"].Text+","+file, ","))
			continue
		}
		i.Workload.Application.Files = append(i.Workload.Application.Files, file)
		i.note("%s is in the directory $SPARKCHAOS_ARTIFACTS of each pod, and not in the working directory.", file)
	}
}

// harnessOwn returns why a setting is the harness's to make; empty if it is not.
func harnessOwn(key string) string {
	const pod = "the driver is not started by spark-submit, so this shapes no pod; write driver.template"
	switch {
	case slices.Contains([]string{"spark.master", "spark.kubernetes.namespace", "spark.kubernetes.context"}, key):
		return "each run has a cluster and a namespace of its own"
	case key == "spark.submit.deployMode":
		return "the driver runs in a pod of a Job, in client mode; launcher: spark-submit has spark-submit make it in cluster mode, a bare " +
			"Pod that nothing replaces"
	case slices.Contains([]string{"spark.app.id", "spark.kubernetes.driver.pod.name", "spark.kubernetes.executor.podNamePrefix"}, key):
		return "fixed names would make the second driver clash with the first"
	case slices.Contains([]string{"spark.driver.host", "spark.driver.port", "spark.driver.bindAddress"}, key):
		return "the address is that of the driver's pod"
	case strings.HasPrefix(key, "spark.kubernetes.authenticate.") || key == "spark.kubernetes.file.upload.path":
		return "rights and files are those of the run"
	case key == "spark.kubernetes.executor.podTemplateFile":
		return "write the parts of the file as executors.template"
	case strings.HasPrefix(key, "spark.kubernetes.driver.request.cores"), key == "spark.kubernetes.driver.container.image":
		return ""
	case strings.HasPrefix(key, "spark.kubernetes.driver.") || strings.HasPrefix(key, "spark.kubernetes.driverEnv."):
		return pod
	default:
		return ""
	}
}

// memory returns a size as scenarios write it.
func memory(text string) (string, error) {
	short := regexp.MustCompile(`^([1-9][0-9]*)([kmgt])b?$`).FindStringSubmatch(strings.ToLower(strings.TrimSpace(text)))
	if short == nil {
		return "", errors.New("want a size like 512m or 2g")
	}
	return short[1] + short[2], nil
}

func number(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 1 {
		return 0, errors.New("want a whole number from 1")
	}
	return n, nil
}

// Application returns an application that is known by what spark-submit would be given, and the image it runs in: its name, or the file
// of an archive.
func Application(a scenario.Application, image string) (Imported, error) {
	if a.Main == "" {
		return Imported{}, errors.New("no application: want a jar, a Python file, an R file or a SQL script")
	}
	i := Imported{From: "sparkchaos init", Workload: scenario.Workload{Application: a, Image: image}}
	if scenario.IsImageArchive(image) {
		i.Workload.Image, i.Workload.ImageArchive = "", image
	}
	i.finish()
	return i, nil
}
