//go:build linux

package cgroup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Mounts as recorded on hosts of the three kinds, with %s for the directory that stands for /sys/fs/cgroup.
const (
	mountsV1 = `25 20 0:22 / %[1]s ro,nosuid - tmpfs tmpfs ro,mode=755
26 25 0:23 / %[1]s/systemd rw,nosuid shared:9 - cgroup cgroup rw,xattr,release_agent=/lib/systemd/systemd-cgroups-agent,name=systemd
30 25 0:27 / %[1]s/cpu,cpuacct rw,nosuid shared:14 - cgroup cgroup rw,cpu,cpuacct
31 25 0:28 / %[1]s/cpuset rw,nosuid shared:15 - cgroup cgroup rw,cpuset,clone_children
32 25 0:29 / %[1]s/freezer rw,nosuid shared:16 - cgroup cgroup rw,freezer
`
	mountsHybrid = mountsV1 + `33 25 0:30 / %[1]s/unified rw,nosuid shared:17 - cgroup2 cgroup2 rw,nsdelegate
`
	mountsV2 = `25 20 0:22 / %[1]s rw,nosuid,nodev shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
40 20 0:40 / /mnt/with\040blank rw - ext4 /dev/vda rw
`
)

// tree makes what the kernel would show in a fresh hierarchy.
func tree(t *testing.T, mounts string) (Host, string) {
	t.Helper()
	root := t.TempDir()
	host, err := Detect(strings.NewReader(fmt.Sprintf(mounts, root)))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range host.Hierarchies {
		files := map[string]string{"cgroup.procs": "1\n"}
		if h.Unified {
			files["cgroup.controllers"], files["cgroup.subtree_control"] = "cpu memory pids\n", ""
		}
		if slices.Contains(h.Controllers, "cpuset") {
			files["cpuset.cpus"], files["cpuset.mems"] = "0-7\n", "0\n"
		}
		write(t, h.Mount, files)
	}
	return host, root
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestDetect(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		mounts string
		kind   string
		want   []Hierarchy
	}{
		"v1": {mountsV1, "v1", []Hierarchy{
			{Mount: "/c/systemd", Controllers: []string{"name=systemd"}},
			{Mount: "/c/cpu,cpuacct", Controllers: []string{"cpu", "cpuacct"}},
			{Mount: "/c/cpuset", Controllers: []string{"cpuset"}},
			{Mount: "/c/freezer", Controllers: []string{"freezer"}},
		}},
		"hybrid": {mountsHybrid, "hybrid", []Hierarchy{
			{Mount: "/c/systemd", Controllers: []string{"name=systemd"}},
			{Mount: "/c/cpu,cpuacct", Controllers: []string{"cpu", "cpuacct"}},
			{Mount: "/c/cpuset", Controllers: []string{"cpuset"}},
			{Mount: "/c/freezer", Controllers: []string{"freezer"}},
			{Mount: "/c/unified", Unified: true},
		}},
		"v2": {mountsV2, "v2", []Hierarchy{{Mount: "/c", Unified: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host, err := Detect(strings.NewReader(fmt.Sprintf(tt.mounts, "/c")))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, host.Hierarchies); diff != "" || host.Kind() != tt.kind {
				t.Errorf("kind %s, want %s\n%s", host.Kind(), tt.kind, diff)
			}
		})
	}
	if _, err := Detect(strings.NewReader("1 2 3:4 / / rw - ext4 /dev/vda rw\n")); err == nil ||
		!strings.Contains(err.Error(), "no cgroup file system") {
		t.Errorf("a host without control groups: %v", err)
	}
}

