// Command sparkchaos-pod is what the harness runs in pods, without the rest of sparkchaos: the resource staging server with its
// clients, and the agents and the witness of a cluster that the harness did not make.
package main

import (
	"os"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/nodecli"
	"github.com/sparkchaos/sparkchaos/internal/stagingcli"
	"github.com/sparkchaos/sparkchaos/internal/witnesscli"
)

func main() {
	os.Exit(stagingcli.Main("sparkchaos-pod", os.Args[1:], os.Stdout, os.Stderr, nodecli.New(time.Now), witnesscli.New(os.Getenv)))
}
