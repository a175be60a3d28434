package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// finder finds the mutants of one file.
type finder struct {
	sources  *sources
	file     *sourceFile
	first    int // the number of the next mutant
	function string
	mutants  []*mutant
	sites    map[rangeKey]*site
	same     map[key]int // how many mutants have this key, whose occurrence is 0
}

// find returns all mutants of the file and the sites where they stand. The first mutant gets the number first.
func find(s *sources, file *sourceFile, first int) ([]*mutant, map[rangeKey]*site) {
	f := &finder{sources: s, file: file, first: first, sites: map[rangeKey]*site{}, same: map[key]int{}}
	for _, declaration := range file.syntax.Decls {
		if general, ok := declaration.(*ast.GenDecl); ok && general.Tok != token.VAR {
			continue
		}
		f.function = functionName(declaration)
		ast.PreorderStack(declaration, nil, f.visit)
	}
	return f.mutants, f.sites
}

func (f *finder) offset(pos token.Pos) int { return int(pos - f.file.syntax.FileStart) }

func (f *finder) source(n ast.Node) string {
	return string(f.file.source[f.offset(n.Pos()):f.offset(n.End())])
}

// add adds a mutant at a node. Replacements of one node are applied in the order in which they are added.
func (f *finder) add(n ast.Node, op operator, before, after string, apply func(id int, w *weaver, code string) string) {
	position := f.sources.fset.Position(n.Pos())
	m := &mutant{
		ID: f.first + len(f.mutants), File: f.file.name, Line: position.Line, Column: position.Column,
		Function: f.function, Operator: op, Before: normalised(before), After: normalised(after),
	}
	same := m.key()
	f.same[same]++
	m.Occurrence = f.same[same]
	f.mutants = append(f.mutants, m)

	_, isStatement := n.(ast.Stmt)
	at := rangeKey{lo: f.offset(n.Pos()), hi: f.offset(n.End()), statement: isStatement}
	if f.sites[at] == nil {
		f.sites[at] = &site{lo: at.lo, hi: at.hi, statement: isStatement}
	}
	f.sites[at].changes = append(f.sites[at].changes, change{
		mutant: m.ID, apply: func(w *weaver, code string) string { return apply(m.ID, w, code) },
	})
}

// replace adds a mutant of a boolean expression.
func (f *finder) replace(n ast.Expr, op operator, after string) {
	f.add(n, op, f.source(n), after, func(id int, _ *weaver, code string) string {
		return fmt.Sprintf("(%[1]s && (%[2]s) || !%[1]s && (%[3]s))", on(id), after, code)
	})
}

func on(id int) string { return fmt.Sprintf("%s.On(%d)", alias, id) }

// visit adds the mutants of a node; stack has the nodes around it, the outermost first.
func (f *finder) visit(n ast.Node, stack []ast.Node) bool {
	switch n := n.(type) {
	case *ast.GenDecl:
		return n.Tok == token.VAR // constants are mutated where they are used
	case *ast.ArrayType, *ast.StructType, *ast.InterfaceType, *ast.MapType, *ast.ChanType, *ast.FuncType, *ast.Field:
		return false
	case ast.Expr:
		if f.isType(n) {
			return false
		}
		if f.value(n) != nil {
			f.constants(n)
			return false
		}
	}
	switch n := n.(type) {
	case *ast.IfStmt:
		f.condition(n.Cond, true, true)
	case *ast.ForStmt:
		f.condition(n.Cond, false, true) // a loop without end says nothing of the tests
	case *ast.SwitchStmt:
		f.clauses(n, n.Body, n.Tag == nil, stack)
	case *ast.TypeSwitchStmt:
		f.clauses(n, n.Body, false, stack)
	case *ast.BinaryExpr:
		f.binary(n, stack)
	case *ast.UnaryExpr:
		f.not(n, stack)
	case *ast.CallExpr:
		return f.call(n)
	case *ast.KeyValueExpr:
		f.pair(n, stack)
		return false
	case *ast.BlockStmt:
		f.statements(n.List, stack, n)
	case *ast.CaseClause:
		f.statements(n.Body, stack, n)
	case *ast.CommClause:
		f.statements(n.Body, stack, n)
	}
	return true
}

