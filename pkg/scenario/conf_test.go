package scenario

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func problemsOf(t *testing.T, text string, how ...Option) []string {
	t.Helper()
	_, err := Load("f", []byte(text), fakeCatalogue(), how...)
	if err == nil {
		return nil
	}
	var invalid *Error
	if !errors.As(err, &invalid) {
		t.Fatal(err)
	}
	return strings.Split(strings.ReplaceAll(err.Error(), "f:12:", "12:"), "\n")
}

func TestASecretHasExactlyOneSource(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		conf string
		want string // a part of the one problem; empty: none
	}{
		{"{spark.hadoop.fs.s3a.secret.key: {fromEnv: S3A_SECRET}}", ""},
		{"{spark.hadoop.fs.s3a.secret.key: {fromFile: keys/s3a.txt}}", ""},
		{"{spark.x: {fromEnv: A, fromFile: b}}", "12:21: spec.workload.conf.spark.x: want exactly one of fromEnv and fromFile"},
		{"{spark.x: {}}", "12:21: spec.workload.conf.spark.x: want exactly one of fromEnv and fromFile"},
		{"{spark.x: {fromEnv: ''}}", "12:31: spec.workload.conf.spark.x.fromEnv"},
		{"{spark.x: {fromEnv: A-B}}", "12:31: spec.workload.conf.spark.x.fromEnv"},
		{"{spark.x: {fromEnv: [A]}}", "12:31: spec.workload.conf.spark.x.fromEnv: want a text"},
		{"{spark.x: {fromEnvironment: A}}", "12:22: spec.workload.conf.spark.x.fromEnvironment: unknown field; known are fromEnv, fromFile"},
		{"{spark.x: {fromFile: ''}}", "12:32: spec.workload.conf.spark.x.fromFile"},
		{"{spark.x: [a]}", "12:21: spec.workload.conf.spark.x: want a text"},
		{"{spark.x: 1}", "12:21: spec.workload.conf.spark.x: want a text, got the number 1; quote it"},
		{"{spark.x: null}", "12:21: spec.workload.conf.spark.x: want a text"},
	} {
		got := problemsOf(t, with(t, "{spark.network.timeout: 20s}", tc.conf))
		if tc.want == "" && got == nil {
			continue
		}
		if len(got) != 1 || tc.want == "" || !strings.HasPrefix(got[0], tc.want) {
			t.Errorf("conf %s: got %q, want one problem that begins with %q", tc.conf, got, tc.want)
		}
	}
}

func TestSecretsInClearTextAreRefused(t *testing.T) {
	t.Parallel()
	for conf, refused := range map[string]bool{
		"{spark.hadoop.fs.s3a.secret.key: abc}":                                 true,
		"{spark.hadoop.fs.s3a.access.key: abc}":                                 true,
		"{spark.hadoop.fs.s3a.accesskey: abc}":                                  true,
		"{spark.hadoop.javax.jdo.option.ConnectionPassword: abc}":               true,
		"{spark.kubernetes.authenticate.driver.oauthToken: abc}":                true,
		"{spark.SECRET: abc}":                                                   true,
		"{spark.executorEnv.AWS_SECRET_ACCESS_KEY: abc}":                        true,
		"{spark.driver.extraJavaOptions: -Da=b -Djavax.net.ssl.keyPassword=x}":  true,
		`{spark.executor.extraJavaOptions: "'-Dmy.token=x y'"}`:                 true,
		"{spark.executor.extraJavaOptions: -Dmy.token.ttl=}":                    false,
		"{spark.driver.extraJavaOptions: -XX:+UseG1GC -Da=secret}":              false,
		"{spark.hadoop.fs.s3a.secret.key: ''}":                                  false,
		"{spark.hadoop.fs.s3a.secret.key: {fromEnv: A}}":                        false,
		"{spark.hadoop.fs.s3a.endpoint: http://minio}":                          false,
		"{spark.hadoop.fs.s3a.aws.credentials.provider: a.SecretTokenProvider}": false,
	} {
		text := with(t, "{spark.network.timeout: 20s}", conf)
		got := problemsOf(t, text)
		switch {
		case !refused && got != nil:
			t.Errorf("conf %s: refused: %q", conf, got)
		case refused && (len(got) != 1 || !strings.HasPrefix(got[0], "12:") || !strings.Contains(got[0], "a secret in clear text") ||
			!strings.Contains(got[0], "--allow-plain-secrets")):
			t.Errorf("conf %s: got %q, want one problem in line 12", conf, got)
		}
		if got := problemsOf(t, text, AllowPlainSecrets()); got != nil {
			t.Errorf("conf %s: refused although it is allowed: %q", conf, got)
		}
	}
}

