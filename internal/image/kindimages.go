package image

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkchaos/sparkchaos/internal/components"
)

const (
	// kindImagesFormat changes when the same programs are to be packed otherwise.
	kindImagesFormat = "1"
	// nodeImagesFile is the archive of a stage of images for nodes.
	nodeImagesFile = "images.tar"
	// coreDNSPath is where the official image has the program; kubeadm's manifest gives only arguments.
	coreDNSPath = "coredns"
)

// role of an image that kubeadm asks for: which program it holds.
type role string

// The roles; each is the last part of the image's name.
const (
	roleCoreDNS   role = "coredns"
	rolePause     role = "pause"
	roleKubeProxy role = "kube-proxy"
)

// multiCall reports whether the multi-call binary plays the role.
func (r role) multiCall() bool {
	return slices.Contains([]role{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", roleKubeProxy}, r)
}

// neededImage is an image that kubeadm asks for.
type neededImage struct {
	reference string
	role      role
}

// neededImages asks kubeadm which images it will want. Nothing is fetched: the version is given.
func neededImages(ctx context.Context, kubeadm, version string) ([]neededImage, error) {
	cmd := exec.CommandContext(ctx, kubeadm, "config", "images", "list", "--kubernetes-version", version)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w, after saying:\n%s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(said.String()))
	}
	return parseNeededImages(out.String())
}

// parseNeededImages reads the list that kubeadm prints, one reference a line.
func parseNeededImages(list string) ([]neededImage, error) {
	var images []neededImage
	var problems []error
	known := map[role]bool{}
	lines := bufio.NewScanner(strings.NewReader(list))
	for lines.Scan() {
		reference := strings.TrimSpace(lines.Text())
		if reference == "" {
			continue
		}
		repository, tag, tagged := strings.Cut(path.Base(reference), ":")
		r := role(repository)
		switch {
		case !tagged || tag == "":
			problems = append(problems, fmt.Errorf("kubeadm wants the image %q, which has no tag", reference))
		case r != roleCoreDNS && r != rolePause && !r.multiCall():
			problems = append(problems, fmt.Errorf("kubeadm wants the image %q, and no component is known to play the role %q: add it to what "+
				"internal/image packs for kind's nodes", reference, r))
		default:
			known[r] = true
			images = append(images, neededImage{reference, r})
		}
	}
	for _, r := range []role{rolePause, roleKubeProxy} {
		if !known[r] {
			problems = append(problems, fmt.Errorf("kubeadm's list of images has no %s, but every node needs it; the list is:\n%s", r, list))
		}
	}
	return images, errors.Join(append(problems, lines.Err())...)
}

// sandboxImage returns the image that holds a pod's namespaces.
func sandboxImage(images []neededImage) string {
	for _, i := range images {
		if i.role == rolePause {
			return i.reference
		}
	}
	return ""
}

// nodeImages returns the stage with the archive of all images that kubeadm asks for.
func (b kindBuild) nodeImages(ctx context.Context, rootfs string) (string, error) {
	pause, err := b.program(ctx, "pause")
	if err != nil {
		return "", err
	}
	base, err := openLayer(rootfs)
	if err != nil {
		return "", err
	}
	key := newStageKey("kind-images")
	key.add("format", kindImagesFormat)
	key.add("platform", runtime.GOARCH)
	key.add("pause", filepath.Base(filepath.Dir(pause)))
	key.add("kubernetes", b.build(components.Kubernetes))
	key.add("coredns", b.build(components.CoreDNS))
	// Its tools and libraries are those of the tree.
	key.add("kube-proxy", base.info.DiffID.String())
	for _, i := range b.images {
		key.add("image", i.reference)
	}
	return b.make(ctx, stage{
		kind: "kind-images", key: key.sum(), why: fmt.Sprintf("%d images that kubeadm asks for", len(b.images)),
		build: func(_ context.Context, dir string) error {
			return b.packImages(dir, filepath.Join(rootfs, rootDir), pause)
		},
	})
}

// packImages writes the archive. The images of Kubernetes' own programs are one layer under several names.
func (b kindBuild) packImages(dir, root, pause string) error {
	work := filepath.Join(dir, "layers")
	layer := func(name string, entries []entry, err error) (storedLayer, error) {
		if err != nil {
			return storedLayer{}, err
		}
		at := filepath.Join(work, name)
		if err := os.MkdirAll(at, 0o755); err != nil {
			return storedLayer{}, err
		}
		if err := writePlainLayer(at, entries); err != nil {
			return storedLayer{}, err
		}
		return openLayer(at)
	}
	single := func(name, source string) ([]entry, error) {
		e, err := file(name, source, 0o755)
		return []entry{e}, err
	}
	kubernetes, err := b.multiCallEntries("usr/local/bin")
	multi, err1 := layer("kubernetes", append(kubernetes, directory("tmp", 0o1777, owner{})), err)
	tools, err := proxyTools(root)
	proxy, err2 := layer("kube-proxy", tools, err)
	dns, err := single(coreDNSPath, b.set.Path(components.CoreDNS))
	coreDNS, err3 := layer("coredns", dns, err)
	sandbox, err := single("pause", pause)
	holder, err4 := layer("pause", sandbox, err)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}

	var images []namedImage
	for _, i := range b.images {
		config := v1.Config{Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}}
		var layers []storedLayer
		switch i.role {
		case rolePause:
			config = v1.Config{Entrypoint: []string{"/pause"}, User: "65535:65535"}
			layers = []storedLayer{holder}
		case roleCoreDNS:
			config.Entrypoint = []string{"/" + coreDNSPath}
			layers = []storedLayer{coreDNS}
		case roleKubeProxy:
			config.Entrypoint = []string{"/usr/local/bin/" + string(i.role)}
			layers = []storedLayer{multi, proxy}
		default:
			config.Entrypoint = []string{"/usr/local/bin/" + string(i.role)}
			layers = []storedLayer{multi}
		}
		img, err := assemble(config, layers...)
		if err != nil {
			return fmt.Errorf("image %s: %w", i.reference, err)
		}
		images = append(images, namedImage{i.reference, img})
	}
	return errors.Join(writeImagesFile(filepath.Join(dir, nodeImagesFile), images), os.RemoveAll(work))
}

