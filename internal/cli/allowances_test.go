package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/testbed"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

const secretScenario = `apiVersion: sparkchaos.dev/v1alpha1
kind: Scenario
metadata: {name: secret}
spec:
  workload:
    application: {name: wordcount, mainClass: dev.sparkchaos.workloads.WordCount, jar: app.jar}
    stagingServer: {storage: durable, url: "s3://bucket", credentials: [AWS_SECRET]}
    conf:
      spark.hadoop.fs.s3a.secret.key: {fromEnv: S3A_SECRET}
      spark.my.thing: {fromFile: thing.txt}
      spark.other.thing: {fromFile: /etc/thing.txt}
  expect:
  - executorNamesUnique: {}
`

// writeScenario writes a scenario, and the jar that it names beside it.
func writeScenario(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "scenario.yaml")
	jar := filepath.Join(filepath.Dir(file), "app.jar")
	if err := errors.Join(os.WriteFile(file, []byte(text), 0o600), os.WriteFile(jar, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	return file
}

func cli(t *testing.T, args ...string) (code ExitCode, out, err string) {
	t.Helper()
	return run(t.Context(), NewRoot(), args...)
}

func TestCommandsNameSecretsAndShowNone(t *testing.T) {
	const canary = "CANARY-c0de"
	t.Setenv("S3A_SECRET", canary)
	t.Setenv("AWS_SECRET", canary)
	file := writeScenario(t, secretScenario)
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "thing.txt"), []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args []string
		want []string
	}{
		{[]string{"lint", file}, []string{"secret is valid"}},
		{[]string{"plan", file}, []string{"fromEnv: S3A_SECRET", "fromFile: thing.txt"}},
		{[]string{"plan", file, "-o", "json"}, []string{`"fromEnv": "S3A_SECRET"`}},
		{[]string{"render", file, "--image=i"}, []string{"name: spark-secret-conf", "--load-spark-defaults"}},
		{[]string{"explain", file}, []string{"AWS_SECRET, S3A_SECRET", "--allow-env", "/etc/thing.txt, thing.txt", "--allow-file",
			"environment variable S3A_SECRET, not shown"}},
	} {
		code, out, stderr := cli(t, tc.args...)
		if code != ExitPass || strings.Contains(out+stderr, canary) {
			t.Errorf("%q: exit code %d, %s%s; want no secret", tc.args, code, out, stderr)
		}
		for _, want := range tc.want {
			if !strings.Contains(out, want) {
				t.Errorf("%q lacks %q:\n%s", tc.args, want, out)
			}
		}
	}
}

func TestAScenarioTakesWhatWasAllowedAlone(t *testing.T) {
	t.Parallel()
	file := writeScenario(t, secretScenario)
	all := testbed.Allowances{Env: []string{"AWS_SECRET", "S3A_SECRET"}, Files: []string{"/etc/thing.txt"}}
	if _, err := planRun(file, runFlags{seed: 1, cluster: newClusterChoice(), allowed: all}); err != nil {
		t.Errorf("all is allowed: %v", err)
	}
	for missing, less := range map[string]testbed.Allowances{
		"--allow-env AWS_SECRET":      {Env: []string{"S3A_SECRET"}, Files: all.Files},
		"--allow-env S3A_SECRET":      {Env: []string{"AWS_SECRET", "s3a_secret"}, Files: all.Files},
		"--allow-file /etc/thing.txt": {Env: all.Env, Files: []string{"/etc", "/etc/thing", "thing.txt"}},
	} {
		_, err := planRun(file, runFlags{seed: 1, cluster: newClusterChoice(), allowed: less})
		if err == nil || !strings.Contains(err.Error(), missing) || codeOf(err) != ExitUsage {
			t.Errorf("%v, want a usage error that says %s", err, missing)
		}
	}
	// A stored plan takes the same.
	code, out, stderr := cli(t, "plan", file)
	if code != ExitPass {
		t.Fatal(stderr)
	}
	code, _, stderr = cli(t, "run", "--plan", writeScenario(t, out))
	for _, want := range []string{"--allow-env AWS_SECRET", "--allow-env S3A_SECRET", "--allow-file /etc/thing.txt"} {
		if code != ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("exit code %d, %s; want %s", code, stderr, want)
		}
	}
}

