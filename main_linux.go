package sparkchaos

import (
	"os"

	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
)

// Main must be called before anything else by the main function, or by TestMain, of a program that makes embedded clusters: the machines of a
// cluster are processes of the same program. In such a process it does the machine's work and exits; in any other it returns at once.
func Main() {
	if code, ok := embedded.Main(os.Args); ok {
		os.Exit(code)
	}
}
