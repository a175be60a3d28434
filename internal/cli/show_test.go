package cli

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/report"
)

func TestShow(t *testing.T) {
	t.Parallel()
	directory := storedRun(t, "driver-node-power-off")
	tests := map[string]struct {
		args    []string
		code    ExitCode
		out     []string
		lines   int // that are events
		message string
	}{
		"with its neighbours": {[]string{"#304"}, ExitPass, []string{"> #304 ", "fault landed Fault lose-driver-node", `"action": "power-off"`},
			7, ""},
		"alone":     {[]string{"304", "--around", "0"}, ExitPass, []string{"> #304 "}, 1, ""},
		"two":       {[]string{"304", "#1", "--around=1"}, ExitPass, []string{"> #304 ", "> #1 "}, 5, ""},
		"no number": {[]string{"x", "0"}, ExitUsage, nil, 0, `"x" is no number of an event`},
		"not there": {[]string{"999999"}, ExitUsage, nil, 0, "the history has no such event"},
		"negative":  {[]string{"1", "--around=-1"}, ExitUsage, nil, 0, "--around: -1 is negative"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, message := run(t.Context(), newShowCommand(), append([]string{directory}, test.args...)...)
			if code != test.code || !strings.Contains(message, test.message) {
				t.Errorf("exit code %d, %q", code, message)
			}
			for _, want := range test.out {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in:\n%s", want, out)
				}
			}
			if n := len(regexp.MustCompile(`(?m)^[ >] #\d+ `).FindAllString(out, -1)); test.code == ExitPass && n != test.lines {
				t.Errorf("%d events, want %d:\n%s", n, test.lines, out)
			}
		})
	}
	if code, _, message := run(t.Context(), newShowCommand(), filepath.Join(directory, "absent"), "1"); code != ExitUsage ||
		!strings.Contains(message, "give a run directory") {
		t.Errorf("no directory: exit code %d, %q", code, message)
	}
}

func TestOpenReport(t *testing.T) {
	t.Parallel()
	directory := storedRun(t, "driver-as-pod")
	verdict, info, err := loadRun(directory)
	if err != nil {
		t.Fatal(err)
	}
	command := newReportCommand(environment(nil))
	var out bytes.Buffer
	command.SetOut(&out)
	opened := ""
	if err := openReport(command, directory, verdict, info, func(address string) error { opened = address; return nil }); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(directory, report.HTMLFile)
	if _, err := os.Stat(path); err != nil || opened != "file://"+path || !strings.Contains(out.String(), path) {
		t.Errorf("%v, opened %q, printed %q", err, opened, out.String())
	}
	err = openReport(command, directory, verdict, info, func(string) error { return errors.New("no browser") })
	if err == nil || !strings.Contains(err.Error(), "open the file yourself") {
		t.Errorf("without a browser: %v", err)
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	putRecordedRun(t, filepath.Join(top, "20260101T000000-driver-as-pod-1"), "driver-as-pod")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := newServeCommand()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	command.SetOut(writer)
	command.SetArgs([]string{top})
	done := make(chan error, 1)
	go func() { done <- command.ExecuteContext(ctx) }()
	line := make([]byte, 4096)
	n, err := reader.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	address, _, _ := strings.Cut(string(line[:n]), " ")
	if !strings.HasPrefix(address, "http://127.0.0.1:") {
		t.Fatalf("it listens at %s", address)
	}
	response, err := http.Get(address)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("%v, %v", response, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