// Values that Spark writes into pods, or onto command lines, cannot be kept secret, so it is not promised.
func TestWhatCannotBeKeptSecretIsNoSecret(t *testing.T) {
	t.Parallel()
	for key, refused := range map[string]bool{
		"spark.executorEnv.AWS_SECRET_ACCESS_KEY": true, "spark.kubernetes.executor.annotation.token": true, "spark.authenticate.secret": true,
		"spark.ssl.rpc.keyPassword": true, "spark.ssl.keyStorePassword": true, "spark.driver.extraJavaOptions": true,
		"spark.executor.defaultJavaOptions": true,
		"spark.app.name":                    true, "spark.master": true, "spark.plugins": true,
		"spark.redaction.regex": true, "spark.driver.memory": true,
		"spark.ssl.ui.keyPassword": false, "spark.hadoop.fs.s3a.secret.key": false, "spark.sql.catalog.x.password": false,
		"spark.my.thing": false,
	} {
		got := problemsOf(t, with(t, "spark.network.timeout: 20s", key+": {fromEnv: A}"))
		if (got != nil) != refused || refused && !strings.Contains(got[0], "the value cannot be a secret") {
			t.Errorf("%s: got %q, want refused: %v", key, got, refused)
		}
	}
}

func TestSecretsSurviveWritingWithoutTheirValues(t *testing.T) {
	t.Parallel()
	s, err := Load("f", []byte(with(t, "{spark.network.timeout: 20s}", "{spark.a: plain, spark.b: {fromEnv: B}, spark.c: {fromFile: c/d}}")),
		fakeCatalogue())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]ConfValue{"spark.a": Plain("plain"), "spark.b": {FromEnv: "B"}, "spark.c": {FromFile: "c/d"}}
	if diff := cmp.Diff(want, s.Spec.Workload.Conf); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	written, err := Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Load("g", written, fakeCatalogue())
	if err != nil {
		t.Fatalf("%v in\n%s", err, written)
	}
	if diff := cmp.Diff(s, again); diff != "" {
		t.Errorf("read again (-want +got):\n%s", diff)
	}
	encoded, err := json.Marshal(s.Spec.Workload.Conf)
	if err != nil || string(encoded) != `{"spark.a":"plain","spark.b":{"fromEnv":"B"},"spark.c":{"fromFile":"c/d"}}` {
		t.Errorf("JSON %s, %v", encoded, err)
	}
	if got := Variables(s.Spec.Workload); !cmp.Equal(got, []string{"B"}) {
		t.Errorf("variables %q", got)
	}
	if got := SecretFiles(s.Spec.Workload); !cmp.Equal(got, []string{"c/d"}) {
		t.Errorf("files %q", got)
	}
}

func TestShownValuesHideSecrets(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		key   string
		value ConfValue
		want  string
	}{
		{"spark.a", Plain("b"), "b"},
		{"spark.my.secret", Plain("b"), "(not shown)"},
		{"spark.my.secret", ConfValue{FromEnv: "B"}, "(from the environment variable B, not shown)"},
		{"spark.a", ConfValue{FromFile: "f"}, "(from the file f, not shown)"},
	} {
		if got := Shown(tc.key, tc.value); got != tc.want {
			t.Errorf("Shown(%s, %+v) = %q, want %q", tc.key, tc.value, got, tc.want)
		}
	}
}

func TestFilesStayBelowTheScenario(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"a.jar": true, "build/libs/a.jar": true, "./a.jar": true, "..a/b.jar": true,
		"/etc/a.jar": false, "../a.jar": false, "a/../../b.jar": false, "a/../b.jar": false, `..\a.jar`: false, `\a.jar`: false,
	} {
		for what, text := range map[string]string{
			"jar":   strings.Replace(with(t, "storage: none", "storage: durable"), `"local:///a.jar"`, `'`+name+`'`, 1),
			"files": strings.Replace(with(t, "storage: none", "storage: durable"), `"local:///a.jar"`, `"local:///a.jar", files: ['`+name+`']`, 1),
		} {
			got := problemsOf(t, text)
			if (got == nil) != ok || !ok && !strings.Contains(got[0], "spec.workload.application."+what) {
				t.Errorf("%s %s: got %q, want accepted: %v", what, name, got, ok)
			}
		}
	}
}

func TestCredentialsDoNotBelongInAURL(t *testing.T) {
	t.Parallel()
	text := strings.Replace(with(t, "storage: none", "storage: durable, url: 's3://user:pass@bucket'"), `"local:///a.jar"`, "a.jar", 1)
	if got := problemsOf(t, text); len(got) != 1 || !strings.Contains(got[0], "user or password") {
		t.Errorf("got %q", got)
	}
}
