package parts_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/internal/parts"
	"github.com/sparkchaos/sparkchaos/internal/paths"
)

// BenchmarkPull measures how long it takes until the real components and images are there in an empty cache, from a registry on loopback.
func BenchmarkPull(b *testing.B) {
	cache, err := paths.Cache(os.Getenv)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := components.Locate(cache); err != nil {
		b.Skipf("pushes what was built: %v", err)
	}
	root, err := filepath.Abs(checkout)
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(
		registry.New(registry.Logger(parts.Silent()), registry.WithBlobHandler(registry.NewDiskBlobHandler(b.TempDir()))),
	)
	defer server.Close()
	reference := strings.TrimPrefix(server.URL, "http://") + "/parts"
	from := parts.Machine{Program: "bench", Env: image.Env{Cache: cache, Checkout: root}}
	began := time.Now()
	if _, err := from.Push(b.Context(), reference); err != nil {
		b.Fatal(err)
	}
	fmt.Printf("%-60s %6.1f s\n", "parts push, from the cache to a registry on loopback", time.Since(began).Seconds())
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
