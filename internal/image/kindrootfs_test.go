package image

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// makeTree makes files (with their content), links ("-> target") and directories ("dir/") below a new directory.
func makeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		target := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if link, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(link, target)
		} else if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(target, 0o755)
		} else {
			err = os.WriteFile(target, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestExactTreeKeepsWhatDebianSet(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{"b/second": "text", "mount": "setuid", "secret": "s", "mail/": "", "tmp/": "",
		"link": "-> /elsewhere"})
	// In the order of a walk "b/second" comes first, in that of a layer's paths "b-first".
	if err := os.Link(filepath.Join(root, "b/second"), filepath.Join(root, "b-first")); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{
		"mount": 0o755 | fs.ModeSetuid, "secret": 0o600, "mail": 0o775 | fs.ModeSetgid, "tmp": 0o777 | fs.ModeSticky,
	} {
		if err := os.Chmod(filepath.Join(root, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Lchown(filepath.Join(root, "secret"), 7, 8); err != nil {
			t.Fatal(err)
		}
	}
	socket, err := net.Listen("unix", filepath.Join(root, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()

	entries, err := exactTree(root)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := writeTar(&out, entries); err != nil {
		t.Fatal(err)
	}
	uid := os.Geteuid()
	secret := uid
	if uid == 0 {
		secret = 7
	}
	want := []tarMember{
		{Name: "b/", Type: tar.TypeDir, Mode: 0o755, UID: uid, Mtime: Epoch()},
		{Name: "b-first", Body: "text", Type: tar.TypeReg, Mode: 0o644, UID: uid, Mtime: Epoch()},
		{Name: "b/second", Link: "b-first", Type: tar.TypeLink, Mode: 0o644, UID: uid, Mtime: Epoch()},
		{Name: "link", Link: "/elsewhere", Type: tar.TypeSymlink, Mode: 0o777, UID: uid, Mtime: Epoch()},
		{Name: "mail/", Type: tar.TypeDir, Mode: 0o2775, UID: uid, Mtime: Epoch()},
		{Name: "mount", Body: "setuid", Type: tar.TypeReg, Mode: 0o4755, UID: uid, Mtime: Epoch()},
		{Name: "secret", Body: "s", Type: tar.TypeReg, Mode: 0o600, UID: secret, Mtime: Epoch()},
		{Name: "tmp/", Type: tar.TypeDir, Mode: 0o1777, UID: uid, Mtime: Epoch()},
	}
	if diff := cmp.Diff(want, readTar(t, &out)); diff != "" {
		t.Error(diff)
	}
}

func TestExtendedAttributesAreWritten(t *testing.T) {
	t.Parallel()
	e := content("ping", 0o755, []byte("x"))
	e.xattrs = map[string]string{"security.capability": "\x01\x00\x02"}
	var out bytes.Buffer
	if err := writeTar(&out, []entry{e}); err != nil {
		t.Fatal(err)
	}
	h, err := tar.NewReader(&out).Next()
	if err != nil {
		t.Fatal(err)
	}
	if got := h.PAXRecords["SCHILY.xattr.security.capability"]; got != "\x01\x00\x02" {
		t.Errorf("attribute %q", got)
	}
}

func TestSetUpSystemd(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{
		"etc/systemd/journald.conf":                                                  "[Journal]\n",
		"etc/systemd/system/getty.target.wants/a.service":                            "-> /x",
		"usr/lib/systemd/system/multi-user.target.wants/getty.target":                "-> ../getty.target",
		"usr/lib/systemd/system/sockets.target.wants/systemd-udevd-kernel.socket":    "-> ../x",
		"usr/lib/systemd/system/sockets.target.wants/systemd-journald.socket":        "-> ../x",
		"usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service": "-> ../x",
		"usr/sbin/init": "-> /elsewhere",
	})
	if err := setUpSystemd(root); err != nil {
		t.Fatal(err)
	}
	entries, err := exactTree(root)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if !e.mode.IsDir() {
			got = append(got, e.path+" "+e.link)
		}
	}
	slices.Sort(got)
	want := []string{
		"etc/systemd/journald.conf ",
		"etc/systemd/system/multi-user.target.wants/containerd.service /etc/systemd/system/containerd.service",
		"etc/systemd/system/multi-user.target.wants/kubelet.service /etc/systemd/system/kubelet.service",
		"etc/systemd/system/multi-user.target.wants/sparkchaos-images.service /etc/systemd/system/sparkchaos-images.service",
		"etc/systemd/system/multi-user.target.wants/undo-mount-hacks.service /etc/systemd/system/undo-mount-hacks.service",
		"etc/systemd/system/systemd-binfmt.service /dev/null",
		"usr/lib/systemd/system/sockets.target.wants/systemd-journald.socket ../x",
		"usr/sbin/init /usr/lib/systemd/systemd",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	journald, err := os.ReadFile(filepath.Join(root, "etc/systemd/journald.conf"))
	if err != nil || string(journald) != "[Journal]\nReadKMsg=no\n" {
		t.Errorf("journald.conf is %q, %v", journald, err)
	}
	for _, dir := range []string{"etc/kubernetes/manifests", "opt/cni/bin"} {
		if info, err := os.Stat(filepath.Join(root, dir)); err != nil || !info.IsDir() {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestStripTakesNothingOfThisMachineAlong(t *testing.T) {
	t.Parallel()
	root := makeTree(t, map[string]string{
		"etc/hostname": "here", "etc/resolv.conf": "nameserver 192.0.2.1", "etc/machine-id": "1", "etc/passwd": "root",
		"var/log/apt/history.log": "", "var/cache/apt/pkgcache.bin": "", "usr/share/doc/bash/copyright": "", "dev/null2": "", "usr/bin/bash": "",
	})
	if err := strip(root); err != nil {
		t.Fatal(err)
	}
	var got []string
	entries, err := exactTree(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.mode.IsRegular() {
			got = append(got, e.path)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"etc/passwd", "usr/bin/bash"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestFitsTree(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	needed, err := elfNeededVersions(shell)
	if err != nil || len(needed["libc.so.6"]) == 0 {
		t.Skipf("the shell is not linked with the GNU C library: %v, %v", needed, err)
	}
	if err := fitsTree("/", shell); err != nil {
		t.Errorf("a program of this machine does not fit this machine: %v", err)
	}
	// A C library that has no versions is older than any.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	old := t.TempDir()
	if err := os.Mkdir(filepath.Join(old, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := copyInto(old, hostFile{"lib/libc.so.6", self, 0o755}); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ root, want string }{
		"older":   {old, needed["libc.so.6"][0] + " of libc.so.6"},
		"missing": {t.TempDir(), "libc.so.6"},
	} {
		if err := fitsTree(test.root, shell); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), shell) {
			t.Errorf("%s: error %v, want it to name %s and %q", name, err, shell, test.want)
		}
	}
}
