package submission

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// SparkApplication reads a SparkApplication of kubeflow's operator (sparkoperator.k8s.io) or of Apache's (spark.apache.org).
func SparkApplication(text []byte) (Imported, error) {
	t, err := parse(text)
	if err != nil {
		return Imported{}, err
	}
	version, kind := t.text("apiVersion"), t.text("kind")
	if kind != "SparkApplication" {
		return Imported{}, fmt.Errorf("the object is a %s of %s, want a SparkApplication of sparkoperator.k8s.io or spark.apache.org",
			orNothing(kind), orNothing(version))
	}
	i := Imported{From: "a SparkApplication of " + version}
	i.metadata(t.below("metadata"))
	t.take("status")
	switch {
	case strings.HasPrefix(version, "sparkoperator.k8s.io/"):
		i.launcher(scenario.LauncherSparkApplication)
		err = i.kubeflow(t.below("spec"))
	case strings.HasPrefix(version, "spark.apache.org/"):
		i.launcher(scenario.LauncherApacheSparkApplication)
		err = i.apache(t.below("spec"))
	default:
		err = fmt.Errorf("SparkApplications of %s are not known, want sparkoperator.k8s.io/v1beta2 or spark.apache.org/v1", orNothing(version))
	}
	return i.ended(t, err)
}

// launcher tells how the operator itself can make the driver.
func (i *Imported) launcher(name string) {
	i.note("Here a Job makes the driver. Where the operator is installed, launcher: %s with driver.restartPolicy has it make the driver.",
		name)
}

func orNothing(text string) string {
	if text == "" {
		return "(nothing)"
	}
	return text
}

// ended tells what was left of a document and finishes.
func (i Imported) ended(t tree, err error) (Imported, error) {
	if err := errors.Join(append(*t.gone, err)...); err != nil {
		return i, err
	}
	if i.Workload.Application.Main == "" {
		return i, errors.New("the object names no file to run")
	}
	for _, left := range t.left() {
		i.note("Not taken over: %s", left)
	}
	i.finish()
	return i, nil
}

// metadata takes the name; the rest of it is the cluster's.
func (i *Imported) metadata(t tree) {
	if text := t.text("name"); text != "" {
		i.Workload.Application.Name = name(text)
	}
	for _, cluster := range []string{"namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"} {
		t.take(cluster)
	}
}

// kubeflow takes the spec of a SparkApplication of kubeflow's operator.
func (i *Imported) kubeflow(spec tree) error {
	w := &i.Workload
	for _, own := range []string{"type", "mode", "pythonVersion", "sparkVersion"} { // follow from the file and the image
		spec.take(own)
	}
	w.Image = spec.text("image")
	w.Application.MainClass = spec.text("mainClass")
	if main := spec.text("mainApplicationFile"); main != "" {
		w.Application.Main = i.beside(main)
	}
	w.Application.Args = spec.texts("arguments")
	i.conf(spec.pairs("sparkConf"))
	hadoop := spec.pairs("hadoopConf")
	for _, key := range slices.Sorted(maps.Keys(hadoop)) {
		i.plain("spark.hadoop."+key, hadoop[key])
	}
	deps := spec.below("deps")
	for _, list := range []struct{ from, setting string }{
		{"jars", "spark.jars"}, {"pyFiles", "spark.submit.pyFiles"}, {"archives", "spark.archives"}, {"files", "spark.files"},
		{"packages", "spark.jars.packages"}, {"excludePackages", "spark.jars.excludes"}, {"repositories", "spark.jars.repositories"},
	} {
		if names := deps.texts(list.from); len(names) > 0 {
			i.setting(list.setting, strings.Join(names, ","))
		}
	}
	i.restarts(spec.below("restartPolicy"))
	driver, executor := spec.below("driver"), spec.below("executor")
	i.resources(driver, "driver")
	i.resources(executor, "executor")
	if instances := executor.text("instances"); instances != "" {
		i.setting("spark.executor.instances", instances)
	}
	i.dynamic(spec.below("dynamicAllocation"))
	volumes, _ := spec.fields["volumes"].([]any)
	var err, err2 error
	w.Driver.Template, err = i.podOf(driver, scenario.OfDriver, volumes)
	w.Executors.Template, err2 = i.podOf(executor, scenario.OfExecutor, volumes)
	if w.Driver.Template != nil || w.Executors.Template != nil {
		spec.take("volumes")
	}
	return errors.Join(err, err2)
}

// restarts takes over how often the operator restarts the driver.
func (i *Imported) restarts(policy tree) {
	switch kind := policy.text("type"); kind {
	case "Never":
		none := int32(0)
		i.Workload.Driver.BackoffLimit = &none
	case "OnFailure":
		if retries, err := number(policy.text("onFailureRetries")); err == nil {
			limit := int32(retries)
			i.Workload.Driver.BackoffLimit = &limit
		}
	case "Always":
		i.note("restartPolicy Always: a Job restarts a driver that failed, not one that succeeded.")
	}
}