func TestUnescape(t *testing.T) {
	t.Parallel()
	h, ok := parseMount(`33 25 0:30 / /with\040blank\134 rw - cgroup2 cgroup2 rw`)
	if !ok || h.Mount != `/with blank\` {
		t.Errorf("%+v, %v", h, ok)
	}
}

func FuzzDetect(f *testing.F) {
	f.Add(fmt.Sprintf(mountsHybrid, "/sys/fs/cgroup"))
	f.Add(fmt.Sprintf(mountsV2, "/sys/fs/cgroup"))
	f.Add("- - - - - - - -")
	f.Fuzz(func(t *testing.T, mounts string) {
		host, err := Detect(strings.NewReader(mounts))
		if (err == nil) != (len(host.Hierarchies) > 0) {
			t.Errorf("%d hierarchies and error %v", len(host.Hierarchies), err)
		}
	})
}

func TestMakeInV1InheritsTheCPUSet(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	cpuset := Hierarchy{Mount: root, Controllers: []string{"cpuset"}}
	write(t, root, map[string]string{"cpuset.cpus": "0-7\n", "cpuset.mems": "0\n"})
	// The kernel makes these files with a group; here they are made beforehand, empty as the kernel leaves them.
	write(t, filepath.Join(root, "a"), map[string]string{"cpuset.cpus": "", "cpuset.mems": ""})
	write(t, filepath.Join(root, "a/b"), map[string]string{"cpuset.cpus": "3\n", "cpuset.mems": ""})
	if err := cpuset.make("/a/b"); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"a/cpuset.cpus": "0-7", "a/cpuset.mems": "0", "a/b/cpuset.cpus": "3\n", "a/b/cpuset.mems": "0"} {
		if got := read(t, filepath.Join(root, file)); got != want {
			t.Errorf("%s is %q, want %q", file, got, want)
		}
	}
}

func TestMakeInV2HandsControllersDown(t *testing.T) {
	t.Parallel()
	host, root := tree(t, mountsV2)
	write(t, filepath.Join(root, "a"), map[string]string{"cgroup.controllers": "cpu memory\n", "cgroup.subtree_control": ""})
	if err := host.Make("/a/b"); err != nil {
		t.Fatal(err)
	}
	// Each controller is a write of its own, the last one stands: a plain file keeps no more.
	for file, want := range map[string]string{"cgroup.subtree_control": "+pids", "a/cgroup.subtree_control": "+memory"} {
		if got := read(t, filepath.Join(root, file)); got != want {
			t.Errorf("%s is %q, want %q", file, got, want)
		}
	}
	if !host.Exists("/a/b") {
		t.Error("the group was not made")
	}
}

func TestWeighWritesWhereTheControllerIs(t *testing.T) {
	t.Parallel()
	for mounts, want := range map[string]map[string]string{
		mountsV2:     {"a/cpu.weight": "800"},
		mountsHybrid: {"cpu,cpuacct/a/cpu.shares": "8192"},
	} {
		host, root := tree(t, mounts)
		for file := range want {
			write(t, filepath.Join(root, filepath.Dir(file)), map[string]string{filepath.Base(file): "1"})
		}
		if err := host.Weigh("/a", 8); err != nil {
			t.Fatal(err)
		}
		for file, weight := range want {
			if got := read(t, filepath.Join(root, file)); got != weight {
				t.Errorf("%s is %q, want %q", file, got, weight)
			}
		}
		if err := host.Weigh("/absent", 8); err != nil {
			t.Errorf("a host without the controller: %v", err)
		}
	}
}

func TestEnterWritesToEveryHierarchy(t *testing.T) {
	t.Parallel()
	host, root := tree(t, mountsHybrid)
	for _, h := range host.Hierarchies {
		write(t, filepath.Join(h.Mount, "a"), nil)
	}
	if err := host.Enter("/a", 42); err != nil {
		t.Fatal(err)
	}
	for _, h := range []string{"systemd", "cpu,cpuacct", "cpuset", "freezer", "unified"} {
		if got := read(t, filepath.Join(root, h, "a/cgroup.procs")); got != "42" {
			t.Errorf("%s: %q", h, got)
		}
	}
}

func TestProcessesOfAGroupAndBelow(t *testing.T) {
	t.Parallel()
	host, root := tree(t, mountsHybrid)
	self := os.Getpid()
	write(t, filepath.Join(root, "freezer/a/pod"), map[string]string{"cgroup.procs": fmt.Sprintf("%d\n", self)})
	write(t, filepath.Join(root, "unified/a"), map[string]string{"cgroup.procs": fmt.Sprintf("%d\n0\nx\n999999999\n", self)})
	if diff := cmp.Diff([]int{self}, host.Processes("/a")); diff != "" {
		t.Errorf("processes, without those that do not exist: %s", diff)
	}
	if got := host.Processes("/none"); len(got) != 0 {
		t.Errorf("of a group that does not exist: %v", got)
	}
	if diff := cmp.Diff([]string{"pod"}, host.Children("/a")); diff != "" {
		t.Error(diff)
	}
}

func TestFreezerIsV2sBeforeV1s(t *testing.T) {
	t.Parallel()
	for mounts, want := range map[string]string{mountsV1: "freezer", mountsHybrid: "unified", mountsV2: ""} {
		host, root := tree(t, mounts)
		h, err := host.freezer()
		if err != nil || h.Mount != filepath.Join(root, want) {
			t.Errorf("freezer %q, %v; want %q", h.Mount, err, want)
		}
	}
	none := Host{Hierarchies: []Hierarchy{{Mount: "/x", Controllers: []string{"cpu"}}}}
	if err := none.Freeze(context.Background(), "/a"); err == nil || !strings.Contains(err.Error(), "can freeze nothing") {
		t.Errorf("without a freezer: %v", err)
	}
}

func TestFrozenIsWhatTheKernelSays(t *testing.T) {
	t.Parallel()
	v1, root1 := tree(t, mountsV1)
	v2, root2 := tree(t, mountsV2)
	for _, tt := range []struct {
		host          Host
		file, content string
		want          bool
	}{
		{v1, filepath.Join(root1, "freezer/a"), "FROZEN", true},
		{v1, filepath.Join(root1, "freezer/a"), "FREEZING", false}, // some have not stopped yet
		{v1, filepath.Join(root1, "freezer/a"), "THAWED", false},
		{v2, filepath.Join(root2, "a"), "populated 1\nfrozen 1\n", true},
		{v2, filepath.Join(root2, "a"), "populated 1\nfrozen 0\n", false},
	} {
		write(t, tt.file, map[string]string{"freezer.state": tt.content, "cgroup.events": tt.content})
		if got, err := tt.host.Frozen("/a"); err != nil || got != tt.want {
			t.Errorf("%q: %v, %v; want %v", tt.content, got, err, tt.want)
		}
	}
}

func TestRemoveDepthFirstAndAbsentIsNoError(t *testing.T) {
	t.Parallel()
	host, root := tree(t, mountsHybrid)
	for _, h := range host.Hierarchies {
		write(t, filepath.Join(h.Mount, "a/b/c"), nil)
	}
	for range 2 {
		if err := host.Remove(context.Background(), "/a"); err != nil {
			t.Fatal(err)
		}
	}
	if host.Exists("/a") {
		t.Errorf("still there below %s", root)
	}
}

func TestKillOfAnAbsentGroupIsDone(t *testing.T) {
	t.Parallel()
	host, _ := tree(t, mountsV2)
	if err := host.Kill(context.Background(), "/none"); err != nil {
		t.Error(err)
	}
}
