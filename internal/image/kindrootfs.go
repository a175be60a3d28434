package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// rootfsFormat changes when the tree is to be made otherwise of the same packages.
	rootfsFormat = "2"
	debianSuite  = "bookworm"
)

// nodePackages are the packages of Debian that kind's own base image has, but for the clients of network file systems and
// fuse-overlayfs, which only nodes without root privileges need; socat is for "kubectl port-forward" of older clients.
func nodePackages() []string {
	return []string{
		"bash", "ca-certificates", "conntrack", "curl", "e2fsprogs", "ethtool", "iproute2", "iptables", "jq", "kmod", "libseccomp2",
		"mount", "nftables", "pigz", "procps", "socat", "systemd", "util-linux",
	}
}

// kindRootfs returns the stage with Debian's part of the node image: the tree itself in root/, and its layer.
func (e Env) kindRootfs(ctx context.Context) (string, error) {
	return e.debianTree(ctx, debian{kind: "kind-rootfs", packages: nodePackages(), finish: setUpSystemd})
}

// debian is a file system of Debian's packages.
type debian struct {
	kind     string // of the stage
	packages []string
	key      string                  // what else decides what becomes of the tree
	finish   func(root string) error // changes what was installed
}

// debianTree returns the stage with the tree itself in root/, and its layer.
func (e Env) debianTree(ctx context.Context, d debian) (string, error) {
	key := newStageKey(d.kind)
	key.add("format", rootfsFormat)
	key.add("platform", runtime.GOARCH)
	key.add("suite", debianSuite)
	key.add("packages", strings.Join(d.packages, ","))
	if d.key != "" {
		key.add("finish", d.key)
	}
	return e.make(ctx, stage{kind: d.kind, key: key.sum(), why: "debootstrap " + debianSuite,
		build: func(ctx context.Context, dir string) error {
			said, err := d.build(ctx, dir)
			for _, warning := range warnings(said) {
				e.report(Progress{Stage: d.kind, Warning: warning})
			}
			return err
		}})
}

// build fills the stage and returns what debootstrap said.
func (d debian) build(ctx context.Context, dir string) (said string, err error) {
	if os.Geteuid() != 0 {
		return "", errors.New("only root can make a Debian file system with its owners and modes: run the command as root")
	}
	// Root's path may lack the directories of system programs.
	tool, err := lookPath("debootstrap", "/usr/sbin", "/sbin")
	if err != nil {
		return "", fmt.Errorf("a file system of Debian's packages is made by debootstrap (Debian: apt-get install debootstrap): %w", err)
	}
	if err := needCommands("unshare"); err != nil {
		return "", err
	}
	if _, err := exec.LookPath("gpgv"); err != nil {
		return "", fmt.Errorf("signatures of Debian's packages are checked with gpgv (Debian: apt-get install gpgv; Fedora: dnf install "+
			"gnupg2): %w", err)
	}
	source, err := findAptSource("/", os.Getenv(sourceVariable))
	if err != nil {
		return "", err
	}
	root := filepath.Join(dir, rootDir)
	// debootstrap mounts file systems below the tree; in a namespace of its own none can be left behind.
	cmd := exec.CommandContext(ctx, "unshare", append([]string{"--mount", "--", tool}, d.arguments(source, root)...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	if said, err = output(cmd); err != nil {
		return "", fmt.Errorf("debootstrap from %s, checked with %s: %w", source, source.keyring, source.redact(err))
	}
	if err := strip(root); err != nil {
		return said, fmt.Errorf("remove from Debian what an image does not need: %w", err)
	}
	if err := d.finish(root); err != nil {
		return said, fmt.Errorf("set up %s: %w", d.kind, err)
	}
	entries, err := exactTree(root)
	if err != nil {
		return said, err
	}
	return said, writeLayer(dir, entries)
}

// arguments are those of debootstrap. It continues with a warning where it has no keys, unless it is told not to.
func (d debian) arguments(source aptSource, root string) []string {
	return []string{
		"--variant=minbase", "--force-check-gpg", "--keyring=" + source.keyring,
		"--include=" + strings.Join(d.packages, ","), debianSuite, root, source.uri,
	}
}

// warnings returns the lines of debootstrap's output that warn.
func warnings(said string) []string {
	var found []string
	for line := range strings.Lines(said) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "W:") || strings.HasPrefix(line, "E:") {
			found = append(found, line)
		}
	}
	return found
}

// lookPath finds a program in the path or in directories beside it.
func lookPath(name string, dirs ...string) (string, error) {
	found, err := exec.LookPath(name)
	if err == nil {
		return found, nil
	}
	for _, dir := range dirs {
		if found, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return found, nil
		}
	}
	return "", err
}

// removeAll removes what matches the patterns below root. A directory that a pattern names in full goes as a whole.
func removeAll(root string, patterns ...string) error {
	var problems []error
	for _, pattern := range patterns {
		matches, err := filepath.Glob(filepath.Join(root, pattern))
		problems = append(problems, err)
		for _, match := range matches {
			problems = append(problems, os.RemoveAll(match))
		}
	}
	return errors.Join(problems...)
}

// strip removes what installing left, what nobody reads on a node, and what debootstrap took from this very machine.
func strip(root string) error {
	return removeAll(root,
		"dev/*", "proc/*", "run/*", "sys/*", "tmp/*", "var/tmp/*",
		"var/cache/apt/*", "var/cache/debconf/*", "var/cache/ldconfig/*", "var/lib/apt/lists/*", "var/log/*",
		"usr/share/doc/*", "usr/share/doc-base/*", "usr/share/info/*", "usr/share/local/*", "usr/share/locale/*", "usr/share/man/*",
		// Where the packages came from is this machine's.
		"etc/apt/sources.list", "etc/apt/sources.list.d/*",
		"etc/hostname", "etc/machine-id", "etc/resolv.conf", "var/lib/dbus/machine-id",
	)
}

