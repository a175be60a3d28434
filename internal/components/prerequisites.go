package components

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// installation is the command that installs what the distribution must provide.
const installation = "as root on Debian run \"sparkchaos setup\"; elsewhere install a C compiler with the C library's headers, " +
	"pkg-config " +
	"(or pkgconf) and the development files of libseccomp (libseccomp-devel on Fedora, libseccomp on Arch, libseccomp-dev on Alpine)"

// checkPrerequisites reports, before anything is built, everything that the machine lacks.
func checkPrerequisites(ctx context.Context, components []Component) error {
	var problems []error
	lacking := func(component Component, what string, err error) {
		problems = append(problems, fmt.Errorf("%s needs %s: %w; %s", component, what, err, installation))
	}
	if _, err := exec.LookPath("go"); err != nil {
		problems = append(problems, fmt.Errorf("components are compiled with Go: %w; install it as https://go.dev/doc/install says", err))
	}
	for _, component := range components {
		if !component.CGO {
			continue
		}
		if _, err := exec.LookPath(compiler()); err != nil {
			lacking(component, "a C compiler", err)
		}
		for _, library := range component.PkgConfig {
			if output, err := exec.CommandContext(ctx, "pkg-config", "--print-errors", "--exists", library).CombinedOutput(); err != nil {
				lacking(component, "the development files of "+library,
					fmt.Errorf("pkg-config --exists %s: %w: %s", library, err, bytes.TrimSpace(output)))
			}
		}
	}
	return errors.Join(problems...)
}

// compiler returns the C compiler's name, found as the go command finds it.
func compiler() string {
	if words := strings.Fields(os.Getenv("CC")); len(words) > 0 {
		return words[0]
	}
	return "gcc"
}
