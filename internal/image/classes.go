package image

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	// classesFormat changes when the archive of prepared classes is to be made otherwise.
	classesFormat = "1"
	// trainingDir inside the image's tree holds what training needs and what it finds.
	trainingDir = "/training"
	// trainingTimeout bounds the training application, which takes half a minute on an idle machine.
	trainingTimeout = 10 * time.Minute
)

// classes returns the stage of the layer with the archive of prepared classes: a real application is run on the image's own
// files, and the classes that its driver and executors loaded are dumped in the form in which a JVM maps them.
//
// This is the one layer whose bytes differ when it is built again: which classes an application loads depends a little on
// which of its threads comes first, and JDK 17 lays out the dump of one list differently each time. Its key holds all that
// goes into it, so on one machine it is the same until one of these changes.
func (b sparkBuild) classes(ctx context.Context, base string, jars sparkJars, runtimeDir string) (string, error) {
	training, err := fs.ReadFile(trainingSources, "training/Training.java")
	if err != nil {
		return "", err
	}
	key := newStageKey(b.kind("classes"))
	key.add("base", filepath.Base(base))
	key.add("jars", jars.manifest)
	key.add("runtime", filepath.Base(runtimeDir))
	key.add("training", string(training))
	key.add("platform", runtime.GOARCH)
	key.add("format", classesFormat)
	return b.make(ctx, stage{
		kind: b.kind("classes"), key: key.sum(), why: "training run and dump",
		build: func(ctx context.Context, dir string) error {
			if err := needCommands("unshare", "mount", "chroot", "sh"); err != nil {
				return err
			}
			t := trainer{root: filepath.Join(dir, rootDir), jars: jars.dir, jdk: b.jdk}
			return t.build(ctx, dir, training, []string{filepath.Join(base, rootDir), filepath.Join(runtimeDir, rootDir)})
		},
	})
}

// trainer makes the archive in a tree that equals the image.
type trainer struct {
	root string
	jars string
	jdk  jdk
}

func (t trainer) build(ctx context.Context, dir string, source []byte, trees []string) error {
	if err := t.assemble(trees); err != nil {
		return fmt.Errorf("assemble the image's tree: %w", err)
	}
	if err := t.compile(ctx, source); err != nil {
		return fmt.Errorf("compile the training application: %w", err)
	}
	if err := t.rehearse(ctx); err != nil {
		return fmt.Errorf("training run: %w", err)
	}
	if err := t.mergeLists(); err != nil {
		return fmt.Errorf("lists of loaded classes: %w", err)
	}
	if err := t.dump(ctx); err != nil {
		return fmt.Errorf("dump classes: %w", err)
	}
	archive, err := file(classArchive[1:], t.inTree(trainingDir, "spark.jsa"), 0o644)
	if err != nil {
		return err
	}
	if err := writeLayer(dir, []entry{archive}); err != nil {
		return err
	}
	return os.RemoveAll(t.root)
}

// inTree returns where a path of the image lies on this machine.
func (t trainer) inTree(elements ...string) string {
	return filepath.Join(append([]string{t.root}, elements...)...)
}

func (t trainer) assemble(trees []string) error {
	for _, tree := range trees {
		if err := linkTree(t.root, tree); err != nil {
			return err
		}
	}
	for _, dir := range []string{trainingDir, "/tmp"} {
		if err := os.MkdirAll(t.inTree(dir), 0o755); err != nil {
			return err
		}
	}
	return linkTree(t.inTree(SparkHome, "jars"), t.jars)
}

func (t trainer) compile(ctx context.Context, source []byte) error {
	name := t.inTree(trainingDir, "Training.java")
	if err := os.WriteFile(name, source, 0o644); err != nil {
		return err
	}
	return run(exec.CommandContext(ctx, t.jdk.tool("javac"), "-nowarn", "-cp", filepath.Join(t.jars, "*"), "-d",
		t.inTree(trainingDir, "classes"), name))
}

// rehearse runs the training application: its driver talks to an API server that starts executors as processes.
func (t trainer) rehearse(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, trainingTimeout)
	defer cancel()
	api, err := newRehearsal(ctx, func(ctx context.Context, environ []string) *exec.Cmd {
		return inside(ctx, t.root, append(environ, trainingEnvironment()...), SparkEntrypoint, "executor")
	})
	if err != nil {
		return err
	}
	defer func() {
		cancel()
		err = errors.Join(err, api.close())
	}()
	if err := os.WriteFile(t.inTree(trainingDir, "ca.crt"), api.certificate, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(t.inTree(trainingDir, "pod.yaml"), []byte(executorTemplate), 0o644); err != nil {
		return err
	}
	driver := inside(ctx, t.root, trainingEnvironment(), append([]string{SparkEntrypoint, "driver"}, trainingArguments(api.url)...)...)
	return run(driver)
}

