//go:build !linux

package child

import "os/exec"

// endWithThread can do nothing here: only Linux has a signal for it.
func endWithThread(*exec.Cmd) {}
