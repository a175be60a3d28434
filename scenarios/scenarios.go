// Package scenarios holds the scenarios that are shipped with sparkchaos; those in controls/ are known-bad and must
// not pass.
package scenarios

import (
	"embed"
	"io/fs"
)

//go:embed *.yaml controls/*.yaml files/*
var files embed.FS

// Files returns the shipped scenarios, and the files that they name, as in this directory.
func Files() fs.FS { return files }
