//go:build linux

package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/cgroup"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/machine"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/network"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/locks"
)

// templateVersion changes when templates made by an older sparkchaos must not be used any more.
const templateVersion = "1"

// templates makes, once per content, what every new cluster starts from: a store with the objects that all clusters
// have, and a containerd directory with the images unpacked.
type templates struct {
	provider   Provider
	components components.Set
	cgroups    cgroup.Host
}

// store returns a directory with the store's data.
func (t templates) store(ctx context.Context) (string, error) {
	specs, err := json.Marshal([]any{apiServices(), roles(), bindings(), storageClasses(), dnsService().Spec.ClusterIP,
		t.components.Versions()})
	if err != nil {
		return "", fmt.Errorf("key of the store's template: %w", err)
	}
	return t.make(ctx, "store", specs, func(ctx context.Context, scratch scratch) (string, error) {
		return filepath.Join(scratch.disk(controlPlane), "var/lib/etcd"), t.fillStore(ctx, scratch)
	})
}

// images returns a directory with containerd's data.
func (t templates) images(ctx context.Context, archives []string) (string, error) {
	key := []byte(containerdConfig("", false) + t.components.Versions()["containerd"])
	for _, archive := range archives {
		info, err := os.Stat(archive)
		if err != nil {
			return "", fmt.Errorf("image archive: %w", err)
		}
		key = fmt.Appendf(key, "\n%s %d %d", archive, info.Size(), info.ModTime().UnixNano())
	}
	return t.make(ctx, "images", key, func(ctx context.Context, scratch scratch) (string, error) {
		return filepath.Join(scratch.disk("images"), containerdRoot), t.fillImages(ctx, scratch, archives)
	})
}

// scratch is a place for a machine that lives only to make a template.
type scratch struct {
	directory
	cgroup string
}

// make returns the template of a kind for a content, filling it in a scratch machine when it is not there yet. Two at
// once are serialised; what an interrupted one left is swept.
func (t templates) make(ctx context.Context, kind string, content []byte, fill func(context.Context, scratch) (string, error)) (string,
	error) {
	digest := sha256.Sum256(append([]byte(templateVersion+kind), content...))
	key := kind + "-" + hex.EncodeToString(digest[:6])
	final := filepath.Join(t.provider.Cache, "templates", key)
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	unlock, err := locks.File(ctx, filepath.Join(t.provider.Cache, "locks", "template-"+key), func() {
		t.provider.Progress("waiting for another sparkchaos that prepares the same " + kind + " template")
	})
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	t.provider.Progress("preparing the " + kind + " template, once for this machine")
	s := scratch{directory: directory{root: final + ".new"}, cgroup: cgroupOfAll + "/template-" + key}
	if err := errors.Join(t.sweep(ctx, s), os.MkdirAll(s.root, 0o755)); err != nil {
		return "", err
	}
	filled, err := fill(ctx, s)
	if err == nil {
		err = t.cgroups.Kill(ctx, s.cgroup)
	}
	if err == nil {
		err = os.Rename(filled, final)
	}
	var logs string
	if err != nil {
		logs = t.provider.keepLogs(s.directory, "template-"+kind)
	}
	sweepCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err = errors.Join(err, t.sweep(sweepCtx, s)); err != nil {
		return "", fmt.Errorf("prepare the %s template: %w%s", kind, err, logs)
	}
	return final, nil
}

func (t templates) sweep(ctx context.Context, s scratch) error {
	err := t.cgroups.Kill(ctx, s.cgroup)
	err = errors.Join(err, t.cgroups.Remove(ctx, s.cgroup))
	t.cgroups.RemoveEmpty(cgroupOfAll)
	return errors.Join(err, os.RemoveAll(s.root))
}

func (t templates) builder(s scratch) builder {
	return builder{name: "template", cgroup: s.cgroup, disks: s.disk, components: t.components}
}

func (t templates) boot(ctx context.Context, s scratch, spec machine.Spec, listeners []*net.TCPListener,
	connect func(int) error) (machine.Process, error) {
	spec.Bound = true
	return machine.Boot{
		Spec: spec, Executable: t.provider.Executable, Log: s.machineLog(spec.Name), Listeners: listeners, Cgroups: t.cgroups,
		Recorded: func(machine.Process) error { return nil }, Connected: connect,
	}.Start(ctx)
}

