package script

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"

	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/token"
	"github.com/dop251/goja/unistring"
)

// The names of the guards that admission puts into the tree (see guard.go). No script can spell them.
const (
	addGuard    = "#add"
	joinGuard   = "#join"
	keyGuard    = "#key"
	slotGuard   = "#slot"
	spreadGuard = "#spread"
	stepGuard   = "#step"
)

// admission walks one syntax tree. Whatever is not named here is refused. The interpreter can neither be stopped inside its own
// operators nor told how much memory they may take, so those that can make something large of something small are replaced by
// calls of guards: + and template strings, computed keys, and ... . Another guard, in every turn of a loop and every call of a function, counts
// what a script does: what time that takes is the machine's business.
type admission struct {
	name     string
	file     *file.File
	problems []error
	depth    int
	declared map[string]bool
	used     map[string]file.Idx
	known    map[string]bool
	loads    []string
	names    map[string]bool // properties that are named
	guards   map[string]bool // that were put in
}

// maxProblems bounds the complaints about one script.
const maxProblems = 20

func (a *admission) refuse(at file.Idx, format string, args ...any) {
	if len(a.problems) >= maxProblems {
		return
	}
	p := a.file.Position(int(at) - a.file.Base())
	a.problems = append(a.problems, &SyntaxError{Name: a.name, Line: p.Line, Column: p.Column, Problem: fmt.Sprintf(format, args...)})
}

