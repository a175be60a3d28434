//go:build linux

package kind

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheConfigurationAtTheTopOfTheRepositoryIsTheOneThatIsUsed(t *testing.T) {
	t.Parallel()
	top, err := os.ReadFile("../../../kind-config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(base), string(top)); diff != "" {
		t.Errorf("kind-config.yaml at the top of the repository (+) differs from the one beside this test (-); copy one over the other:\n%s",
			diff)
	}
}
