package main

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const allJars = "/opt/spark/jars/a.jar:/opt/spark/jars/b.jar:/opt/spark/workloads/workloads.jar"

// imageOf returns a container with two jars of Spark and one of workloads.
func imageOf(environ map[string]string, files map[string]string) container {
	all := fstest.MapFS{
		"opt/spark/jars/b.jar":               {},
		"opt/spark/jars/a.jar":               {},
		"opt/spark/jars/notes.txt":           {},
		"opt/spark/workloads/workloads.jar":  {},
		"opt/spark/conf/spark-defaults.conf": {Data: []byte("spark.driver.defaultJavaOptions -XX:Default\n")},
	}
	for name, text := range files {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	merged := map[string]string{"JAVA_HOME": "/java"}
	maps.Copy(merged, environ)
	return container{
		environ: merged, dir: "/work", files: all,
		launch: launch{ModuleOptions: []string{"--module"}, ArchiveOptions: []string{"-XX:Archive"}},
	}
}

func executorEnvironment() map[string]string {
	return map[string]string{
		"SPARK_EXECUTOR_MEMORY": "512m", "SPARK_DRIVER_URL": "spark://d:7078", "SPARK_EXECUTOR_ID": "1", "SPARK_EXECUTOR_CORES": "2",
		"SPARK_APPLICATION_ID": "spark-x", "SPARK_EXECUTOR_POD_IP": "10.0.0.1", "SPARK_RESOURCE_PROFILE_ID": "0",
		"SPARK_EXECUTOR_POD_NAME": "p-exec-1", "SPARK_JAVA_OPT_10": "-Dten", "SPARK_JAVA_OPT_2": "-Dtwo=a b", "SPARK_JAVA_OPT_X": "-Dno",
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		called  string
		args    []string
		environ map[string]string
		files   map[string]string
		want    []string
	}{
		"executor": {
			args: []string{"executor"}, environ: executorEnvironment(),
			want: []string{
				"/java/bin/java", "-XX:Archive", "-Dtwo=a b", "-Dten", "-Xms512m", "-Xmx512m", "-cp", allJars + ":/opt/spark/conf:/work",
				"org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend",
				"--driver-url", "spark://d:7078", "--executor-id", "1", "--cores", "2", "--app-id", "spark-x",
				"--hostname", "10.0.0.1", "--resourceProfileId", "0", "--podName", "p-exec-1",
			},
		},
		"driver with defaults": {
			args: []string{"driver", "--class", "X", "local:///x.jar", "--driver-memory", "9g"},
			want: []string{
				"/java/bin/java", "-XX:Archive", "-cp", allJars + ":/opt/spark/conf", "-Xmx1g", "-XX:Default", "--module",
				submitClass, "--deploy-mode", "client", "--class", "X", "local:///x.jar", "--driver-memory", "9g",
			},
		},
		"driver with settings": {
			args: []string{
				"driver", "--conf", "spark.driver.memory=512m", "--driver-java-options=-Da='b c'", "--load-spark-defaults",
				"--properties-file", "p.conf", "--class", "X", "local:///x.jar",
			},
			environ: map[string]string{"SPARK_DRIVER_BIND_ADDRESS": "10.0.0.2", "SPARK_DRIVER_MEMORY": "3g"},
			files: map[string]string{"work/p.conf": "spark.driver.memory " +
				"7g\nspark.driver.extraClassPath=/first.jar:/opt/spark/workloads/workloads.jar"},
			want: []string{
				"/java/bin/java", "-XX:Archive", "-cp", "/first.jar:" + allJars + ":/opt/spark/conf", "-Xmx512m", "-XX:Default", "-Da=b c", "--module",
				submitClass, "--conf", "spark.driver.bindAddress=10.0.0.2", "--conf", "spark.executorEnv.SPARK_DRIVER_POD_IP=10.0.0.2",
				"--deploy-mode", "client", "--conf", "spark.driver.memory=512m", "--driver-java-options=-Da='b c'", "--load-spark-defaults",
				"--properties-file", "p.conf", "--class", "X", "local:///x.jar",
			},
		},
		"a properties file replaces the defaults": {
			args:  []string{"driver", "--properties-file", "/p.conf", "x.jar"},
			files: map[string]string{"p.conf": "spark.driver.memory 7g"},
			want: []string{
				"/java/bin/java", "-XX:Archive", "-cp", allJars + ":/opt/spark/conf", "-Xmx7g", "--module",
				submitClass, "--deploy-mode", "client", "--properties-file", "/p.conf", "x.jar",
			},
		},
		"spark-submit for a cluster": {
			called: "spark-submit", args: []string{"--deploy-mode", "cluster", "--driver-memory", "7g", "x.jar"},
			want: []string{
				"/java/bin/java", "-XX:Archive", "-cp", allJars + ":/opt/spark/conf", "--module",
				submitClass, "--deploy-mode", "cluster", "--driver-memory", "7g", "x.jar",
			},
		},
		"spark-class": {
			called: "spark-class", args: []string{"org.apache.spark.deploy.ExternalShuffleService", "arg"},
			environ: map[string]string{"SPARK_DAEMON_MEMORY": "256m", "SPARK_SHUFFLE_OPTS": "-Db", "SPARK_DAEMON_JAVA_OPTS": "-Da",
				"SPARK_CONF_DIR": "/conf"},
			want: []string{
				"/java/bin/java", "-XX:Archive", "-cp", allJars + ":/conf", "-Da", "-Db", "-Xmx256m", "--module",
				"org.apache.spark.deploy.ExternalShuffleService", "arg",
			},
		},
		"spark-class of spark-submit": {
			called: "spark-class", args: []string{submitClass, "--version"},
			want: []string{
				"/java/bin/java", "-XX:Archive", "-cp", allJars + ":/opt/spark/conf", "-Xmx1g", "-XX:Default", "--module", submitClass, "--version",
			},
		},
		"another command": {args: []string{"ls", "-l", "driver"}, want: []string{"ls", "-l", "driver"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			called := c.called
			if called == "" {
				called = "entrypoint.sh"
			}
			got, err := imageOf(c.environ, c.files).resolve(called, c.args)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.argv); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestResolveRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		called  string
		args    []string
		environ map[string]string
		files   map[string]string
		says    string
	}{
		"nothing":             {says: "give driver, executor or a command"},
		"executor unset":      {args: []string{"executor"}, says: "SPARK_DRIVER_URL"},
		"no value":            {args: []string{"driver", "--conf"}, says: "--conf lacks its value"},
		"no setting":          {args: []string{"driver", "--conf", "a"}, says: "NAME=VALUE"},
		"heap":                {args: []string{"driver", "--driver-java-options", "-Xmx1g"}, says: "-Xmx1g"},
		"open quote":          {args: []string{"driver", "--driver-java-options", "'a"}, says: "left open"},
		"no properties file":  {args: []string{"driver", "--properties-file", "/none"}, says: "none"},
		"bad properties file": {args: []string{"driver", "--properties-file", "/p"}, files: map[string]string{"p": `a=\u00`}, says: "/p"},
		"no jars":             {args: []string{"driver"}, environ: map[string]string{"SPARK_HOME": "/elsewhere"}, says: "/elsewhere/jars"},
		"no class":            {called: "spark-class", says: "give a class"},
		"heap of a daemon": {
			called: "spark-class", args: []string{"org.apache.spark.deploy.ExternalShuffleService"},
			environ: map[string]string{"SPARK_SHUFFLE_OPTS": "-Xmx1g"}, says: "SPARK_SHUFFLE_OPTS",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := imageOf(c.environ, c.files).resolve(c.called, c.args)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
		})
	}
}

func TestCodes(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]int{errUsage: exitUsage, errMissing: exitMissing, errors.New("x"): exitCannot} {
		if got := codeOf(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

func TestLibraryPath(t *testing.T) {
	t.Parallel()
	c := imageOf(map[string]string{"LD_LIBRARY_PATH": "/a"}, nil)
	p, err := c.resolve("", []string{"driver", "--driver-library-path", "/b", "x.jar"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"LD_LIBRARY_PATH=/a:/b"}, p.environ); diff != "" {
		t.Error(diff)
	}
}

func TestSplitOptions(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]string{
		"":                    nil,
		"  a \t b\n":          {"a", "b"},
		`-Da="b c" 'd e'f`:    {"-Da=b c", "d ef"},
		`a\ b '\' "\""`:       {"a b", `\`, `"`},
		`"" ''`:               {"", ""},
		`"it's" 'say "hi"'`:   {"it's", `say "hi"`},
		"-Dname=\u00e4 -Dx=1": {"-Dname=\u00e4", "-Dx=1"},
	} {
		got, err := splitOptions(in)
		if err != nil {
			t.Errorf("%q: %v", in, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", in, diff)
		}
	}
	for _, in := range []string{`"a`, `'a`, `a\`} {
		if _, err := splitOptions(in); err == nil {
			t.Errorf("%q: no error", in)
		}
	}
}

func FuzzSplitOptions(f *testing.F) {
	f.Add(`-Da="b c" 'd'`)
	f.Fuzz(func(t *testing.T, s string) {
		options, err := splitOptions(s)
		if err != nil {
			return
		}
		// Quoted again, the options are the same.
		var quoted []string
		for _, o := range options {
			quoted = append(quoted, "'"+strings.ReplaceAll(o, "'", `'\''`)+"'")
		}
		again, err := splitOptions(strings.Join(quoted, " "))
		if err != nil || !slices.Equal(again, options) {
			t.Errorf("%q: %q, again %q, %v", s, options, again, err)
		}
	})
}

func TestParseProperties(t *testing.T) {
	t.Parallel()
	got, err := parseProperties("# comment\n! comment \\\n\na b\nc=d\r\ne : f  \n  g\\ h=i\\\n   j\nk\nl=\\u00e4\\t!\nm==n\n\\# = o\np = q " +
		"# no comment\n")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"a": "b", "c": "d", "e": "f", "g h": "ij", "k": "", "l": "ä\t!", "m": "=n", "#": "o", "p": "q # no comment",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, text := range []string{`a=\u12`, `a=\uzzzz`, `\u=b`} {
		if _, err := parseProperties(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func FuzzParseProperties(f *testing.F) {
	f.Add("a=b\nc d\\\n e\n# x\n")
	f.Fuzz(func(t *testing.T, text string) {
		properties, err := parseProperties(text)
		if err != nil && properties != nil {
			t.Error("properties beside an error")
		}
		for name, value := range properties {
			if value != strings.TrimSpace(value) {
				t.Errorf("%q=%q is not trimmed", name, value)
			}
		}
	})
}

func FuzzParseSubmit(f *testing.F) {
	f.Add("--conf\x00a=b\x00x.jar\x00--conf")
	f.Fuzz(func(t *testing.T, joined string) {
		args := strings.Split(joined, "\x00")
		line, err := parseSubmit(args)
		if err != nil && !errors.Is(err, errUsage) {
			t.Errorf("%q: error %v is not about use", args, err)
		}
		if err == nil && line.settings == nil {
			t.Errorf("%q: no settings", args)
		}
	})
}
