//go:build linux

package machine

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/cgroup"
)

// fixedSysctls are settings of the whole host's kernel that kubelet wants to change. The machine shows the wanted
// values in their place, so kubelet finds nothing to do and the host stays as it is.
func fixedSysctls() map[string]string {
	return map[string]string{
		"vm/overcommit_memory":      "1",
		"vm/panic_on_oom":           "0",
		"kernel/panic":              "10",
		"kernel/panic_on_oops":      "1",
		"kernel/keys/root_maxkeys":  "1000000",
		"kernel/keys/root_maxbytes": "25000000",
	}
}

// makeRoot builds the machine's root on its disk and moves into it; of the host only what the spec names remains visible.
//
// Pods write to the disk, and may have left links on it. So what is to be shown of the host is opened first, then the disk becomes the
// root, and only then anything on it is made, written or mounted on: from inside a link leads nowhere but to the disk itself.
func makeRoot(spec Spec) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("part the machine's mounts from the host's: %w", err)
	}
	shown, err := openHost(spec)
	if err != nil {
		return err
	}
	if err := unix.Mount(spec.Disk, spec.Disk, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount the disk %s: %w", spec.Disk, err)
	}
	if err := enter(spec.Disk); err != nil {
		return err
	}
	steps := []func(*view, Spec) error{showSystem, mountVolatile, mountKernel, mountDevices, showMounts, writeFiles}
	for _, step := range steps {
		if err := step(shown, spec); err != nil {
			return err
		}
	}
	// Volumes with mount propagation need a shared root, as on any machine.
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

// view is what the machine is to see of the host, opened before the host's root is left. Parents come before what lies below them.
type view struct {
	system  []hostPath // programs, libraries and settings
	devices []hostPath
	groups  []hostPath // the tree of control groups, then the machine's own part of each hierarchy
	mounts  []hostPath // of the spec
	null    hostPath
}

// hostPath is a file or directory of the host, and where the machine sees it.
type hostPath struct {
	target    string
	tree      int    // descriptor of a copy of its mounts that hangs nowhere yet
	link      string // it is a link that says this; then there is no tree
	directory bool
	writable  bool
}

// openHost opens all that the machine is to see of the host.
func openHost(spec Spec) (*view, error) {
	v := &view{}
	if err := v.openSystem(); err != nil {
		return nil, err
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty", "kmsg"} {
		device, err := openPath("/dev/"+name, "/dev/"+name, true)
		if errors.Is(err, fs.ErrNotExist) {
			continue // not on every host
		}
		if err != nil {
			return nil, err
		}
		v.devices = append(v.devices, device)
	}
	var err error
	if v.null, err = openPath("/dev/null", "/proc/sysrq-trigger", true); err != nil {
		return nil, err
	}
	if err := v.openGroups(spec); err != nil {
		return nil, err
	}
	for _, m := range spec.Mounts {
		mount, err := openPath(m.Source, m.Target, m.Writable)
		if err != nil {
			return nil, err
		}
		v.mounts = append(v.mounts, mount)
	}
	return v, nil
}

// openSystem opens the host's programs and libraries. Where /bin and the like are links into /usr they are links here too.
func (v *view) openSystem() error {
	paths := []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}
	for _, name := range []string{"passwd", "group", "nsswitch.conf", "protocols", "services", "ssl", "ca-certificates", "alternatives",
		"ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "iproute2"} {
		paths = append(paths, filepath.Join("/etc", name))
	}
	for _, path := range paths {
		if to, err := os.Readlink(path); err == nil && filepath.Dir(path) == "/" {
			v.system = append(v.system, hostPath{target: path, link: to})
			continue
		}
		opened, err := openPath(path, path, false)
		if errors.Is(err, fs.ErrNotExist) {
			continue // not on every host
		}
		if err != nil {
			return err
		}
		v.system = append(v.system, opened)
	}
	return nil
}

// groupRoot is where control groups are on a host and in a machine.
const groupRoot = "/sys/fs/cgroup"

// openGroups opens the control groups. The machine sees those of the whole host, since the names by which the kernel reports its processes
// begin at their root, but only its own group and what is below it can be written to.
func (v *view) openGroups(spec Spec) error {
	all, err := openPath(groupRoot, groupRoot, false)
	if err != nil {
		return err
	}
	v.groups = append(v.groups, all)
	host, err := cgroup.Of("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for _, path := range ownGroups(host, spec.Cgroup) {
		own, err := openPath(path, path, true)
		if err != nil {
			return err
		}
		v.groups = append(v.groups, own)
	}
	return nil
}

