package cluster

import (
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// CheckName returns an error if a name cannot be that of a cluster. Every function that takes the name of a cluster calls it before
// anything else: the name becomes part of paths, of host names and of arguments.
func CheckName(name string) error {
	if !regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`).MatchString(name) {
		return fmt.Errorf("%q cannot be a cluster's name: expected 1 to 32 of a-z, 0-9 and -, with - neither first nor last", name)
	}
	return nil
}

// CheckNode returns an error if a name cannot be that of a node: nodes have the names of hosts. Every function that takes the name of a
// node calls it before anything else.
func CheckNode(name string) error {
	if wrong := validation.IsDNS1123Subdomain(name); len(wrong) > 0 {
		return fmt.Errorf("%q cannot be a node's name: %s", name, strings.Join(wrong, "; "))
	}
	return nil
}

// CheckProgram returns an error if a name cannot be that of a program beside the control plane, whose directory it names.
func CheckProgram(name string) error {
	if wrong := validation.IsDNS1123Label(name); len(wrong) > 0 {
		return fmt.Errorf("%q cannot be the name of a program beside the control plane: %s", name, strings.Join(wrong, "; "))
	}
	return nil
}
