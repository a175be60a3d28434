package image

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"golang.org/x/mod/modfile"

	"github.com/sparkchaos/sparkchaos/internal/components"
)

// kubeadm refuses nodes whose version is not its own.
func TestKubeadmHasTheVersionOfKubernetes(t *testing.T) {
	t.Parallel()
	all, err := components.Components()
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for _, c := range all {
		versions[c.Name] = c.Version
	}
	if versions["kubeadm"] != versions["kubernetes"] {
		t.Errorf("components/kubeadm pins %s and components/kubernetes %s, want the same version: go get k8s.io/kubernetes@VERSION in both",
			versions["kubeadm"], versions["kubernetes"])
	}
}

// kind as a library and the node image must be of one version, where the module requires kind at all.
func TestKindHasOneVersion(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join(checkout(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	module, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, require := range module.Require {
		if require.Mod.Path == kindModule && require.Mod.Version != kindVersion {
			t.Errorf("go.mod requires %s %s, the node image has the files of %s: make kindVersion and kindModuleSum (go.sum has it) the same",
				kindModule, require.Mod.Version, kindVersion)
		}
	}
}

func TestParseNeededImages(t *testing.T) {
	t.Parallel()
	const minimal = "registry.k8s.io/kube-proxy:v1.36.3\nregistry.k8s.io/pause:3.10.2\n"
	for name, test := range map[string]struct {
		list string
		want []neededImage
		err  []string
	}{
		"what kubeadm prints": {
			list: "registry.k8s.io/kube-apiserver:v1.36.3\n" + minimal + "registry.k8s.io/coredns/coredns:v1.14.2\nregistry.k8s.io/etcd:3.6.8-0\n",
			want: []neededImage{
				{"registry.k8s.io/kube-apiserver:v1.36.3", "kube-apiserver"},
				{"registry.k8s.io/kube-proxy:v1.36.3", roleKubeProxy},
				{"registry.k8s.io/pause:3.10.2", rolePause},
				{"registry.k8s.io/coredns/coredns:v1.14.2", roleCoreDNS},
				{"registry.k8s.io/etcd:3.6.8-0", "etcd"},
			},
		},
		"unknown role":   {list: minimal + "registry.k8s.io/kube-dns:1\n", err: []string{`"kube-dns"`}},
		"no tag":         {list: minimal + "localhost:5000/etcd\n", err: []string{`"localhost:5000/etcd"`, "no tag"}},
		"nothing at all": {list: "\n", err: []string{"no pause", "no kube-proxy"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseNeededImages(test.list)
			if len(test.err) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(neededImage{})); diff != "" {
					t.Error(diff)
				}
				if got := sandboxImage(got); got != "registry.k8s.io/pause:3.10.2" {
					t.Errorf("sandbox image %q", got)
				}
				return
			}
			for _, want := range test.err {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want it to name %q", err, want)
				}
			}
		})
	}
}

func TestContainerdConfig(t *testing.T) {
	t.Parallel()
	const before = `[plugins."cri"]
  # use fixed sandbox image
  sandbox_image = "registry.k8s.io/pause:3.10"
  # restrict_oom_score_adj needs to be true when running inside UserNS (rootless)
  restrict_oom_score_adj = false
`
	const after = `[plugins."cri"]
  # use fixed sandbox image
  sandbox_image = "registry.k8s.io/pause:3.10.2"
  # restrict_oom_score_adj needs to be true when running inside UserNS (rootless)
  restrict_oom_score_adj = true
`
	got, err := containerdConfig([]byte(before), "registry.k8s.io/pause:3.10.2")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(after, string(got)); diff != "" {
		t.Error(diff)
	}
	_, err = containerdConfig([]byte("sandbox_image = 1\nsandbox_image = 2\n"), "x")
	for _, want := range []string{"sandbox_image stands there 2 times", "restrict_oom_score_adj stands there 0 times"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want it to say %q", err, want)
		}
	}
}

