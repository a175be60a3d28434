//go:build linux

package machine

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
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
// Parents are mounted before what lies below them.
func makeRoot(spec Spec) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("part the machine's mounts from the host's: %w", err)
	}
	root := spec.Disk
	if err := unix.Mount(root, root, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount the disk %s: %w", root, err)
	}
	steps := []func(string, Spec) error{shareSystem, mountVolatile, mountKernel, mountDevices, mountSpec, writeFiles, enter}
	for _, step := range steps {
		if err := step(root, spec); err != nil {
			return err
		}
	}
	return nil
}

// shareSystem shows the host's programs and libraries read-only. Where /bin and the like are links into /usr they are links here too.
func shareSystem(root string, _ Spec) error {
	for _, name := range []string{"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"} {
		target, err := os.Readlink("/" + name)
		if err == nil {
			if err := os.Symlink(target, filepath.Join(root, name)); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			continue
		}
		if _, err := os.Stat("/" + name); err != nil {
			continue // this host has no such directory
		}
		if err := bind("/"+name, filepath.Join(root, name), false); err != nil {
			return err
		}
	}
	for _, name := range []string{"passwd", "group", "nsswitch.conf", "protocols", "services", "ssl", "ca-certificates", "alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "iproute2"} {
		path := filepath.Join("/etc", name)
		if _, err := os.Stat(path); err != nil {
			continue // not on every host
		}
		if err := bind(path, filepath.Join(root, path), false); err != nil {
			return err
		}
	}
	return nil
}

// bind shows a file or directory of the host below the machine's root.
func bind(source, target string, writable bool) error {
	info, err := os.Stat(source)
	if err != nil {
		return fmt.Errorf("show %s to the machine: %w", source, err)
	}
	if err := makeMountPoint(target, info.IsDir()); err != nil {
		return err
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", source, target, err)
	}
	if writable {
		return nil
	}
	return makeReadOnly(target)
}

func makeReadOnly(target string) error {
	if err := unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fmt.Errorf("make %s read-only: %w", target, err)
	}
	return nil
}

func makeMountPoint(target string, directory bool) error {
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
func mountKernel(root string, _ Spec) error {
	proc, sys := filepath.Join(root, "proc"), filepath.Join(root, "sys")
	for _, m := range []struct{ kind, target string }{{"proc", proc}, {"sysfs", sys}} {
		if err := mountNew(m.kind, m.target, "", 0o555); err != nil {
			return err
		}
	}
	if err := unix.Mount("/sys/fs/cgroup", filepath.Join(sys, "fs/cgroup"), "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("show the control groups to the machine: %w", err)
	}
	values := filepath.Join(root, runDirectory, "kernel")
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
	if err := unix.MountSetattr(unix.AT_FDCWD, filepath.Join(sysctls, "net"), 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fmt.Errorf("leave the network's settings writable: %w", err)
	}
	trigger := filepath.Join(proc, "sysrq-trigger")
	if _, err := os.Stat(trigger); err != nil {
		return nil // a kernel without it
	}
	return unix.Mount("/dev/null", trigger, "", unix.MS_BIND, "")
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
func mountDevices(root string, _ Spec) error {
	dev := filepath.Join(root, "dev")
	if err := mountNew("tmpfs", dev, "mode=755", 0o755); err != nil {
		return err
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty", "kmsg"} {
		if _, err := os.Stat("/dev/" + name); err != nil {
			continue // not on every host
		}
		if err := bind("/dev/"+name, filepath.Join(dev, name), true); err != nil {
			return err
		}
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
	for link, target := range map[string]string{"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(target, filepath.Join(dev, link)); err != nil {
			return err
		}
	}
	return nil
}

// mountVolatile mounts what a reboot empties.
func mountVolatile(root string, _ Spec) error {
	for target, options := range map[string]string{"run": "mode=755", "tmp": "mode=1777"} {
		if err := mountNew("tmpfs", filepath.Join(root, target), options, 0o755); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "var"), 0o755); err != nil {
		return err
	}
	if err := os.Symlink("/run", filepath.Join(root, "var/run")); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return errors.Join(
		os.MkdirAll(filepath.Join(root, LogDirectory), 0o755),
		os.MkdirAll(filepath.Join(root, filepath.Dir(BusSocket)), 0o755),
	)
}

func mountSpec(root string, spec Spec) error {
	for _, m := range spec.Mounts {
		if err := bind(m.Source, filepath.Join(root, m.Target), m.Writable); err != nil {
			return err
		}
	}
	return nil
}

func writeFiles(root string, spec Spec) error {
	for path, content := range spec.Files {
		target := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, []byte(content), 0o600); err != nil {
			return err
		}
		if strings.HasPrefix(path, "/etc/") && !strings.HasPrefix(path, "/etc/kubernetes/") {
			if err := os.Chmod(target, 0o644); err != nil { // read by every user of the machine
				return err
			}
		}
	}
	return nil
}

// enter makes root the machine's / and forgets the host's.
func enter(root string, _ Spec) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("enter the root %s: %w", root, err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the host's root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	// Volumes with mount propagation need a shared root, as on any machine.
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
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
