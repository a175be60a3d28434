package launcher

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Secret settings reach the driver as a properties file that is mounted from a Kubernetes Secret, and the executors as
// all settings do: they ask the driver for them when they start. So no pod, no ConfigMap and no command line holds them.
const (
	confSecretName  = "spark-secret-conf"
	confSecretKey   = "secret.properties"
	confSecretMount = "/etc/sparkchaos-secret"

	redactionSetting = "spark.redaction.regex"
)

// hideSecrets leaves secret settings out of those for the command line, and keeps Spark from showing their values in
// its logs and its user interface: by itself it hides those alone whose keys look like secrets.
func hideSecrets(settings map[string]string, secret map[string]scenario.ConfValue) {
	pattern, given := settings[redactionSetting]
	if !given {
		pattern = scenario.RedactionPattern
	}
	known, err := regexp.Compile(pattern)
	var hidden []string
	for _, key := range slices.Sorted(maps.Keys(secret)) {
		delete(settings, key)
		if err != nil || !known.MatchString(key) { // Java's expressions may be none of Go's
			hidden = append(hidden, regexp.QuoteMeta(key))
		}
	}
	if len(hidden) > 0 {
		settings[redactionSetting] = pattern + "|^(" + strings.Join(hidden, "|") + ")$"
	}
}

// confSecret returns the Secret of the workload's secret settings, without their values; nil if there are none.
func confSecret(w scenario.Workload, env Environment) *corev1.Secret {
	if len(scenario.SecretConf(w)) == 0 {
		return nil
	}
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: ObjectMeta(env, confSecretName),
	}
}

// confSecretVolume is how the driver's container gets the secret settings.
func confSecretVolume() (corev1.Volume, corev1.VolumeMount) {
	return corev1.Volume{Name: confSecretName, VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: confSecretName},
		}},
		corev1.VolumeMount{Name: confSecretName, MountPath: confSecretMount, ReadOnly: true}
}

// confSecretArgs make spark-submit read the secret settings, and the image's spark-defaults.conf as it would without
// them. The second option came with Spark 4.
func confSecretArgs() []string {
	return []string{"--properties-file", confSecretMount + "/" + confSecretKey, "--load-spark-defaults"}
}

// FillSecretConf puts the values of the workload's secret settings into the Secret from which the driver reads them.
func (o *Objects) FillSecretConf(values map[string]string) error {
	if o.SecretConf == nil {
		return nil
	}
	file, err := properties(values)
	if err != nil {
		return err
	}
	o.SecretConf.StringData = map[string]string{confSecretKey: file}
	return nil
}

// properties writes settings as java.util.Properties reads them. Spark takes blanks away from the ends of values, so
// one with such ends is refused.
func properties(values map[string]string) (string, error) {
	var file strings.Builder
	for _, key := range slices.Sorted(maps.Keys(values)) {
		value := values[key]
		if strings.TrimFunc(value, cutOff) != value {
			return "", fmt.Errorf("the secret value of %s begins or ends with a blank, which Spark would cut off; correct it", key)
		}
		file.WriteString(escapeProperty(key) + "=" + escapeProperty(value) + "\n")
	}
	return file.String(), nil
}

// cutOff reports whether Spark takes a character away from the ends of a value.
func cutOff(r rune) bool { return r <= ' ' && r != '\r' && r != '\n' }

func escapeProperty(text string) string {
	return strings.NewReplacer(
		`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\f", `\f`, " ", `\ `, "=", `\=`, ":", `\:`, "#", `\#`, "!", `\!`,
	).Replace(text)
}
