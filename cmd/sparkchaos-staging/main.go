// Command sparkchaos-staging is the resource staging server with its clients, without the rest of sparkchaos: what the
// container image of the server holds.
package main

import (
	"os"

	"github.com/sparkchaos/sparkchaos/internal/stagingcli"
)

func main() {
	os.Exit(stagingcli.Main("sparkchaos-staging", os.Args[1:], os.Stdout, os.Stderr))
}
