package parts

import (
	"context"
	"fmt"

	"github.com/sparkchaos/sparkchaos/internal/image"
)

// Variable names the environment variable with the artifact from which missing parts are taken before they are built.
const Variable = "SPARKCHAOS_PARTS"

// Prepare pulls what is missing from the artifact that the environment names, if it names one. A registry that is away or has no such parts
// is only told, for all of it can be built from source; one that gives something else than was asked for is an error.
func (m Machine) Prepare(ctx context.Context, getenv func(string) string, wanted Wanted) error {
	reference := getenv(Variable)
	if reference == "" {
		return nil
	}
	err := m.Pull(ctx, reference, wanted)
	if err == nil {
		return nil
	}
	if Unavailable(err) {
		m.say("%s=%s does not help, what is missing is built from source: %v", Variable, reference, err)
		return nil
	}
	return fmt.Errorf("%s: %w\nunset %s to build from source", Variable, err, Variable)
}

// PrepareImages is Prepare for those who need images: it asks a registry only if one is not in the cache in any version.
func (m Machine) PrepareImages(ctx context.Context, getenv func(string) string) error {
	missing, err := image.Lacking(m.Env)
	if err != nil || len(missing) == 0 {
		return err
	}
	return m.Prepare(ctx, getenv, Wanted{})
}
