package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/kind"
)

// loadIntoEngine loads an image into the container engine, unless none answers: then it is only built, and that is said.
func loadIntoEngine(ctx context.Context, archive image.Archive, progress io.Writer) error {
	const patience = 10 * time.Second
	asking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	engine, err := kind.FindEngine(asking)
	if err != nil {
		fmt.Fprintf(progress, "the image is not loaded: %v; load it with \"docker load --input %s\"\n", err, archive.Path)
		return ctx.Err()
	}
	// The tag is the content's, so what has the name is the image.
	if engine.HasImage(ctx, archive.Reference) {
		fmt.Fprintf(progress, "%s has %s already\n", engine, archive.Reference)
		return nil
	}
	begun := time.Now()
	if err := engine.LoadImage(ctx, archive.Path); err != nil {
		return err
	}
	fmt.Fprintf(progress, "%s has loaded %s in %s\n", engine, archive.Reference, time.Since(begun).Round(10*time.Millisecond))
	return nil
}
