//go:build linux

package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Process identifies a process for longer than it lives: its PID may be another's later, but never with the same start
// time in the same boot of the host.
type Process struct {
	PID       int    `json:"pid"`
	StartTime uint64 `json:"startTime"` // clock ticks since the host's boot, proc_pid_stat(5)
	HostBoot  string `json:"hostBoot"`  // boot ID of the host
}

// Identify returns the identity of the process that has the PID now.
func Identify(pid int) (Process, error) {
	boot, err := HostBoot()
	if err != nil {
		return Process{}, err
	}
	_, start, err := stat(pid)
	if err != nil {
		return Process{}, fmt.Errorf("identify process %d: %w", pid, err)
	}
	return Process{PID: pid, StartTime: start, HostBoot: boot}, nil
}

// HostBoot returns the boot ID of the host.
func HostBoot() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the host's boot ID: %w", err)
	}
	return strings.TrimSpace(string(id)), nil
}

// Alive reports whether this very process still runs. A zombie does not: it only waits for its parent to look.
func (p Process) Alive() bool {
	if p.PID <= 0 {
		return false
	}
	if boot, err := HostBoot(); err != nil || boot != p.HostBoot {
		return false
	}
	state, start, err := stat(p.PID)
	return err == nil && start == p.StartTime && state != "Z" && state != "X"
}

// Kill ends this very process, and no other that has its number by now. It is not an error if it has ended already.
func (p Process) Kill() error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) { // no such process, or no number of one
		return nil
	}
	if err != nil {
		return fmt.Errorf("end process %d: %w", p.PID, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if !p.Alive() { // looked at while the descriptor keeps the number from meaning another
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("end process %d: %w", p.PID, err)
	}
	return nil
}

// stat returns the state and start time of a process.
func stat(pid int) (state string, start uint64, err error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0, err
	}
	return parseStat(string(content))
}

// parseStat reads fields 3 and 22 of proc_pid_stat(5). The command in parentheses may contain blanks and parentheses.
func parseStat(content string) (state string, start uint64, err error) {
	end := strings.LastIndexByte(content, ')')
	if end < 0 {
		return "", 0, errors.New("a process's stat has no command in parentheses")
	}
	fields := strings.Fields(content[end+1:])
	const startField = 22 - 3
	if len(fields) <= startField {
		return "", 0, fmt.Errorf("a process's stat has %d fields after its command, expected more than %d", len(fields), startField)
	}
	start, err = strconv.ParseUint(fields[startField], 10, 64)
	if err != nil {
		return "", 0, fmt.Errorf("start time of a process: %w", err)
	}
	return fields[0], start, nil
}

// PSS returns the proportional set size of processes in bytes: memory that several share is counted once in all.
func PSS(pids []int) (int64, error) {
	var total int64
	for _, pid := range pids {
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if errors.Is(err, fs.ErrNotExist) || err != nil && strings.Contains(err.Error(), "no such process") {
			continue // ended meanwhile
		}
		if err != nil {
			return 0, fmt.Errorf("memory of process %d: %w", pid, err)
		}
		for line := range strings.Lines(string(content)) {
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Pss:" {
				kib, err := strconv.ParseInt(fields[1], 10, 64)
				if err != nil {
					return 0, fmt.Errorf("memory of process %d: %w", pid, err)
				}
				total += kib << 10
			}
		}
	}
	return total, nil
}