func TestNodeSpec(t *testing.T) {
	t.Parallel()
	const hook = `{"path":"/kind/bin/mount-product-files.sh"}`
	for name, test := range map[string]struct{ spec, want string }{
		"no hooks yet": {`{"process":{"cwd":"/","rlimits":[{"type":"RLIMIT_NOFILE"}]}}`,
			`{"process":{"cwd":"/"},"hooks":{"createContainer":[` + hook + `]}}`},
		"others' hooks": {`{"process":{},"hooks":{"createContainer":[{"path":"/a"}],"poststop":[{"path":"/b"}]}}`,
			`{"process":{},"hooks":{"createContainer":[{"path":"/a"},` + hook + `],"poststop":[{"path":"/b"}]}}`},
		"no process":     {`{}`, ""},
		"not a document": {`nonsense`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := nodeSpec([]byte(test.spec))
			if test.want == "" {
				if err == nil {
					t.Errorf("no error but %s", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var gotDocument, want any
			if err := json.Unmarshal(got, &gotDocument); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(test.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, gotDocument); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBaseFilesHaveTheModesOfKindsDockerfile(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"etc/containerd/config.toml":         {Data: []byte("sandbox_image = \"\"\nrestrict_oom_score_adj = false\n"), Mode: 0o644},
		"etc/systemd/system/kubelet.service": {Mode: 0o755},
		"kind/README.txt":                    {Mode: 0o444},
		"kind/bin/mount-product-files.sh":    {Mode: 0o444},
		"usr/local/bin/entrypoint":           {Mode: 0o444},
	}
	entries, err := baseFiles(files, "pause:1")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]fs.FileMode{}
	for _, e := range entries {
		got[e.path] = e.mode
	}
	want := map[string]fs.FileMode{
		"etc/containerd/config.toml":         0o644,
		"etc/systemd/system/kubelet.service": 0o644,
		"kind/README.txt":                    0o644,
		"kind/bin/mount-product-files.sh":    0o755,
		"usr/local/bin/entrypoint":           0o755,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	files["etc/containerd/config.toml"] = &fstest.MapFile{}
	if _, err := baseFiles(files, "pause:1"); err == nil || !strings.Contains(err.Error(), "config.toml") {
		t.Errorf("error %v, want it to name config.toml", err)
	}
}

// The files that the node image adds must not stand in the way of those that it changes: a directory in a layer takes the place of a
// symbolic link below, and Debian's /bin, /lib and /sbin are links.
func TestNodeLayersLeaveDebiansLinksAlone(t *testing.T) {
	t.Parallel()
	var paths []string
	own, err := ownFiles("v1.36.3")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range own {
		paths = append(paths, f.path)
	}
	for target := range (kindBuild{}).places() {
		paths = append(paths, target)
	}
	for _, p := range paths {
		for _, link := range []string{"bin/", "lib/", "lib64/", "sbin/", "run/", "var/"} {
			if strings.HasPrefix(p, link) {
				t.Errorf("%s is below /%s, which is a link or a volume in a node", p, link)
			}
		}
	}
}

func TestReferenceChangesWithTheContent(t *testing.T) {
	t.Parallel()
	env := Env{Cache: t.TempDir()}
	seen := map[string]bool{}
	for _, text := range []string{"one", "two"} {
		dir := t.TempDir()
		if err := writeLayer(dir, []entry{content("file", 0o644, []byte(text))}); err != nil {
			t.Fatal(err)
		}
		for _, config := range []v1.Config{kindConfig(), {}} {
			archive, err := env.tagged(t.Context(), taggedImage{kind: "kind-node", repository: KindNodeRepository, version: "v1.36.3",
				config: config}, dir)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(archive.Reference, KindNodeRepository+":v1.36.3-") || seen[archive.Reference] {
				t.Errorf("reference %q, after %v", archive.Reference, seen)
			}
			seen[archive.Reference] = true
		}
	}
}

func TestPlainLayersAndSeveralImagesInOneArchive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := writePlainLayer(dir, []entry{content("file", 0o644, []byte("text"))}); err != nil {
		t.Fatal(err)
	}
	layer, err := openLayer(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() (io.ReadCloser, error){"blob": layer.Compressed, "tar": layer.Uncompressed} {
		r, err := open()
		if err != nil {
			t.Fatal(err)
		}
		if members := readTar(t, r); len(members) != 1 || members[0].Body != "text" {
			t.Errorf("%s holds %+v", name, members)
		}
	}
	var images []namedImage
	for _, program := range []string{"kube-apiserver", "etcd"} {
		img, err := assemble(v1.Config{Entrypoint: []string{"/" + program}}, layer)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, namedImage{"registry.k8s.io/" + program + ":v1", img})
	}
	file := filepath.Join(t.TempDir(), nodeImagesFile)
	if err := writeImagesFile(file, images); err != nil {
		t.Fatal(err)
	}
	dir = unpack(t, file)
	var index v1.IndexManifest
	var docker []dockerManifest
	if err := errors.Join(readJSON(filepath.Join(dir, "index.json"), &index),
		readJSON(filepath.Join(dir, "manifest.json"), &docker)); err != nil {
		t.Fatal(err)
	}
	for n, i := range images {
		tag, err := name.NewTag(i.reference)
		if err != nil {
			t.Fatal(err)
		}
		img, err := tarball.ImageFromPath(file, &tag)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(img); err != nil {
			t.Errorf("%s: %v", i.reference, err)
		}
		if got := index.Manifests[n].Annotations[annotationContainerdName]; got != i.reference || docker[n].RepoTags[0] != i.reference {
			t.Errorf("the archive names %s and %s, want %s", got, docker[n].RepoTags[0], i.reference)
		}
		manifest, err := os.ReadFile(filepath.Join(dir, "blobs", "sha256", index.Manifests[n].Digest.Hex))
		if err != nil || !strings.Contains(string(manifest), string(types.OCIUncompressedLayer)) {
			t.Errorf("manifest %s, %v: it must say that its layer is not compressed", manifest, err)
		}
	}
	blobs, err := os.ReadDir(filepath.Join(dir, "blobs", "sha256"))
	if err != nil || len(blobs) != 5 { // a manifest and a configuration each, one layer
		t.Errorf("%d blobs, %v, want 5", len(blobs), err)
	}
}
