package check

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// TestMain draws fewer stories than rapid does by itself: judging them takes its time under the race detector. -rapid.checks=1000 asks
// for more.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "15"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
