package main

import "github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"

// machineMain is the life of a process that an embedded cluster started.
func machineMain(args []string) (code int, ok bool) { return embedded.Main(args) }
