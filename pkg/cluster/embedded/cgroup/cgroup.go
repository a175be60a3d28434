//go:build linux

// Package cgroup makes, fills, freezes, empties and removes control groups on hosts with cgroup v1, v2 or both
// (hybrid). A path such as /sparkchaos/lab/worker-1 stands for that group in every hierarchy of the host, because
// kubelet and runc expect a group to exist in all of them.
package cgroup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/wait"
)

// Hierarchy is one mounted tree of control groups.
type Hierarchy struct {
	Mount       string   // where it is mounted, e.g. /sys/fs/cgroup/memory
	Unified     bool     // cgroup v2
	Controllers []string // of a v1 hierarchy: the mount's options that name controllers
}

// Host is all hierarchies of a host.
type Host struct {
	Hierarchies []Hierarchy
}

// Detect reads the hierarchies from a mountinfo file (proc_pid_mountinfo(5)), as seen from the calling process.
func Detect(mountinfo io.Reader) (Host, error) {
	var host Host
	seen := map[string]bool{}
	lines := bufio.NewScanner(mountinfo)
	for lines.Scan() {
		h, ok := parseMount(lines.Text())
		if !ok || seen[h.Mount] {
			continue
		}
		seen[h.Mount] = true
		host.Hierarchies = append(host.Hierarchies, h)
	}
	if err := lines.Err(); err != nil {
		return Host{}, fmt.Errorf("read the mounts of this host: %w", err)
	}
	if len(host.Hierarchies) == 0 {
		return Host{}, errors.New("no cgroup file system is mounted on this host: expected cgroup2 at /sys/fs/cgroup, or cgroup v1 hierarchies " +
			"below it; mount them (a systemd host does) and try again")
	}
	return host, nil
}

// parseMount takes "36 35 98:0 /root /mount/point opts... - fstype source superopts" apart.
func parseMount(line string) (Hierarchy, bool) {
	before, after, ok := strings.Cut(line, " - ")
	if !ok {
		return Hierarchy{}, false
	}
	left, right := strings.Fields(before), strings.Fields(after)
	if len(left) < 5 || len(right) < 3 {
		return Hierarchy{}, false
	}
	switch right[0] {
	case "cgroup2":
		return Hierarchy{Mount: unescape(left[4]), Unified: true}, true
	case "cgroup":
		return Hierarchy{Mount: unescape(left[4]), Controllers: controllersOf(right[2])}, true
	default:
		return Hierarchy{}, false
	}
}

func controllersOf(superOptions string) []string {
	var controllers []string
	for _, option := range strings.Split(superOptions, ",") {
		switch {
		case option == "rw", option == "ro", option == "xattr", option == "noprefix", option == "clone_children", strings.HasPrefix(option,
			"release_agent="):
		default:
			controllers = append(controllers, option)
		}
	}
	return controllers
}

// unescape undoes the octal escapes that mountinfo uses for blanks and backslashes.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// Of returns the hierarchies of the host on which the process runs.
func Of(mountinfoPath string) (Host, error) {
	f, err := os.Open(mountinfoPath)
	if err != nil {
		return Host{}, fmt.Errorf("read the mounts of this host: %w", err)
	}
	defer func() { _ = f.Close() }() // opened for reading only
	return Detect(f)
}

// Kind says in a word what the host has: "v1", "v2" or "hybrid".
func (h Host) Kind() string {
	var v1, v2 bool
	for _, hierarchy := range h.Hierarchies {
		v1 = v1 || !hierarchy.Unified
		v2 = v2 || hierarchy.Unified
	}
	switch {
	case v1 && v2:
		return "hybrid"
	case v2:
		return "v2"
	default:
		return "v1"
	}
}

// Make makes the group in every hierarchy, with its parents. Members of a v1 cpuset get their parent's CPUs and memory
// nodes, without which no process may enter; on cgroup v2 all controllers are handed down to it.
func (h Host) Make(path string) error {
	var errs []error
	for _, hierarchy := range h.Hierarchies {
		if err := hierarchy.make(path); err != nil {
			errs = append(errs, fmt.Errorf("make the cgroup %s: %w", path, err))
		}
	}
	return errors.Join(errs...)
}

