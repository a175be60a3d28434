package scenario

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestManifests(t *testing.T) {
	t.Parallel()
	for manifests, want := range map[string][]string{
		"[minio.yaml, kafka/all.json]": nil,
		"[minio.yaml, minio.yaml]":     {`11:29: spec.workload.manifests[1]: "minio.yaml" is named twice; keep one`},
		"[minio.tgz]": {`11:17: spec.workload.manifests[0]: "minio.tgz" is no manifest by its ending; ` +
			`want .yaml, .yml or .json`},
		"[../minio.yaml]": {`11:17: spec.workload.manifests[0]: "../minio.yaml" has ".." in it; files are taken from the scenario's directory ` +
			`and below it alone`},
		"[]": {"16:28: spec.faults[0].inject.nodePowerOff: targets manifest/minio, but the workload has no manifests; " +
			"see spec.workload.manifests"},
	} {
		text := strings.Replace(with(t, "stagingServer: {storage: none}", "manifests: "+manifests), "{nodePowerOff: {node: {of: driver}}}",
			"{nodePowerOff: {node: {of: manifest/minio}}}", 1)
		_, err := Load("f.yaml", []byte(text), fakeCatalogue())
		var problems *Error
		switch {
		case want == nil && err != nil:
			t.Errorf("%s: %v", manifests, err)
		case want != nil && !errors.As(err, &problems):
			t.Errorf("%s: got %v, want problems", manifests, err)
		case want != nil:
			if diff := cmp.Diff("f.yaml:"+strings.Join(want, "\nf.yaml:"), problems.Error()); diff != "" {
				t.Errorf("%s: problems (-want +got):\n%s", manifests, diff)
			}
		}
	}
}
