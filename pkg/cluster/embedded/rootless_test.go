//go:build linux

package embedded

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
)

func TestRootlessNoteNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	whole := map[string]string{
		"proc/sys/user/max_user_namespaces":                             "96365\n",
		"proc/self/cgroup":                                              "0::/user.slice/user@1000.service\n",
		"sys/fs/cgroup/cgroup.controllers":                              "cpuset cpu io memory pids\n",
		"sys/fs/cgroup/user.slice/user@1000.service/cgroup.controllers": "cpuset cpu memory pids\n",
		"etc/passwd": "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n",
		"etc/subuid": "bob:100000:65536\nann:165536:65536\n", "etc/subgid": "1000:165536:65536\n",
	}
	for name, tt := range map[string]struct {
		change map[string]string // empty: the file is not there
		absent string            // a program
		says   []string
	}{
		"nothing":            {says: []string{"has user namespaces and delegated control groups, but"}},
		"no user namespaces": {change: map[string]string{"proc/sys/user/max_user_namespaces": "0\n"}, says: []string{"user.max_user_namespaces"}},
		"Debian's switch": {change: map[string]string{"proc/sys/kernel/unprivileged_userns_clone": "0\n"},
			says: []string{"kernel.unprivileged_userns_clone=1"}},
		"Ubuntu's AppArmor": {change: map[string]string{"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"},
			says: []string{"kernel.apparmor_restrict_unprivileged_userns=0"}},
		"a program": {absent: "newgidmap", says: []string{"the program newgidmap"}},
		"too few IDs, and none": {change: map[string]string{"etc/subuid": "ann:165536:1000\n", "etc/subgid": ""},
			says: []string{"65536 subordinate IDs for user 1000 in /etc/subuid", "in /etc/subgid"}},
		"cgroup v1": {change: map[string]string{"sys/fs/cgroup/cgroup.controllers": ""}, says: []string{"cgroup v2 alone"}},
		"not delegated": {change: map[string]string{"sys/fs/cgroup/user.slice/user@1000.service/cgroup.controllers": "memory pids\n"},
			says: []string{"the controllers cpu, cpuset in the control group /user.slice/user@1000.service"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := maps.Clone(whole)
			maps.Copy(files, tt.change)
			root := fstest.MapFS{}
			for name, content := range files {
				if content != "" {
					root[name] = &fstest.MapFile{Data: []byte(content)}
				}
			}
			note := rootlessNote(root, 1000, func(program string) (string, error) {
				if program == tt.absent {
					return "", errors.New("not found")
				}
				return "/usr/bin/" + program, nil
			})
			for _, words := range tt.says {
				if !strings.Contains(note, words) {
					t.Errorf("it says %q, want %q in it", note, words)
				}
			}
			if lacks := strings.Count(note, ";"); len(tt.change)+len(tt.absent) > 0 && lacks > len(tt.says) {
				t.Errorf("it names more than is missing: %q", note)
			}
		})
	}
}
