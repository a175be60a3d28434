// Package sparkchaos holds the files at the root of the repository that the program needs.
package sparkchaos

import _ "embed"

//go:embed kind-config.yaml
var kindConfig []byte

// KindConfig is kind-config.yaml: the configuration of kind that kind clusters of sparkchaos start from.
func KindConfig() []byte { return append([]byte(nil), kindConfig...) }
