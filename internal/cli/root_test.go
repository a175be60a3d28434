package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// run executes a command line on a tree of commands.
func run(ctx context.Context, root *cobra.Command, args ...string) (code ExitCode, out, err string) {
	var stdout, stderr bytes.Buffer
	code = execute(ctx, root, args, Streams{In: strings.NewReader(""), Out: &stdout, Err: &stderr})
	return code, stdout.String(), stderr.String()
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	failing := func(err error) *cobra.Command {
		root := newGroup("sparkchaos", "")
		root.SilenceErrors, root.SilenceUsage = true, true
		child := &cobra.Command{Use: "child", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return err }}
		child.Flags().Int("number", 0, "")
		child.Flags().String("needed", "", "")
		if err := child.MarkFlagRequired("needed"); err != nil {
			t.Fatal(err)
		}
		root.AddCommand(child)
		return root
	}
	valid := []string{"child", "--needed=x"}
	tests := map[string]struct {
		err     error
		args    []string
		code    ExitCode
		message string
	}{
		"success":     {args: valid, code: ExitPass},
		"plain error": {err: errors.New("no disk"), args: valid, code: ExitError, message: "sparkchaos: no disk\n"},
		"code below a wrapping": {err: fmt.Errorf("run: %w", withCode(ExitCleanUpLeftovers, errors.New("left"))), args: valid,
			code: ExitCleanUpLeftovers, message: "sparkchaos: run: left\n"},
		"code alone": {err: exitWith(ExitViolation), args: valid, code: ExitViolation},
		"interrupted": {err: fmt.Errorf("run: %w", context.Canceled), args: valid, code: ExitInterrupted,
			message: "sparkchaos: run: context canceled\n"},
		"a code beats interrupt": {err: withCode(ExitCleanUpLeftovers, context.Canceled), args: valid, code: ExitCleanUpLeftovers,
			message: "context canceled"},
		"no command": {code: ExitUsage},
		"unknown command": {args: []string{"chidl"}, code: ExitUsage,
			message: `there is no command "sparkchaos chidl"; did you mean child?`},
		"unknown flag":       {args: []string{"child", "--bogus"}, code: ExitUsage, message: "unknown flag: --bogus"},
		"bad flag value":     {args: []string{"child", "--number=x"}, code: ExitUsage, message: `--number "x": expected a whole number`},
		"missing flag":       {args: []string{"child"}, code: ExitUsage, message: `"needed" not set`},
		"too many arguments": {args: append(valid, "more"), code: ExitUsage, message: `see "sparkchaos child --help"`},
		"help":               {args: []string{"child", "--help"}, code: ExitPass},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, message := run(t.Context(), failing(test.err), test.args...)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if test.message == "" && message != "" || !strings.Contains(message, test.message) {
				t.Errorf("standard error %q, want %q in it", message, test.message)
			}
		})
	}
}

func TestVersionFlag(t *testing.T) {
	t.Parallel()
	code, out, message := run(t.Context(), NewRoot(), "--version")
	want := "sparkchaos " + programVersion() + " " + runtime.GOOS + "/" + runtime.GOARCH + "\n"
	if code != ExitPass || out != want || message != "" {
		t.Errorf("exit code %d, %q, %q; want %q", code, out, message, want)
	}
}

// Each command says what it is for, and refuses an unknown flag as a usage error rather than as a failure.
func TestAllCommandsAreInShape(t *testing.T) {
	t.Parallel()
	var visit func(*cobra.Command, []string)
	visit = func(command *cobra.Command, path []string) {
		if command.Short == "" {
			t.Errorf("%s has no short description", command.CommandPath())
		}
		if command.Run != nil {
			t.Errorf("%s has Run, want RunE: an exit code comes from an error", command.CommandPath())
		}
		if code, _, _ := run(t.Context(), NewRoot(), append(path, "--no-such-flag")...); code != ExitUsage {
			t.Errorf("%s --no-such-flag: exit code %d, want %d", command.CommandPath(), code, ExitUsage)
		}
		for _, child := range command.Commands() {
			visit(child, append(path[:len(path):len(path)], child.Name()))
		}
	}
	visit(NewRoot(), nil)
}
