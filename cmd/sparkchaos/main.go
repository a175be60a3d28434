// Command sparkchaos judges whether Spark applications on Kubernetes survive losing their nodes and pods.
package main

import (
	"os"

	"github.com/sparkchaos/sparkchaos/internal/cli"
)

func main() {
	// The machines of an embedded cluster run this program as their init.
	if code, ok := machineMain(os.Args); ok {
		os.Exit(code)
	}
	os.Exit(cli.Main(os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
