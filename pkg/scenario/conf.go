package scenario

import (
	"maps"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
)

// ConfValue is the value of a Spark setting: a text, or the place that a secret value comes from. The value itself is read
// when a run begins and stands in no scenario, plan or history.
type ConfValue struct {
	Text     string // the value itself, if neither of the others is given
	FromEnv  string // the environment variable of the harness that holds the value
	FromFile string // the file that holds the value, without the ends of lines that it ends in
}

// confSource is the form of a secret value in YAML.
type confSource struct {
	// name of an environment variable of the harness, which has to be allowed with --allow-env NAME
	FromEnv string `json:"fromEnv,omitempty" pattern:"^[A-Za-z_][A-Za-z0-9_]*$" like:"S3A_SECRET_KEY"`
	// a file beside the scenario; any other one has to be allowed with --allow-file PATH
	FromFile string `json:"fromFile,omitempty" pattern:"^[^\\x00]+$" like:"keys/s3a.txt"`
}

// Plain returns a value that is written as it is.
func Plain(text string) ConfValue { return ConfValue{Text: text} }

// Secret reports whether the value is read only when a run begins, and shown nowhere.
func (v ConfValue) Secret() bool { return v.FromEnv != "" || v.FromFile != "" }

// String returns the text of the value, or in words where a secret one comes from.
func (v ConfValue) String() string {
	switch {
	case v.FromEnv != "":
		return "(from the environment variable " + v.FromEnv + ", not shown)"
	case v.FromFile != "":
		return "(from the file " + v.FromFile + ", not shown)"
	default:
		return v.Text
	}
}

// MarshalNode implements strictyaml.NodeMarshaler.
func (v ConfValue) MarshalNode(bool) (*yaml.Node, error) {
	if v.Secret() {
		return strictyaml.Encode(confSource{FromEnv: v.FromEnv, FromFile: v.FromFile}, false)
	}
	return text(v.Text), nil
}

// MarshalJSON implements json.Marshaler.
func (v ConfValue) MarshalJSON() ([]byte, error) { return strictyaml.JSON(v, false) }

// confValue decodes a text or exactly one source of a secret value.
func confValue(d *strictyaml.Decoder, node *yaml.Node, into reflect.Value, at strictyaml.Field) {
	var v ConfValue
	if node.Kind != yaml.MappingNode {
		at.Tag = `like:"a text, or {fromEnv: NAME} or {fromFile: PATH} for a secret"`
		d.Value(node, reflect.ValueOf(&v.Text).Elem(), at)
		into.Set(reflect.ValueOf(v))
		return
	}
	var source confSource
	before := len(d.Problems())
	d.Value(node, reflect.ValueOf(&source).Elem(), at)
	if (source.FromEnv == "") == (source.FromFile == "") && len(d.Problems()) == before {
		d.Complain(node, at, "want exactly one of fromEnv and fromFile, or a text")
	}
	v.FromEnv, v.FromFile = source.FromEnv, source.FromFile
	into.Set(reflect.ValueOf(v))
}

// SecretConf returns the settings of a workload whose values are secret.
func SecretConf(w Workload) map[string]ConfValue {
	secret := maps.Clone(w.Conf)
	maps.DeleteFunc(secret, func(_ string, v ConfValue) bool { return !v.Secret() })
	return secret
}

// PlainConf returns the settings of a workload whose values are not secret.
func PlainConf(w Workload) map[string]string {
	plain := map[string]string{}
	for key, value := range w.Conf {
		if !value.Secret() {
			plain[key] = value.Text
		}
	}
	return plain
}

