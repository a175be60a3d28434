// Package schema holds the JSON Schema of scenario files, for editors.
package schema

import _ "embed" // for the file below

//go:embed scenario.json
var scenario string

// Scenario returns the JSON Schema of a scenario file.
func Scenario() string { return scenario }