func (f *finder) isType(e ast.Expr) bool { return f.sources.info.Types[e].IsType() }

func (f *finder) value(e ast.Expr) constant.Value { return f.sources.info.Types[e].Value }

func (f *finder) typeOf(e ast.Expr) types.Type { return f.sources.info.TypeOf(e) }

// pair visits the value of an element alone: the keys of arrays are constant, those of structs are no expressions.
func (f *finder) pair(n *ast.KeyValueExpr, stack []ast.Node) {
	ast.PreorderStack(n.Value, append(slices.Clone(stack), n), f.visit)
}

// condition adds the mutants in which a boolean expression is always true or always false.
func (f *finder) condition(e ast.Expr, toTrue, toFalse bool) {
	if e == nil || f.value(e) != nil {
		return
	}
	e = ast.Unparen(e)
	if toTrue {
		f.add(e, conditionOp, f.source(e), "true", func(id int, _ *weaver, code string) string {
			return fmt.Sprintf("(%s || (%s))", on(id), code)
		})
	}
	if toFalse {
		f.add(e, conditionOp, f.source(e), "false", func(id int, _ *weaver, code string) string {
			return fmt.Sprintf("(!%s && (%s))", on(id), code)
		})
	}
}

// clauses adds the mutants of a switch's cases.
func (f *finder) clauses(n ast.Stmt, body *ast.BlockStmt, conditions bool, stack []ast.Node) {
	for _, s := range body.List {
		clause := s.(*ast.CaseClause)
		if conditions {
			for _, e := range clause.List {
				f.condition(e, true, true)
			}
		}
		// A clause of one statement that does nothing is a mutant of that statement.
		if len(clause.Body) < 2 || !mayEnd(n, stack) {
			continue
		}
		what := "default:"
		if len(clause.List) > 0 {
			first, last := clause.List[0], clause.List[len(clause.List)-1]
			what = "case " + string(f.file.source[f.offset(first.Pos()):f.offset(last.End())]) + ":"
		}
		f.add(clause.Body[0], jumpOp, what, what+" (nothing)", func(id int, _ *weaver, code string) string {
			return "if " + on(id) + " { break }; " + code
		})
	}
}

// opposites returns the comparison that differs where both sides are equal, and the one that is its negation. Equality
// has no boundary.
func opposites(op token.Token) (boundary, negation token.Token) {
	switch op {
	case token.LSS:
		return token.LEQ, token.GEQ
	case token.LEQ:
		return token.LSS, token.GTR
	case token.GTR:
		return token.GEQ, token.LEQ
	case token.GEQ:
		return token.GTR, token.LSS
	case token.EQL:
		return token.ILLEGAL, token.NEQ
	case token.NEQ:
		return token.ILLEGAL, token.EQL
	default:
		return token.ILLEGAL, token.ILLEGAL
	}
}

// inverse returns the inverse of an arithmetic operator, and the function of the selector that can be either.
func inverse(op token.Token) (other token.Token, function string) {
	switch op {
	case token.ADD:
		return token.SUB, "Add"
	case token.SUB:
		return token.ADD, "Sub"
	case token.MUL:
		return token.QUO, "Mul"
	case token.QUO:
		return token.MUL, "Div"
	default:
		return token.ILLEGAL, ""
	}
}

