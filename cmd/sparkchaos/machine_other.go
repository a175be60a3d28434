//go:build !linux

package main

// machineMain does nothing: only Linux has embedded clusters.
func machineMain([]string) (code int, ok bool) { return 0, false }
