// Package sparkchaostest helps tests that are written with Gomega.
package sparkchaostest

import (
	"fmt"

	"github.com/onsi/gomega/types"

	"github.com/sparkchaos/sparkchaos"
)

// HavePassed returns a matcher of a sparkchaos.Verdict that passed: all that was expected held, the run was carried out as planned, and
// nothing was left behind. If it did not, the failure shows the table of the verdict, the evidence of what did not hold, and the line that
// runs it again.
func HavePassed() types.GomegaMatcher { return havePassed{} }

type havePassed struct{}

// Match implements types.GomegaMatcher.
func (havePassed) Match(actual any) (bool, error) {
	verdict, ok := actual.(sparkchaos.Verdict)
	if !ok {
		return false, fmt.Errorf("HavePassed expects a sparkchaos.Verdict, got a %T", actual)
	}
	return verdict.Passed(), nil
}

// FailureMessage implements types.GomegaMatcher.
func (havePassed) FailureMessage(actual any) string { return message(actual, "to have passed") }

// NegatedFailureMessage implements types.GomegaMatcher.
func (havePassed) NegatedFailureMessage(actual any) string {
	return message(actual, "not to have passed")
}

func message(actual any, expected string) string {
	verdict, ok := actual.(sparkchaos.Verdict)
	if !ok {
		return fmt.Sprintf("expected a sparkchaos.Verdict %s, got a %T", expected, actual)
	}
	return fmt.Sprintf("expected the run of %s %s:\n%s", verdict.Scenario, expected, verdict.Table())
}
