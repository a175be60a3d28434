//go:build linux

// Package benchmarks_test measures whole runs, clusters and the recorder. Every figure compares within one call; nothing is asserted.
package benchmarks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"

	"github.com/sparkchaos/sparkchaos/internal/cli"
	"github.com/sparkchaos/sparkchaos/internal/parts"
	"github.com/sparkchaos/sparkchaos/internal/parts/partstest"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/scenarios"
	"github.com/sparkchaos/sparkchaos/suites/support"
)

func TestMain(m *testing.M) { support.Main(m) }

// benchmarkRounds is how often a whole run is measured; the median is printed.
const benchmarkRounds = 3

func needsClusters(b *testing.B) {
	b.Helper()
	if os.Getenv(support.ClusterTests) == "" {
		b.Skipf("runs Spark on a real cluster: needs root; set %s=1, or call make bench", support.ClusterTests)
	}
}

func program(args ...string) int {
	return cli.Main(args, cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
}

// BenchmarkRun measures driver-node-power-off from the command to its end: cluster start and clean-up included, images
// cached, without the baseline.
func BenchmarkRun(b *testing.B) {
	needsClusters(b)
	text, err := scenarios.Files().Open("driver-node-power-off.yaml")
	if err != nil {
		b.Fatal(err)
	}
	shipped, err := io.ReadAll(text)
	if err != nil {
		b.Fatal(err)
	}
	runs := b.TempDir()
	file := filepath.Join(runs, "scenario.yaml")
	without := strings.NewReplacer("baseline: true", "baseline: false", "  - resultEqualsBaseline: {}\n", "").Replace(string(shipped))
	if err := os.WriteFile(file, []byte(without), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var totals []float64
		phases := map[string][]float64{}
		for range benchmarkRounds {
			began := time.Now()
			if code := program("run", file, "--seed", "1", "--cluster-name", fmt.Sprintf("bench-%d", os.Getpid()), "--out", runs); code != 0 {
				b.Fatalf("exit code %d", code)
			}
			totals = append(totals, time.Since(began).Seconds())
			for phase, took := range phasesOf(b, filepath.Join(runs, "latest", "history.ndjson")) {
				phases[phase] = append(phases[phase], took)
			}
		}
		fmt.Printf("%-40s median %6.1f s   all %.1f\n", "sparkchaos run, to its end", median(totals), totals)
		for phase, took := range phases {
			fmt.Printf("%-40s median %6.1f s   all %.1f\n", "  of which "+phase, median(took), took)
		}
	}
}

// firstVerdictBar is the time in which a new machine is to have its first verdict if a registry has the parts.
const firstVerdictBar = 3 * time.Minute

// BenchmarkFirstVerdict measures driver-node-power-off as the first command on a machine with an empty cache, with parts from a registry on
// loopback: the pull, the first cluster with its template, the baseline and the run.
func BenchmarkFirstVerdict(b *testing.B) {
	needsClusters(b)
	reference := partstest.Pushed(b)
	b.Setenv(parts.Variable, reference)
	for b.Loop() {
		home := b.TempDir()
		for variable, directory := range map[string]string{paths.CacheVariable: "cache", paths.StateVariable: "state"} {
			b.Setenv(variable, filepath.Join(home, directory))
		}
		began := time.Now()
		if code := program("run", "driver-node-power-off", "--seed", "1", "--out", filepath.Join(home, "runs")); code != 0 {
			b.Fatalf("exit code %d", code)
		}
		fmt.Printf("%-40s %6.1f s   (bar: %s)\n", "empty cache to the first verdict", time.Since(began).Seconds(), firstVerdictBar)
		for phase, took := range phasesOf(b, filepath.Join(home, "runs", "latest", "history.ndjson")) {
			fmt.Printf("%-40s %6.1f s\n", "  of which "+phase, took)
		}
	}
}

// BenchmarkClusterUp measures how long each kind of cluster takes to be up, three workers Ready, images cached.
func BenchmarkClusterUp(b *testing.B) {
	needsClusters(b)
	for _, kind := range []string{"embedded", "kind"} {
		b.Run(kind, func(b *testing.B) {
			if kind == "kind" && os.Getenv(support.KindTests) == "" {
				b.Skipf("needs Docker and a node image; set %s=1", support.KindTests)
			}
			name := fmt.Sprintf("bench-up-%d", os.Getpid())
			for b.Loop() {
				var up []float64
				for range benchmarkRounds {
					began := time.Now()
					if code := program("cluster", "up", "--cluster", kind, "--name", name); code != 0 {
						b.Fatalf("cluster up: exit code %d", code)
					}
					up = append(up, time.Since(began).Seconds())
					if code := program("cluster", "down", "--cluster", kind, "--name", name); code != 0 {
						b.Fatalf("cluster down: exit code %d", code)
					}
				}
				fmt.Printf("%-40s median %6.1f s   all %.1f\n", "cluster up --cluster "+kind, median(up), up)
			}
		})
	}
}

func median(values []float64) float64 { return slices.Sorted(slices.Values(values))[len(values)/2] }

// phasesOf returns how long each phase of a run took, in seconds.
func phasesOf(b *testing.B, path string) map[string]float64 {
	b.Helper()
	file, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	took := map[string]float64{}
	for event, err := range history.NewReader(file).All() {
		if err != nil {
			b.Fatal(err)
		}
		if event.Source != history.Harness || event.Type != history.PhaseStarted && event.Type != history.PhaseEnded {
			continue
		}
		var data history.PhaseData
		if err := json.Unmarshal(event.Data, &data); err != nil {
			b.Fatal(err)
		}
		if event.Type == history.PhaseStarted {
			took[data.Phase] -= event.Offset.Seconds()
		} else {
			took[data.Phase] += event.Offset.Seconds()
		}
	}
	return took
}

// BenchmarkRecorder measures what watching costs the API server: its CPU time while nothing but the nodes' own
// housekeeping continues, without and with the recorder.
func BenchmarkRecorder(b *testing.B) {
	needsClusters(b)
	const window = 20 * time.Second
	name := fmt.Sprintf("recorder-%d", os.Getpid())
	if code := program("cluster", "up", "--name", name); code != 0 {
		b.Fatalf("cluster up: exit code %d", code)
	}
	defer program("cluster", "down", "--name", name)
	c := find(b, name)
	config, err := c.RESTConfig()
	if err != nil {
		b.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		b.Fatal(err)
	}
	server := support.ProcessOf("kube-apiserver", name)
	for b.Loop() {
		time.Sleep(window) // the start's own work has ended
		without := cpuOver(b, server, window)
		log, err := history.Create(filepath.Join(b.TempDir(), "history.ndjson"), history.SystemClock{})
		if err != nil {
			b.Fatal(err)
		}
		ctx, stop := context.WithCancel(b.Context())
		recorder := history.NewRecorder(client, log, "default")
		ended := make(chan error, 1)
		go func() { ended <- recorder.Run(ctx) }()
		if err := recorder.WaitSynced(ctx); err != nil {
			b.Fatal(err)
		}
		with := cpuOver(b, server, window)
		stop()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
		b.Logf("API server's CPU: %.1f %% of one core without the recorder, %.1f %% with it", 100*without, 100*with)
	}
}

func find(b *testing.B, name string) *embedded.Cluster {
	b.Helper()
	state, err := paths.State(os.Getenv)
	if err != nil {
		b.Fatal(err)
	}
	cache, err := paths.Cache(os.Getenv)
	if err != nil {
		b.Fatal(err)
	}
	provider, err := embedded.NewProvider(state, cache, nil)
	if err != nil {
		b.Fatal(err)
	}
	c, err := provider.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// cpuOver returns the share of one core that a process used over a time.
func cpuOver(b *testing.B, pid int, window time.Duration) float64 {
	b.Helper()
	const ticksPerSecond = 100 // USER_HZ
	before, began := ticks(b, pid), time.Now()
	time.Sleep(window)
	return float64(ticks(b, pid)-before) / ticksPerSecond / time.Since(began).Seconds()
}

// ticks returns the CPU time of a process, fields 14 and 15 of proc_pid_stat(5).
func ticks(b *testing.B, pid int) int {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	total := 0
	for _, field := range fields[14-3 : 16-3] {
		n, err := strconv.Atoi(field)
		if err != nil {
			b.Fatal(err)
		}
		total += n
	}
	return total
}