func (h Hierarchy) make(path string) error {
	dir := h.Mount
	for _, part := range strings.Split(strings.Trim(path, "/"), "/") {
		if h.Unified {
			if err := h.delegate(dir); err != nil {
				return err
			}
		}
		child := filepath.Join(dir, part)
		if err := os.Mkdir(child, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if slices.Contains(h.Controllers, "cpuset") {
			if err := inheritCPUSet(dir, child); err != nil {
				return err
			}
		}
		dir = child
	}
	return nil
}

// delegate hands every controller of a v2 group down to its children. A hybrid's unified tree has none to hand down.
func (h Hierarchy) delegate(dir string) error {
	available, err := readTrimmed(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	var errs []error
	for _, controller := range strings.Fields(available) {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0o644); err != nil {
			errs = append(errs, fmt.Errorf("hand the controller %s of %s down: %w", controller, dir, err))
		}
	}
	return errors.Join(errs...)
}

func inheritCPUSet(parent, child string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		own, err := readTrimmed(filepath.Join(child, name))
		if err != nil {
			return err
		}
		if own != "" {
			continue
		}
		inherited, err := readTrimmed(filepath.Join(parent, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(child, name), []byte(inherited), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Weigh gives the group so many times the CPU that a group or process of the usual weight beside it gets while both want it. Where the
// host has no controller for that it does nothing.
func (h Host) Weigh(path string, times int) error {
	const usualShares, usualWeight = 1024, 100 // of v1 and v2
	for _, hierarchy := range h.Hierarchies {
		file, weight := filepath.Join(hierarchy.Mount, path, "cpu.shares"), usualShares*times
		if hierarchy.Unified {
			file, weight = filepath.Join(hierarchy.Mount, path, "cpu.weight"), usualWeight*times
		}
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			continue // the controller is in another hierarchy, or in none
		}
		if err := os.WriteFile(file, []byte(strconv.Itoa(weight)), 0o644); err != nil {
			return fmt.Errorf("weigh the cgroup %s: %w", path, err)
		}
	}
	return nil
}

// Enter moves a process into the group in every hierarchy.
func (h Host) Enter(path string, pid int) error {
	var errs []error
	for _, hierarchy := range h.Hierarchies {
		procs := filepath.Join(hierarchy.Mount, path, "cgroup.procs")
		if err := os.WriteFile(procs, []byte(strconv.Itoa(pid)), 0o644); err != nil {
			errs = append(errs, fmt.Errorf("move process %d into the cgroup %s: %w", pid, path, err))
		}
	}
	return errors.Join(errs...)
}

// Exists reports whether any hierarchy has the group.
func (h Host) Exists(path string) bool {
	return slices.ContainsFunc(h.Hierarchies, func(hierarchy Hierarchy) bool {
		_, err := os.Stat(filepath.Join(hierarchy.Mount, path))
		return err == nil
	})
}

// Children returns the names of the groups right below path, in any hierarchy, sorted.
func (h Host) Children(path string) []string {
	names := map[string]bool{}
	for _, hierarchy := range h.Hierarchies {
		entries, err := os.ReadDir(filepath.Join(hierarchy.Mount, path))
		if err != nil {
			continue // the group does not exist in this hierarchy
		}
		for _, entry := range entries {
			if entry.IsDir() {
				names[entry.Name()] = true
			}
		}
	}
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	sort.Strings(sorted)
	return sorted
}

// Processes returns the processes of the group and of all groups below it, by PID. Zombies are not members of a
// group for this purpose: they hold nothing and run nothing.
func (h Host) Processes(path string) []int {
	members := map[int]bool{}
	for _, hierarchy := range h.Hierarchies {
		for _, dir := range hierarchy.subtree(path) {
			procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
			if err != nil {
				continue // removed meanwhile: nobody is in it
			}
			for _, field := range strings.Fields(string(procs)) {
				if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
					members[pid] = true
				}
			}
		}
	}
	var pids []int
	for pid := range members {
		if !zombie(pid) {
			pids = append(pids, pid)
		}
	}
	sort.Ints(pids)
	return pids
}

// subtree returns the group's directory and those below it, parents first.
func (h Hierarchy) subtree(path string) []string {
	var dirs []string
	_ = filepath.WalkDir(filepath.Join(h.Mount, path), func(dir string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fs.SkipDir // removed meanwhile
		}
		if entry.IsDir() {
			dirs = append(dirs, dir)
		}
		return nil
	})
	return dirs
}

func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	// The state follows the command's name, which stands in parentheses and may itself contain some.
	_, after, ok := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	return ok && (strings.HasPrefix(after, "Z") || strings.HasPrefix(after, "X"))
}

// freezer returns the hierarchy that freezes: v2's, which can kill what it froze, before v1's.
func (h Host) freezer() (Hierarchy, error) {
	for _, hierarchy := range h.Hierarchies {
		if hierarchy.Unified {
			return hierarchy, nil
		}
	}
	for _, hierarchy := range h.Hierarchies {
		if slices.Contains(hierarchy.Controllers, "freezer") {
			return hierarchy, nil
		}
	}
	return Hierarchy{}, errors.New(
		"this host can freeze nothing: expected cgroup v2 or the v1 controller freezer, found neither; mount one of them")
}

// Freeze stops every process of the group and below and returns when the kernel says that all have stopped.
func (h Host) Freeze(ctx context.Context, path string) error { return h.setFrozen(ctx, path, true) }

// Thaw lets the processes of the group continue.
func (h Host) Thaw(ctx context.Context, path string) error { return h.setFrozen(ctx, path, false) }

