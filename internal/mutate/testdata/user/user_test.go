// Package user tests another package's code: what no test of its own reaches.
package user

import (
	"testing"

	"github.com/sparkchaos/sparkchaos/internal/mutate/testdata/sample"
)

func TestForgotten(t *testing.T) {
	if sample.Forgotten(true, false) || !sample.Forgotten(true, true) {
		t.Error("it is not the conjunction")
	}
}
