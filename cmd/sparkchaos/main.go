// Command sparkchaos judges whether Spark applications on Kubernetes survive losing their nodes and pods.
package main

import (
	"os"

	"github.com/sparkchaos/sparkchaos/internal/cli"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/kinds"
)

func main() {
	// The machines of an embedded cluster run this program as their init.
	if code, ok := kinds.Main(os.Args); ok {
		os.Exit(code)
	}
	os.Exit(cli.Main(os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
