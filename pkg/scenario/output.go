package scenario

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// The ways in which an output is compared with that of the baseline.
const (
	CompareRows = "rows" // as a set in which a row may stand several times
	CompareKeys = "keys" // by columns that name a row, so that one that changed is distinguished from one that was lost
)

// FormatJDBC is the format of a database's table.
const FormatJDBC = "jdbc"

// sharedPath is where pods find the workload's shared volume.
const sharedPath = "/shared"

// Output is a result of the application. When the application has ended, a Spark in its image reads it, so that invariants can compare it
// with the baseline's.
type Output struct {
	// directory or file that the application writes; another one for each run if it lies outside of it: $(SPARKCHAOS_RUN_ID)
	// is expanded
	Path string `json:"path,omitempty" pattern:"^(/|[a-z][a-z0-9+.-]*:)[^\\s]*$" like:"/shared/results"`
	// instead of path: table of a catalog, or with format: jdbc of a database
	Table string `json:"table,omitempty" pattern:"^[^\\s;]+$" like:"sales.orders"`
	// of a path: parquet (default), orc, json, csv, text or any other that the image has; of a table: only jdbc
	Format string `json:"format,omitempty" pattern:"^[A-Za-z][\\w.-]*$" like:"parquet"`
	// of Spark's reader: {header: "true"} for csv; url, user and password for jdbc. $(NAME) stands for a variable of
	// driver.template
	Options map[string]string `json:"options,omitempty"`
	// rows (default without keys) or keys (default with them)
	Compare string `json:"compare,omitempty" enum:"rows|keys"`
	// columns that name a row
	Keys []string `json:"keys,omitempty" pattern:"^.+$" like:"id"`
	// columns that differ from run to run: they are neither compared nor shown
	Ignore []string `json:"ignore,omitempty" pattern:"^.+$" like:"updated_at"`
}

// Name is how people are told of an output: by its path or table, as the scenario has it.
func (o Output) Name() string {
	if o.Table != "" {
		return o.Table
	}
	return o.Path
}

// HasFiles reports whether the files of an output can be looked at.
func (o Output) HasFiles() bool { return o.Path != "" }

func defaultOutputs(outputs []Output) []Output {
	outputs = slices.Clone(outputs)
	for i := range outputs {
		o := &outputs[i]
		if o.HasFiles() {
			fill(&o.Format, "parquet")
		}
		if len(o.Keys) > 0 {
			fill(&o.Compare, CompareKeys)
		}
		fill(&o.Compare, CompareRows)
	}
	return outputs
}

// checkOutputs finds outputs that nobody could read or compare.
func checkOutputs(w Workload, plainSecrets bool, report report) {
	first := map[string]int{}
	for i, o := range w.Output {
		at := fmt.Sprintf("spec.workload.output[%d]", i)
		complain := func(field, format string, args ...any) { report(at+field, format, args...) }
		checkPlace(w, o, complain)
		checkColumns(o, complain)
		if earlier, double := first[o.Name()]; double && o.Name() != "" {
			complain("", "%s is spec.workload.output[%d] already; keep one", o.Name(), earlier)
		} else {
			first[o.Name()] = i
		}
		for _, name := range slices.Sorted(maps.Keys(o.Options)) {
			value := o.Options[name]
			if !plainSecrets && (secretName(name) && plain(value) || plainParameter(value)) {
				complain(".options."+name, "a secret in clear text: it would stand in the plan and in the history; write $(NAME), "+
					"and give NAME in driver.template as a variable with valueFrom: {secretKeyRef: …}, or give --allow-plain-secrets if it is no secret")
			}
		}
	}
}

// plainParameter reports whether a URL has a parameter that is a secret by its name, in clear text.
func plainParameter(url string) bool {
	return slices.ContainsFunc(regexp.MustCompile(`[?&;]`).Split(url, -1)[1:], func(parameter string) bool {
		name, value, assigned := strings.Cut(parameter, "=")
		return assigned && secretName(name) && plain(value)
	})
}

func checkPlace(w Workload, o Output, complain func(field, format string, args ...any)) {
	switch {
	case o.Path == "" && o.Table == "":
		complain("", "names neither a path nor a table; want one of them")
	case o.Path != "" && o.Table != "":
		complain(".table", "path is given, too; keep the one that says where the output is")
	case o.Path != "" && o.Format == FormatJDBC:
		complain(".path", "a database has tables; write table instead")
	case o.Table != "" && o.Format != "" && o.Format != FormatJDBC:
		complain(".format", "a catalog knows the format of its tables; leave this out, or write jdbc for the table of a database")
	case o.Format == FormatJDBC && o.Options["url"] == "":
		complain(".options", "format: jdbc needs the url of the database, like {url: \"jdbc:postgresql://db/sales\"}")
	}
	if _, elsewhere := w.Conf["spark.hadoop.fs.defaultFS"]; !inPod(o.Path) || elsewhere {
		return
	}
	switch shared := below(o.Path, sharedPath); {
	case shared && w.Storage == StorageNode:
		complain(".path", "with storage: node each node has another %s, and the reader sees that of its own node alone; "+
			"want storage: shared or local", sharedPath)
	case !shared && !mounted(w.Driver.Template, o.Path):
		complain(".path", "lies in the file system of a single pod, which ends with it; "+
			"want a path below %s or a volume of driver.template, or one like s3a://…", sharedPath)
	}
}

// inPod reports whether a path is one of a pod's own file system.
func inPod(path string) bool {
	return strings.HasPrefix(path, "/") || strings.HasPrefix(path, "file:")
}

// below reports whether a path of a pod's file system is a directory or lies below it.
func below(path, directory string) bool {
	path = "/" + strings.TrimLeft(strings.TrimPrefix(path, "file:"), "/")
	return path == directory || strings.HasPrefix(path, strings.TrimSuffix(directory, "/")+"/")
}

// mounted reports whether a path lies on a volume of a template.
func mounted(template *PodTemplate, path string) bool {
	var t corev1.PodTemplateSpec
	if template == nil || json.Unmarshal(template.JSON(), &t) != nil {
		return false
	}
	for _, container := range t.Spec.Containers {
		for _, mount := range container.VolumeMounts {
			if container.Name == DriverContainer && below(path, mount.MountPath) {
				return true
			}
		}
	}
	return false
}

func checkColumns(o Output, complain func(field, format string, args ...any)) {
	switch {
	case o.Compare == CompareKeys && len(o.Keys) == 0:
		complain(".compare", "keys are missing: name the columns that name a row, like keys: [id]")
	case o.Compare == CompareRows && len(o.Keys) > 0:
		complain(".keys", "compare: rows takes whole rows; leave one of the two out")
	}
	for i, name := range o.Keys {
		if slices.Contains(o.Ignore, name) {
			complain(fmt.Sprintf(".keys[%d]", i), "%q is ignored, so it cannot name a row", name)
		}
		if slices.Index(o.Keys, name) < i {
			complain(fmt.Sprintf(".keys[%d]", i), "%q is named twice; keep one", name)
		}
	}
}
