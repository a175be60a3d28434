package scenario

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// withApplication returns good with another application, in line 9, and no staging server named.
func withApplication(t *testing.T, application string) string {
	t.Helper()
	old := `{name: wordcount, mainClass: dev.WordCount, jar: "local:///a.jar", args: ["--x=1"]}`
	return strings.Replace(with(t, old, application), "    stagingServer: {storage: none}\n", "", 1)
}

func TestApplications(t *testing.T) {
	t.Parallel()
	for application, want := range map[string]struct {
		language  Language
		artifacts []string
		staging   string
	}{
		`{name: a, main: "local:///opt/a.jar", mainClass: A}`:                         {Java, nil, StagingNone},
		`{name: a, mainClass: dev.sparkchaos.workloads.WordCount}`:                    {Java, nil, StagingNone},
		`{name: a, main: jobs/a.jar, mainClass: A, jars: [b.jar, "https://x/c.jar"]}`: {Java, []string{"jobs/a.jar", "b.jar"}, StagingDurable},
		`{name: a, main: a.py, pyFiles: [b.zip, "s3a://x/c.egg"], archives: [e.tgz#e]}`: {Python, []string{"a.py", "b.zip", "e.tgz"},
			StagingDurable},
		`{name: a, main: "s3a://code/a.py", packages: ["g:a:1.0"]}`:                     {Python, nil, StagingNone},
		`{name: a, main: a.R, files: [data.csv]}`:                                       {R, []string{"a.R", "data.csv"}, StagingDurable},
		`{name: a, main: "https://example.com/a.sql", args: [--hivevar, "day=monday"]}`: {SQL, nil, StagingNone},
	} {
		s, err := Load("f.yaml", []byte(withApplication(t, application)), fakeCatalogue())
		if err != nil {
			t.Errorf("%s: %v", application, err)
			continue
		}
		Default(s)
		w := s.Spec.Workload
		if got := w.Application.Language(); got != want.language {
			t.Errorf("%s: language %q, want %q", application, got, want.language)
		}
		if diff := cmp.Diff(want.artifacts, Artifacts(w.Application)); diff != "" {
			t.Errorf("%s: artifacts (-want +got):\n%s", application, diff)
		}
		if w.StagingServer.Storage != want.staging {
			t.Errorf("%s: staging server %q, want %q", application, w.StagingServer.Storage, want.staging)
		}
	}
}

func TestApplicationProblems(t *testing.T) {
	t.Parallel()
	const at = "spec.workload.application"
	for application, want := range map[string][]string{
		"{name: a}": {`9:18: ` + at + `.main: missing; give what spark-submit is given: a jar with its mainClass, a Python file (.py), an R ` +
			`file (.R) or a SQL script (.sql)`},
		"{name: a, main: a.scala}": {
			`9:34: ` + at + `.main: "a.scala" is no application by its ending; want a jar (.jar), a Python file (.py), an R file (.R) or a SQL ` +
				`script (.sql)`},
		"{name: a, main: a.jar}":              {`9:18: ` + at + `.mainClass: missing; a jar needs the class whose main is run`},
		"{name: a, main: a.py, mainClass: A}": {`9:51: ` + at + `.mainClass: is for jars, but a.py is a Python file; leave it out`},
		"{name: a, main: a.sql, pyFiles: [b.py]}": {`9:50: ` + at +
			`.pyFiles: are for Python, but the application is written in SQL; leave them out, or name jars in jars`},
		"{name: a, main: a.py, pyFiles: [b.jar]}": {`9:50: ` + at +
			`.pyFiles[0]: "b.jar" has another ending than Spark takes here; want .py, .zip, .egg`},
		"{name: a, main: a.py, archives: [b.rar#b]}": {`9:51: ` + at +
			`.archives[0]: "b.rar" has another ending than Spark takes here; want .zip, .tar.gz, .tgz, .tar, .jar`},
		"{name: a, main: ../a.py}": {`9:34: ` + at +
			`.main: "../a.py" has ".." in it; files are taken from the scenario's directory and below it alone`},
		"{name: a, main: /home/a.py}": {`9:34: ` + at +
			`.main: "/home/a.py" is an absolute path; files are taken from the scenario's directory and below it alone`},
		"{name: a, main: 'file:///home/a.py'}": {`9:34: ` + at +
			`.main: "file:///home/a.py" is on no machine that pods see; write local:///… for a file inside the image, or a path beside ` +
			`the scenario`},
		"{name: a, main: 'local://opt/a.py'}": {`9:34: ` + at +
			`.main: "local://opt/a.py" names a host, which files inside the image do not have; write local:///opt/app/etl.py, with three slashes`},
		"{name: a, main: 'local:/opt/a.py'}": {`9:34: ` + at +
			`.main: "local:/opt/a.py" has a colon but no //; write it like local:///opt/app/etl.py, or give a path beside the scenario`},
		"{name: a, main: 'ftp://x/a.py'}": {`9:34: ` + at +
			`.main: "ftp://x/a.py" has an unknown scheme; want a path beside the scenario, or one of local://, https://, http://, s3a://, gs://, ` +
			`abfs://, abfss://, hdfs://`},
		"{name: a, main: a.jar, jar: b.jar, mainClass: A}": {`9:46: ` + at + `.jar: is the older name of main, which is given, too; keep main`},
		"{name: a, main: a.py, packages: [a.b]}": {`9:51: ` + at +
			`.packages[0]: "a.b" does not fit; want a text that matches ^[^\s,:]+:[^\s,:]+:[^\s,:]+$, for example ` +
			`org.apache.spark:spark-avro_2.13:4.1.0`},
		"{name: a, main: a.py, pyFiles: [b/a.py]}": {`9:18: ` + at +
			`: a.py and b/a.py have the same name: pods fetch all artifacts into one directory`},
	} {
		_, err := Load("f.yaml", []byte(withApplication(t, application)), fakeCatalogue())
		var problems *Error
		if !errors.As(err, &problems) {
			t.Errorf("%s: got %v, want problems", application, err)
			continue
		}
		if diff := cmp.Diff("f.yaml:"+strings.Join(want, "\nf.yaml:"), problems.Error()); diff != "" {
			t.Errorf("%s: problems (-want +got):\n%s", application, diff)
		}
	}
}
