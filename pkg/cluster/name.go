package cluster

import (
	"fmt"
	"regexp"
)

// CheckName keeps names of clusters short enough for host names and safe as parts of paths.
func CheckName(name string) error {
	if !regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`).MatchString(name) {
		return fmt.Errorf("%q cannot be a cluster's name: expected 1 to 32 of a-z, 0-9 and -, with - neither first nor last", name)
	}
	return nil
}
