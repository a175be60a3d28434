//go:build linux

package benchmarks_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/sparkchaos/sparkchaos/internal/assembly"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/witness"
)

const (
	// witnessBar is what the witness may cost an application of its tasks a second.
	witnessBar = 0.01
	// witnessSpark is the version of the Spark that is measured.
	witnessSpark = "4.1.4"
)

// BenchmarkWitness measures what the witness costs an application: tasks a second and CPU time of a task in a small Spark, in one JVM,
// without and with the plugin in turn. Tasks that do nothing show the most that it can cost; what applications do takes longer.
func BenchmarkWitness(b *testing.B) {
	cache, err := paths.Cache(os.Getenv)
	if err != nil {
		b.Fatal(err)
	}
	for _, tool := range []string{"javac", "jar", "python3"} {
		if _, err := exec.LookPath(tool); err != nil {
			b.Skipf("a small Spark needs %s: %v", tool, err)
		}
	}
	jar, err := image.Witness(b.Context(), assembly.ImagesOf(cache))
	if err != nil {
		b.Fatal(err)
	}
	spark := fetchSpark(b)
	application := compiled(b, spark)
	for _, work := range []struct {
		name                  string
		rounds, tasks, micros int
	}{{"100ms", 9, 40, 100_000}, {"10ms", 15, 200, 10_000}, {"0ms", 15, 2000, 0}} {
		b.Run(work.name, func(b *testing.B) {
			for b.Loop() {
				arguments := []string{fmt.Sprint(work.rounds), fmt.Sprint(work.tasks), fmt.Sprint(work.micros)}
				without, with := overheads(b, spark, application, jar, arguments)
				printOverhead("tasks of "+work.name, without, with)
			}
		})
	}
}

// fetchSpark returns the directory of the Spark that is measured.
func fetchSpark(b *testing.B) string {
	b.Helper()
	fetch := exec.CommandContext(b.Context(), "../scripts/test-spark-versions", "fetch")
	fetch.Env = append(os.Environ(), "SPARK_VERSIONS="+witnessSpark)
	out, err := fetch.Output()
	if err != nil {
		b.Fatalf("fetch Spark %s: %v", witnessSpark, err)
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return string(lines[len(lines)-1])
}

// compiled returns a jar with the application.
func compiled(b *testing.B, spark string) string {
	b.Helper()
	directory := b.TempDir()
	jar := filepath.Join(directory, "overhead.jar")
	for _, command := range [][]string{
		{"javac", "-cp", filepath.Join(spark, "jars", "*"), "-d", filepath.Join(directory, "classes"), "testdata/WitnessOverhead.java"},
		{"jar", "--create", "--file", jar, "-C", filepath.Join(directory, "classes"), "."},
	} {
		if out, err := exec.CommandContext(b.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			b.Fatalf("%s: %v\n%s", command[0], err, out)
		}
	}
	return jar
}

// took is what a number of tasks took.
type took struct{ tasks, nanos, cpu int64 }

// overheads runs the application and returns what it printed: without and with the witness, in the order of the rounds.
func overheads(b *testing.B, spark, application, jar string, arguments []string) (without, with []took) {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var records atomic.Int64
	inbox := witness.NewInbox(func(history.WitnessRecord) error { records.Add(1); return nil })
	token := witness.NewToken()
	ctx, stop := context.WithCancel(b.Context())
	served := make(chan error, 1)
	go func() {
		served <- witness.NewServer(inbox, token, func(p history.ProblemData) { b.Logf("%s: %s", p.What, p.Error) }).Serve(ctx, listener)
	}()
	command := exec.CommandContext(ctx, filepath.Join(spark, "bin", "spark-submit"), append([]string{
		"--master", "local[2]", "--driver-memory", "1g", "--driver-class-path", jar, "--class", "WitnessOverhead", application,
	}, append(arguments, b.TempDir(), "http://"+listener.Addr().String())...)...)
	command.Env = append(os.Environ(), "SPARK_HOME="+spark, "SPARK_LOCAL_IP=127.0.0.1", "SPARKCHAOS_WITNESS_TOKEN="+token,
		"SPARKCHAOS_POD_UID=uid", "SPARKCHAOS_POD_NAME=pod", "SPARKCHAOS_NODE_NAME=node")
	var said bytes.Buffer
	command.Stderr = &said
	out, err := command.Output()
	stop()
	if err != nil {
		b.Fatalf("spark-submit: %v\n%s", err, said.Bytes()[max(0, said.Len()-2000):])
	}
	if err := <-served; err != nil {
		b.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var one took
		var witnessed bool
		if n, _ := fmt.Sscanf(lines.Text(), "TOOK witness=%t tasks=%d nanos=%d cpu=%d", &witnessed, &one.tasks, &one.nanos, &one.cpu); n != 4 {
			continue
		}
		if witnessed {
			with = append(with, one)
		} else {
			without = append(without, one)
		}
	}
	if least := int64(len(with)) * 2; len(with) == 0 || len(with) != len(without) || records.Load() < least {
		b.Fatalf("%d rounds with the witness, %d without, and %d records", len(with), len(without), records.Load())
	}
	return without, with
}

// printOverhead prints the medians of both sides, and of the differences within rounds.
func printOverhead(name string, without, with []took) {
	rate := func(t took) float64 { return float64(t.tasks) / (float64(t.nanos) / 1e9) }
	cpu := func(t took) float64 { return float64(t.cpu) / 1e6 / float64(t.tasks) }
	var slower, dearer []float64
	for i := range with {
		slower = append(slower, 100*(1-rate(with[i])/rate(without[i])))
		dearer = append(dearer, 100*(cpu(with[i])/cpu(without[i])-1))
	}
	fmt.Printf("%-40s without %8.1f tasks/s   with the witness %8.1f tasks/s   overhead %+.2f %% (rounds from %+.1f to %+.1f), bar %.0f %%\n",
		name, median(all(without, rate)), median(all(with, rate)), median(slower), slices.Min(slower), slices.Max(slower), 100*witnessBar)
	fmt.Printf("%-40s without %8.3f ms CPU    with the witness %8.3f ms CPU    overhead %+.2f %% (rounds from %+.1f to %+.1f)\n",
		"  a task", median(all(without, cpu)), median(all(with, cpu)), median(dearer), slices.Min(dearer), slices.Max(dearer))
}

func all(of []took, value func(took) float64) []float64 {
	var values []float64
	for _, one := range of {
		values = append(values, value(one))
	}
	return values
}
