//go:build linux

package embedded

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// rootlessControllers are those of cgroup v2 that kubelet needs.
func rootlessControllers() []string { return []string{"cpu", "cpuset", "memory", "pids"} }

// rootlessNote says what this machine lacks of what machines without root would be made of. root is the host's "/".
func rootlessNote(root fs.FS, uid int, lookPath func(string) (string, error)) string {
	lacks := slices.Concat(lacksUserNamespaces(root), lacksSubordinates(root, uid, lookPath), lacksDelegation(root))
	if len(lacks) == 0 {
		return "without root: this machine has user namespaces and delegated control groups, but embedded clusters cannot use them yet " +
			"(docs/rootless.md)"
	}
	return "without root embedded clusters do not work yet; this machine would lack for it (docs/rootless.md): " + strings.Join(lacks, "; ")
}

// setting returns a file's content without the space around it; empty if it cannot be read.
func setting(root fs.FS, name string) string {
	content, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}

func lacksUserNamespaces(root fs.FS) []string {
	var lacks []string
	if limit := setting(root, "proc/sys/user/max_user_namespaces"); limit == "" || limit == "0" {
		lacks = append(lacks, "user namespaces (sysctl user.max_user_namespaces is 0 or missing)")
	}
	if setting(root, "proc/sys/kernel/unprivileged_userns_clone") == "0" {
		lacks = append(lacks, "user namespaces for all users (`sysctl kernel.unprivileged_userns_clone=1`)")
	}
	if setting(root, "proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" {
		lacks = append(lacks, "an AppArmor profile that allows user namespaces, or `sysctl kernel.apparmor_restrict_unprivileged_userns=0`")
	}
	return lacks
}

func lacksSubordinates(root fs.FS, uid int, lookPath func(string) (string, error)) []string {
	var lacks []string
	for _, program := range []string{"newuidmap", "newgidmap"} {
		if _, err := lookPath(program); err != nil {
			lacks = append(lacks, "the program "+program+" (Debian's package uidmap)")
		}
	}
	for _, file := range []string{"etc/subuid", "etc/subgid"} {
		if !hasSubordinates(setting(root, file), userName(root, uid), fmt.Sprint(uid)) {
			lacks = append(lacks, fmt.Sprintf("65536 subordinate IDs for user %d in /%s", uid, file))
		}
	}
	return lacks
}

// hasSubordinates reports whether a file like /etc/subuid (subuid(5)) gives enough IDs to a user.
func hasSubordinates(file string, users ...string) bool {
	for line := range strings.Lines(file) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		var count int
		if len(fields) == 3 && fields[0] != "" && slices.Contains(users, fields[0]) {
			if _, err := fmt.Sscan(fields[2], &count); err == nil && count >= 65536 {
				return true
			}
		}
	}
	return false
}

// userName returns the name of a user by passwd(5); empty if there is none.
func userName(root fs.FS, uid int) string {
	for line := range strings.Lines(setting(root, "etc/passwd")) {
		if fields := strings.Split(line, ":"); len(fields) > 2 && fields[2] == fmt.Sprint(uid) {
			return fields[0]
		}
	}
	return ""
}

func lacksDelegation(root fs.FS) []string {
	if setting(root, "sys/fs/cgroup/cgroup.controllers") == "" {
		return []string{"cgroup v2 alone at /sys/fs/cgroup (boot with systemd.unified_cgroup_hierarchy=1)"}
	}
	own := ""
	for line := range strings.Lines(setting(root, "proc/self/cgroup")) {
		if group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			own = strings.TrimPrefix(group, "/")
		}
	}
	handed := strings.Fields(setting(root, path.Join("sys/fs/cgroup", own, "cgroup.controllers")))
	var lacks []string
	for _, controller := range rootlessControllers() {
		if !slices.Contains(handed, controller) {
			lacks = append(lacks, controller)
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the controllers %s in the control group /%s of this process (systemd: Delegate=yes for user@.service)",
		strings.Join(lacks, ", "), own)}
}
