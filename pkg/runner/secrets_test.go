package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	"pgregory.net/rapid"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

const canary = "CANARY-51ab"

// secretOptions are those of a run whose workload has secrets of each kind.
func secretOptions(t *testing.T, clusters cluster.Provider) Options {
	t.Helper()
	options := someOptions(t, clusters)
	w := &options.Plan.Workload
	w.Application.Jar = "app.jar"
	w.StagingServer = scenario.StagingServer{Storage: scenario.StagingDurable, Replicas: 1, URL: "s3://bucket",
		Credentials: []string{"AWS_SECRET"}}
	w.Driver = scenario.Driver{Kind: scenario.DriverJob, Memory: "512m", Cores: "0.5"}
	w.Executors = scenario.Executors{Instances: 1, Cores: 1, RequestCores: "0.5", Memory: "512m"}
	w.Conf = map[string]scenario.ConfValue{
		"spark.hadoop.fs.s3a.secret.key": {FromEnv: "S3A_SECRET"}, "spark.my.thing": {FromFile: "thing.txt"},
		"spark.locality.wait": scenario.Plain("0"),
	}
	options.Variable = func(name string) (string, error) { return canary + "-of-" + name, nil }
	options.SecretFile = func(name string) (string, error) { return canary + "-of-" + name + "\n" + canary + "-second-line", nil }
	options.Artifact = func(context.Context, string) (*os.File, error) {
		path := filepath.Join(t.TempDir(), "app.jar")
		if err := os.WriteFile(path, []byte("a jar"), 0o644); err != nil {
			return nil, err
		}
		return os.Open(path)
	}
	options.PodImage = func(ctx context.Context) (Image, error) { return options.Image(ctx, scenario.Workload{}) }
	return options
}

// dynamicOf is a client that knows all that another one was asked to create.
func dynamicOf(t *testing.T, client *fake.Clientset) *dynamicfake.FakeDynamicClient {
	t.Helper()
	var objects []runtime.Object
	for _, action := range client.Actions() {
		create, ok := action.(interface{ GetObject() runtime.Object })
		if !ok || action.GetVerb() != "create" {
			continue
		}
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(create.GetObject())
		if err != nil {
			t.Fatal(err)
		}
		object := &unstructured.Unstructured{Object: fields}
		if object.GetKind() == "Job" || object.GetKind() == "ConfigMap" || object.GetKind() == "PersistentVolumeClaim" ||
			object.GetKind() == "Secret" {
			objects = append(objects, object)
		}
		if object.GetKind() == "Job" { // the pod that its controller makes
			spec, _, err := unstructured.NestedMap(fields, "spec", "template", "spec")
			if err != nil {
				t.Fatal(err)
			}
			objects = append(objects, &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "driver", "namespace": object.GetNamespace()}, "spec": spec,
			}})
		}
	}
	lists := map[schema.GroupVersionResource]string{}
	for resource, kind := range map[string]string{
		"nodes": "NodeList", "pods": "PodList", "events": "EventList", "configmaps": "ConfigMapList",
		"persistentvolumeclaims": "PersistentVolumeClaimList", "secrets": "SecretList",
	} {
		lists[schema.GroupVersionResource{Version: "v1", Resource: resource}] = kind
	}
	lists[schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}] = "LeaseList"
	lists[schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}] = "JobList"
	return dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists, objects...)
}

// TestNoSecretStandsInARunDirectory plants secrets, and looks into everything that a run writes.
func TestNoSecretStandsInARunDirectory(t *testing.T) {
	t.Parallel()
	options := secretOptions(t, &fakeClusters{})
	r, err := begin(options)
	if err != nil {
		t.Fatal(err)
	}
	defer r.active.Release()
	if err := r.preflight(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.cluster = newFakeMachines("n1")
	if err := r.writeEnvironment(); err != nil {
		t.Fatal(err)
	}
	env := launcher.Environment{RunID: r.id, Namespace: r.id, Image: "i", PodImage: "s",
		Witness: launcher.Witness{Directory: "/var/lib/w", Jar: []byte("jar")}}
	objects, err := launcher.Render(r.Plan.Workload, env, r.components)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.secrets.fill(objects, canary+"-of-the-witness"); err != nil {
		t.Fatal(err)
	}
	for _, member := range objects.Members {
		for _, object := range member.Part.Objects() {
			if secret, ok := object.(*corev1.Secret); ok && secret.StringData["upload-token"] != "" {
				secret.StringData["tls.key"], secret.StringData["upload-token"] = canary+"-of-the-server", canary+"-of-uploads"
			}
		}
	}
	client := fake.NewClientset()
	if err := launcher.ApplyComponents(t.Context(), client, objects); err != nil {
		t.Fatal(err)
	}
	launched, err := launcher.ApplyDriver(t.Context(), client, nil, objects)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.tell("workloadLaunched", launched); err != nil {
		t.Fatal(err)
	}
	recording, err := startRecording(t.Context(), history.NewRecorder(dynamicOf(t, client), r.log, r.id))
	if err != nil {
		t.Fatal(err)
	}
	if err := recording.end(); err != nil {
		t.Fatal(err)
	}
	logs, err := followLogs(t.Context(), client, r.live, r.directory.Logs(), r.secrets.masked())
	if err != nil {
		t.Fatal(err)
	}
	file, err := logs.directory.Create("driver.log")
	if err != nil {
		t.Fatal(err)
	}
	printed := "key is " + canary + "-of-S3A_SECRET, thing\n" + canary + "-second-line and " + canary + "-of-AWS_SECRET\n"
	if err := errors.Join(logs.keep(file, iotest.OneByteReader(strings.NewReader(printed))), file.Close()); err != nil {
		t.Fatal(err)
	}
	logs.end()
	if err := errors.Join(makePrivate(r.directory.Logs()), r.end(nil)); err != nil {
		t.Fatal(err)
	}

	// The Secrets have the values: had they none, the rest would prove nothing.
	secrets := 0
	for _, action := range client.Actions() {
		create, ok := action.(interface{ GetObject() runtime.Object })
		if !ok || action.GetVerb() != "create" {
			continue
		}
		encoded, err := json.Marshal(create.GetObject())
		if err != nil {
			t.Fatal(err)
		}
		has := strings.Contains(string(encoded), canary)
		if isSecret := action.GetResource().Resource == "secrets"; has != isSecret {
			t.Errorf("%s holds a secret: %v, want %v", action.GetResource().Resource, has, isSecret)
		} else if isSecret {
			secrets++
		}
	}
	if secrets != 3 {
		t.Errorf("%d Secrets were made, want that of the settings, of the credentials and of the staging server", secrets)
	}
	history, err := os.ReadFile(r.directory.History())
	if err != nil || !strings.Contains(string(history), `"kind":"Pod"`) || !strings.Contains(string(history), "fromEnv") {
		t.Errorf("the history lacks the driver's pod or the plan: %v", err)
	}
	files := 0
	err = filepath.WalkDir(string(r.directory), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if info.Mode().Perm() != 0o700 {
				t.Errorf("%s has mode %v, want 0700", path, info.Mode())
			}
			return nil
		}
		files++
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", path, info.Mode())
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(canary)) {
			t.Errorf("a secret stands in %s", path)
		}
		return err
	})
	if err != nil || files < 6 { // history, plan, scenario, environment, bundle, log
		t.Errorf("%d files, %v", files, err)
	}
}

