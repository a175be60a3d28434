package launcher_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	. "github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

const canary = "CANARY-7f3a"

func withSecrets() scenario.Workload {
	w := wordCount()
	w.Conf = plainConf(map[string]string{"spark.locality.wait": "0"})
	w.Conf["spark.hadoop.fs.s3a.secret.key"] = scenario.ConfValue{FromEnv: "S3A_SECRET"}
	w.Conf["spark.network.timeout"] = scenario.ConfValue{FromFile: "timeout.txt"}
	w.Conf["spark.ui.enabled"] = scenario.ConfValue{FromEnv: "UI"}
	return w
}

func TestSecretSettingsStandInTheSecretAlone(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{KindJob, KindPod} {
		w := withSecrets()
		w.Driver.Kind = kind
		o := render(t, w)
		values := map[string]string{"spark.hadoop.fs.s3a.secret.key": canary + "-1", "spark.network.timeout": canary + "-2",
			"spark.ui.enabled": canary + "-3"}
		if err := o.FillSecretConf(values); err != nil {
			t.Fatal(err)
		}
		for _, value := range values {
			if !strings.Contains(o.SecretConf.StringData[ConfSecretKey], value) {
				t.Errorf("%s is not in the Secret: %q", value, o.SecretConf.StringData)
			}
		}
		spec := o.Driver.Spec
		args := spec.Containers[0].Args
		for key := range values {
			if strings.Contains(strings.Join(args, " "), key+"=") {
				t.Errorf("%s is on the command line, where it wins over the file: %q", key, args)
			}
		}
		if !strings.Contains(strings.Join(args, " "), "--properties-file "+ConfSecretMount+"/"+ConfSecretKey+" --load-spark-defaults --conf ") {
			t.Errorf("the driver does not read the file, or not the image's defaults: %q", args)
		}
		if !mounts(spec, ConfSecretName, ConfSecretMount) {
			t.Errorf("the driver does not mount the Secret: %+v", spec.Volumes)
		}
		o.SecretConf = nil
		everything, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(everything), canary) {
			t.Errorf("a secret stands in another object: %s", everything)
		}
		if strings.Contains(o.ConfigMap.Data[TemplateFile], ConfSecretName) {
			t.Errorf("executors mount the Secret:\n%s", o.ConfigMap.Data[TemplateFile])
		}
	}
}

func mounts(spec corev1.PodSpec, secret, path string) bool {
	volume := false
	for _, v := range spec.Volumes {
		volume = volume || v.Name == secret && v.Secret != nil && v.Secret.SecretName == secret
	}
	mount := false
	for _, m := range spec.Containers[0].VolumeMounts {
		mount = mount || m.Name == secret && m.MountPath == path && m.ReadOnly
	}
	return volume && mount
}

func TestWithoutSecretsNothingChanges(t *testing.T) {
	t.Parallel()
	o := render(t, wordCount())
	spec := o.Driver.Spec
	if o.SecretConf != nil || strings.Contains(strings.Join(spec.Containers[0].Args, " "), "--properties-file") {
		t.Errorf("secret %v, arguments %q", o.SecretConf, spec.Containers[0].Args)
	}
	if err := o.FillSecretConf(nil); err != nil {
		t.Error(err)
	}
}

// Spark itself shows no value whose key matches this setting, in its logs and its user interface.
func TestSparkHidesEverySecretKey(t *testing.T) {
	t.Parallel()
	for _, own := range []string{"", "(?i)mine", "(?<java>a)++"} {
		w := withSecrets()
		if own != "" {
			w.Conf[RedactionSetting] = scenario.Plain(own)
		}
		got := SettingsOf(w, environment(), components.All())[RedactionSetting]
		hidden := strings.TrimPrefix(got, own)
		if own == "" {
			hidden = got
		}
		pattern, err := regexp.Compile(strings.TrimPrefix(hidden, "|"))
		if err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		for key := range scenario.SecretConf(w) {
			if !pattern.MatchString(key) {
				t.Errorf("with %q Spark would show %s: %q", own, key, got)
			}
		}
		if pattern.MatchString("spark.network.timeoutInterval") {
			t.Errorf("%q hides other settings", got)
		}
	}
}

// readProperties is java.util.Properties, as far as one line a property goes.
func readProperties(t *rapid.T, file string) map[string]string {
	read := map[string]string{}
	for _, line := range strings.Split(strings.TrimSuffix(file, "\n"), "\n") {
		var parts [2]strings.Builder
		part := 0
		for i := 0; i < len(line); i++ {
			switch c := line[i]; {
			case c == '\\' && i+1 < len(line):
				i++
				if at := strings.IndexByte("nrtf", line[i]); at >= 0 {
					parts[part].WriteByte("\n\r\t\f"[at])
				} else if line[i] == 'u' {
					t.Fatalf("an escape that is not written: %q", line)
				} else {
					parts[part].WriteByte(line[i])
				}
			case part == 0 && strings.IndexByte("=: \t\f", c) >= 0:
				part = 1
			default:
				parts[part].WriteByte(c)
			}
		}
		read[parts[0].String()] = parts[1].String()
	}
	return read
}

func TestPropertiesAreReadAsWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.MapOfN(rapid.StringMatching(`spark\.[ -~]{1,12}`), rapid.String(), 1, 4).Draw(t, "values")
		file, err := Properties(values)
		if err != nil {
			for _, value := range values {
				if strings.TrimFunc(value, CutOff) != value {
					return
				}
			}
			t.Fatal(err)
		}
		got := readProperties(t, file)
		for key, value := range values {
			if got[key] != value {
				t.Fatalf("%q is read as %q, want %q, from\n%s", key, got[key], value, file)
			}
		}
		if len(got) != len(values) {
			t.Fatalf("%d properties, want %d, from\n%s", len(got), len(values), file)
		}
	})
}
