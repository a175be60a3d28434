package components

import "syscall"

// ownGroup puts a command into a process group of its own, so that all that it starts can be signalled together, and
// ends it when the thread that started it ends: so a compiler does not outlive a builder that was killed.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
