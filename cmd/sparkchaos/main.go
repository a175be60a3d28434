// Command sparkchaos judges whether Spark applications on Kubernetes survive losing their nodes and pods.
package main

import (
	"os"

	"github.com/sparkchaos/sparkchaos/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
