//go:build unix && !linux

package components

import "syscall"

// ownGroup puts a command into a process group of its own, so that all that it starts can be signalled together.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