func TestARunTakesNothingThatWasNotAllowed(t *testing.T) {
	t.Parallel()
	options := secretOptions(t, &fakeClusters{err: errors.New("no cluster should be asked for")})
	options.Variable, options.SecretFile = nil, nil
	finished, err := Run(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"AWS_SECRET was not allowed", "S3A_SECRET was not allowed", "thing.txt was not allowed"} {
		if finished.Err == nil || !strings.Contains(finished.Err.Error(), want) {
			t.Errorf("%v, want that %s", finished.Err, want)
		}
	}
}

func TestSecretsThatCannotBePassedOn(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{"": "is empty", "a\xffb": "is not UTF-8 text"} {
		options := secretOptions(t, &fakeClusters{})
		options.Variable = func(string) (string, error) { return value, nil }
		r := &run{Options: options}
		if err := r.readSecrets(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want that it %s", value, err, want)
		}
	}
}

func TestMaskedTextsAreLeftOutHoweverTheyCome(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		masked := rapid.SliceOfN(rapid.StringMatching(`[ab]{2,5}`), 1, 3).Draw(t, "masked")
		s := secrets{conf: map[string]string{}}
		for i, text := range masked {
			s.conf[fmt.Sprint(i)] = text + "xxxx" + text // as long as secrets are
		}
		log := rapid.StringMatching(`([abx\n]{0,9})`).Draw(t, "before") + s.conf["0"] + rapid.StringMatching(`[abx\n]{0,9}`).Draw(t, "after")
		var whole, parts bytes.Buffer
		for out, in := range map[*bytes.Buffer]io.Reader{&whole: strings.NewReader(log), &parts: iotest.OneByteReader(strings.NewReader(log))} {
			w := &maskWriter{out: out, masked: s.masked()}
			if _, err := io.Copy(w, in); err != nil {
				t.Fatal(err)
			}
			if err := w.flush(); err != nil {
				t.Fatal(err)
			}
		}
		if whole.String() != parts.String() {
			t.Fatalf("%q at once, %q in parts", &whole, &parts)
		}
		for _, text := range s.masked() {
			if strings.Contains(whole.String(), text) {
				t.Fatalf("%q is left in %q", text, &whole)
			}
		}
		if !strings.Contains(whole.String(), mask) {
			t.Fatalf("nothing was masked in %q", &whole)
		}
	})
}

func TestOtherTextIsKeptAsItIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		log := rapid.String().Draw(t, "log")
		var kept bytes.Buffer
		w := &maskWriter{out: &kept, masked: secrets{conf: map[string]string{"a": canary, "b": "short"}}.masked()}
		if _, err := io.Copy(w, iotest.HalfReader(strings.NewReader(log))); err != nil {
			t.Fatal(err)
		}
		if err := w.flush(); err != nil || kept.String() != log {
			t.Fatalf("%q became %q, %v", log, &kept, err)
		}
	})
}

// endless is a pod that never stops writing.
type endless struct{ line string }

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.line)
	}
	return n, nil
}

func TestLogsAreKeptWithinBounds(t *testing.T) {
	t.Parallel()
	l := &podLogs{podLimit: 100_000}
	l.left.Store(250_000)
	for i, want := range []struct {
		bytes int
		why   error
	}{{100_000, errPodLogTooLong}, {100_000, errPodLogTooLong}, {50_000, errLogsTooLong}, {0, errLogsTooLong}} {
		var kept bytes.Buffer
		err := l.keep(&kept, endless{"a line of a log\n"})
		// The limit of all is looked at before a part is read, so the last part may go beyond it.
		if !errors.Is(err, want.why) || kept.Len() < want.bytes || kept.Len() > want.bytes+32<<10 {
			t.Errorf("log %d: %d bytes, %v; want about %d and %v", i, kept.Len(), err, want.bytes, want.why)
		}
	}
	var left atomic.Int64
	left.Store(10)
	if _, err := io.Copy(io.Discard, &boundedReader{from: strings.NewReader("short"), own: 10, all: &left}); err != nil || left.Load() != 5 {
		t.Errorf("a short log: %v, %d bytes left", err, left.Load())
	}
}
