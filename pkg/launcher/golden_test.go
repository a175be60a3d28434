package launcher_test

import (
	"flag"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/sparkchaos/sparkchaos/internal/golden"
	. "github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/launchertest"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/witnessserver"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

var update = flag.Bool("update", false, "write the golden files again")

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
		{"job", func(*scenario.Workload, *Environment) {}, 10},
		{"pod", func(w *scenario.Workload, env *Environment) {
			w.Driver = scenario.Driver{Kind: KindPod, Memory: "512m", Cores: "0.5", NodeName: "worker-2"}
		}, 10},
		{"own-image-and-conf", func(w *scenario.Workload, env *Environment) {
			w.Image = "registry.example/team/spark:4.1.0"
			w.Application = scenario.Application{Name: "etl", MainClass: "com.example.Etl", Jar: "local:///opt/app/etl.jar",
				Args: []string{"$(SPARKCHAOS_SOURCE_URL)"}}
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
		}, 10},
		{"staging-durable", func(w *scenario.Workload, env *Environment) { *w = stagedWordCount() }, 17},
		{"staging-memory", func(w *scenario.Workload, env *Environment) {
			*w = stagedWordCount()
			w.StagingServer = scenario.StagingServer{Storage: scenario.StagingMemory, Replicas: 1}
		}, 16},
		{"without-harness", func(w *scenario.Workload, env *Environment) {
			env.Witness, env.Source, env.StorageClass, env.Nodes = Witness{}, Source{}, "", nil
		}, 9},
		{"witness-in-cluster", func(w *scenario.Workload, env *Environment) {
			*w = stagedWordCount()
			env.Witness = Witness{Jar: launchertest.WitnessJar()}
			witnessserver.Component{}.Witness(env.Namespace, 1)(env)
		}, 22},
		{"python", func(w *scenario.Workload, _ *Environment) {
			*w = stagedWordCount()
			w.Application = scenario.Application{
				Name: "etl", Main: "jobs/etl.py", PyFiles: []string{"lib/helpers.zip", "local:///opt/app/common.py", "s3a://code/more.egg"},
				Archives: []string{"environment.tar.gz#environment"}, Jars: []string{"connector.jar", "https://example.com/driver.jar"},
				Packages: []string{"org.apache.spark:spark-avro_2.13:4.1.0"}, Args: []string{"--days=3"},
			}
			w.Conf = plainConf(map[string]string{"spark.jars.packages": "com.example:own:1.0"})
		}, 17},
		{"sql", func(w *scenario.Workload, _ *Environment) {
			w.Application = scenario.Application{Name: "report", Main: "local:///opt/app/report.sql", Args: []string{"--database", "sales"}}
		}, 10},
		{"spark-submit", func(w *scenario.Workload, _ *Environment) {
			bySparkSubmit(w)
			w.Application.Args = append(w.Application.Args, "$(SPARKCHAOS_SOURCE_URL)")
			w.Conf = plainConf(map[string]string{"spark.example.source": "$(SPARKCHAOS_SOURCE_HOST):$(SPARKCHAOS_SOURCE_PORT)"})
		}, 13},
		{"spark-application", func(w *scenario.Workload, _ *Environment) {
			byOperator(w, scenario.LauncherSparkApplication, scenario.RestartOnFailure)
			w.Application.Args = append(w.Application.Args, "$(SPARKCHAOS_SOURCE_URL)")
		}, 10},
		{"spark-application-python", func(w *scenario.Workload, _ *Environment) {
			byOperator(w, scenario.LauncherSparkApplication, scenario.RestartNever)
			w.Application = scenario.Application{Name: "etl", Main: "local:///opt/app/etl.py", PyFiles: []string{"https://example.com/helpers.zip"}}
			w.Driver.Template, w.Driver.NodeName = mustTemplate(`{"spec": {"priorityClassName": "high"}}`), "worker-2"
		}, 10},
		{"apache-spark-application", func(w *scenario.Workload, _ *Environment) {
			byOperator(w, scenario.LauncherApacheSparkApplication, scenario.RestartAlways)
		}, 10},
		{"spark-submit-staged", func(w *scenario.Workload, _ *Environment) {
			*w = stagedWordCount()
			bySparkSubmit(w)
		}, 20},
		{"shuffle-service", func(w *scenario.Workload, _ *Environment) {
			w.ShuffleService = scenario.ShuffleService{Enabled: true, LocalDirectory: scenario.LocalDirectoryNode}
		}, 11},
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
			golden.Compare(t, filepath.Join("testdata", tc.name+".yaml"), got, *update)
			checkManifests(t, got, tc.kinds)
			checkMounts(t, o)
		})
	}
}