// fillStore runs an API server until it and we have made the objects that every cluster has, and stops it in an orderly way.
func (t templates) fillStore(ctx context.Context, s scratch) error {
	credentials, err := newCredentials("template")
	if err != nil {
		return err
	}
	spec, err := t.builder(s).store(credentials)
	if err != nil {
		return err
	}
	listener, err := listen(0)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // the machine holds its own
	process, err := t.boot(ctx, s, spec, []*net.TCPListener{listener},
		func(pid int) error { return network.SetUpControlPlane(pid, network.Plan{}) })
	if err != nil {
		return err
	}
	kubeconfig, err := credentials.admin("https://" + listener.Addr().String())
	if err != nil {
		return err
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	if err := t.awaitStore(ctx, client); err != nil {
		return err
	}
	if err := bootstrap(ctx, client); err != nil {
		return err
	}
	return machine.NewRemote(process.PID).Shutdown(ctx)
}

// awaitStore waits until the API server has made its own objects: /readyz speaks for RBAC's and the priorities', the
// Service kubernetes comes by itself.
func (t templates) awaitStore(ctx context.Context, client kubernetes.Interface) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("the API server was not ready within 1m0s"))
	defer cancel()
	return cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		if _, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx); err != nil {
			return false, fmt.Sprint("the API server: ", err)
		}
		_, err := client.CoreV1().Services(metav1.NamespaceDefault).Get(ctx, "kubernetes", metav1.GetOptions{})
		return err == nil, fmt.Sprint("the Service kubernetes: ", err)
	})
}

// fillImages imports the archives into a containerd of its own.
func (t templates) fillImages(ctx context.Context, s scratch, archives []string) error {
	process, err := t.boot(ctx, s, t.builder(s).runtime("images"), nil, func(int) error { return nil })
	if err != nil {
		return err
	}
	importer := importer{ctr: t.components.Path(components.CTR), pid: process.PID}
	if err := importer.awaitRuntime(ctx); err != nil {
		return err
	}
	for _, archive := range archives {
		t.provider.Progress("unpacking " + filepath.Base(archive))
		if err := importer.load(ctx, archive); err != nil {
			return err
		}
	}
	return machine.NewRemote(process.PID).Shutdown(ctx)
}

// importer loads archives into the containerd of a machine, from outside.
type importer struct {
	ctr string // the program
	pid int    // of the machine's init
}

// run calls ctr, which finds the machine's containerd by a descriptor of its socket.
func (i importer) run(ctx context.Context, args ...string) (string, error) {
	socket, err := machine.OpenSocket(i.pid, containerdSocket)
	if err != nil {
		return "", err
	}
	defer func() { _ = socket.Close() }() // ctr has its own
	const inherited = "/proc/self/fd/3"   // the first of ExtraFiles
	command := exec.CommandContext(ctx, i.ctr, append([]string{"--address", inherited}, args...)...)
	command.ExtraFiles = []*os.File{socket}
	output, err := command.CombinedOutput()
	return strings.TrimSpace(string(output)), err
}

func (i importer) awaitRuntime(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("containerd did not serve within 30s"))
	defer cancel()
	return cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		output, err := i.run(ctx, "version")
		return err == nil, fmt.Sprintf("%v %s", err, output)
	})
}

func (i importer) load(ctx context.Context, archive string) error {
	output, err := i.run(ctx, "--namespace", "k8s.io", "images", "import", "--local", "--digests=false", archive)
	if err != nil {
		return fmt.Errorf("import the image archive %s: %w: %s", archive, err, output)
	}
	return nil
}

// link gives a machine the template's files. Contents are shared with the template by hard links where the file
// systems allow it, since containerd never changes a file in place, but for its databases, which are copied.
func link(template, target string) error {
	return walk(template, target, func(source, target string, info fs.FileInfo) error {
		if !strings.HasSuffix(source, ".db") {
			err := os.Link(source, target)
			if err == nil || !errors.Is(err, unix.EXDEV) {
				return err
			}
		}
		return copyAny(source, target, info)
	})
}

// copyTree copies a directory with owners and modes.
func copyTree(from, to string) error { return walk(from, to, copyAny) }

// walk makes the directories of a tree again and has every other file made by the function.
func walk(from, to string, file func(source, target string, info fs.FileInfo) error) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return copyDirectory(path, filepath.Join(to, relative), info)
		}
		return file(path, filepath.Join(to, relative), info)
	})
}

func copyDirectory(source, target string, info fs.FileInfo) error {
	if err := os.MkdirAll(target, 0o700); err != nil {
		return err
	}
	return errors.Join(copyOwner(target, info), copyOpaque(source, target))
}

// copyOpaque keeps overlayfs's mark of a directory that hides the one below it.
func copyOpaque(source, target string) error {
	const attribute = "trusted.overlay.opaque"
	value := make([]byte, 8)
	n, err := unix.Lgetxattr(source, attribute, value)
	if err != nil {
		return nil // not marked
	}
	return unix.Lsetxattr(target, attribute, value[:n], 0)
}

// copyAny copies a file that cannot be linked.
func copyAny(source, target string, info fs.FileInfo) error {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		pointsTo, err := os.Readlink(source)
		if err != nil {
			return err
		}
		return os.Symlink(pointsTo, target)
	case info.Mode().IsRegular():
		return errors.Join(copyFile(source, target), copyOwner(target, info))
	default:
		return fmt.Errorf("%s is neither file, directory nor link: the template cannot be copied to another file system; put state and "+
			"cache on the same one", source)
	}
}

func copyFile(source, target string) error {
	from, err := os.Open(source)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // opened for reading only
	to, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

func copyOwner(target string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return os.Chmod(target, info.Mode())
	}
	return errors.Join(os.Lchown(target, int(stat.Uid), int(stat.Gid)), os.Chmod(target, info.Mode()))
}
