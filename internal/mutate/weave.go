package main

import (
	"cmp"
	"slices"
	"strings"
)

// alias is the name under which woven sources import the selector.
const alias = "mutants__"

// change is how one mutant stands in the source.
type change struct {
	mutant int
	// apply returns the code with the mutant in it; code is what stands there without it.
	apply func(w *weaver, code string) string
}

// site is a range of a file that mutants change. Sites nest but never overlap otherwise.
type site struct {
	lo, hi    int
	statement bool // a statement that is one expression has the range of it
	changes   []change
}

type rangeKey struct {
	lo, hi    int
	statement bool
}

// weaver writes a file's source with all of its mutants in it, each of them asleep.
type weaver struct {
	source  []byte
	sites   []*site // outer before inner ones
	dropped map[int]bool
	from    int // sites before this one are being written
}

// weave returns the woven source. Lines stay where they are.
func weave(file *sourceFile, sites map[rangeKey]*site, dropped map[int]bool) []byte {
	w := &weaver{source: file.source, dropped: dropped}
	for _, s := range sites {
		w.sites = append(w.sites, s)
	}
	slices.SortFunc(w.sites, func(a, b *site) int {
		outer := cmp.Or(cmp.Compare(a.lo, b.lo), cmp.Compare(b.hi, a.hi))
		if outer == 0 && a.statement != b.statement {
			if a.statement {
				return -1
			}
			return 1
		}
		return outer
	})
	name := int(file.syntax.Name.End() - file.syntax.FileStart)
	var out strings.Builder
	out.Write(w.source[:name])
	out.WriteString("; import " + alias + " \"" + selectorPath + "\"")
	out.WriteString(w.text(name, len(w.source)))
	// An import that is not used is an error, and a file may have no mutant.
	out.WriteString("\nvar _ = " + alias + ".On\n")
	return []byte(out.String())
}

// text returns the source from lo to hi with the mutants of all sites in between.
func (w *weaver) text(lo, hi int) string {
	var out strings.Builder
	at, from := lo, w.from
	defer func() { w.from = from }()
	for i := from; i < len(w.sites); i++ {
		s := w.sites[i]
		if s.lo >= hi {
			break
		}
		if s.lo < at || s.hi > hi {
			continue
		}
		out.Write(w.source[at:s.lo])
		w.from = i + 1
		code := w.text(s.lo, s.hi)
		for _, c := range s.changes {
			if !w.dropped[c.mutant] {
				w.from = i + 1
				code = c.apply(w, code)
			}
		}
		out.WriteString(code)
		at = s.hi
	}
	out.Write(w.source[at:hi])
	return out.String()
}