// bySparkSubmit has spark-submit make the driver.
func bySparkSubmit(w *scenario.Workload) {
	w.Launcher = scenario.LauncherSparkSubmit
	w.Driver.Kind, w.Driver.PodReplacementPolicy, w.Driver.BackoffLimit = "", "", nil
}

// byOperator has an operator make the driver.
func byOperator(w *scenario.Workload, launcher, restartPolicy string) {
	w.Launcher = launcher
	w.Driver.Kind, w.Driver.PodReplacementPolicy, w.Driver.RestartPolicy = "", "", restartPolicy
	if restartPolicy != scenario.RestartOnFailure {
		w.Driver.BackoffLimit = nil
	}
}

func mustTemplate(text string) *scenario.PodTemplate {
	template, err := scenario.NewPodTemplate(text)
	if err != nil {
		panic(err)
	}
	return template
}

// checkApplication reads the pod templates of an operator's resource as strictly.
func checkApplication(t *testing.T, text string) {
	t.Helper()
	var application struct {
		Spec map[string]any `json:"spec"`
	}
	if err := yaml.Unmarshal([]byte(text), &application); err != nil {
		t.Fatal(err)
	}
	for _, path := range [][]string{{"driver", "template"}, {"executor", "template"}, {"driverSpec", "podTemplateSpec"},
		{"executorSpec", "podTemplateSpec"}} {
		role, ok := application.Spec[path[0]].(map[string]any)
		if !ok {
			continue
		}
		template, err := yaml.Marshal(role[path[1]])
		if err != nil {
			t.Fatal(err)
		}
		var pod corev1.PodTemplateSpec
		if err := yaml.UnmarshalStrict(template, &pod); err != nil || len(pod.Spec.Containers) == 0 {
			t.Errorf("%s: %v, with %d containers", strings.Join(path, "."), err, len(pod.Spec.Containers))
		}
	}
}

// checkManifests reads the manifests as an API server does that refuses unknown fields, the executors' template too.
func checkManifests(t *testing.T, manifests []byte, want int) {
	t.Helper()
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	kinds := 0
	for text := range strings.SplitSeq(string(manifests), "---\n") {
		if strings.Contains(text, "\nkind: SparkApplication\n") {
			checkApplication(t, text)
			kinds++
			continue
		}
		object, _, err := decoder.Decode([]byte(text), nil, nil)
		if err != nil {
			t.Errorf("%v in\n%s", err, text)
			continue
		}
		kinds++
		if c, ok := object.(*corev1.ConfigMap); ok && c.BinaryData == nil {
			if _, _, err := decoder.Decode([]byte(c.Data[TemplateFile]), nil, &corev1.Pod{}); err != nil {
				t.Errorf("the executors' pod template: %v", err)
			}
		}
	}
	if kinds != want {
		t.Errorf("%d objects, want %d", kinds, want)
	}
}

// checkMounts finds what an API server refuses: two volumes at one place, and mounts of volumes that a pod does not have.
func checkMounts(t *testing.T, o *Objects) {
	t.Helper()
	var executor corev1.Pod
	if err := yaml.Unmarshal([]byte(o.ConfigMap.Data[TemplateFile]), &executor); err != nil {
		t.Fatal(err)
	}
	pods := append([]corev1.PodSpec{executor.Spec, o.Driver.Spec}, o.Launching.Pods...)
	for _, pod := range pods {
		volumes := map[string]bool{}
		for _, volume := range pod.Volumes {
			volumes[volume.Name] = true
		}
		for _, container := range slices.Concat(pod.InitContainers, pod.Containers) {
			places := map[string]bool{}
			for _, mount := range container.VolumeMounts {
				if places[mount.MountPath] || !volumes[mount.Name] {
					t.Errorf("container %s mounts %s at %s; want each place once, and volumes of the pod", container.Name, mount.Name, mount.MountPath)
				}
				places[mount.MountPath] = true
			}
		}
	}
}
