package image

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/sparkchaos/sparkchaos/internal/paths"
)

// kindTests is the variable that has the tests run which make nodes of kind. With it set they never skip.
const kindTests = "SPARKCHAOS_KIND_TESTS"

// TestKindNode builds the image in the user's own cache, since that takes minutes: root, a mirror of Debian and the
// components kubeadm and cri-tools are needed ("sparkchaos components build kubeadm cri-tools").
func TestKindNode(t *testing.T) {
	if os.Getenv(kindTests) == "" {
		t.Skipf("builds a Debian file system as root: set %s=1", kindTests)
	}
	cache, err := paths.Cache(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := KindNode(t.Context(), Env{Cache: cache, Progress: func(p Progress) { t.Logf("%+v", p) }})
	if err != nil {
		t.Fatal(err)
	}
	again, err := KindNode(t.Context(), Env{Cache: cache, Progress: func(p Progress) { t.Errorf("%s is built again", p.Stage) }})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(archive, again); diff != "" {
		t.Errorf("the second call returns another image: %s", diff)
	}
	tag, err := name.NewTag(archive.Reference)
	if err != nil {
		t.Fatal(err)
	}
	img, err := tarball.ImageFromPath(archive.Path, &tag)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(kindConfig(), config.Config); diff != "" {
		t.Errorf("configuration: %s", diff)
	}
	files := mergedHeaders(t, img)
	for file, mode := range map[string]int64{
		"usr/bin/mount": 0o4755, "usr/bin/kubeadm": 0o755, "usr/bin/kubernetes": 0o755, "usr/local/bin/containerd": 0o755,
		"usr/local/bin/crictl": 0o755, "usr/local/bin/entrypoint": 0o755, "usr/local/sbin/runc": 0o755, "opt/cni/bin/ptp": 0o755,
		"kind/version": 0o644, "kind/bin/import-images.sh": 0o755, "kind/manifests/default-storage.yaml": 0o644,
		"etc/containerd/cri-base.json": 0o644, "etc/containerd/config.toml": 0o644, "tmp": 0o1777,
	} {
		if h, ok := files[file]; !ok || h.Mode != mode {
			t.Errorf("%s: there %v, mode %o, want %o", file, ok, h.Mode, mode)
		}
	}
	for link, target := range map[string]string{
		"bin": "usr/bin", "lib": "usr/lib", "sbin": "usr/sbin", "usr/sbin/init": "/usr/lib/systemd/systemd",
		"usr/bin/kubelet": "kubernetes", "usr/bin/kubectl": "kubernetes",
	} {
		if h := files[link]; h.Typeflag != tar.TypeSymlink || h.Linkname != target {
			t.Errorf("%s is %+v, want a link to %s", link, h, target)
		}
	}
	// kind installs what it finds there.
	if _, ok := files["kind/manifests/default-cni.yaml"]; ok {
		t.Error("the image brings a network for pods that it has no image of")
	}
	for file := range files {
		if path.Dir(file) == "etc" && (path.Base(file) == "resolv.conf" || path.Base(file) == "hostname") {
			t.Errorf("%s is that of the machine that built the image", file)
		}
	}
}

// mergedHeaders returns what an image's layers hold together, the upper ones winning.
func mergedHeaders(t *testing.T, img v1.Image) map[string]tar.Header {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]tar.Header{}
	for _, l := range layers {
		r, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		tr := tar.NewReader(r)
		for {
			h, err := tr.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			files[strings.TrimSuffix(h.Name, "/")] = *h
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return files
}
