package internal_test

import (
	"os/exec"
	"regexp"
	"testing"
)

// TestProcs checks the number of clusters at once that the Makefile finds out: awk takes a bare ">" after print as the name of a
// file, and Ginkgo refuses an empty number.
func TestProcs(t *testing.T) {
	recipe, err := exec.Command("make", "--directory", top, "--dry-run", "test-cluster").Output()
	if err != nil {
		t.Fatalf("make --dry-run test-cluster: %v", err)
	}
	if !regexp.MustCompile(`--procs=[12] `).Match(recipe) {
		t.Errorf("the suites are not called with --procs=1 or --procs=2 by this recipe:\n%s", recipe)
	}
}