// ownGroups returns the directories of a group in the hierarchies that a machine sees, sorted.
func ownGroups(host cgroup.Host, group string) []string {
	var paths []string
	for _, hierarchy := range host.Hierarchies {
		if hierarchy.Mount == groupRoot || strings.HasPrefix(hierarchy.Mount, groupRoot+"/") {
			paths = append(paths, filepath.Join(hierarchy.Mount, group))
		}
	}
	slices.Sort(paths)
	return paths
}

// openPath opens a file or directory of the host with all that is mounted below it.
func openPath(source, target string, writable bool) (hostPath, error) {
	info, err := os.Stat(source)
	if err != nil {
		return hostPath{}, fmt.Errorf("show %s to the machine: %w", source, err)
	}
	tree, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return hostPath{}, fmt.Errorf("show %s to the machine: %w", source, err)
	}
	return hostPath{target: target, tree: tree, directory: info.IsDir(), writable: writable}, nil
}

// show puts a part of the host where the machine sees it.
func (h hostPath) show() error {
	if h.link != "" {
		if to, err := os.Readlink(h.target); err == nil && to == h.link {
			return nil
		}
		return errors.Join(os.RemoveAll(h.target), os.Symlink(h.link, h.target))
	}
	if err := makeMountPoint(h.target, h.directory); err != nil {
		return err
	}
	return h.attach()
}

// attach mounts it at a place that is there.
func (h hostPath) attach() error {
	defer func() { _ = unix.Close(h.tree) }() // it hangs in the machine's root now
	if !h.writable {
		if err := unix.MountSetattr(h.tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE,
			&unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return fmt.Errorf("make %s read-only: %w", h.target, err)
		}
	}
	if err := unix.MoveMount(h.tree, "", unix.AT_FDCWD, h.target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("show the host's %s to the machine: %w", h.target, err)
	}
	return nil
}

func showAll(paths []hostPath) error {
	for _, path := range paths {
		if err := path.show(); err != nil {
			return err
		}
	}
	return nil
}

func showSystem(v *view, _ Spec) error { return showAll(v.system) }

func showMounts(v *view, _ Spec) error { return showAll(v.mounts) }

func makeReadOnly(target string) error {
	if err := unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fmt.Errorf("make %s read-only: %w", target, err)
	}
	return nil
}

