//go:build linux

package kind

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// process is a process of this machine; the start time distinguishes it from a later one with the same number.
type process struct {
	pid     int
	parent  int
	name    string
	started string // clock ticks since boot
}

// alive reports whether the very process still runs.
func (p process) alive() bool {
	now, err := readProcess(p.pid)
	return err == nil && now.started == p.started
}

// readProcess reads /proc/PID/stat.
func readProcess(pid int) (process, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, err
	}
	return parseStat(pid, stat)
}

// parseStat reads the fields of /proc/PID/stat (proc_pid_stat(5)). The name may hold spaces and brackets.
func parseStat(pid int, stat []byte) (process, error) {
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return process{}, fmt.Errorf("/proc/%d/stat is %q: expected a name in brackets", pid, stat)
	}
	const parent, startTime = 1, 19 // counted from the field after the name
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) <= startTime {
		return process{}, fmt.Errorf("/proc/%d/stat has %d fields after the name: expected more than %d", pid, len(fields), startTime)
	}
	number, err := strconv.Atoi(fields[parent])
	if err != nil {
		return process{}, fmt.Errorf("/proc/%d/stat: the parent is %q: %w", pid, fields[parent], err)
	}
	return process{pid: pid, parent: number, name: string(stat[open+1 : end]), started: fields[startTime]}, nil
}

// descendants returns a process and all that came from it: in a container's PID namespace nobody gets away from init.
func descendants(init int) []process {
	if init <= 0 {
		return nil
	}
	paths, _ := filepath.Glob("/proc/[0-9]*") // the pattern is a constant
	byParent := map[int][]process{}
	var first *process
	for _, path := range paths {
		pid, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			continue
		}
		p, err := readProcess(pid)
		if err != nil {
			continue // it ended meanwhile
		}
		byParent[p.parent] = append(byParent[p.parent], p)
		if pid == init {
			first = &p
		}
	}
	if first == nil {
		return nil
	}
	all := []process{*first}
	for i := 0; i < len(all); i++ {
		all = append(all, byParent[all[i].pid]...)
	}
	return all
}
