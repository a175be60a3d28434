package anchor

import "github.com/sparkchaos/sparkchaos/pkg/scenario"

// Kind is an anchor of a catalogue.
type Kind = kind

// NewKind returns an anchor for a catalogue of somebody's own. build makes it of arguments that entry.Args made.
func NewKind(entry scenario.Entry, build func(args any) (Anchor, error)) Kind {
	return Kind{Entry: entry, build: build}
}
