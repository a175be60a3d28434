//go:build linux

package machine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/cgroup"
)

// rootHelper makes this program a machine that makes its root and looks around; its value is the Spec.
const rootHelper = "SPARKCHAOS_TEST_ROOT"

func TestMain(m *testing.M) {
	if spec := os.Getenv(rootHelper); spec != "" {
		if err := lookAround(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// inside is what a machine finds.
type inside struct {
	Host     string            // whether a directory of the host is seen
	Hostname string            // content of /etc/hostname
	Shared   string            // content of /srv/shared/seen
	Null     bool              // /dev/null is the device
	Groups   map[string]string // what making a group came to, by the group
}

func lookAround(encoded string) error {
	var spec Spec
	if err := json.Unmarshal([]byte(encoded), &spec); err != nil {
		return err
	}
	host := filepath.Dir(spec.Disk)
	if err := makeRoot(spec); err != nil {
		return err
	}
	found := inside{Groups: map[string]string{}}
	_, err := os.Lstat(host)
	found.Host = fmt.Sprint(err)
	for path, content := range map[string]*string{"/etc/hostname": &found.Hostname, "/srv/shared/seen": &found.Shared} {
		read, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		*content = string(read)
	}
	null, err := os.Stat("/dev/null")
	found.Null = err == nil && null.Mode()&os.ModeCharDevice != 0
	groups, err := cgroup.Of("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, hierarchy := range groups.Hierarchies {
		if strings.HasSuffix(hierarchy.Mount, spec.Cgroup) || seen[hierarchy.Mount] {
			continue // the machine's own part of a hierarchy
		}
		seen[hierarchy.Mount] = true
		for name, parent := range map[string]string{"own": spec.Cgroup, "parent": filepath.Dir(spec.Cgroup), "root": "/"} {
			probe := filepath.Join(hierarchy.Mount, parent, "probe")
			err := os.Mkdir(probe, 0o755)
			switch {
			case err == nil:
				found.Groups[name] += " made"
				err = os.Remove(probe)
			case errors.Is(err, unix.EROFS):
				found.Groups[name] += " read-only"
				err = nil
			}
			if err != nil {
				return err
			}
		}
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

// asMachine runs makeRoot in namespaces of its own and returns what was found there.
func asMachine(t *testing.T, spec Spec) (inside, error) {
	t.Helper()
	encoded, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(executable)
	command.Env = append(os.Environ(), rootHelper+"="+string(encoded))
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
	}
	var said bytes.Buffer
	command.Stderr = &said
	out, err := command.Output()
	if err != nil {
		return inside{}, fmt.Errorf("%w: %s", err, said.String())
	}
	var found inside
	return found, json.Unmarshal(out, &found)
}

func place(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// contents returns the contents of all files below a directory.
func contents(t *testing.T, directory string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(directory, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			found[path] = "directory"
			return err
		}
		content, err := os.ReadFile(path)
		found[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A pod that can write to its node's disk leaves links there; the next boot of the machine, as root, must follow none of them to the
// host. And a machine writes to its own control groups alone.
func TestTheRootIsMadeFromInside(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("SPARKCHAOS_CLUSTER_TESTS") != "" {
			t.Fatal("needs root")
		}
		t.Skip("makes a machine's root: needs root")
	}
	groups, err := cgroup.Of("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	top := fmt.Sprintf("/sparkchaos-test-%d", os.Getpid())
	group := top + "/cluster/machine-1"
	if err := groups.Make(group); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := groups.Remove(context.Background(), top); err != nil {
			t.Error(err)
		}
	})
	hierarchies := len(ownGroups(groups, group))
	if hierarchies == 0 {
		t.Fatal("no hierarchy of control groups is below " + groupRoot)
	}
	for name, links := range map[string]map[string]string{
		"a new disk":  {},
		"files":       {"etc/hostname": "host/passwd", "etc/passwd": "host/made", "usr/x": "host/passwd"},
		"directories": {"etc": "host", "var": "host", "srv/shared": "host", "run": "host", "dev": "host", "usr": "host", "tmp": "host"},
		"what holds the files": {"etc/kubernetes": "host", "var/log": "host", "sys": "host", "proc": "host", "bin": "host", "opt": "host",
			"srv": "host"},
	} {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			place(t, filepath.Join(base, "host", "passwd"), "root")
			place(t, filepath.Join(base, "shared", "seen"), "by all")
			disk := filepath.Join(base, "disk")
			if err := os.Mkdir(disk, 0o755); err != nil {
				t.Fatal(err)
			}
			for link, to := range links {
				path := filepath.Join(disk, link)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(filepath.Join(base, to), path)); err != nil {
					t.Fatal(err)
				}
			}
			before := contents(t, filepath.Join(base, "host"))
			spec := Spec{
				Name: "machine-1", Disk: disk, Cgroup: group,
				Mounts: []Mount{{Source: filepath.Join(base, "shared"), Target: "/srv/shared"},
					{Source: filepath.Join(base, "shared"), Target: "/opt/tools/bin"}},
				Files: map[string]string{"/etc/hostname": "machine-1\n", "/etc/kubernetes/kubelet.kubeconfig": "secret", "/var/lib/x/y": "z"},
			}
			found, err := asMachine(t, spec)
			if diff := cmp.Diff(before, contents(t, filepath.Join(base, "host"))); diff != "" {
				t.Errorf("files of the host were changed:\n%s", diff)
			}
			if err != nil {
				// A parent that is a link to nowhere may keep the machine from booting.
				if name == "a new disk" || name == "files" {
					t.Error(err)
				}
				return
			}
			want := inside{
				Host: "lstat " + base + ": no such file or directory", Hostname: "machine-1\n", Shared: "by all", Null: true,
				Groups: map[string]string{
					"own": strings.Repeat(" made", hierarchies), "parent": strings.Repeat(" read-only", hierarchies),
					"root": strings.Repeat(" read-only", hierarchies),
				},
			}
			if diff := cmp.Diff(want, found); diff != "" {
				t.Errorf("the machine finds (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOwnGroupsInEveryLayout(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		mounts []string
		want   []string
	}{
		"v2": {[]string{"/sys/fs/cgroup"}, []string{"/sys/fs/cgroup/sparkchaos/c/n"}},
		"v1": {[]string{"/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu,cpuacct"},
			[]string{"/sys/fs/cgroup/cpu,cpuacct/sparkchaos/c/n", "/sys/fs/cgroup/memory/sparkchaos/c/n"}},
		"hybrid": {[]string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids"},
			[]string{"/sys/fs/cgroup/pids/sparkchaos/c/n", "/sys/fs/cgroup/unified/sparkchaos/c/n"}},
		"elsewhere": {[]string{"/mnt/cgroup", "/sys/fs/cgroup2"}, nil},
	} {
		var host cgroup.Host
		for _, mount := range tt.mounts {
			host.Hierarchies = append(host.Hierarchies, cgroup.Hierarchy{Mount: mount})
		}
		if diff := cmp.Diff(tt.want, ownGroups(host, "/sparkchaos/c/n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
