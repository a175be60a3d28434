package cli

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/schema"
)

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

// commentsOf collects the Go comments of all packages below pkg/.
func commentsOf(t *testing.T) map[string]string {
	t.Helper()
	t.Chdir(filepath.Join("..", ".."))
	var reflector jsonschema.Reflector
	if err := reflector.AddGoComments("github.com/sparkchaos/sparkchaos", "./pkg"); err != nil {
		t.Fatal(err)
	}
	return reflector.CommentMap
}

func TestSchemaIsCurrent(t *testing.T) {
	got, err := scenario.JSONSchema(catalogue(), commentsOf(t))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(filepath.Join("schema", "scenario.json"), got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(schema.Scenario(), string(got)); diff != "" {
		t.Errorf("schema/scenario.json is not current; run go test ./internal/cli -run TestSchemaIsCurrent -update (-have +want):\n%s", diff)
	}
}