func (f *finder) binary(n *ast.BinaryExpr, stack []ast.Node) {
	with := func(other token.Token) string {
		return string(f.file.source[f.offset(n.Pos()):f.offset(n.OpPos)]) + other.String() +
			string(f.file.source[f.offset(n.OpPos)+len(n.Op.String()):f.offset(n.End())])
	}
	switch n.Op {
	case token.LSS, token.LEQ, token.GTR, token.GEQ, token.EQL, token.NEQ:
		boundary, negation := opposites(n.Op)
		if boundary != token.ILLEGAL {
			f.replace(n, boundaryOp, with(boundary))
		}
		f.replace(n, negationOp, with(negation))
		f.loose(n, stack)
	case token.LAND:
		f.replace(n, logicOp, with(token.LOR))
		f.operand(n, n.X, true)
		f.operand(n, n.Y, true)
		f.loose(n, stack)
	case token.LOR:
		f.replace(n, logicOp, with(token.LAND))
		f.operand(n, n.X, false)
		f.operand(n, n.Y, false)
		f.loose(n, stack)
	default:
		other, function := inverse(n.Op)
		if other == token.ILLEGAL || !isNumber(f.typeOf(n)) {
			return
		}
		f.add(n, arithmeticOp, f.source(n), with(other), func(id int, w *weaver, _ string) string {
			x := w.text(f.offset(n.X.Pos()), f.offset(n.X.End()))
			y := w.text(f.offset(n.Y.Pos()), f.offset(n.Y.End()))
			return fmt.Sprintf("%s.%s(%d, %s, %s)", alias, function, id, x, y)
		})
	}
}

// operand adds the mutant in which an operand of && is true, or one of || false. The other two decide the whole, which
// is a mutant where the whole is a condition.
func (f *finder) operand(n *ast.BinaryExpr, e ast.Expr, toTrue bool) {
	if inner, ok := ast.Unparen(e).(*ast.BinaryExpr); ok && inner.Op == n.Op {
		return
	}
	f.condition(e, toTrue, !toTrue)
}

// loose adds the mutants true and false of a boolean expression that is not part of a condition.
func (f *finder) loose(n ast.Expr, stack []ast.Node) {
	i := len(stack) - 1
	for i > 0 && isParenthesis(stack[i]) {
		i--
	}
	switch outer := stack[i].(type) {
	case *ast.BinaryExpr:
		if outer.Op == token.LAND || outer.Op == token.LOR {
			return
		}
	case *ast.UnaryExpr, *ast.IfStmt, *ast.ForStmt, *ast.ReturnStmt:
		return
	case *ast.CaseClause:
		return
	}
	f.condition(n, true, true)
}

func isParenthesis(n ast.Node) bool {
	_, ok := n.(*ast.ParenExpr)
	return ok
}

func (f *finder) not(n *ast.UnaryExpr, stack []ast.Node) {
	if n.Op != token.NOT {
		return
	}
	f.add(n, negationOp, f.source(n), f.source(n.X), func(id int, _ *weaver, code string) string {
		return fmt.Sprintf("((%s) != %s)", code, on(id))
	})
	f.loose(n, stack)
}

// call adds the mutants of a call and reports whether its arguments have mutants of their own.
func (f *finder) call(n *ast.CallExpr) bool {
	name, ok := ast.Unparen(n.Fun).(*ast.Ident)
	if !ok {
		return true
	}
	builtin, ok := f.sources.info.Uses[name].(*types.Builtin)
	if !ok {
		return true
	}
	switch builtin.Name() {
	case "make": // what is reserved changes nothing that a test could see
		return false
	case "min", "max":
		if n.Ellipsis.IsValid() || len(n.Args) < 2 {
			return true
		}
		mutated, function := "max", "Min"
		if builtin.Name() == "max" {
			mutated, function = "min", "Max"
		}
		open, end := f.offset(n.Lparen)+1, f.offset(n.Rparen)
		after := mutated + "(" + string(f.file.source[open:end]) + ")"
		f.add(n, arithmeticOp, f.source(n), after, func(id int, w *weaver, _ string) string {
			return fmt.Sprintf("%s.%s(%d, %s)", alias, function, id, w.text(open, end))
		})
	}
	return true
}

// constants adds the mutants of the numbers and booleans in a constant expression.
func (f *finder) constants(e ast.Expr) {
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			return n.Op != token.SHL && n.Op != token.SHR
		case *ast.CallExpr:
			for _, argument := range n.Args {
				f.constants(argument)
			}
			return false
		case *ast.SelectorExpr:
			return false
		case *ast.BasicLit:
			f.number(n)
		case *ast.Ident:
			f.named(n)
		}
		return true
	})
}