// unknown refuses names that neither the script declares nor scripts have: what the sandbox lacks, and typing errors.
func (a *admission) unknown() {
	var names []string
	for name := range a.used {
		if !a.declared[name] && !a.known[name] {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(x, y string) int { return int(a.used[x]) - int(a.used[y]) })
	for _, name := range names {
		a.refuse(a.used[name], "unknown name %q", name)
	}
}

// forbidden are properties that lead out of the sandbox, wherever they are named.
var forbidden = []string{
	"constructor", "prototype", "__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__", "caller", "callee",
}

func identifier(name string, at file.Idx) *ast.Identifier {
	return &ast.Identifier{Name: unistring.NewFromString(name), Idx: at}
}

func (a *admission) call(guard string, at file.Idx, args ...ast.Expression) ast.Expression {
	a.guards[guard] = true
	return &ast.CallExpression{Callee: identifier(guard, at), LeftParenthesis: at, ArgumentList: args, RightParenthesis: at}
}

// descend counts a level of the tree, and reports false when it is one too many.
func (a *admission) descend(at file.Idx) bool {
	a.depth++
	if a.depth == maxDepth {
		a.refuse(at, "nested too deep")
	}
	return a.depth < maxDepth
}

func (a *admission) declare(target ast.Expression) {
	switch t := target.(type) {
	case nil:
	case *ast.Identifier:
		a.declared[t.Name.String()] = true
	case *ast.AssignExpression: // a default
		a.declare(t.Left)
	case *ast.ArrayPattern:
		for _, element := range t.Elements {
			a.declare(element)
		}
	case *ast.ObjectPattern:
		for _, property := range t.Properties {
			switch p := property.(type) {
			case *ast.PropertyShort:
				a.declared[p.Name.Name.String()] = true
			case *ast.PropertyKeyed:
				a.declare(p.Value)
			}
		}
		a.declare(t.Rest)
	}
}

func (a *admission) statements(list []ast.Statement) {
	for _, s := range list {
		a.statement(s)
	}
}

func (a *admission) statement(s ast.Statement) {
	if s == nil {
		return
	}
	defer func() { a.depth-- }()
	if !a.descend(s.Idx0()) {
		return
	}
	switch s := s.(type) {
	case *ast.BlockStatement:
		a.statements(s.List)
	case *ast.EmptyStatement:
	case *ast.ExpressionStatement:
		s.Expression = a.expression(s.Expression)
	case *ast.VariableStatement:
		a.bindings(s.List)
	case *ast.LexicalDeclaration:
		a.bindings(s.List)
	case *ast.FunctionDeclaration:
		a.function(s.Function)
	case *ast.IfStatement:
		s.Test = a.expression(s.Test)
		a.statement(s.Consequent)
		a.statement(s.Alternate)
	case *ast.ReturnStatement:
		s.Argument = a.expression(s.Argument)
	case *ast.ThrowStatement:
		s.Argument = a.expression(s.Argument)
	case *ast.BranchStatement:
		if s.Label != nil {
			a.refuse(s.Idx, "labels are not available")
		}
	case *ast.SwitchStatement:
		s.Discriminant = a.expression(s.Discriminant)
		for _, c := range s.Body {
			c.Test = a.expression(c.Test)
			a.statements(c.Consequent)
		}
	case *ast.TryStatement:
		a.try(s)
	default:
		a.loop(s)
	}
}

func (a *admission) try(s *ast.TryStatement) {
	a.statement(s.Body)
	if s.Catch != nil {
		if s.Catch.Parameter != nil {
			a.pattern(s.Catch.Parameter)
		}
		a.statement(s.Catch.Body)
	}
	if s.Finally != nil {
		a.statement(s.Finally)
	}
}

func (a *admission) loop(s ast.Statement) {
	switch s := s.(type) {
	case *ast.WhileStatement:
		s.Test = a.expression(s.Test)
		s.Body = a.turn(s.Body)
	case *ast.DoWhileStatement:
		s.Body = a.turn(s.Body)
		s.Test = a.expression(s.Test)
	case *ast.ForStatement:
		switch init := s.Initializer.(type) {
		case nil:
		case *ast.ForLoopInitializerExpression:
			init.Expression = a.expression(init.Expression)
		case *ast.ForLoopInitializerVarDeclList:
			a.bindings(init.List)
		case *ast.ForLoopInitializerLexicalDecl:
			a.bindings(init.LexicalDeclaration.List)
		default:
			a.refuse(s.For, "this loop is not available")
		}
		s.Test, s.Update = a.expression(s.Test), a.expression(s.Update)
		s.Body = a.turn(s.Body)
	case *ast.ForInStatement:
		a.into(s.Into, s.For)
		s.Source = a.expression(s.Source)
		s.Body = a.turn(s.Body)
	case *ast.ForOfStatement:
		a.into(s.Into, s.For)
		s.Source = a.expression(s.Source)
		s.Body = a.turn(s.Body)
	default:
		a.refuse(s.Idx0(), "%s not available", spoken(s))
	}
}

// turn is the body of a loop with what counts its turns.
func (a *admission) turn(body ast.Statement) ast.Statement {
	a.statement(body)
	at := body.Idx0()
	return &ast.BlockStatement{LeftBrace: at, List: []ast.Statement{a.step(at), body}, RightBrace: at}
}

// step is what counts, as a statement.
func (a *admission) step(at file.Idx) ast.Statement {
	return &ast.ExpressionStatement{Expression: a.call(stepGuard, at)}
}

// counted puts what counts the calls of a function in front of its statements, behind its directives.
func (a *admission) counted(body *ast.BlockStatement) {
	first := 0
	for ; first < len(body.List); first++ {
		s, ok := body.List[first].(*ast.ExpressionStatement)
		if !ok {
			break
		}
		if _, ok := s.Expression.(*ast.StringLiteral); !ok {
			break
		}
	}
	body.List = slices.Insert(body.List, first, a.step(body.LeftBrace))
}

// into is the variable of a for…in or for…of.
func (a *admission) into(into ast.ForInto, at file.Idx) {
	switch into := into.(type) {
	case *ast.ForIntoVar:
		a.bindings([]*ast.Binding{into.Binding})
	case *ast.ForDeclaration:
		a.pattern(into.Target)
	case *ast.ForIntoExpression:
		name, ok := into.Expression.(*ast.Identifier)
		if !ok {
			a.refuse(at, "a loop needs a variable of its own")
			return
		}
		a.declare(name)
	}
}

func (a *admission) bindings(list []*ast.Binding) {
	for _, b := range list {
		if b == nil {
			continue
		}
		a.pattern(b.Target)
		b.Initializer = a.expression(b.Initializer)
	}
}

// pattern declares the names of a binding, and walks the defaults in it. Only names may stand in it as targets.
func (a *admission) pattern(target ast.Expression) {
	if target == nil {
		return
	}
	defer func() { a.depth-- }()
	if !a.descend(target.Idx0()) {
		return
	}
	a.declare(target)
	switch t := target.(type) {
	case *ast.Identifier:
		a.property(t.Idx, t.Name.String())
	case *ast.ArrayPattern:
		for i, element := range t.Elements {
			t.Elements[i] = a.defaulted(element)
		}
		if t.Rest != nil {
			a.refuse(t.LeftBracket, "the rest of an array is not available in a pattern: slice does it")
		}
	case *ast.ObjectPattern:
		for _, property := range t.Properties {
			switch p := property.(type) {
			case *ast.PropertyShort:
				a.property(p.Name.Idx, p.Name.Name.String())
				p.Initializer = a.expression(p.Initializer)
			case *ast.PropertyKeyed:
				p.Key = a.literalKey(p.Key, p.Computed)
				p.Value = a.defaulted(p.Value)
			default:
				a.refuse(t.LeftBrace, "this pattern is not available")
			}
		}
		if t.Rest != nil {
			a.refuse(t.LeftBrace, "the rest of an object is not available in a pattern")
		}
	default:
		a.refuse(target.Idx0(), "a pattern may only hold names")
	}
}

// defaulted is an element of a pattern with its default.
func (a *admission) defaulted(e ast.Expression) ast.Expression {
	if d, ok := e.(*ast.AssignExpression); ok {
		a.pattern(d.Left)
		d.Right = a.expression(d.Right)
		return d
	}
	a.pattern(e)
	return e
}

func (a *admission) function(f *ast.FunctionLiteral) {
	switch {
	case f.Async:
		a.refuse(f.Function, "async functions are not available")
	case f.Generator:
		a.refuse(f.Function, "generators are not available")
	}
	if f.Name != nil {
		a.declare(f.Name)
		a.property(f.Name.Idx, f.Name.Name.String())
	}
	a.parameters(f.ParameterList)
	a.statement(f.Body)
	if f.Body != nil {
		a.counted(f.Body)
	}
}

func (a *admission) parameters(list *ast.ParameterList) {
	if list == nil {
		return
	}
	a.declared["arguments"] = true
	a.bindings(list.List)
	if list.Rest != nil {
		a.pattern(list.Rest)
	}
}

func (a *admission) list(list []ast.Expression) {
	for i, e := range list {
		list[i] = a.expression(e)
	}
}

// expression walks e and returns what stands in its place.
func (a *admission) expression(e ast.Expression) ast.Expression {
	if e == nil {
		return nil
	}
	defer func() { a.depth-- }()
	if !a.descend(idx(e)) {
		return e
	}
	switch e := e.(type) {
	case *ast.Identifier:
		name := e.Name.String()
		a.property(e.Idx, name)
		if _, seen := a.used[name]; !seen {
			a.used[name] = e.Idx
		}
	case *ast.BooleanLiteral, *ast.NullLiteral, *ast.StringLiteral, *ast.ThisExpression:
	case *ast.NumberLiteral:
		if _, large := e.Value.(*big.Int); large {
			a.refuse(e.Idx, "BigInt is not available")
		}
	case *ast.TemplateLiteral:
		return a.template(e)
	case *ast.ArrayLiteral:
		a.list(e.Value)
	case *ast.ObjectLiteral:
		a.object(e)
	case *ast.FunctionLiteral:
		a.function(e)
	case *ast.ArrowFunctionLiteral:
		a.arrow(e)
	case *ast.BinaryExpression:
		return a.binary(e)
	case *ast.AssignExpression:
		return a.assign(e)
	case *ast.UnaryExpression:
		a.unary(e)
	case *ast.ConditionalExpression:
		e.Test, e.Consequent, e.Alternate = a.expression(e.Test), a.expression(e.Consequent), a.expression(e.Alternate)
	case *ast.SequenceExpression:
		a.list(e.Sequence)
	case *ast.SpreadElement:
		e.Expression = a.call(spreadGuard, idx(e.Expression), a.expression(e.Expression))
	case *ast.CallExpression:
		a.library(e)
		e.Callee = a.expression(e.Callee)
		a.list(e.ArgumentList)
	case *ast.NewExpression:
		e.Callee = a.expression(e.Callee)
		a.list(e.ArgumentList)
	case *ast.DotExpression:
		e.Left = a.expression(e.Left)
		a.property(e.Identifier.Idx, e.Identifier.Name.String())
	case *ast.BracketExpression:
		e.Left = a.expression(e.Left)
		e.Member = a.key(e.Member, keyGuard)
	case *ast.OptionalChain:
		e.Expression = a.expression(e.Expression)
	case *ast.Optional:
		e.Expression = a.expression(e.Expression)
	default:
		a.refuse(idx(e), "%s not available", spoken(e))
	}
	return e
}

// idx is where e stands; some nodes of the tree have no place of their own.
func idx(e ast.Node) file.Idx {
	switch e := e.(type) {
	case *ast.OptionalChain:
		return idx(e.Expression)
	case *ast.Optional:
		return idx(e.Expression)
	case *ast.SpreadElement:
		return idx(e.Expression)
	}
	return e.Idx0()
}

func (a *admission) arrow(e *ast.ArrowFunctionLiteral) {
	if e.Async {
		a.refuse(e.Start, "async functions are not available")
	}
	a.parameters(e.ParameterList)
	switch body := e.Body.(type) {
	case *ast.ExpressionBody:
		body.Expression = &ast.SequenceExpression{Sequence: []ast.Expression{a.call(stepGuard, e.Start), a.expression(body.Expression)}}
	case *ast.BlockStatement:
		a.statement(body)
		a.counted(body)
	}
}

func (a *admission) object(o *ast.ObjectLiteral) {
	for _, property := range o.Value {
		switch p := property.(type) {
		case *ast.PropertyShort:
			a.property(p.Name.Idx, p.Name.Name.String())
			name := p.Name.Name.String()
			if _, seen := a.used[name]; !seen {
				a.used[name] = p.Name.Idx
			}
		case *ast.PropertyKeyed:
			if p.Kind == ast.PropertyKindGet || p.Kind == ast.PropertyKindSet {
				a.refuse(idx(p), "getters and setters are not available")
			}
			p.Key = a.literalKey(p.Key, p.Computed)
			p.Value = a.expression(p.Value)
		case *ast.SpreadElement:
			p.Expression = a.call(spreadGuard, idx(p.Expression), a.expression(p.Expression))
		default:
			a.refuse(o.LeftBrace, "this property is not available")
		}
	}
}

// literalKey is the key of a property in a literal or pattern.
func (a *admission) literalKey(key ast.Expression, computed bool) ast.Expression {
	if computed {
		return a.key(key, slotGuard)
	}
	switch k := key.(type) {
	case *ast.StringLiteral:
		a.property(k.Idx, k.Value.String())
	case *ast.Identifier:
		a.property(k.Idx, k.Name.String())
	}
	return key
}

// property refuses the names that lead out of the sandbox.
func (a *admission) property(at file.Idx, name string) {
	a.names[name] = true
	if slices.Contains(forbidden, name) {
		a.refuse(at, "the name %q is not available", name)
	}
}

// key is what stands in brackets; guard is the one for reading or for writing.
func (a *admission) key(key ast.Expression, guard string) ast.Expression {
	switch k := key.(type) {
	case *ast.StringLiteral:
		a.property(k.Idx, k.Value.String())
		if guard == slotGuard && tooFar(k.Value.String()) {
			a.refuse(k.Idx, "an array has at most %d elements, and its length is not to be set", maxArray)
		}
		return k
	case *ast.NumberLiteral:
		if n, ok := number(k.Value); ok && n >= 0 && n < maxArray && n == math.Trunc(n) {
			return k
		}
	}
	return a.call(guard, idx(key), a.expression(key))
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case int:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// tooFar reports whether writing a property of this name can make an array longer than it may be.
func tooFar(name string) bool {
	if name == "length" {
		return true
	}
	n, err := strconv.ParseUint(name, 10, 64)
	return err == nil && n >= maxArray || err != nil && len(name) > 0 && name[0] >= '0' && name[0] <= '9' && len(name) > 15
}

func (a *admission) unary(e *ast.UnaryExpression) {
	switch e.Operator {
	case token.INCREMENT, token.DECREMENT:
		e.Operand = a.target(e.Operand)
	case token.DELETE:
		e.Operand = a.target(e.Operand)
	default:
		e.Operand = a.expression(e.Operand)
	}
}

// target is what is written to.
func (a *admission) target(e ast.Expression) ast.Expression {
	switch t := e.(type) {
	case *ast.Identifier:
		a.declare(t)
		a.property(t.Idx, t.Name.String())
		if a.known[t.Name.String()] {
			a.refuse(t.Idx, "%q is not to be replaced", t.Name.String())
		}
		return t
	case *ast.DotExpression:
		t.Left = a.expression(t.Left)
		name := t.Identifier.Name.String()
		a.property(t.Identifier.Idx, name)
		if name == "length" {
			a.refuse(t.Identifier.Idx, "the length of an array is not to be set")
		}
		return t
	case *ast.BracketExpression:
		t.Left = a.expression(t.Left)
		t.Member = a.key(t.Member, slotGuard)
		return t
	case *ast.ArrayPattern, *ast.ObjectPattern:
		a.pattern(t)
		return t
	}
	a.refuse(idx(e), "this cannot be written to")
	return e
}

func (a *admission) binary(e *ast.BinaryExpression) ast.Expression {
	e.Left, e.Right = a.expression(e.Left), a.expression(e.Right)
	if e.Operator == token.PLUS {
		return a.call(addGuard, idx(e.Left), e.Left, e.Right)
	}
	return e
}

// assign walks an assignment. x += y becomes x = x + y, for which x must be something that can be read twice.
func (a *admission) assign(e *ast.AssignExpression) ast.Expression {
	if e.Operator == token.PLUS {
		old, ok := again(e.Left)
		if !ok {
			a.refuse(idx(e.Left), "put this into a variable before adding to it")
			return e
		}
		e.Operator = token.ASSIGN
		e.Right = a.call(addGuard, idx(e.Left), a.expression(old), a.expression(e.Right))
	} else {
		e.Right = a.expression(e.Right)
	}
	e.Left = a.target(e.Left)
	return e
}

// again copies an expression that reads a variable or a property by names and literals alone.
func again(e ast.Expression) (ast.Expression, bool) {
	switch e := e.(type) {
	case *ast.Identifier, *ast.ThisExpression, *ast.StringLiteral, *ast.NumberLiteral:
		return e, true
	case *ast.DotExpression:
		left, ok := again(e.Left)
		return &ast.DotExpression{Left: left, Identifier: e.Identifier}, ok
	case *ast.BracketExpression:
		left, ok := again(e.Left)
		member, also := again(e.Member)
		return &ast.BracketExpression{Left: left, Member: member, LeftBracket: e.LeftBracket, RightBracket: e.RightBracket}, ok && also
	}
	return nil, false
}

func (a *admission) template(e *ast.TemplateLiteral) ast.Expression {
	if e.Tag != nil {
		a.refuse(e.OpenQuote, "tagged templates are not available")
		return e
	}
	var parts []ast.Expression
	for i, element := range e.Elements {
		if !element.Valid {
			a.refuse(element.Idx, "a template string with an escape that does not exist")
		}
		parts = append(parts, &ast.StringLiteral{Idx: element.Idx, Value: element.Parsed})
		if i < len(e.Expressions) {
			parts = append(parts, a.expression(e.Expressions[i]))
		}
	}
	return a.call(joinGuard, e.OpenQuote, parts...)
}

// library notes what loadLocalLibrary loads.
func (a *admission) library(e *ast.CallExpression) {
	callee, ok := e.Callee.(*ast.Identifier)
	if !ok || callee.Name.String() != "loadLocalLibrary" {
		return
	}
	if len(e.ArgumentList) == 1 {
		if name, ok := e.ArgumentList[0].(*ast.StringLiteral); ok && isLibraryName(name.Value.String()) {
			a.loads = append(a.loads, name.Value.String())
			return
		}
	}
	a.refuse(callee.Idx, "loadLocalLibrary needs the name of a library, in quotes")
}

// spoken is what a node of the tree is called.
func spoken(n ast.Node) string {
	switch n.(type) {
	case *ast.RegExpLiteral:
		return "regular expressions are (re2(pattern, text) is there instead):"
	case *ast.WithStatement:
		return "with is"
	case *ast.LabelledStatement:
		return "labels are"
	case *ast.ClassDeclaration, *ast.ClassLiteral:
		return "classes are"
	case *ast.YieldExpression:
		return "generators are"
	case *ast.AwaitExpression:
		return "async functions are"
	case *ast.DebuggerStatement:
		return "debugger is"
	}
	return fmt.Sprintf("%T is", n)
}