// makeMountPoint makes the file or directory that something is mounted on. A link in its place, or anything of another kind, goes:
// something of a former life of the machine has left it.
func makeMountPoint(target string, directory bool) error {
	if info, err := os.Lstat(target); err == nil && (directory && !info.IsDir() || !directory && !info.Mode().IsRegular()) {
		if err := os.RemoveAll(target); err != nil {
			return err
		}
	}
	if directory {
		return os.MkdirAll(target, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(target, os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// mountKernel shows the kernel's file systems: the machine's own processes and network, the host's control groups,
// and nothing by which the whole host could be changed.
func mountKernel(v *view, _ Spec) error {
	const proc, sys = "/proc", "/sys"
	for _, m := range []struct{ kind, target string }{{"proc", proc}, {"sysfs", sys}} {
		if err := mountNew(m.kind, m.target, "", 0o555); err != nil {
			return err
		}
	}
	for _, group := range v.groups { // sysfs and the groups themselves have the directories
		if err := group.attach(); err != nil {
			return err
		}
	}
	values := filepath.Join(runDirectory, "kernel")
	if err := os.MkdirAll(values, 0o755); err != nil {
		return err
	}
	shown, err := writeShownFiles(values)
	if err != nil {
		return err
	}
	sysctls := filepath.Join(proc, "sys")
	if err := unix.Mount(sysctls, sysctls, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("guard %s: %w", sysctls, err)
	}
	for name, file := range shown {
		target := filepath.Join(sysctls, name)
		if _, err := os.Stat(target); err != nil {
			continue // this kernel has no such setting
		}
		if err := unix.Mount(file, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("show %s in place of the host's: %w", name, err)
		}
	}
	if err := makeReadOnly(sysctls); err != nil {
		return err
	}
	// The network's settings belong to the machine's own namespace.
	if err := unix.Mount(filepath.Join(proc, "sys/net"), filepath.Join(sysctls, "net"), "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("leave the network's settings writable: %w", err)
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, filepath.Join(sysctls, "net"), 0,
		&unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fmt.Errorf("leave the network's settings writable: %w", err)
	}
	if _, err := os.Stat(v.null.target); err != nil {
		return unix.Close(v.null.tree) // a kernel without it
	}
	return v.null.attach()
}

// writeShownFiles writes what the machine sees in place of settings of the host: sysctls, and a boot ID of its own by
// which kubelet notices a reboot.
func writeShownFiles(dir string) (map[string]string, error) {
	bootID, err := newUUID()
	if err != nil {
		return nil, err
	}
	shown := fixedSysctls()
	shown["kernel/random/boot_id"] = bootID
	for name, value := range shown {
		file := filepath.Join(dir, strings.ReplaceAll(name, "/", "."))
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return nil, err
		}
		shown[name] = file
	}
	return shown, nil
}

func newUUID() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make a boot ID: %w", err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // version 4, variant of RFC 9562
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

func mountNew(kind, target, options string, mode fs.FileMode) error {
	if err := os.MkdirAll(target, mode); err != nil {
		return err
	}
	if err := unix.Mount(kind, target, kind, 0, options); err != nil {
		return fmt.Errorf("mount %s at %s: %w", kind, target, err)
	}
	return nil
}

// mountDevices gives the machine the harmless devices, terminals of its own, and the kernel's log, which kubelet reads.
func mountDevices(v *view, _ Spec) error {
	const dev = "/dev"
	if err := mountNew("tmpfs", dev, "mode=755", 0o755); err != nil {
		return err
	}
	if err := showAll(v.devices); err != nil {
		return err
	}
	if err := mountNew("devpts", filepath.Join(dev, "pts"), "newinstance,ptmxmode=0666,mode=0620", 0o755); err != nil {
		return err
	}
	if err := mountNew("tmpfs", filepath.Join(dev, "shm"), "mode=1777", 0o755); err != nil {
		return err
	}
	if err := mountNew("mqueue", filepath.Join(dev, "mqueue"), "", 0o755); err != nil {
		return err
	}
	for link, target := range map[string]string{"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0",
		"stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(target, filepath.Join(dev, link)); err != nil {
			return err
		}
	}
	return nil
}

// mountVolatile mounts what a reboot empties.
func mountVolatile(*view, Spec) error {
	for target, options := range map[string]string{"/run": "mode=755", "/tmp": "mode=1777"} {
		if err := mountNew("tmpfs", target, options, 0o755); err != nil {
			return err
		}
	}
	if err := os.MkdirAll("/var", 0o755); err != nil {
		return err
	}
	if err := os.Symlink("/run", "/var/run"); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return errors.Join(
		os.MkdirAll(LogDirectory, 0o755),
		os.MkdirAll(filepath.Dir(BusSocket), 0o755),
	)
}

// writeFiles replaces the machine's own files, whatever a former life left in their places.
func writeFiles(_ *view, spec Spec) error {
	for path, content := range spec.Files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		mode := fs.FileMode(0o600)
		if strings.HasPrefix(path, "/etc/") && !strings.HasPrefix(path, "/etc/kubernetes/") {
			mode = 0o644 // read by every user of the machine
		}
		if err := replaceFile(path, content, mode); err != nil {
			return err
		}
	}
	return nil
}

// replaceFile writes a file again instead of through a link that has its name.
func replaceFile(path, content string, mode fs.FileMode) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = file.WriteString(content)
	return errors.Join(err, file.Chmod(mode), file.Close())
}

// enter makes root the machine's / and forgets the host's.
func enter(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("enter the root %s: %w", root, err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the host's root: %w", err)
	}
	return os.Chdir("/")
}

// writeSysctls sets what a node of Kubernetes needs, all of it in the machine's own network.
func writeSysctls() error {
	for path, value := range map[string]string{
		"/proc/sys/net/ipv4/ip_forward":             "1",
		"/proc/sys/net/ipv4/conf/all/rp_filter":     "0",
		"/proc/sys/net/ipv4/conf/default/rp_filter": "0",
	} {
		if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
			return fmt.Errorf("set %s: %w", path, err)
		}
	}
	return nil
}