// setUpSystemd does what the Dockerfile of kind's base image does to Debian's systemd, for it to run in a container.
func setUpSystemd(root string) error {
	err := removeAll(root,
		"usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service",
		"usr/lib/systemd/system/multi-user.target.wants/*",
		"etc/systemd/system/*.wants/*",
		"usr/lib/systemd/system/local-fs.target.wants/*",
		"usr/lib/systemd/system/sockets.target.wants/*udev*",
		"usr/lib/systemd/system/sockets.target.wants/*initctl*",
		"usr/lib/systemd/system/basic.target.wants/*",
	)
	if err != nil {
		return err
	}
	journald := filepath.Join(root, "etc/systemd/journald.conf")
	config, err := os.ReadFile(journald)
	if err != nil {
		return err
	}
	if err := os.WriteFile(journald, append(config, "ReadKMsg=no\n"...), 0o644); err != nil {
		return err
	}
	links := []entry{
		symlink("usr/sbin/init", "/usr/lib/systemd/systemd"),
		// The service would register things into the kernel that this machine and all nodes share.
		symlink("etc/systemd/system/systemd-binfmt.service", "/dev/null"),
		directory("etc/kubernetes/manifests", 0o755, owner{}),
		directory("opt/cni/bin", 0o755, owner{}),
	}
	for _, unit := range append(kindUnits(), importUnit) {
		links = append(links, symlink(path.Join("etc/systemd/system/multi-user.target.wants", unit), path.Join("/etc/systemd/system", unit)))
	}
	for _, l := range links {
		if err := removeAll(root, l.path); err != nil {
			return err
		}
		if err := materialise(root, l); err != nil {
			return err
		}
	}
	return nil
}

// kindUnits are the units of kind's that are enabled in its base image.
func kindUnits() []string {
	return []string{"containerd.service", "kubelet.service", "undo-mount-hacks.service"}
}

// exactTree takes all that is below a directory with owners, modes, hard links and capabilities as they are. Sockets are
// left out, as tar does.
func exactTree(root string) ([]entry, error) {
	type inode struct{ device, number uint64 }
	links := map[inode][]int{}
	var entries []entry
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		status, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return fmt.Errorf("%s: this system does not tell owners of files", p)
		}
		e := entry{mode: info.Mode(), owner: owner{int(status.Uid), int(status.Gid)}}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		e.path = filepath.ToSlash(rel)
		switch {
		case info.Mode()&fs.ModeSocket != 0:
			return nil
		case info.Mode()&fs.ModeSymlink != 0:
			if e.link, err = os.Readlink(p); err != nil {
				return err
			}
		case info.Mode().IsRegular():
			e.size = info.Size()
			e.open = func() (io.ReadCloser, error) { return os.Open(p) }
			if e.xattrs, err = capabilities(p); err != nil {
				return err
			}
			if status.Nlink > 1 {
				id := inode{uint64(status.Dev), status.Ino}
				links[id] = append(links[id], len(entries))
			}
		case !info.IsDir():
			return fmt.Errorf("%s is of type %s, but only files, directories and links can be in a node's file system: the node makes "+
				"devices itself", p, info.Mode().Type())
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, names := range links {
		// A layer's entries are sorted by path, and a hard link must come after what it links to.
		slices.SortFunc(names, func(a, b int) int { return strings.Compare(entries[a].path, entries[b].path) })
		for _, i := range names[1:] {
			entries[i] = entry{path: entries[i].path, mode: entries[i].mode, owner: entries[i].owner, hard: entries[names[0]].path}
		}
	}
	return entries, nil
}

// capabilities returns the extended attribute that holds a file's capabilities, if it has any.
func capabilities(file string) (map[string]string, error) {
	const attribute = "security.capability"
	value := make([]byte, 64)
	n, err := unix.Lgetxattr(file, attribute, value)
	switch {
	case err == nil:
		return map[string]string{attribute: string(value[:n])}, nil
	case errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP):
		return nil, nil
	default:
		return nil, fmt.Errorf("%s: read the attribute %s: %w", file, attribute, err)
	}
}

// fitsTree reports whether a program of this machine can run in a tree: runc is linked with the C library of the machine that
// built it, and a node's may be older.
func fitsTree(root, program string) error {
	needed, err := elfNeededVersions(program)
	if err != nil {
		return err
	}
	var problems []error
	for library, versions := range sorted(needed) {
		source, err := findInTree(root, library)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s needs %s: %w", program, library, err))
			continue
		}
		provided, err := elfProvidedVersions(source)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		for _, version := range versions {
			if !slices.Contains(provided, version) {
				problems = append(problems, fmt.Errorf("%s needs %s of %s, and Debian %s, of which the node is made, has an older one: "+
					"it was built on a newer distribution; build the components and the image on Debian %s", program, version, library, debianSuite,
					debianSuite))
			}
		}
	}
	return errors.Join(problems...)
}

// findInTree returns the file of a tree that is a library.
func findInTree(root, library string) (string, error) {
	for _, dir := range libraryDirs() {
		if source, err := resolveIn(root, path.Join(dir, library)); err == nil {
			return source, nil
		}
	}
	return "", fmt.Errorf("the library is in none of %s below %s", strings.Join(libraryDirs(), ", "), root)
}
