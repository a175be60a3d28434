package launcher_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"

	. "github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/launchertest"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/witnessserver"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

var update = flag.Bool("update", false, "write the golden files anew")

func pointer[T any](v T) *T { return &v }

func wordCount() scenario.Workload       { return launchertest.WordCount() }
func stagedWordCount() scenario.Workload { return launchertest.StagedWordCount() }
func environment() Environment           { return launchertest.Environment() }

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(w *scenario.Workload, env *Environment)
		kinds  int
	}{
		{"job", func(*scenario.Workload, *Environment) {}, 9},
		{"pod", func(w *scenario.Workload, env *Environment) {
			w.Driver = scenario.Driver{Kind: KindPod, Memory: "512m", Cores: "0.5", NodeName: "worker-2"}
		}, 9},
		{"own-image-and-conf", func(w *scenario.Workload, env *Environment) {
			w.Image = "registry.example/team/spark:4.1.0"
			w.Application = scenario.Application{Name: "etl", MainClass: "com.example.Etl", Jar: "local:///opt/app/etl.jar", Args: []string{"$(SPARKCHAOS_SOURCE_URL)"}}
			w.Driver.PodReplacementPolicy = "Failed"
			w.Driver.BackoffLimit = pointer[int32](0)
			w.Conf = plainConf(map[string]string{
				"spark.kubernetes.executor.podNamePrefix":                                              "always-the-same",
				"spark.kubernetes.executor.disableConfigMap":                                           "false",
				"spark.kubernetes.executor.volumes.persistentVolumeClaim.spark-local-dir-1.mount.path": "/data",
				"spark.plugins":               "com.example.Metrics",
				"spark.driver.extraClassPath": "/opt/app/lib.jar",
				"spark.driver.memory":         "2g",
				"spark.ui.enabled":            "true",
				"spark.driver.bindAddress":    "0.0.0.0",
			})
			env.PullPolicy = ""
		}, 9},
		{"staging-durable", func(w *scenario.Workload, env *Environment) { *w = stagedWordCount() }, 16},
		{"staging-memory", func(w *scenario.Workload, env *Environment) {
			*w = stagedWordCount()
			w.StagingServer = scenario.StagingServer{Storage: scenario.StagingMemory, Replicas: 1}
		}, 15},
		{"without-harness", func(w *scenario.Workload, env *Environment) {
			env.Witness, env.Source, env.StorageClass, env.Nodes = Witness{}, Source{}, "", nil
		}, 9},
		{"witness-in-cluster", func(w *scenario.Workload, env *Environment) {
			*w = stagedWordCount()
			env.Witness, env.Source = witnessserver.Component{}.Witness(env.Namespace)
			env.Words = &Words{Seed: 1, Vocabulary: 20, WordsPerSecond: 50}
		}, 21},
		{"python", func(w *scenario.Workload, _ *Environment) {
			*w = stagedWordCount()
			w.Application = scenario.Application{
				Name: "etl", Main: "jobs/etl.py", PyFiles: []string{"lib/helpers.zip", "local:///opt/app/common.py", "s3a://code/more.egg"},
				Archives: []string{"environment.tar.gz#environment"}, Jars: []string{"connector.jar", "https://example.com/driver.jar"},
				Packages: []string{"org.apache.spark:spark-avro_2.13:4.1.0"}, Args: []string{"--days=3"},
			}
			w.Conf = plainConf(map[string]string{"spark.jars.packages": "com.example:own:1.0"})
		}, 16},
		{"sql", func(w *scenario.Workload, _ *Environment) {
			w.Application = scenario.Application{Name: "report", Main: "local:///opt/app/report.sql", Args: []string{"--database", "sales"}}
		}, 9},
		{"shuffle-service", func(w *scenario.Workload, _ *Environment) {
			w.ShuffleService = scenario.ShuffleService{Enabled: true, LocalDirectory: scenario.LocalDirectoryNode}
		}, 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w, env := wordCount(), environment()
			tc.change(&w, &env)
			o, err := Render(w, env, components.All())
			if err != nil {
				t.Fatal(err)
			}
			got, err := o.YAML()
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", tc.name+".yaml")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("manifests differ from %s (-want +got):\n%s", golden, diff)
			}
			checkManifests(t, got, tc.kinds)
		})
	}
}

// checkManifests reads the manifests as an API server does that refuses unknown fields, the executors' template too.
func checkManifests(t *testing.T, manifests []byte, want int) {
	t.Helper()
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	kinds := 0
	for text := range strings.SplitSeq(string(manifests), "---\n") {
		object, _, err := decoder.Decode([]byte(text), nil, nil)
		if err != nil {
			t.Errorf("%v in\n%s", err, text)
			continue
		}
		kinds++
		if c, ok := object.(*corev1.ConfigMap); ok {
			if _, _, err := decoder.Decode([]byte(c.Data[TemplateFile]), nil, &corev1.Pod{}); err != nil {
				t.Errorf("the executors' pod template: %v", err)
			}
		}
	}
	if kinds != want {
		t.Errorf("%d objects, want %d", kinds, want)
	}
}
