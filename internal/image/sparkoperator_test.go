package image

import (
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// An image on top of another keeps the other's layers as they are, so that nodes which have them need only its own.
func TestAnImageOnTopOfAnother(t *testing.T) {
	t.Parallel()
	env := Env{Cache: t.TempDir()}
	stage := func(text string) string {
		dir := t.TempDir()
		if err := writeLayer(dir, []entry{content(text, 0o644, []byte(text))}); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	below, err := openLayer(stage("below"))
	if err != nil {
		t.Fatal(err)
	}
	base, err := env.archiveStage(t.Context(), "base"+imageKind, "docker.io/sparkchaos/base:1", v1.Config{User: "185"}, below)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := tarball.ImageFromPath(base.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	config := sparkOperatorConfig()
	top := taggedImage{kind: "top", repository: SparkOperatorRepository, version: "1", config: config, base: opened}
	made, err := env.tagged(t.Context(), top, stage("above"))
	if err != nil {
		t.Fatal(err)
	}
	img := checkArchive(t, made)
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(file.Config.Entrypoint, []string{"/usr/bin/spark-operator"}) || file.Config.User != "185" {
		t.Errorf("got %+v", file.Config)
	}
	if !slices.Contains(file.Config.Env, "SPARK_HOME="+SparkHome) {
		t.Errorf("variables %q: the operator looks for spark-submit in SPARK_HOME", file.Config.Env)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 2 {
		t.Fatalf("%d layers, %v, want both", len(layers), err)
	}
	if digest, err := layers[0].Digest(); err != nil || digest != below.info.Digest {
		t.Errorf("the lower layer is %v, %v, want %v", digest, err, below.info.Digest)
	}
	again, err := env.tagged(t.Context(), top, stage("above"))
	if err != nil || again.Reference != made.Reference {
		t.Errorf("made again it is %s, %v, want %s", again.Reference, err, made.Reference)
	}
}

func TestSparkOperatorNeedsItsComponent(t *testing.T) {
	t.Parallel()
	if _, err := SparkOperator(t.Context(), Env{Cache: t.TempDir()}); err == nil {
		t.Error("an image was made without the operator")
	}
}
