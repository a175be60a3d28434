package image

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// unpack writes an archive's files into a directory.
func unpack(t *testing.T, archive string) string {
	t.Helper()
	dir := t.TempDir()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tr := tar.NewReader(f)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(target, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// checkArchive reads an archive in both of its formats.
func checkArchive(t *testing.T, a Archive) v1.Image {
	t.Helper()
	tag, err := name.NewTag(a.Reference)
	if err != nil {
		t.Fatal(err)
	}
	docker, err := tarball.ImageFromPath(a.Path, &tag)
	if err != nil {
		t.Fatalf("as docker-archive: %v", err)
	}
	if err := validate.Image(docker); err != nil {
		t.Errorf("as docker-archive: %v", err)
	}
	index, err := layout.ImageIndexFromPath(unpack(t, a.Path))
	if err != nil {
		t.Fatalf("as OCI layout: %v", err)
	}
	digest, err := v1.NewHash(a.Digest)
	if err != nil {
		t.Fatal(err)
	}
	img, err := index.Image(digest)
	if err != nil {
		t.Fatalf("as OCI layout: %v", err)
	}
	if err := validate.Image(img); err != nil {
		t.Errorf("as OCI layout: %v", err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{annotationContainerdName: a.Reference, annotationRefName: tag.TagStr()}
	for _, m := range manifest.Manifests {
		if m.Digest != digest {
			continue
		}
		if diff := cmp.Diff(want, m.Annotations); diff != "" {
			t.Error(diff)
		}
	}
	return img
}

func TestArchiveIsReadInBothFormats(t *testing.T) {
	t.Parallel()
	env := Env{Cache: t.TempDir()}
	var layers []storedLayer
	for _, text := range []string{"one", "two", "one"} { // a layer may occur twice, its blob only once
		dir := t.TempDir()
		if err := writeLayer(dir, []entry{content(text, 0o644, []byte(text))}); err != nil {
			t.Fatal(err)
		}
		l, err := openLayer(dir)
		if err != nil {
			t.Fatal(err)
		}
		layers = append(layers, l)
	}
	config := v1.Config{Entrypoint: []string{"/one"}, User: "185"}
	a, err := env.archiveStage(t.Context(), "test"+imageKind, "docker.io/sparkchaos/test:1", config, layers...)
	if err != nil {
		t.Fatal(err)
	}
	img := checkArchive(t, a)
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config, file.Config); diff != "" {
		t.Error(diff)
	}
	if !file.Created.Equal(Epoch()) || len(file.RootFS.DiffIDs) != 3 || len(file.History) != 3 {
		t.Errorf("config %+v", file)
	}
	info, err := os.Stat(a.Path)
	if err != nil || info.Size() != a.Size {
		t.Errorf("size %d, archive says %d, %v", info.Size(), a.Size, err)
	}
	cached, err := Cached(env)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Archive{a}, cached); diff != "" {
		t.Error(diff)
	}
}

func TestArchiveStageRefusesReference(t *testing.T) {
	t.Parallel()
	for _, reference := range []string{"", "Upper/case:1", "docker.io/sparkchaos/test:", "docker.io/sparkchaos/test"} {
		if _, err := (Env{Cache: t.TempDir()}).archiveStage(t.Context(), "x", reference, v1.Config{}); err == nil {
			t.Errorf("reference %q: no error", reference)
		}
	}
}

func needGo(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no Go toolchain: the programs cannot be compiled")
	}
	if testing.Short() {
		t.Skip("compiles programs")
	}
}

func TestProgramImagesAreTheSameWhenBuiltAgain(t *testing.T) {
	t.Parallel()
	needGo(t)
	first, second := Env{Cache: t.TempDir(), Checkout: checkout(t)}, Env{Cache: t.TempDir(), Checkout: checkout(t)}
	for _, build := range []func(Env) (Archive, error){
		func(e Env) (Archive, error) { return Pause(t.Context(), e) },
		func(e Env) (Archive, error) { return Toolbox(t.Context(), e) },
		func(e Env) (Archive, error) { return Staging(t.Context(), e) },
	} {
		a, err := build(first)
		if err != nil {
			t.Fatal(err)
		}
		b, err := build(second)
		if err != nil {
			t.Fatal(err)
		}
		checkArchive(t, a)
		if x, y := sumOf(t, a.Path), sumOf(t, b.Path); x != y {
			t.Errorf("%s: built twice, hashes %s and %s", a.Reference, x, y)
		}
		// Nothing is needed of the machine once it is in the cache.
		again, err := build(Env{Cache: first.Cache, Progress: func(p Progress) { t.Errorf("%s is built again", p.Stage) }})
		if err != nil || again != a {
			t.Errorf("from the cache: %+v, %v, want %+v", again, err, a)
		}
	}
}

func sumOf(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// TestProgramsUseTheStandardLibraryAlone: they are compiled outside of this module.
func TestProgramsUseTheStandardLibraryAlone(t *testing.T) {
	t.Parallel()
	dirs, err := programSources.ReadDir("programs")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		sources, err := sourcesOf(d.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range sources {
			if strings.Contains(string(s.data), `"github.com/`) || strings.Contains(string(s.data), `"golang.org/`) {
				t.Errorf("%s imports more than the standard library", path.Join(d.Name(), s.name))
			}
			if strings.HasSuffix(s.name, "_test.go") {
				t.Errorf("%s is taken as a source of the program", s.name)
			}
		}
	}
}

func TestSourcesOfUnknownProgram(t *testing.T) {
	t.Parallel()
	if _, err := sourcesOf("nothing"); err == nil {
		t.Error("no error")
	}
}

func TestSparkWithoutCheckout(t *testing.T) {
	t.Parallel()
	env := Env{Cache: t.TempDir()}
	if _, err := Spark(t.Context(), env); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "image build spark") {
		t.Errorf("error %v does not say what to do", err)
	}
	want := Archive{Path: filepath.Join(env.images(), "spark-image", "key", archiveFile),
		Reference: SparkReference(SparkVariant{Version: "4.1.0"}), Digest: "sha256:1"}
	if err := os.MkdirAll(filepath.Dir(want.Path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := env.remember("spark", want); err != nil {
		t.Fatal(err)
	}
	got, err := Spark(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := os.RemoveAll(filepath.Dir(want.Path)); err != nil {
		t.Fatal(err)
	}
	if _, err := Spark(t.Context(), env); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("archive was removed, error %v", err)
	}
}

func TestDockerManifestNamesBlobs(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(dockerManifest{Config: "c", RepoTags: []string{"r"}, Layers: []string{"l"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"Config":"c","RepoTags":["r"],"Layers":["l"]}`; string(data) != want {
		t.Errorf("%s, want %s", data, want)
	}
}
