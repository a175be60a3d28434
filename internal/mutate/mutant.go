package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"strings"
)

// operator is a way to change code.
type operator string

// The operators. Each mutant is one use of one of them.
const (
	boundaryOp   operator = "boundary"   // < to <=, > to >=, and back
	negationOp   operator = "negation"   // == to !=, < to >=; ! removed
	logicOp      operator = "logic"      // && to ||, and back
	conditionOp  operator = "condition"  // a condition is always true, or always false
	literalOp    operator = "literal"    // true to false, and back
	arithmeticOp operator = "arithmetic" // + to -, * to /, ++ to --, min to max, and back
	constantOp   operator = "constant"   // a number is one more or less; a duration that is a constant twice or half as long
	statementOp  operator = "statement"  // an assignment or a call is left out
	jumpOp       operator = "jump"       // break, continue or an early return is left out; a case does nothing
	resultOp     operator = "result"     // a returned value is zero
)

// mutant is one change of the code.
type mutant struct {
	ID       int      `json:"id"` // counts from 1
	File     string   `json:"file"`
	Line     int      `json:"line"`
	Column   int      `json:"column"`
	Function string   `json:"function"`
	Operator operator `json:"operator"`
	Before   string   `json:"before"`
	After    string   `json:"after"` // empty: left out
	// Occurrence tells mutants apart that are the same but for their place in the function. It counts from 1.
	Occurrence int `json:"occurrence"`
}

// key identifies a mutant as long as its function and the text that it changes stay the same.
type key struct {
	file, function string
	before, after  string
	occurrence     int
}

func (m *mutant) key() key {
	return key{file: m.File, function: m.Function, before: m.Before, after: m.After, occurrence: m.Occurrence}
}

// inSource compares mutants by their place in the source.
func inSource(a, b *mutant) int {
	return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.ID, b.ID))
}

// String returns the place and the change on one line.
func (m *mutant) String() string {
	after := m.After
	if after == "" {
		after = "(left out)"
	}
	text := fmt.Sprintf("%s:%d:%d %s: %s: %s  →  %s", m.File, m.Line, m.Column, m.Function, m.Operator, m.Before, after)
	if m.Occurrence > 1 {
		text += fmt.Sprintf(" (occurrence %d)", m.Occurrence)
	}
	return text
}

// maxText is how many characters of a statement's text are kept.
const maxText = 120

// normalised returns code on one line, cut to a readable length.
func normalised(code string) string {
	text := []rune(strings.Join(strings.Fields(code), " "))
	if len(text) > maxText {
		return string(text[:maxText-1]) + "…"
	}
	return string(text)
}

// functionName returns a function's name as Go's tools write it, or "package" for code outside of functions.
func functionName(declaration ast.Decl) string {
	function, ok := declaration.(*ast.FuncDecl)
	if !ok {
		return "package"
	}
	if function.Recv == nil || len(function.Recv.List) == 0 {
		return function.Name.Name
	}
	receiver, pointer := function.Recv.List[0].Type, false
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver, pointer = star.X, true
	}
	switch generic := receiver.(type) {
	case *ast.IndexExpr:
		receiver = generic.X
	case *ast.IndexListExpr:
		receiver = generic.X
	}
	name, ok := receiver.(*ast.Ident)
	switch {
	case !ok:
		return function.Name.Name
	case pointer:
		return "(*" + name.Name + ")." + function.Name.Name
	default:
		return name.Name + "." + function.Name.Name
	}
}
