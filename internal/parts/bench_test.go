package parts_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/internal/parts"
	"github.com/sparkchaos/sparkchaos/internal/parts/partstest"
)

// BenchmarkPull measures how long it takes until the real components and images are there in an empty cache, from a registry on loopback.
func BenchmarkPull(b *testing.B) {
	reference := partstest.Pushed(b)
	for b.Loop() {
		to := parts.Machine{Program: "bench", Env: image.Env{Cache: b.TempDir()}}
		began := time.Now()
		if err := to.Pull(b.Context(), reference, parts.Wanted{}); err != nil {
			b.Fatal(err)
		}
		if _, err := components.Locate(to.Env.Cache); err != nil {
			b.Fatal(err)
		}
		fmt.Printf("%-60s %6.1f s\n", "parts pull, from an empty cache to all components and images", time.Since(began).Seconds())
		if err := os.RemoveAll(to.Env.Cache); err != nil {
			b.Fatal(err)
		}
	}
}
