package stagingcli

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// argumentsVariable makes the test binary be the program: its arguments, one a line.
const argumentsVariable = "SPARKCHAOS_STAGINGCLI_ARGUMENTS"

func TestMain(m *testing.M) {
	if arguments := os.Getenv(argumentsVariable); arguments != "" {
		os.Exit(Main("staging", strings.Split(arguments, "\n"), os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// process runs the program in a process of its own, for what a process reads of its environment only once.
func process(t *testing.T, environ []string, args ...string) (code int, out, said string) {
	t.Helper()
	program := exec.Command(os.Args[0])
	program.Env = append(append(os.Environ(), environ...), argumentsVariable+"="+strings.Join(args, "\n"))
	var stdout, stderr bytes.Buffer
	program.Stdout, program.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := program.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return program.ProcessState.ExitCode(), stdout.String(), stderr.String()
}
