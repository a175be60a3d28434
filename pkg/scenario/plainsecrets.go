package scenario

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// checkPlainSecrets reports arguments of the application and variables of its pods that are secrets by their names, in clear text:
// scenarios, plans and histories are shown to others.
func checkPlainSecrets(w Workload, report report) {
	const instead = "a secret in clear text: it would stand in the plan and in the history; %s, or give --allow-plain-secrets if it " +
		"is no secret"
	for _, i := range plainArguments(w.Application.Args) {
		report(fmt.Sprintf("%s.args[%d]", applicationPath, i), instead,
			"write $(NAME), and give NAME in driver.template as a variable with valueFrom: {secretKeyRef: …}")
	}
	for at, template := range map[string]*PodTemplate{"spec.workload.driver.template": w.Driver.Template,
		"spec.workload.executors.template": w.Executors.Template} {
		for _, variable := range plainVariables(template) {
			report(at+"."+variable, instead, "write valueFrom: {secretKeyRef: …}")
		}
	}
}

// plainArguments returns the indexes of arguments that hold a secret: --password=…, password=…, or what follows --password.
func plainArguments(args []string) []int {
	var all []int
	named := false // by the argument before
	for i, arg := range args {
		name, value, assigned := strings.Cut(arg, "=")
		option := strings.HasPrefix(arg, "-")
		if assigned && secretName(name) && plain(value) || named && !option && plain(arg) {
			all = append(all, i)
		}
		named = option && !assigned && secretName(name)
	}
	return all
}

// secretName reports whether Spark would not show the value of an argument or a variable of that name if it were a setting, whose
// names have dots where these have dashes and underscores.
func secretName(name string) bool {
	return regexp.MustCompile(RedactionPattern).MatchString(strings.NewReplacer("-", ".", "_", ".").Replace(name))
}

// plain reports whether a value is more than a reference to a variable, as Kubernetes expands it.
func plain(value string) bool {
	return value != "" && !regexp.MustCompile(`^\$\([A-Za-z_][A-Za-z0-9_.-]*\)$`).MatchString(value)
}

// plainVariables returns the paths of variables of a template's containers that hold a secret.
func plainVariables(template *PodTemplate) []string {
	var t corev1.PodTemplateSpec
	if template == nil || json.Unmarshal(template.JSON(), &t) != nil {
		return nil // reported already
	}
	var all []string
	for at, containers := range map[string][]corev1.Container{"containers": t.Spec.Containers, "initContainers": t.Spec.InitContainers} {
		for i, container := range containers {
			for j, variable := range container.Env {
				if secretName(variable.Name) && plain(variable.Value) {
					all = append(all, fmt.Sprintf("spec.%s[%d].env[%d].value", at, i, j))
				}
			}
		}
	}
	return all
}