// number adds the mutants of a literal that is an integer.
func (f *finder) number(n *ast.BasicLit) {
	value := f.value(n)
	name, ok := f.typeName(f.typeOf(n))
	if n.Kind != token.INT || value == nil || !ok {
		return
	}
	f.numbers(n, name, shifted(value, 1), shifted(value, -1))
}

func shifted(value constant.Value, by int64) constant.Value {
	return constant.BinaryOp(constant.ToInt(value), token.ADD, constant.MakeInt64(by))
}

// named adds the mutants of true, of false, and of a constant of this package that is an integer.
func (f *finder) named(n *ast.Ident) {
	object, ok := f.sources.info.Uses[n].(*types.Const)
	if !ok {
		return
	}
	if object.Parent() == types.Universe {
		f.boolean(n)
		return
	}
	name, ok := f.typeName(f.typeOf(n))
	value := f.value(n)
	if object.Pkg() != f.sources.types || !ok || value == nil || constant.ToInt(value).Kind() != constant.Int {
		return
	}
	if isDuration(f.typeOf(n)) {
		twice := constant.BinaryOp(constant.ToInt(value), token.MUL, constant.MakeInt64(2))
		half := constant.BinaryOp(constant.ToInt(value), token.QUO_ASSIGN, constant.MakeInt64(2))
		f.numeric(n, name, n.Name+" * 2", twice)
		f.numeric(n, name, n.Name+" / 2", half)
		return
	}
	f.numeric(n, name, n.Name+" + 1", shifted(value, 1))
	f.numeric(n, name, n.Name+" - 1", shifted(value, -1))
}

// numbers adds a mutant for each of the values; there is none below zero, which most code could not use.
func (f *finder) numbers(n ast.Expr, typeName string, values ...constant.Value) {
	for _, value := range values {
		if constant.Sign(value) >= 0 {
			f.numeric(n, typeName, value.ExactString(), value)
		}
	}
}

// numeric adds the mutant in which a constant has another value.
func (f *finder) numeric(n ast.Expr, typeName, after string, value constant.Value) {
	f.add(n, constantOp, f.source(n), after, func(id int, _ *weaver, code string) string {
		return fmt.Sprintf("%s.Value[%s](%d, %s, %s)", alias, typeName, id, code, value.ExactString())
	})
}

func (f *finder) boolean(n *ast.Ident) {
	switch n.Name {
	case "true":
		f.add(n, literalOp, "true", "false", func(id int, _ *weaver, _ string) string { return "!" + on(id) })
	case "false":
		f.add(n, literalOp, "false", "true", func(id int, _ *weaver, _ string) string { return on(id) })
	}
}

// typeName returns how the file writes a type of integers: int and its like, or time.Duration. Other named types with
// integers below them are enumerations, whose values are no quantities.
func (f *finder) typeName(t types.Type) (string, bool) {
	switch t := types.Unalias(t).(type) {
	case *types.Basic:
		if t.Info()&types.IsInteger == 0 {
			return "", false
		}
		return types.Default(t).String(), true
	case *types.Named:
		if !isDuration(t) {
			return "", false
		}
		for _, spec := range f.file.syntax.Imports {
			if spec.Path.Value == `"time"` && spec.Name == nil {
				return "time.Duration", true
			}
		}
	}
	return "", false
}

func isDuration(t types.Type) bool {
	named, ok := types.Unalias(t).(*types.Named)
	return ok && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == "time" && named.Obj().Name() == "Duration"
}

func isNumber(t types.Type) bool {
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&(types.IsInteger|types.IsFloat) != 0
}