func (h Host) setFrozen(ctx context.Context, path string, frozen bool) error {
	freezer, err := h.freezer()
	if err != nil {
		return err
	}
	file, value := filepath.Join(freezer.Mount, path, "freezer.state"), map[bool]string{true: "FROZEN", false: "THAWED"}[frozen]
	if freezer.Unified {
		file, value = filepath.Join(freezer.Mount, path, "cgroup.freeze"), map[bool]string{true: "1", false: "0"}[frozen]
	}
	if err := os.WriteFile(file, []byte(value), 0o644); err != nil {
		return fmt.Errorf("write %s to the freezer of the cgroup %s: %w", value, path, err)
	}
	return poll(ctx, func() (bool, error) {
		now, err := h.Frozen(path)
		return now == frozen, err
	})
}

// Frozen reports whether all processes of the group have stopped.
func (h Host) Frozen(path string) (bool, error) {
	freezer, err := h.freezer()
	if err != nil {
		return false, err
	}
	if !freezer.Unified {
		state, err := readTrimmed(filepath.Join(freezer.Mount, path, "freezer.state"))
		return state == "FROZEN", err
	}
	events, err := readTrimmed(filepath.Join(freezer.Mount, path, "cgroup.events"))
	return slices.Contains(strings.Split(events, "\n"), "frozen 1"), err
}

// Kill ends every process of the group and below at once, frozen ones too, and returns when none is left.
func (h Host) Kill(ctx context.Context, path string) error {
	if !h.Exists(path) {
		return nil
	}
	err := poll(ctx, func() (bool, error) {
		members := h.Processes(path)
		h.kill(path, members)
		return len(members) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("end the processes of the cgroup %s: still there: %v: %w", path, h.Processes(path), err)
	}
	return nil
}

func (h Host) kill(path string, members []int) {
	for _, hierarchy := range h.Hierarchies {
		if hierarchy.Unified {
			// Kernels before 5.14 lack the file; the signals below do then.
			_ = os.WriteFile(filepath.Join(hierarchy.Mount, path, "cgroup.kill"), []byte("1"), 0o644)
		}
	}
	h.signal(path, members)
	for _, hierarchy := range h.Hierarchies {
		if slices.Contains(hierarchy.Controllers, "freezer") {
			// A v1 freezer holds even a killed process until it is thawed.
			_ = os.WriteFile(filepath.Join(hierarchy.Mount, path, "freezer.state"), []byte("THAWED"), 0o644)
		}
	}
}

// signal kills members of the group. A number of a process may be another's by the time that it is used: so each process is held by a
// descriptor first, and is killed only if the group has it still.
func (h Host) signal(path string, members []int) {
	held := map[int]int{}
	for _, pid := range members {
		if fd, err := unix.PidfdOpen(pid, 0); err == nil { // else it is gone, as is wanted
			held[pid] = fd
		}
	}
	still := h.Processes(path)
	for pid, fd := range held {
		if slices.Contains(still, pid) {
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // gone already is what is wanted
		}
		_ = unix.Close(fd)
	}
}

// Has reports whether the host has a controller, in a hierarchy of its own or handed down from the unified tree.
func (h Host) Has(controller string) bool {
	return slices.ContainsFunc(h.Hierarchies, func(hierarchy Hierarchy) bool {
		if !hierarchy.Unified {
			return slices.Contains(hierarchy.Controllers, controller)
		}
		available, err := readTrimmed(filepath.Join(hierarchy.Mount, "cgroup.controllers"))
		return err == nil && slices.Contains(strings.Fields(available), controller)
	})
}

// removeTimeout is how long the kernel may take to let go of a group whose processes have ended: the threads of a
// zombie leave one by one.
const removeTimeout = 10 * time.Second

// Remove removes the group and all below it from every hierarchy; its processes must have ended. Absent is no error.
func (h Host) Remove(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	var last error
	err := poll(ctx, func() (bool, error) {
		last = h.remove(path)
		if errors.Is(last, syscall.EBUSY) {
			return false, nil
		}
		return true, last
	})
	if err != nil && last != nil {
		return fmt.Errorf("remove the cgroup %s, in which are the processes %v: %w", path, h.Processes(path), last)
	}
	return err
}

// remove returns the first thing that could not be removed.
func (h Host) remove(path string) error {
	for _, hierarchy := range h.Hierarchies {
		dirs := hierarchy.subtree(path)
		slices.Reverse(dirs)
		for _, dir := range dirs {
			if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// RemoveEmpty removes the group's parents as far as they have become empty, up to and including top.
func (h Host) RemoveEmpty(top string) {
	for _, hierarchy := range h.Hierarchies {
		_ = os.Remove(filepath.Join(hierarchy.Mount, top)) // not empty: somebody else's groups are in it
	}
}

// poll asks every few milliseconds until done, an error, or the context's end.
func poll(ctx context.Context, done func() (bool, error)) error {
	return wait.PollUntilContextCancel(ctx, 5*time.Millisecond, true, func(context.Context) (bool, error) { return done() })
}

func readTrimmed(file string) (string, error) {
	content, err := os.ReadFile(file)
	return strings.TrimSpace(string(content)), err
}
