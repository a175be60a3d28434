// Package clustertest helps to test implementations of clusters.
package clustertest

import (
	"strings"
	"testing"
)

// BadNames are none of a cluster, a node or a program: most would be another path when they are joined to a directory, or an option of a
// command.
func BadNames() []string {
	return []string{
		"", ".", "..", "../../victim", "a/b", "/etc", "a/../b", "a\x00", "\x00", "-", "--all", "-f", "A", "a b", "a\n", " a", "a/", "ä", "a%00",
		"~", "$NAME", `a\b`,
		strings.Repeat("a", 300),
	}
}

// RefusesNames expects each function to refuse each bad name, and to say what a name is to be.
func RefusesNames(t *testing.T, functions map[string]func(name string) error) {
	t.Helper()
	for function, call := range functions {
		for _, name := range BadNames() {
			if err := call(name); err == nil || !strings.Contains(err.Error(), "cannot be") {
				t.Errorf("%s(%q) = %v, want the name refused", function, name, err)
			}
		}
	}
}
