//go:build !linux

package cli

import (
	"fmt"
	"runtime"
)

// become does nothing: only Linux has clusters that a shell can be opened for.
func become([]string, []string) error {
	return fmt.Errorf("a shell of a cluster can be had on Linux only, this is %s", runtime.GOOS)
}
