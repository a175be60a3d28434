//go:build linux

package embedded

import (
	"fmt"
	"os/exec"
)

// hostPrograms are what the components call and the distribution has, with the package that brings each.
func hostPrograms() map[string]string {
	return map[string]string{"nft": "nftables", "iptables": "iptables", "conntrack": "conntrack", "mount": "mount",
		"dbus-daemon": "dbus-daemon"}
}

// missingPrograms names each program that the host lacks.
func missingPrograms() []error {
	var errs []error
	for program, pack := range hostPrograms() {
		if _, err := exec.LookPath(program); err != nil {
			errs = append(errs, fmt.Errorf(
				"the program %s is missing: on Debian `apt-get install %s`, or `scripts/install-system-packages` for all at once", program, pack))
		}
	}
	return errs
}