func writeImagesFile(name string, images []namedImage) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buffered := bufio.NewWriterSize(f, 1<<20)
	return errors.Join(writeImages(buffered, images...), buffered.Flush())
}

// proxyTools returns what kube-proxy calls in the image, out of the node's tree: the image is otherwise empty, so libraries and
// extensions come along. The tools are those for nf_tables, which all kernels that Kubernetes supports have.
func proxyTools(root string) ([]entry, error) {
	const nft = "/usr/sbin/xtables-nft-multi"
	objects := []string{nft, "/usr/sbin/nft", "/usr/sbin/conntrack"}
	extensions, err := filepath.Glob(filepath.Join(root, "usr/lib/*/xtables/*.so"))
	if err != nil {
		return nil, err
	}
	if len(extensions) == 0 {
		return nil, fmt.Errorf("no extensions of iptables are in %s, want them in usr/lib/*/xtables: the package iptables of %s has another "+
			"layout; correct proxyTools", root, debianSuite)
	}
	for _, e := range extensions {
		objects = append(objects, strings.TrimPrefix(e, root))
	}
	files, err := treeClosure(root, objects)
	if err != nil {
		return nil, err
	}
	var entries []entry
	for _, f := range files {
		e, err := file(f.path, f.source, f.perm)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	for _, family := range []string{"iptables", "ip6tables"} {
		for _, command := range []string{"", "-save", "-restore"} {
			entries = append(entries, symlink("usr/sbin/"+family+command, path.Base(nft)))
		}
	}
	return entries, nil
}

// treeClosure returns programs and libraries of a tree, by their paths in it, with all libraries that they need and their loaders.
func treeClosure(root string, objects []string) ([]hostFile, error) {
	found := map[string]string{} // path in the tree → real file
	var problems []error
	take := func(name string) bool {
		if found[name] != "" {
			return true
		}
		source, err := resolveIn(root, name)
		if err != nil {
			return false
		}
		found[name] = source
		return true
	}
	queue := slices.Clone(objects)
	for _, o := range objects {
		if !take(o) {
			problems = append(problems, fmt.Errorf("%s is not in the tree %s", o, root))
		}
	}
	for len(queue) > 0 {
		object := queue[0]
		queue = queue[1:]
		if found[object] == "" {
			continue
		}
		libraries, loader, err := elfNeeds(found[object])
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if loader != "" && !take(loader) {
			problems = append(problems, fmt.Errorf("the loader %s, which %s asks for, is not in the tree %s", loader, object, root))
		}
		for _, library := range libraries {
			if slices.ContainsFunc(libraryDirs(), func(dir string) bool { return found[path.Join(dir, library)] != "" }) {
				continue
			}
			i := slices.IndexFunc(libraryDirs(), func(dir string) bool { return take(path.Join(dir, library)) })
			if i < 0 {
				problems = append(problems, fmt.Errorf("library %s, needed by %s, is in none of %s below %s", library, object,
					strings.Join(libraryDirs(), ", "), root))
				continue
			}
			queue = append(queue, path.Join(libraryDirs()[i], library))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	var files []hostFile
	for name, source := range found {
		files = append(files, hostFile{strings.TrimPrefix(name, "/"), source, 0o755})
	}
	slices.SortFunc(files, func(a, b hostFile) int { return strings.Compare(a.path, b.path) })
	return files, nil
}

// resolveIn follows symbolic links as a process whose root directory is root would, and returns the file's path outside.
func resolveIn(root, name string) (string, error) {
	const most = 40
	current, rest, followed := "/", path.Clean("/"+name), 0
	for {
		var part string
		part, rest, _ = strings.Cut(strings.TrimLeft(rest, "/"), "/")
		if part == "" {
			return filepath.Join(root, current), nil
		}
		next := path.Join(current, part)
		info, err := os.Lstat(filepath.Join(root, next))
		if err != nil {
			return "", err
		}
		if info.Mode()&os.ModeSymlink == 0 {
			current = next
			continue
		}
		if followed++; followed > most {
			return "", fmt.Errorf("%s in %s: more than %d symbolic links", name, root, most)
		}
		target, err := os.Readlink(filepath.Join(root, next))
		if err != nil {
			return "", err
		}
		if path.IsAbs(target) {
			current = "/"
		}
		rest = target + "/" + rest
	}
}
