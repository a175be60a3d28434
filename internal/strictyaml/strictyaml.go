// Package strictyaml decodes YAML into Go values and encodes them again. Decoding is strict and reports every problem of a file
// at once, each with line, column and what would be right. Struct tags define what a field accepts:
//
//	json:"name,omitempty"   the field's name; without omitempty it must be given (unless it has a value beforehand)
//	enum:"Job|Pod"          the only texts accepted
//	words:"role"            the same, of a set that is given to the Decoder by that name
//	also:"^pod/[a-z]+$"     what a text may match instead of being one of those
//	pattern:"^[a-z]+$"      what a text must match
//	like:"512m"             an example, shown when the pattern or the type does not fit
//	min:"1" max:"50"        bounds of a number or of a duration
//
// Other tags belong to the custom decoders that the caller brings along (see Decoder.Custom).
package strictyaml

import (
	"fmt"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/printable"
)

// Problem is one thing that is wrong with a document.
type Problem struct {
	Line, Column int    // from 1
	Path         string // of the field, e.g. spec.faults[0].when; empty for the document itself
	Message      string // what is wrong and what would be right
}

// Error holds all problems of one document, in the order in which they stand in it.
type Error struct {
	File     string
	Problems []Problem
}

// Error lists the problems, one a line, each as file:line:column: path: message.
func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Problems))
	for _, p := range e.Problems {
		lines = append(lines, p.in(e.File))
	}
	return strings.Join(lines, "\n")
}

func (p Problem) in(file string) string {
	where := fmt.Sprintf("%s:%d:%d: ", file, p.Line, p.Column)
	if p.Path != "" {
		where += p.Path + ": "
	}
	return printable.Line(where + p.Message) // keys and values of the document stand in it
}
