package cli

import (
	"github.com/sparkchaos/sparkchaos"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// catalogue returns all that a scenario may name.
func catalogue() scenario.Catalogue { return sparkchaos.Catalogue().Entries() }
