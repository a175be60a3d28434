package scenario

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// withOutput returns good with an output in line 10; workload is put after it.
func withOutput(t *testing.T, output, workload string) string {
	t.Helper()
	return withApplication(t, `{name: a, main: "local:///a.jar", mainClass: A}`+"\n    output: ["+output+"]"+workload)
}

// allProblems returns the problems of a scenario, without the name of its file.
func allProblems(t *testing.T, content string, catalogue Catalogue) string {
	t.Helper()
	_, err := Load("f.yaml", []byte(content), catalogue)
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "f.yaml:", "")
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]Output{
		"{path: /shared/out}": {Path: "/shared/out", Format: "parquet", Compare: CompareRows},
		`{path: "s3a://b/$(SPARKCHAOS_RUN_ID)/out", format: csv, options: {header: "true"}, keys: [id], ignore: [at]}`: {
			Path: "s3a://b/$(SPARKCHAOS_RUN_ID)/out", Format: "csv", Options: map[string]string{"header": "true"}, Compare: CompareKeys,
			Keys: []string{"id"}, Ignore: []string{"at"}},
		"{table: sales.orders}": {Table: "sales.orders", Compare: CompareRows},
		`{table: orders, format: jdbc, options: {url: "jdbc:x:y?password=$(DB_PASSWORD)", password: $(DB_PASSWORD)}}`: {
			Table: "orders", Format: "jdbc", Options: map[string]string{"url": "jdbc:x:y?password=$(DB_PASSWORD)", "password": "$(DB_PASSWORD)"},
			Compare: CompareRows},
	} {
		s, err := Load("f.yaml", []byte(withOutput(t, output, "")), fakeCatalogue())
		if err != nil {
			t.Errorf("%s: %v", output, err)
			continue
		}
		Default(s)
		if diff := cmp.Diff([]Output{want}, s.Spec.Workload.Output); diff != "" {
			t.Errorf("%s (-want +got):\n%s", output, diff)
		}
	}
}

func TestOutputProblems(t *testing.T) {
	t.Parallel()
	const at, secret = "spec.workload.output[0]", "a secret in clear text: it would stand in the plan and in the history; write $(NAME), " +
		"and give NAME in driver.template as a variable with valueFrom: {secretKeyRef: …}, or give --allow-plain-secrets if it is no secret"
	for output, want := range map[string]string{
		"{format: orc}":                     `10:14: ` + at + `: names neither a path nor a table; want one of them`,
		"{path: /shared/out, table: t}":     `10:41: ` + at + `.table: path is given, too; keep the one that says where the output is`,
		"{path: /shared/out, format: jdbc}": `10:21: ` + at + `.path: a database has tables; write table instead`,
		"{table: t, format: orc}": `10:33: ` + at + `.format: a catalog knows the format of its tables; leave this out, or write jdbc for the ` +
			`table of a database`,
		"{path: /tmp/out}": `10:21: ` + at + `.path: lies in the file system of a single pod, which ends with it; want a path below /shared ` +
			`or a volume of driver.template, or one like s3a://…`,
		"{path: /shared/out, compare: keys}": `10:43: ` + at + `.compare: keys are missing: ` +
			`name the columns that name a row, like keys: [id]`,
		"{path: /shared/out, compare: rows, keys: [id]}": `10:55: ` + at + `.keys: compare: rows takes whole rows; ` +
			`leave one of the two out`,
		"{path: /shared/out, keys: [a, a]}":           `10:44: ` + at + `.keys[1]: "a" is named twice; keep one`,
		"{path: /shared/out, keys: [a], ignore: [a]}": `10:41: ` + at + `.keys[0]: "a" is ignored, so it cannot name a row`,
		"{path: /shared/out}, {path: /shared/out}": `10:35: spec.workload.output[1]: /shared/out is spec.workload.output[0] already; ` +
			`keep one`,
		"{table: t, format: jdbc, options: {url: a, password: b}}":      `10:67: ` + at + `.options.password: ` + secret,
		`{table: t, format: jdbc, options: {url: "jdbc:x?password=b"}}`: `10:54: ` + at + `.options.url: ` + secret,
	} {
		if diff := cmp.Diff(want, allProblems(t, withOutput(t, output, ""), fakeCatalogue())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", output, diff)
		}
	}
	node := `10:21: ` + at + `.path: with storage: node each node has another /shared, and the reader sees that of its own node alone; ` +
		`want storage: shared or local`
	mounted := "\n    executors: {cores: 1}\n    storage: shared"
	for workload, want := range map[string]string{"\n    storage: node": node, mounted: ""} {
		if diff := cmp.Diff(want, allProblems(t, withOutput(t, "{path: /shared/out}", workload), fakeCatalogue())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", workload, diff)
		}
	}
}

func TestWhereOutputsMayLie(t *testing.T) {
	t.Parallel()
	template, err := NewPodTemplate(`{"spec":{"containers":[{"name":"spark-kubernetes-driver","volumeMounts":[{"name":"data",` +
		`"mountPath":"/data/"}]}]}}`)
	if err != nil {
		t.Fatal(err)
	}
	fs := map[string]ConfValue{"spark.hadoop.fs.defaultFS": {Text: "hdfs://name-node"}}
	for _, c := range []struct {
		workload Workload
		path     string
		ok       bool
	}{
		{Workload{}, "/shared", true},
		{Workload{}, "file:///shared/out", true},
		{Workload{}, "/sharedby", false},
		{Workload{}, "/data/out", false},
		{Workload{Driver: Driver{Template: template}}, "/data/out", true},
		{Workload{Driver: Driver{Template: template}}, "/database/out", false},
		{Workload{Conf: fs}, "/out", true},
		{Workload{Storage: StorageNode}, "s3a://bucket/out", true},
	} {
		c.workload.Output = []Output{{Path: c.path}}
		var problems []string
		checkOutputs(c.workload, false, func(path, format string, args ...any) { problems = append(problems, path) })
		if ok := len(problems) == 0; ok != c.ok {
			t.Errorf("%s: problems at %q, want ok = %t", c.path, problems, c.ok)
		}
	}
}

func TestFilesAreJudgedOnlyIfAnOutputHasSome(t *testing.T) {
	t.Parallel()
	catalogue := fakeCatalogue()
	for i := range catalogue.Invariants {
		catalogue.Invariants[i].Files = catalogue.Invariants[i].Name == "completes"
	}
	if got := allProblems(t, withOutput(t, "{path: /shared/out}", ""), catalogue); got != "" {
		t.Error(got)
	}
	const want = "spec.expect[0].completes: judges the files of the workload's outputs, but none has a path; see spec.workload.output"
	if got := allProblems(t, withOutput(t, "{table: orders}", ""), catalogue); !strings.HasSuffix(got, want) {
		t.Errorf("the problems are %q, want %q", got, want)
	}
}
