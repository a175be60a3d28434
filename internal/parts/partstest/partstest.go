// Package partstest serves the parts of this machine's cache from a registry on loopback, for benchmarks.
package partstest

import (
	"io"
	"log"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/internal/parts"
	"github.com/sparkchaos/sparkchaos/internal/paths"
)

// Pushed pushes the parts of this machine's cache to a registry, and returns how they are named there. The benchmark is skipped if the
// components are not built. The checkout is that of the working directory.
func Pushed(b *testing.B) (reference string) {
	b.Helper()
	cache, err := paths.Cache(os.Getenv)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := components.Locate(cache); err != nil {
		b.Skipf("pushes what was built: %v", err)
	}
	server := httptest.NewServer(
		registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithBlobHandler(registry.NewDiskBlobHandler(b.TempDir()))),
	)
	b.Cleanup(server.Close)
	reference = strings.TrimPrefix(server.URL, "http://") + "/parts"
	machine := parts.Machine{Program: "bench", Env: image.Env{Cache: cache, Checkout: components.Checkout("")}}
	if _, err := machine.Push(b.Context(), reference); err != nil {
		b.Fatal(err)
	}
	return reference
}
