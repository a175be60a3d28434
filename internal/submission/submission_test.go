package submission

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/internal/golden"
	"github.com/sparkchaos/sparkchaos/pkg/anchor"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	faultcatalogue "github.com/sparkchaos/sparkchaos/pkg/faults/catalogue"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

var update = flag.Bool("update", false, "write the golden files again")

func catalogue() scenario.Catalogue {
	return scenario.Catalogue{Faults: faultcatalogue.All().Entries(), Anchors: anchor.Entries(), Invariants: check.Entries()}
}

// checkGolden compares a scenario with a golden file, and loads it.
func checkGolden(t *testing.T, file string, imported Imported) *scenario.Scenario {
	t.Helper()
	got, err := imported.YAML()
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenario.Load(file, got, catalogue())
	if err != nil {
		t.Errorf("the scenario is not valid: %v\n%s", err, got)
	}
	golden.Compare(t, filepath.Join("testdata", file), got, *update)
	return s
}

func TestFiles(t *testing.T) {
	t.Parallel()
	for file, read := range map[string]func([]byte) (Imported, error){
		"kubeflow-pi": SparkApplication, "kubeflow-python": SparkApplication, "apache-pi": SparkApplication, "job": Job,
	} {
		text, err := os.ReadFile(filepath.Join("testdata", file+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		imported, err := read(text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		checkGolden(t, file+".scenario.yaml", imported)
	}
}

func TestSparkSubmit(t *testing.T) {
	t.Parallel()
	for file, args := range map[string][]string{
		"submit-jar.scenario.yaml": {
			"./bin/spark-submit", "--master", "k8s://https://example.com:6443", "--deploy-mode", "cluster", "--name", "Spark Pi", "--class",
			"org.apache.spark.examples.SparkPi",
			"--conf", "spark.executor.instances=5", "--conf", "spark.kubernetes.container.image=apache/spark:4.1.0", "--executor-memory=2G",
			"--supervise",
			"local:///opt/spark/examples/jars/spark-examples.jar", "1000", "--conf",
		},
		"submit-python.scenario.yaml": {
			"--py-files", "lib/helpers.zip,s3a://code/more.egg", "--packages", "a.b:c:1.0,a.b:d:1.0", "--archives", "/home/me/env.tar.gz#env",
			"--driver-memory", "1gb",
			"--files", "conf/log.properties", "-c", "spark.jars.packages=z.z:z:9", "--conf", "spark.kubernetes.driver.label.team=data", "--queue",
			"night",
			"--conf", "spark.hadoop.fs.s3a.secret.key=abc", "--conf", "spark.executorEnv.DB_PASSWORD=abc", "--properties-file", "p.conf",
			"/home/me/etl.py", "--day=monday",
		},
	} {
		imported, err := SparkSubmit(args)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		checkGolden(t, file, imported)
		text, err := imported.YAML()
		if err != nil || strings.Contains(string(text), "=abc") || strings.Contains(string(text), ": abc") {
			t.Errorf("%s: %v, or a secret stands in the scenario", file, err)
		}
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	submit := func(args ...string) error { _, err := SparkSubmit(args); return err }
	read := func(read func([]byte) (Imported, error), text string) error { _, err := read([]byte(text)); return err }
	for says, err := range map[string]error{
		"spark-submit: no application: want a jar, a Python file, an R file after the " +
			"options": submit("--class", "A"),
		"spark-submit: --clas is no option of " +
			"spark-submit": submit("--clas", "A",
			"a.jar"),
		"spark-submit: --class lacks its " +
			"value": submit("--class"),
		"spark-submit: --conf a: want NAME=VALUE": submit("--conf", "a", "a.jar"),
		`spark-submit: "a.txt" is no application that a scenario can run: ` +
			`want a jar (.jar), a Python file (.py) or an R file (.R)`: submit("a.txt"),
		"the object is a Pod of v1, want a SparkApplication of sparkoperator.k8s.io or " +
			"spark.apache.org": read(SparkApplication, "{apiVersion: v1, kind: Pod}"),
		"SparkApplications of x/v1 are not known, want sparkoperator.k8s.io/v1beta2 or " +
			"spark.apache.org/v1": read(SparkApplication, "{apiVersion: x/v1, kind: SparkApplication}"),
		"the object names no file to run": read(SparkApplication, "{apiVersion: spark.apache.org/v1, kind: SparkApplication}"),
		"the file has several objects; put the application into a file of its " +
			"own": read(Job, "{a: b}\n---\n{a: b}"),
		"the object is a (nothing) of (nothing), want a Job of " +
			"batch/v1": read(Job, "{a: b}"),
		"no container of the Job runs spark-submit, or has the argument driver of Spark's entry point; a command within a shell's " +
			"script cannot be read": read(Job, "{apiVersion: batch/v1, kind: Job}"),
	} {
		if err == nil || err.Error() != says {
			t.Errorf("got %v, want %s", err, says)
		}
	}
}

func FuzzSparkApplication(f *testing.F) {
	for _, file := range []string{"kubeflow-pi.yaml", "kubeflow-python.yaml", "apache-pi.yaml"} {
		text, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		imported, err := SparkApplication([]byte(text))
		if err != nil {
			return
		}
		if _, err := imported.YAML(); err != nil {
			t.Error(err)
		}
	})
}
