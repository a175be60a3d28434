//go:build !linux

package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/sparkchaos/sparkchaos/internal/image"
)

// loadIntoEngine says how the image is loaded by hand: clusters of kind are made on Linux only.
func loadIntoEngine(_ context.Context, archive image.Archive, progress io.Writer) error {
	_, err := fmt.Fprintf(progress, "the image is not loaded; load it with \"docker load --input %s\"\n", archive.Path)
	return err
}