func trainingEnvironment() []string {
	return []string{"SPARK_LOCAL_IP=127.0.0.1", "SPARK_USER=spark", "SPARK_EXTRA_CLASSPATH=" + trainingDir + "/classes"}
}

// executorTemplate is what a pod template usually holds.
const executorTemplate = `apiVersion: v1
kind: Pod
metadata: {labels: {training: "true"}}
spec:
  tolerations: [{key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 1}]
  containers:
  - name: executor
    volumeMounts: [{name: scratch, mountPath: /scratch}]
  volumes: [{name: scratch, emptyDir: {}}]
`

func trainingArguments(master string) []string {
	listed := func(name string) string {
		return "-XX:DumpLoadedClassList=" + path.Join(trainingDir, name+".classlist")
	}
	args := []string{"--driver-memory", "768m", "--driver-java-options", listed("driver")}
	for _, setting := range []string{
		"spark.master=k8s://" + master,
		"spark.driver.bindAddress=127.0.0.1",
		"spark.driver.host=127.0.0.1",
		"spark.executor.cores=2",
		"spark.executor.extraJavaOptions=" + listed("executor-{{EXECUTOR_ID}}"),
		"spark.executor.instances=2",
		"spark.executor.memory=512m",
		"spark.kubernetes.allocation.batch.delay=200ms",
		"spark.kubernetes.authenticate.caCertFile=" + trainingDir + "/ca.crt",
		"spark.kubernetes.authenticate.oauthToken=training",
		"spark.kubernetes.container.image=training",
		"spark.kubernetes.driver.pod.name=" + rehearsalDriver,
		"spark.kubernetes.executor.disableConfigMap=true",
		"spark.kubernetes.executor.podTemplateFile=" + trainingDir + "/pod.yaml",
		"spark.kubernetes.namespace=" + rehearsalNamespace,
		"spark.sql.shuffle.partitions=2",
		"spark.sql.streaming.numRecentProgressUpdates=10",
		"spark.sql.warehouse.dir=" + trainingDir + "/warehouse",
		"spark.ui.enabled=false",
	} {
		args = append(args, "--conf", setting)
	}
	return append(args, "--class", "dev.sparkchaos.training.Training", "spark-internal", trainingDir+"/out")
}

// mergeLists makes one list of the driver's and the executors'.
func (t trainer) mergeLists() error {
	lists, err := filepath.Glob(t.inTree(trainingDir, "*.classlist"))
	if err != nil {
		return err
	}
	if len(lists) < 2 {
		return fmt.Errorf("a driver and at least one executor should have written a list, %d did", len(lists))
	}
	var all []string
	for _, name := range lists {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		lines, err := readClassList(f)
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, lines...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return os.WriteFile(t.inTree(trainingDir, "classes.list"), []byte(strings.Join(all, "\n")+"\n"), 0o644)
}

// readClassList reads a list of loaded classes, without what belongs to one run alone: the numbers, classes of loaders of the
// application's own, and the training application.
func readClassList(r io.Reader) ([]string, error) {
	var lines []string
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		line := scanner.Text()
		name, attributes, _ := strings.Cut(line, " id: ")
		if strings.HasPrefix(line, "#") || strings.Contains(attributes, "source:") || strings.Contains(line, "dev/sparkchaos/") {
			continue
		}
		if name = strings.TrimSpace(name); name != "" {
			lines = append(lines, name)
		}
	}
	return lines, scanner.Err()
}

// dump makes the archive. The class path must be the beginning of the one that the entry point gives.
func (t trainer) dump(ctx context.Context) error {
	entries, err := os.ReadDir(t.jars)
	if err != nil {
		return err
	}
	var classPath []string
	for _, e := range entries {
		classPath = append(classPath, path.Join(SparkHome, "jars", e.Name()))
	}
	return run(inside(ctx, t.root, nil, javaHome+"/bin/java", "-Xshare:dump", "-Xlog:cds=off", "-Xlog:cds*=off",
		"-XX:SharedClassListFile="+trainingDir+"/classes.list", "-XX:SharedArchiveFile="+trainingDir+"/spark.jsa",
		"-cp", strings.Join(classPath, ":")))
}
