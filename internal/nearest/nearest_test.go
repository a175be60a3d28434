package nearest_test

import (
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/internal/nearest"
)

func TestTo(t *testing.T) {
	t.Parallel()
	known := []string{"seed", "repeat", "cluster", "cluster-name", "out"}
	for wrong, want := range map[string]string{
		"sed": "seed", "SEED": "seed", "sede": "seed", "cluster-nmae": "cluster-name", "clutser": "cluster", "ot": "out",
		"x": "", "wait": "", "": "", strings.Repeat("a", 101): "",
	} {
		got, ok := nearest.To(wrong, known)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: got %q, %v; want %q", wrong, got, ok, want)
		}
	}
	if got, ok := nearest.To("seed", nil); ok {
		t.Errorf("nothing is known, got %q", got)
	}
}
