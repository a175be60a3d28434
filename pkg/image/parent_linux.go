package image

import (
	"os/exec"
	"syscall"
)

// endWithParent has the kernel end a command with this process, however that ends.
func endWithParent(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
