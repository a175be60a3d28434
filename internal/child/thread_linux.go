package child

import (
	"os/exec"
	"syscall"
)

// endWithThread has the kernel kill a command when the thread ends that started it.
func endWithThread(command *exec.Cmd) {
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
