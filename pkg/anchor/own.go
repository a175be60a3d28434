package anchor

import "time"

// Definition defines an anchor that is not in the catalogue; A is the type of its arguments, None if it has none.
type Definition[A any] struct {
	Name, Doc string
	Deadline  time.Duration // how long it is awaited when a scenario does not say
	Defaults  A
	Phrase    func(A) string // what has happened, in words; nil: Doc
	Build     func(A) Anchor
}

// Kind returns the anchor as an entry of a catalogue.
func (d Definition[A]) Kind() Kind {
	phrase := d.Phrase
	if phrase == nil {
		phrase = func(A) string { return d.Doc }
	}
	return kindOf(d.Name, d.Doc, d.Deadline, d.Defaults, phrase, d.Build)
}