func TestPlainSecretsTakeAFlag(t *testing.T) {
	t.Parallel()
	text := strings.Replace(renderedScenario, "  expect:", "    conf: {spark.hadoop.fs.s3a.secret.key: plain}\n  expect:", 1)
	file := writeScenario(t, text)
	code, planned, stderr := cli(t, "plan", file, "--allow-plain-secrets")
	if code != ExitPass || !strings.Contains(planned, "spark.hadoop.fs.s3a.secret.key: plain") {
		t.Fatalf("exit code %d: %s%s", code, planned, stderr)
	}
	plan := writeScenario(t, planned)
	for _, args := range [][]string{{"lint", file}, {"plan", file}, {"render", file, "--image=i"}, {"explain", file},
		{"explain", "--plan", plan}} {
		code, out, stderr := cli(t, args...)
		if code != ExitUsage || !strings.Contains(out+stderr, "secret.key: a secret in clear text") {
			t.Errorf("%q: exit code %d, %s%s; want that it is refused", args, code, out, stderr)
		}
		code, out, stderr = cli(t, append(args, "--allow-plain-secrets")...)
		if code != ExitPass {
			t.Errorf("%q with the flag: exit code %d, %s", args, code, stderr)
		}
		if args[0] == "explain" && strings.Contains(out, "secret.key=plain") {
			t.Errorf("explain shows the value:\n%s", out)
		}
	}
	for _, args := range [][]string{{"run", file}, {"run", "--plan", plan}} {
		if code, out, stderr := cli(t, args...); code != ExitUsage || !strings.Contains(stderr, "a secret in clear text") {
			t.Errorf("%q: exit code %d, %s%s; want that it is refused", args, code, out, stderr)
		}
	}
	if code, out, stderr := cli(t, "lint", file); code != ExitUsage ||
		!strings.Contains(out, file+":7:44: spec.workload.conf.spark.hadoop.fs.s3a.secret.key:") {
		t.Errorf("exit code %d, %s%s; want line and column", code, out, stderr)
	}
}

// Reading a file without an end must end: the limit is far below what this machine has.
func TestEndlessFilesAreNotReadWhole(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/zero"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, args := range [][]string{
		{"lint", "/dev/zero"}, {"plan", "/dev/zero"}, {"explain", "--plan", "/dev/zero"}, {"run", "/dev/zero"}, {"run", "--plan", "/dev/zero"},
		{"plan", "executor-pod-kill", "--cluster=existing", "--node-actions=/dev/zero"},
	} {
		code, out, stderr := cli(t, args...)
		if code != ExitUsage || !strings.Contains(out+stderr, "more than 1048576 bytes") {
			t.Errorf("%q: exit code %d, %.200s%.200s", args, code, out, stderr)
		}
	}
	t.Logf("took %v", time.Since(began))
}

const hostile = "\x1b]0;owned\a\x1b[31m\u202e\u009b2J"

func clean(t *testing.T, what, text string) {
	t.Helper()
	for _, bad := range []string{"\x1b", "\a", "\u202e", "\u009b"} {
		if strings.Contains(text, bad) {
			t.Errorf("%s prints %q in %q", what, bad, text)
		}
	}
}

func TestNothingFromOutsideActsOnTheTerminal(t *testing.T) {
	t.Parallel()
	key := writeScenario(t, "apiVersion: sparkchaos.dev/v1alpha1\nkind: Scenario\n\"\\e]0;owned\\a\\nx\": 1\n")
	described := writeScenario(t, strings.Replace(renderedScenario, "{name: render-me}", `{name: render-me, description: "\e[31mred\u202e"}`,
		1))
	for _, args := range [][]string{{"lint", key}, {"explain", described}, {"lint", hostile}, {"plan", hostile}, {hostile},
		{"explain", "--plan", hostile}} {
		code, out, stderr := cli(t, args...)
		clean(t, args[0], out+stderr)
		if code != ExitPass && out+stderr == "" {
			t.Errorf("%q says nothing", args)
		}
	}
	if _, out, _ := cli(t, "lint", key); strings.Count(out, "\n") > strings.Count(out, key) {
		t.Errorf("a key with a line's end begins a line of its own:\n%s", out)
	}

	var said bytes.Buffer
	show := newProgress(&said, noEnvironment, false)
	show.Say("pod %s says\n  %s", "p", hostile)
	show.waits = append(show.waits, &wait{what: hostile, seen: func() string { return hostile }})
	show.draw()
	clean(t, "Say", said.String())
	if !strings.Contains(said.String(), "\n  ") {
		t.Errorf("lines and their indentation are lost: %q", said.String())
	}

	stored, err := report.EncodeVerdict(check.RunVerdict{HistorySHA256: hostile})
	if err != nil {
		t.Fatal(err)
	}
	var replaced bytes.Buffer
	command := newCheckCommand(os.Getenv)
	command.SetErr(&replaced)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, report.VerdictFile), stored, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := settleVerdict(command, dir, check.RunVerdict{Reason: hostile}, false); err != nil {
		t.Fatal(err)
	}
	clean(t, "check", replaced.String())
	if !strings.Contains(replaced.String(), "is replaced") {
		t.Errorf("check says %q", replaced.String())
	}
}

func TestTheLineThatRunsAgainAllowsTheSame(t *testing.T) {
	t.Parallel()
	command := newRunCommand(os.Getenv)
	if err := command.ParseFlags([]string{"--allow-env=A", "--allow-env=B", "--allow-file=/f", "--allow-plain-secrets"}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(given(command.Flags()), " "); got != "--allow-env=A --allow-env=B --allow-file=/f --allow-plain-secrets=true" {
		t.Errorf("got %q", got)
	}
}