// resources takes over memory and CPU of a role.
func (i *Imported) resources(t tree, role string) {
	for _, field := range []struct{ from, setting string }{
		{"cores", "spark." + role + ".cores"}, {"memory", "spark." + role + ".memory"}, {"memoryOverhead", "spark." + role + ".memoryOverhead"},
		{"javaOptions", "spark." + role + ".extraJavaOptions"}, {"coreRequest", "spark.kubernetes." + role + ".request.cores"},
	} {
		if value := t.text(field.from); value != "" {
			i.setting(field.setting, value)
		}
	}
	if role == "executor" {
		if limit := t.text("coreLimit"); limit != "" {
			i.plain("spark.kubernetes.executor.limit.cores", limit)
		}
	}
}

func (i *Imported) dynamic(t tree) {
	for _, field := range []struct{ from, setting string }{
		{"enabled", "enabled"}, {"initialExecutors", "initialExecutors"}, {"minExecutors", "minExecutors"}, {"maxExecutors", "maxExecutors"},
		{"shuffleTrackingTimeout", "shuffleTracking.timeout"},
	} {
		if value := t.text(field.from); value != "" {
			i.plain("spark.dynamicAllocation."+field.setting, value)
		}
	}
	if i.Workload.Conf["spark.dynamicAllocation.enabled"].Text == "true" {
		i.plain("spark.dynamicAllocation.shuffleTracking.enabled", "true")
	}
}

// podOf takes over what shapes a role's pods; nil if that is nothing. volumes are those of the application, for roles that mount any.
func (i *Imported) podOf(t tree, role string, volumes []any) (*scenario.PodTemplate, error) {
	pod, container := map[string]any{}, map[string]any{"name": scenario.MainContainer(role)}
	metadata := map[string]any{}
	move := func(into map[string]any, from, to string) {
		if value := t.take(from); value != nil {
			into[to] = value
		}
	}
	move(metadata, "labels", "labels")
	move(metadata, "annotations", "annotations")
	for _, field := range []string{"tolerations", "nodeSelector", "affinity", "priorityClassName", "hostNetwork", "dnsConfig",
		"initContainers", "terminationGracePeriodSeconds", "hostAliases"} {
		move(pod, field, field)
	}
	move(pod, "podSecurityContext", "securityContext")
	for _, field := range []string{"env", "envFrom", "volumeMounts", "securityContext", "lifecycle"} {
		move(container, field, field)
	}
	variables := t.pairs("envVars")
	for _, key := range slices.Sorted(maps.Keys(variables)) {
		env, _ := container["env"].([]any)
		container["env"] = append(env, map[string]any{"name": key, "value": variables[key]})
	}
	if container["volumeMounts"] != nil && len(volumes) > 0 {
		pod["volumes"] = volumes
	}
	sidecars, _ := t.take("sidecars").([]any)
	if len(container) > 1 || len(sidecars) > 0 {
		pod["containers"] = append([]any{any(container)}, sidecars...)
	}
	if t.text("serviceAccount") != "" {
		i.note("The service account of the %s is not taken over: the run makes one.", role)
	}
	return i.template(map[string]any{"metadata": metadata, "spec": pod}, role)
}

// apache takes the spec of a SparkApplication of Apache's operator.
func (i *Imported) apache(spec tree) error {
	w := &i.Workload
	for _, own := range []string{"deploymentMode", "runtimeVersions", "sparkVersions"} {
		spec.take(own)
	}
	w.Application.MainClass = spec.text("mainClass")
	w.Application.Args = spec.texts("driverArgs")
	jars, python, r := spec.text("jars"), spec.text("pyFiles"), spec.text("sparkRFiles")
	for _, main := range []string{python, r, jars} {
		first, rest, _ := strings.Cut(main, ",")
		switch {
		case first == "":
		case w.Application.Main == "":
			w.Application.Main = i.beside(first)
			if rest != "" && main == python {
				w.Application.PyFiles = i.allBeside(rest)
			} else if rest != "" {
				w.Application.Jars = i.allBeside(rest)
			}
		default:
			w.Application.Jars = append(w.Application.Jars, i.allBeside(main)...)
		}
	}
	if files := spec.text("files"); files != "" {
		i.setting("spark.files", files)
	}
	i.conf(spec.pairs("sparkConf"))
	tolerations := spec.below("applicationTolerations")
	restart := tolerations.below("restartConfig")
	if restart.text("restartPolicy") == "Never" {
		none := int32(0)
		w.Driver.BackoffLimit = &none
	}
	if attempts, err := number(restart.text("maxRestartAttempts")); err == nil && w.Driver.BackoffLimit == nil {
		limit := int32(attempts)
		w.Driver.BackoffLimit = &limit
	}
	instances := tolerations.below("instanceConfig")
	if n := instances.text("initExecutors"); n != "" {
		i.setting("spark.executor.instances", n)
	}
	var err, err2 error
	driver, executor := spec.below("driverSpec"), spec.below("executorSpec")
	w.Driver.Template, err = i.podTemplate(driver, "podTemplateSpec", scenario.OfDriver)
	w.Executors.Template, err2 = i.podTemplate(executor, "podTemplateSpec", scenario.OfExecutor)
	return errors.Join(err, err2)
}

func (i *Imported) podTemplate(t tree, field, role string) (*scenario.PodTemplate, error) {
	template, ok := t.take(field).(map[string]any)
	if !ok {
		return nil, nil
	}
	return i.template(template, role)
}
