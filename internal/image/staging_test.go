package image

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// checkout is the root of the repository.
func checkout(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestStagingImage(t *testing.T) {
	t.Parallel()
	needGo(t)
	a, err := Staging(t.Context(), Env{Cache: t.TempDir(), Checkout: checkout(t)})
	if err != nil {
		t.Fatal(err)
	}
	img := checkArchive(t, a)
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want := v1.Config{Entrypoint: []string{"/bin/sparkchaos-pod"}, Env: []string{"PATH=/bin"}, WorkingDir: "/tmp", User: "185:185"}
	if diff := cmp.Diff(want, file.Config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	modes := map[string]int64{}
	for _, member := range readTar(t, content) {
		modes[member.Name] = member.Mode
	}
	if modes["bin/sparkchaos-pod"] != 0o755 || modes["tmp/"] != 0o1777 {
		t.Errorf("modes of what the image holds: %v", modes)
	}
}
