package cli

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
)

// become replaces this program by another one, which gets the terminal and its signals, and whose exit code is returned. It is looked up in
// the PATH of its own environment.
func become(line, environment []string) error {
	environment = lastOfEach(environment)
	i := slices.IndexFunc(environment, func(entry string) bool { return strings.HasPrefix(entry, "PATH=") })
	if i >= 0 {
		if err := os.Setenv("PATH", strings.TrimPrefix(environment[i], "PATH=")); err != nil {
			return err
		}
	}
	program, err := exec.LookPath(line[0])
	if err != nil {
		return fmt.Errorf("call %s: %w", strings.Join(line, " "), err)
	}
	return fmt.Errorf("call %s: %w", program, syscall.Exec(program, line, environment))
}

// lastOfEach keeps the last entry of each variable: programs differ in which of two they take.
func lastOfEach(environment []string) []string {
	var kept []string
	seen := map[string]bool{}
	for _, entry := range slices.Backward(environment) {
		name, _, _ := strings.Cut(entry, "=")
		if !seen[name] {
			seen[name] = true
			kept = append(kept, entry)
		}
	}
	slices.Reverse(kept)
	return kept
}