// statements adds the mutants of the statements in a block or a clause.
func (f *finder) statements(list []ast.Stmt, stack []ast.Node, block ast.Node) {
	for i, s := range list {
		alone := len(list) == 1 && onlyBranch(block, stack)
		switch s := s.(type) {
		case *ast.AssignStmt:
			f.assignment(s, alone)
		case *ast.IncDecStmt:
			f.step(s, alone)
		case *ast.ExprStmt:
			if call, ok := s.X.(*ast.CallExpr); ok && !alone && f.removable(call) {
				f.remove(s, statementOp)
			}
		case *ast.SendStmt:
			if !alone {
				f.remove(s, statementOp)
			}
		case *ast.BranchStmt:
			implied := s.Tok == token.BREAK && s.Label == nil && isClause(block) && i == len(list)-1
			if (s.Tok == token.BREAK || s.Tok == token.CONTINUE) && !alone && !implied {
				f.remove(s, jumpOp)
			}
		case *ast.ReturnStmt:
			f.returned(s, stack)
			if !alone && mayEnd(block, stack) {
				f.remove(s, jumpOp)
			}
		}
	}
}

// onlyBranch reports whether a block is the body of an if without else: that its only statement is left out is the
// mutant in which the condition is false.
func onlyBranch(block ast.Node, stack []ast.Node) bool {
	if len(stack) == 0 {
		return false
	}
	branch, ok := stack[len(stack)-1].(*ast.IfStmt)
	return ok && branch.Body == block && branch.Else == nil
}

// mayEnd reports whether the control flow may continue after the last statement in block, so that a return there can be
// left out: there is another statement to come, or the function returns nothing.
func mayEnd(block ast.Node, stack []ast.Node) bool {
	for i := len(stack) - 1; i >= 0; i-- {
		switch outer := stack[i].(type) {
		case *ast.FuncDecl:
			return outer.Type.Results == nil
		case *ast.FuncLit:
			return outer.Type.Results == nil
		case *ast.ForStmt, *ast.RangeStmt:
			return true
		case *ast.IfStmt:
			if outer.Else == nil {
				return true
			}
		case *ast.BlockStmt:
			if !isClause(block) && outer.List[len(outer.List)-1] != block {
				return true
			}
		case *ast.CaseClause:
			if outer.Body[len(outer.Body)-1] != block {
				return true
			}
		case *ast.CommClause:
			if outer.Body[len(outer.Body)-1] != block {
				return true
			}
		}
		block = stack[i]
	}
	return false
}

func isClause(n ast.Node) bool {
	switch n.(type) {
	case *ast.CaseClause, *ast.CommClause:
		return true
	default:
		return false
	}
}

func (f *finder) remove(s ast.Stmt, op operator) {
	f.add(s, op, f.source(s), "", func(id int, _ *weaver, code string) string {
		return "if !" + on(id) + " { " + code + " }"
	})
}

func (f *finder) assignment(s *ast.AssignStmt, alone bool) {
	// The assignment of an operation stands as far behind it in go/token's list as the first one does.
	const assigns = token.ADD_ASSIGN - token.ADD
	other, _ := inverse(s.Tok - assigns)
	if other != token.ILLEGAL && isNumber(f.typeOf(s.Lhs[0])) {
		f.alternative(s, arithmeticOp, f.source(s.Lhs[0])+" "+other.String()+"= "+f.source(s.Rhs[0]))
	}
	if s.Tok == token.DEFINE || alone || allBlank(s.Lhs) {
		return
	}
	f.remove(s, statementOp)
}

func allBlank(list []ast.Expr) bool {
	for _, e := range list {
		if name, ok := e.(*ast.Ident); !ok || name.Name != "_" {
			return false
		}
	}
	return true
}

func (f *finder) step(s *ast.IncDecStmt, alone bool) {
	other := token.DEC
	if s.Tok == token.DEC {
		other = token.INC
	}
	f.alternative(s, arithmeticOp, f.source(s.X)+other.String())
	if !alone {
		f.remove(s, statementOp)
	}
}

func (f *finder) alternative(s ast.Stmt, op operator, after string) {
	f.add(s, op, f.source(s), after, func(id int, _ *weaver, code string) string {
		return "if " + on(id) + " { " + after + " } else { " + code + " }"
	})
}

