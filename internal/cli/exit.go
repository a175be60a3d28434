package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/sparkchaos/sparkchaos/internal/stagingcli"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// ExitCode is what the process says to its caller; the values are part of the product's contract.
type ExitCode int

// The exit codes.
const (
	ExitPass             ExitCode = 0
	ExitViolation        ExitCode = 1
	ExitInconclusive     ExitCode = 2
	ExitError            ExitCode = 3 // cluster or environment
	ExitCleanUpLeftovers ExitCode = 4
	ExitUsage            ExitCode = 64 // usage or invalid scenario
	ExitInterrupted      ExitCode = 130
)

// exitError gives an error the code to exit with. Without a cause it only sets the code: the command has said
// everything already, as when it printed a verdict.
type exitError struct {
	code  ExitCode
	cause error
}

// Error implements error.
func (e *exitError) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.cause.Error()
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *exitError) Unwrap() error { return e.cause }

// withCode makes the process exit with a code if err reaches Main; nil stays nil.
func withCode(code ExitCode, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: code, cause: err}
}

// exitWith makes the process exit with a code without a message of Main's own; ExitPass gives nil.
func exitWith(code ExitCode) error {
	if code == ExitPass {
		return nil
	}
	return &exitError{code: code}
}

// usagef is an error of the caller's: wrong arguments or flags.
func usagef(format string, arguments ...any) error {
	return withCode(ExitUsage, fmt.Errorf(format, arguments...))
}

// codeOf returns what to exit with: the code that the error carries, or that of an interrupt if the error comes from
// one, or ExitError.
func codeOf(err error) ExitCode {
	var coded *exitError
	var staged *stagingcli.Error
	switch {
	case err == nil:
		return ExitPass
	case errors.As(err, &coded):
		return coded.code
	case isOption(err):
		return ExitUsage
	case errors.As(err, &staged):
		return ExitCode(staged.Code)
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	default:
		return ExitError
	}
}

// isOption reports whether an error comes from what the caller or the scenario asks for, not from the cluster.
func isOption(err error) bool {
	var option *cluster.OptionError
	return errors.As(err, &option)
}

// messageOf returns what is to be said about an error, or "" if all was said.
func messageOf(err error) string {
	var coded *exitError
	if err == nil || (errors.As(err, &coded) && coded.cause == nil) {
		return ""
	}
	return err.Error()
}
