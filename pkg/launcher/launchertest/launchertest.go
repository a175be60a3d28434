// Package launchertest has workloads and an environment for tests of the launcher and its components.
package launchertest

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func pointer[T any](v T) *T { return &v }

// WordCount is a workload with the defaults of a scenario.
func WordCount() scenario.Workload {
	return scenario.Workload{
		Application: scenario.Application{
			Name: "wordcount", MainClass: "dev.sparkchaos.workloads.WordCount",
			Jar: "local:///opt/spark/workloads/workloads.jar", Args: []string{"--partitions=24", "--task-ms=500"},
		},
		Driver: scenario.Driver{
			Kind: launcher.KindJob, PodReplacementPolicy: "TerminatingOrFailed", BackoffLimit: pointer[int32](6),
			TolerationSeconds: pointer[int64](2), Memory: "512m", Cores: "0.5",
		},
		Executors: scenario.Executors{
			Instances: 2, Cores: 1, RequestCores: "0.5", Memory: "512m", TolerationSeconds: pointer[int64](2),
		},
	}
}

// StagedWordCount is a workload whose jar and dictionary pods fetch from a staging server.
func StagedWordCount() scenario.Workload {
	w := WordCount()
	w.Application.Jar, w.Application.Files = "staged-wordcount.jar", []string{"files/dictionary.txt"}
	w.StagingServer = scenario.StagingServer{Storage: scenario.StagingDurable, Replicas: 2, FetchRate: "3m"}
	w.Driver.Beside = scenario.OfStagingServer
	return w
}

// WitnessJar stands for the plugin's jar.
func WitnessJar() []byte { return []byte("the jar of the witness") }

// Environment is that of a run whose pods reach the harness.
func Environment() launcher.Environment {
	return launcher.Environment{
		RunID: "20261123-driver-node-power-off-1", Namespace: "run-1", Image: "docker.io/sparkchaos/spark:4.1.0",
		PodImage:   "docker.io/sparkchaos/pod:1",
		PullPolicy: corev1.PullNever, Nodes: []string{"worker-1", "worker-2", "worker-3"}, StorageClass: "shared",
		Witness: launcher.Witness{URL: "http://172.30.0.1:40001", Directory: "/var/lib/sparkchaos/run-1", Interval: 100 * time.Millisecond,
			Jar: WitnessJar()},
		Source: launcher.Source{URL: "http://172.30.0.1:40002", Host: "172.30.0.1", Port: 40003},

		ShuffleDirectory: "/var/lib/sparkchaos/shuffle/run-1",
	}
}