// Variables returns the environment variables of the harness whose values a workload is given, sorted.
func Variables(w Workload) []string {
	var names []string
	for _, c := range components() {
		if c.variables != nil {
			names = append(names, c.variables(w)...)
		}
	}
	for _, value := range w.Conf {
		if value.FromEnv != "" {
			names = append(names, value.FromEnv)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// SecretFiles returns the files that hold secret values of a workload's settings, sorted.
func SecretFiles(w Workload) []string {
	var names []string
	for _, value := range w.Conf {
		if value.FromFile != "" {
			names = append(names, value.FromFile)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// RedactionPattern is the default of Spark's setting spark.redaction.regex: Spark shows no value whose key matches it.
const RedactionPattern = `(?i)secret|password|token|access[.]?key`

// Shown returns the value of a setting as it may be shown: Spark would not show that of a key that matches
// RedactionPattern.
func Shown(key string, value ConfValue) string {
	if !value.Secret() && holdsSecret(key, value.Text) {
		return "(not shown)"
	}
	return value.String()
}

// holdsSecret reports whether the value of a setting is a secret by its key, or holds one as an option of Java.
func holdsSecret(key, value string) bool {
	if value == "" {
		return false
	}
	secret := regexp.MustCompile(RedactionPattern)
	if secret.MatchString(key) {
		return true
	}
	if !strings.HasSuffix(key, "JavaOptions") {
		return false
	}
	return slices.ContainsFunc(strings.Fields(value), func(option string) bool {
		name, given, ok := strings.Cut(option, "=")
		return ok && given != "" && strings.HasPrefix(strings.TrimLeft(name, `"'`), "-D") && secret.MatchString(name)
	})
}

// CheckConf reports what is wrong with Spark settings that stand at a path of a document. A secret in clear text is a
// problem unless plainSecrets is set: scenarios, plans and histories are shown to others.
func CheckConf(at string, conf map[string]ConfValue, plainSecrets bool, report func(path, format string, args ...any)) {
	for _, key := range slices.Sorted(maps.Keys(conf)) {
		value, path := conf[key], at+"."+key
		switch {
		case !strings.HasPrefix(key, "spark."):
			report(path, "Spark ignores settings that do not begin with \"spark.\"; did you mean spark.%s?", key)
		case value.Secret():
			if why := notSecret(key); why != "" {
				report(path, "the value cannot be a secret: %s", why)
			}
		case !plainSecrets && holdsSecret(key, value.Text):
			report(path, "a secret in clear text: it would stand in the plan, in the history and on the driver's command line; write {fromEnv: "+
				"NAME} or {fromFile: PATH}, or give --allow-plain-secrets if it is no secret")
		}
	}
}

// notSecret returns why the value of a setting cannot be kept secret, or nothing. Spark writes some settings into the
// pods of executors, others decide the command line of Java or the pods that are made.
func notSecret(key string) string {
	const intoPods = "Spark writes it into the executors' pods, where others can read it"
	switch {
	case strings.HasPrefix(key, "spark.executorEnv."), strings.HasPrefix(key, "spark.kubernetes."):
		return intoPods + "; put it into a Kubernetes Secret and use spark.kubernetes.executor.secretKeyRef"
	case key == "spark.authenticate.secret":
		return intoPods + "; use spark.authenticate.secret.file"
	case strings.HasPrefix(key, "spark.ssl.rpc."), strings.HasPrefix(key, "spark.ssl.") && strings.Count(key, ".") == 2:
		return intoPods // the latter are what spark.ssl.rpc falls back to
	case strings.HasSuffix(key, "JavaOptions"):
		return "it becomes part of Java's command line, which others can read"
	case strings.HasPrefix(key, "spark.driver."), strings.HasPrefix(key, "spark.executor."), strings.HasPrefix(key, "spark.app."),
		strings.HasPrefix(key, "spark.sparkchaos."), strings.HasPrefix(key, "spark.shuffle.service."),
		slices.Contains([]string{"spark.master", "spark.plugins", "spark.submit.deployMode", "spark.redaction.regex"}, key):
		return "it decides which objects are made, or how Java is started"
	default:
		return ""
	}
}

// outside returns in words why a name is not that of a file below a directory, or nothing.
func outside(name string) string {
	switch {
	case name == "" || strings.ContainsRune(name, 0):
		return "names no file"
	case path.IsAbs(name) || strings.HasPrefix(name, `\`):
		return "is an absolute path"
	case slices.Contains(strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '\\' }), ".."):
		return `has ".." in it`
	default:
		return ""
	}
}
