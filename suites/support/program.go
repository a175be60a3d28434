//go:build linux

package support

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/sparkchaos/sparkchaos/internal/cli"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/check"
)

// Sparkchaos runs a command line of the program in this process and returns its exit code and its standard output.
func Sparkchaos(args ...string) (int, string) {
	var out bytes.Buffer
	fmt.Fprintln(GinkgoWriter, "sparkchaos", args)
	code := cli.Main(args, cli.Streams{In: bytes.NewReader(nil), Out: &out, Err: GinkgoWriter})
	fmt.Fprint(GinkgoWriter, out.String())
	return code, out.String()
}

// Complaint runs a command as Sparkchaos does and returns its standard error.
func Complaint(args ...string) (int, string) {
	var errs bytes.Buffer
	code := cli.Main(args, cli.Streams{In: bytes.NewReader(nil), Out: GinkgoWriter, Err: &errs})
	fmt.Fprint(GinkgoWriter, errs.String())
	return code, errs.String()
}

// Elsewhere runs a command of the program as another machine would, with a state directory of its own: it knows nothing of this
// one's runs.
func Elsewhere(state string, args ...string) (code int, out string) {
	GinkgoHelper()
	executable, err := os.Executable()
	Expect(err).NotTo(HaveOccurred())
	command := exec.Command(executable, args...)
	command.Env = append(os.Environ(), asProgram+"=1", paths.StateVariable+"="+state)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Run(); err != nil {
		exited := new(exec.ExitError)
		Expect(errors.As(err, &exited)).To(BeTrue(), "%v", err)
	}
	fmt.Fprint(GinkgoWriter, said.String())
	return command.ProcessState.ExitCode(), said.String()
}

// Short is a scenario that takes seconds: %[1]s is the faults, %[2]s more settings of Spark.
const Short = `apiVersion: sparkchaos.dev/v1alpha1
kind: Scenario
metadata: {name: bad-luck}
spec:
  cluster: {workers: 3, timing: fast}
  workload:
    application:
      name: wordcount
      mainClass: dev.sparkchaos.workloads.WordCount
      jar: local:///opt/spark/workloads/workloads.jar
      args: ["--partitions=16", "--task-ms=500", "--output=/shared/results"]
    driver: {kind: Job, tolerationSeconds: 2}
    executors: {instances: 2, cores: 1, memory: 512m, tolerationSeconds: 2}
    conf:
      spark.network.timeout: 20s
      spark.network.timeoutInterval: 2s
      spark.executor.heartbeatInterval: 2s
      spark.executor.heartbeat.maxFailures: "8"
      spark.kubernetes.executor.missingPodDetectDelta: 1s
%[2]s
  faults: %[1]s
  expect:
  - completes: {within: 4m}
  - nothingLeftBehind: {}
  settle: 2m
`

// Strike is a fault of a kind at the driver's node, undone soon after the new driver runs.
func Strike(kind string) string {
	return fmt.Sprintf("[{name: strike, inject: {%s: {node: {of: driver}}}, when: {driverRunning: {}, delay: 1s}, recover: {when: "+
		"{driverRescheduled: {}}}}]", kind)
}

// Process is sparkchaos as a process of its own, which can be killed.
type Process struct {
	*exec.Cmd
	// Runs holds the run directory.
	Runs   string
	Output *bytes.Buffer
}

// StartProcess starts a run of a scenario on the cluster of a name. It ends with the spec at the latest.
func StartProcess(name, scenario string, changes ...func(*Process)) *Process {
	GinkgoHelper()
	executable, err := os.Executable()
	Expect(err).NotTo(HaveOccurred())
	runs := GinkgoT().TempDir()
	file := filepath.Join(runs, "scenario.yaml")
	Expect(os.WriteFile(file, []byte(scenario), 0o600)).To(Succeed())
	out := filepath.Join(runs, "out")
	p := &Process{Cmd: exec.Command(executable, "run", file, "--seed", "1", "--cluster-name", name, "--out", out), Runs: out,
		Output: &bytes.Buffer{}}
	p.Env = append(os.Environ(), asProgram+"=1")
	for _, change := range changes {
		change(p)
	}
	p.Stdout, p.Stderr = p.Output, p.Output
	Expect(p.Start()).To(Succeed())
	DeferCleanup(func() {
		if p.ProcessState == nil {
			p.End(p.Process.Kill)
		}
	})
	return p
}

// End ends the process and waits for it; how it exited is in its ProcessState.
func (p *Process) End(by func() error) {
	GinkgoHelper()
	Expect(by()).To(Succeed())
	_ = p.Wait() // its exit code says how it ended
}

// Directory is the run's.
func (p *Process) Directory() string {
	GinkgoHelper()
	directory, err := filepath.EvalSymlinks(filepath.Join(p.Runs, "latest"))
	Expect(err).NotTo(HaveOccurred())
	return directory
}

// AwaitEvent returns when the run's history holds the text.
func (p *Process) AwaitEvent(ctx context.Context, text string) {
	GinkgoHelper()
	Eventually(ctx, func() string {
		history, err := os.ReadFile(filepath.Join(p.Runs, "latest", "history.ndjson"))
		if err != nil {
			return "" // not made yet
		}
		return string(history)
	}).WithTimeout(3*time.Minute).WithPolling(10*time.Millisecond).Should(ContainSubstring(text), p.Output.String)
}

// Verdict judges offline what the run recorded until now.
func (p *Process) Verdict() check.RunVerdict {
	GinkgoHelper()
	code, out := Sparkchaos("check", p.Directory(), "-o", "json")
	Expect(code).To(BeElementOf(0, 1, 2, 3), out)
	var verdict check.RunVerdict
	Expect(json.Unmarshal([]byte(out), &verdict)).To(Succeed(), out)
	return verdict
}