// removable reports whether a call may be left out. Without a panic a function may have no end; without an unlocking
// the tests would wait for their time-out.
func (f *finder) removable(call *ast.CallExpr) bool {
	switch called := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		_, builtin := f.sources.info.Uses[called].(*types.Builtin)
		return !builtin || called.Name != "panic" && called.Name != "close"
	case *ast.SelectorExpr:
		function, ok := f.sources.info.Uses[called.Sel].(*types.Func)
		return !ok || function.Pkg() == nil || function.Pkg().Path() != "sync"
	default:
		return true
	}
}

// returned adds the mutants of the values that a statement returns.
func (f *finder) returned(s *ast.ReturnStmt, stack []ast.Node) {
	results := resultTypes(f.sources.info, stack)
	if results == nil || results.Len() != len(s.Results) {
		return // nothing, or the results of one call
	}
	for i, e := range s.Results {
		if basic, ok := f.typeOf(e).Underlying().(*types.Basic); ok && basic.Info()&types.IsBoolean != 0 {
			f.condition(e, true, true)
			continue
		}
		zero, ok := f.zero(results.At(i).Type())
		if value := f.value(e); !ok || f.isZero(e) || value != nil && value.Kind() != constant.String {
			continue // constant numbers have mutants of their own
		}
		all := make([]string, len(s.Results))
		for j, other := range s.Results {
			all[j] = f.source(other)
		}
		all[i] = zero
		after := "return " + strings.Join(all, ", ")
		f.add(s, resultOp, f.source(s), after, func(id int, _ *weaver, code string) string {
			return "if " + on(id) + " { " + after + " }; " + code
		})
	}
}

// resultTypes returns the results of the innermost function.
func resultTypes(info *types.Info, stack []ast.Node) *types.Tuple {
	for i := len(stack) - 1; i >= 0; i-- {
		switch function := stack[i].(type) {
		case *ast.FuncLit:
			return info.TypeOf(function).(*types.Signature).Results()
		case *ast.FuncDecl:
			return info.Defs[function.Name].Type().(*types.Signature).Results()
		}
	}
	return nil
}

// zero returns an expression for a type's zero value.
func (f *finder) zero(t types.Type) (string, bool) {
	switch under := t.Underlying().(type) {
	case *types.Basic:
		switch {
		case under.Info()&types.IsString != 0:
			return `""`, true
		case under.Info()&types.IsNumeric != 0:
			return "0", true
		}
	case *types.Interface:
		if _, parameter := types.Unalias(t).(*types.TypeParam); !parameter {
			return "nil", true
		}
	case *types.Pointer, *types.Slice, *types.Map, *types.Chan, *types.Signature:
		return "nil", true
	case *types.Struct:
		if named, ok := types.Unalias(t).(*types.Named); ok && named.TypeArgs().Len() == 0 {
			return f.nameOf(named.Obj())
		}
	}
	return "", false
}

// nameOf returns the zero value of a struct type by the name that it has in the file.
func (f *finder) nameOf(object *types.TypeName) (string, bool) {
	if object.Pkg() == f.sources.types {
		return object.Name() + "{}", true
	}
	for _, spec := range f.file.syntax.Imports {
		name := object.Pkg().Name()
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if strings.Trim(spec.Path.Value, `"`) == object.Pkg().Path() && name != "_" && name != "." {
			return name + "." + object.Name() + "{}", true
		}
	}
	return "", false
}

// isZero reports whether an expression is a zero value as it is written.
func (f *finder) isZero(e ast.Expr) bool {
	if f.sources.info.Types[e].IsNil() {
		return true
	}
	if value := f.value(e); value != nil {
		return value.Kind() == constant.String && constant.StringVal(value) == ""
	}
	composite, ok := ast.Unparen(e).(*ast.CompositeLit)
	if !ok || len(composite.Elts) > 0 {
		return false
	}
	_, isStruct := f.typeOf(composite).Underlying().(*types.Struct)
	return isStruct
}
