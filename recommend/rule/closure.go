package rule

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// fault says why an expression has no value; none when it has one.
type fault int32

const (
	none fault = iota
	dividedByZero
	moduloByZero
	overflow
	unknown // + the number of the attribute
)

// String is what a trace says.
func (f fault) String() string {
	switch f {
	case none:
		return ""
	case dividedByZero:
		return "division by zero"
	case moduloByZero:
		return "remainder of a division by zero"
	case overflow:
		return "number too large"
	}
	return attributes[f-unknown].Name + " is not known"
}

// truth is what a condition comes to: no, yes, or minus the fault.
type truth int32

const (
	no  truth = 0
	yes truth = 1
)

func (t truth) fault() fault {
	if t >= 0 {
		return none
	}
	return fault(-t)
}

func (f fault) truth() truth { return truth(-f) }

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// Closures, one kind for each type of value. They follow CEL: a fault on one side of && and || does not
// matter when the other side decides, everywhere else the leftmost fault is the result.
type (
	condition func(*frame) truth
	integer   func(*frame) (int64, fault)
	decimal   func(*frame) (float64, fault)
	words     func(*frame) (string, fault)
	list      func(*frame) []string
)

// compiler turns one checked expression into closures. It refuses what the language does not hold, which
// the checker let pass.
type compiler struct {
	tree  *ast.AST
	scope []string // variables of the lists that are walked; the place is the one in frame.texts
}

// refusal is an expression that cannot be compiled.
type refusal struct {
	at   int64 // id of the expression
	text string
}

func (r *refusal) Error() string { return r.text }

func refuse(e ast.Expr, format string, args ...any) *refusal {
	return &refusal{at: e.ID(), text: fmt.Sprintf(format, args...)}
}

// condition compiles an expression that is true or false. It panics with a *refusal.
func (c *compiler) condition(e ast.Expr) condition {
	switch e.Kind() {
	case ast.LiteralKind:
		if b, ok := e.AsLiteral().(types.Bool); ok {
			result := truthOf(bool(b))
			return func(*frame) truth { return result }
		}
	case ast.IdentKind:
		return c.flag(e)
	case ast.ComprehensionKind:
		return c.walk(e)
	case ast.CallKind:
		return c.call(e)
	}
	panic(refuse(e, "this is not a condition"))
}

func (c *compiler) flag(e ast.Expr) condition {
	name, asked := strings.CutPrefix(e.AsIdent(), presence)
	number, ok := byName[name]
	if !ok {
		panic(refuse(e, "%s is no condition", name))
	}
	a := &attributes[number]
	if asked {
		return known(a)
	}
	get, missing := a.flag, (unknown + fault(number)).truth()
	return func(f *frame) truth {
		value, ok := get(f)
		if !ok {
			return missing
		}
		return truthOf(value)
	}
}

// known asks whether an attribute has a value.
func known(a *Attribute) condition {
	switch a.Type {
	case Flag:
		return func(f *frame) truth { _, ok := a.flag(f); return truthOf(ok) }
	case Whole:
		return func(f *frame) truth { _, ok := a.whole(f); return truthOf(ok) }
	default:
		return func(f *frame) truth { _, ok := a.real(f); return truthOf(ok) }
	}
}

func (c *compiler) call(e ast.Expr) condition {
	call := e.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalAnd:
		return all(c.conditions(flatten(e, operators.LogicalAnd)))
	case operators.LogicalOr:
		return any1(c.conditions(flatten(e, operators.LogicalOr)))
	case operators.LogicalNot:
		x := c.condition(args[0])
		return func(f *frame) truth {
			if t := x(f); t < 0 {
				return t
			} else {
				return 1 - t
			}
		}
	case operators.Conditional:
		when, then, otherwise := c.condition(args[0]), c.condition(args[1]), c.condition(args[2])
		return func(f *frame) truth {
			switch t := when(f); {
			case t < 0:
				return t
			case t == yes:
				return then(f)
			}
			return otherwise(f)
		}
	case operators.In, operators.OldIn:
		return c.in(e, args[0], args[1])
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return c.compare(e, call.FunctionName(), args[0], args[1])
	case overloads.StartsWith:
		return c.ask(call.Target(), args[0], strings.HasPrefix)
	case overloads.EndsWith:
		return c.ask(call.Target(), args[0], strings.HasSuffix)
	case overloads.Contains:
		return c.ask(call.Target(), args[0], strings.Contains)
	}
	panic(refuse(e, "%s() cannot be used here", call.FunctionName()))
}

func (c *compiler) conditions(terms []ast.Expr) []condition {
	compiled := make([]condition, len(terms))
	for i, term := range terms {
		compiled[i] = c.condition(term)
	}
	return compiled
}

// flatten lists the terms of a chain of one operator, from left to right.
func flatten(e ast.Expr, operator string) []ast.Expr {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != operator {
		return []ast.Expr{e}
	}
	var terms []ast.Expr
	for _, arg := range e.AsCall().Args() {
		terms = append(terms, flatten(arg, operator)...)
	}
	return terms
}

// all is no as soon as one term is no; else the first fault.
func all(terms []condition) condition {
	if len(terms) == 2 {
		a, b := terms[0], terms[1]
		return func(f *frame) truth {
			s := a(f)
			if s == no {
				return no
			}
			t := b(f)
			if t == no || s == yes {
				return t
			}
			return s
		}
	}
	return func(f *frame) truth {
		result := yes
		for _, term := range terms {
			t := term(f)
			if t == no {
				return no
			}
			if t < 0 && result == yes {
				result = t
			}
		}
		return result
	}
}

// any1 is yes as soon as one term is yes; else the first fault.
func any1(terms []condition) condition {
	return func(f *frame) truth {
		result := no
		for _, term := range terms {
			t := term(f)
			if t == yes {
				return yes
			}
			if t < 0 && result == no {
				result = t
			}
		}
		return result
	}
}

// walk compiles list.exists(x, …) and list.all(x, …).
func (c *compiler) walk(e ast.Expr) condition {
	walk := e.AsComprehension()
	elements := c.list(walk.IterRange())
	place := len(c.scope)
	if place == maxDepth {
		panic(refuse(e, "lists are walked at most %d deep", maxDepth))
	}
	c.scope = append(c.scope, walk.IterVar())
	step := walk.LoopStep().AsCall()
	each := c.condition(step.Args()[1])
	c.scope = c.scope[:place]
	// Of exists it is yes that ends the walk, of all no.
	end, result := yes, no
	if step.FunctionName() == operators.LogicalAnd {
		end, result = no, yes
	}
	return func(f *frame) truth {
		sum := result
		for _, text := range elements(f) {
			f.texts[place] = text
			t := each(f)
			if t == end {
				return end
			}
			if t < 0 && sum >= 0 {
				sum = t
			}
		}
		return sum
	}
}

// ask compiles a question about two texts.
func (c *compiler) ask(target, arg ast.Expr, question func(text, part string) bool) condition {
	part, constant := text(arg)
	get := c.words(target)
	if constant {
		return func(f *frame) truth {
			s, fault := get(f)
			if fault != none {
				return fault.truth()
			}
			return truthOf(question(s, part))
		}
	}
	other := c.words(arg)
	return func(f *frame) truth {
		s, fault := get(f)
		if fault != none {
			return fault.truth()
		}
		t, fault := other(f)
		if fault != none {
			return fault.truth()
		}
		return truthOf(question(s, t))
	}
}

// text is the constant that an expression is.
func text(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

// in compiles "x in list".
func (c *compiler) in(e, what, where ast.Expr) condition {
	if where.Kind() != ast.ListKind {
		return c.inTexts(what, c.list(where))
	}
	elements := where.AsList().Elements()
	switch c.kind(what) {
	case Text:
		constants := c.constants(where)
		get := c.words(what)
		if len(constants) > 8 {
			set := make(map[string]bool, len(constants))
			for _, s := range constants {
				set[s] = true
			}
			return func(f *frame) truth {
				s, fault := get(f)
				if fault != none {
					return fault.truth()
				}
				return truthOf(set[s])
			}
		}
		return func(f *frame) truth {
			s, fault := get(f)
			if fault != none {
				return fault.truth()
			}
			return truthOf(slices.Contains(constants, s))
		}
	case Whole:
		get := c.integer(what)
		constants := make([]int64, len(elements))
		for i, element := range elements {
			n, ok := whole64(element)
			if !ok {
				panic(refuse(element, "a list holds constants only: compare with == and join with || instead"))
			}
			constants[i] = n
		}
		return func(f *frame) truth {
			n, fault := get(f)
			if fault != none {
				return fault.truth()
			}
			return truthOf(slices.Contains(constants, n))
		}
	}
	panic(refuse(e, "in asks for a text or a whole number"))
}

func (c *compiler) inTexts(what ast.Expr, elements list) condition {
	get := c.words(what)
	return func(f *frame) truth {
		s, fault := get(f)
		if fault != none {
			return fault.truth()
		}
		return truthOf(slices.Contains(elements(f), s))
	}
}

func whole64(e ast.Expr) (int64, bool) {
	if e.Kind() == ast.LiteralKind {
		n, ok := e.AsLiteral().(types.Int)
		return int64(n), ok
	}
	return 0, false
}

func real64(e ast.Expr) (float64, bool) {
	if n, ok := whole64(e); ok {
		return float64(n), true
	}
	if e.Kind() == ast.LiteralKind {
		n, ok := e.AsLiteral().(types.Double)
		return float64(n), ok
	}
	return 0, false
}

// constants are the texts of a list that is written out.
func (c *compiler) constants(e ast.Expr) []string {
	elements := e.AsList().Elements()
	if len(elements) == 0 {
		panic(refuse(e, "an empty list holds nothing"))
	}
	constants := make([]string, len(elements))
	for i, element := range elements {
		s, ok := text(element)
		if !ok {
			panic(refuse(element, "a list holds constants only: compare with == and join with || instead"))
		}
		constants[i] = s
	}
	return constants
}

// list compiles a list of texts.
func (c *compiler) list(e ast.Expr) list {
	switch e.Kind() {
	case ast.ListKind:
		constants := c.constants(e)
		return func(*frame) []string { return constants }
	case ast.IdentKind:
		if number, ok := byName[e.AsIdent()]; ok && attributes[number].Type == Texts {
			return attributes[number].texts
		}
	}
	panic(refuse(e, "this is not a list of texts"))
}

// kind is the type of a value.
func (c *compiler) kind(e ast.Expr) Type {
	switch t := c.tree.GetType(e.ID()); t.Kind() {
	case types.BoolKind:
		return Flag
	case types.IntKind:
		return Whole
	case types.DoubleKind:
		return Real
	case types.StringKind:
		return Text
	case types.ListKind:
		return Texts
	default:
		panic(refuse(e, "values of type %s have no place in a condition", t))
	}
}

// compare compiles the six comparisons.
func (c *compiler) compare(e ast.Expr, operator string, left, right ast.Expr) condition {
	switch a, b := c.kind(left), c.kind(right); {
	case a == Flag && b == Flag:
		x, y := c.condition(left), c.condition(right)
		different := operator == operators.NotEquals
		return func(f *frame) truth {
			s := x(f)
			if s < 0 {
				return s
			}
			t := y(f)
			if t < 0 {
				return t
			}
			return truthOf((s == t) != different)
		}
	case a == Text && b == Text:
		return c.compareTexts(operator, left, right)
	case a == Whole && b == Whole:
		return c.compareWholes(operator, left, right)
	case (a == Whole || a == Real) && (b == Whole || b == Real):
		return c.compareReals(operator, left, right)
	}
	panic(refuse(e, "lists cannot be compared: ask with in, exists or all"))
}

func (c *compiler) compareTexts(operator string, left, right ast.Expr) condition {
	x := c.words(left)
	if constant, ok := text(right); ok && (operator == operators.Equals || operator == operators.NotEquals) {
		different := operator == operators.NotEquals
		return func(f *frame) truth {
			s, fault := x(f)
			if fault != none {
				return fault.truth()
			}
			return truthOf((s == constant) != different)
		}
	}
	return compared(x, c.words(right), ordered[string](operator))
}

func (c *compiler) compareWholes(operator string, left, right ast.Expr) condition {
	x, holds := c.integer(left), ordered[int64](operator)
	if constant, ok := whole64(right); ok {
		if number, ok := plain(left, Whole); ok {
			return against(operator, attributes[number].whole, (unknown + fault(number)).truth(), constant)
		}
		return comparedTo(x, constant, holds)
	}
	return compared(x, c.integer(right), holds)
}

func (c *compiler) compareReals(operator string, left, right ast.Expr) condition {
	x, holds := c.number(left), ordered[float64](operator)
	if constant, ok := real64(right); ok {
		if number, ok := plain(left, Real); ok {
			return against(operator, attributes[number].real, (unknown + fault(number)).truth(), constant)
		}
		return comparedTo(x, constant, holds)
	}
	return compared(x, c.number(right), holds)
}

// compared reads both sides, the left one first: its fault is the comparison's.
func compared[T any](x, y func(*frame) (T, fault), holds func(a, b T) bool) condition {
	return func(f *frame) truth {
		a, fault := x(f)
		if fault != none {
			return fault.truth()
		}
		b, fault := y(f)
		if fault != none {
			return fault.truth()
		}
		return truthOf(holds(a, b))
	}
}

// comparedTo is compared with a constant on the right.
func comparedTo[T any](x func(*frame) (T, fault), constant T, holds func(a, b T) bool) condition {
	return func(f *frame) truth {
		a, fault := x(f)
		if fault != none {
			return fault.truth()
		}
		return truthOf(holds(a, constant))
	}
}

// plain is the number of the attribute of an expression that is nothing else.
func plain(e ast.Expr, kind Type) (int, bool) {
	if e.Kind() != ast.IdentKind {
		return 0, false
	}
	number, ok := byName[e.AsIdent()]
	return number, ok && attributes[number].Type == kind
}

// against compares an attribute with a constant: most of what conditions do, in one closure in place of three.
func against[T int64 | float64](operator string, get func(*frame) (T, bool), missing truth, constant T) condition {
	switch operator {
	case operators.Equals:
		return func(f *frame) truth {
			v, ok := get(f)
			if !ok {
				return missing
			}
			return truthOf(v == constant)
		}
	case operators.NotEquals:
		return func(f *frame) truth {
			v, ok := get(f)
			if !ok {
				return missing
			}
			return truthOf(v != constant)
		}
	case operators.Less:
		return func(f *frame) truth {
			v, ok := get(f)
			if !ok {
				return missing
			}
			return truthOf(v < constant)
		}
	case operators.LessEquals:
		return func(f *frame) truth {
			v, ok := get(f)
			if !ok {
				return missing
			}
			return truthOf(v <= constant)
		}
	case operators.Greater:
		return func(f *frame) truth {
			v, ok := get(f)
			if !ok {
				return missing
			}
			return truthOf(v > constant)
		}
	default:
		return func(f *frame) truth {
			v, ok := get(f)
			if !ok {
				return missing
			}
			return truthOf(v >= constant)
		}
	}
}

func ordered[T int64 | float64 | string](operator string) func(a, b T) bool {
	switch operator {
	case operators.Equals:
		return func(a, b T) bool { return a == b }
	case operators.NotEquals:
		return func(a, b T) bool { return a != b }
	case operators.Less:
		return func(a, b T) bool { return a < b }
	case operators.LessEquals:
		return func(a, b T) bool { return a <= b }
	case operators.Greater:
		return func(a, b T) bool { return a > b }
	default:
		return func(a, b T) bool { return a >= b }
	}
}

// words compiles a text.
func (c *compiler) words(e ast.Expr) words {
	switch e.Kind() {
	case ast.LiteralKind:
		if s, ok := text(e); ok {
			return func(*frame) (string, fault) { return s, none }
		}
	case ast.IdentKind:
		if place := slices.Index(c.scope, e.AsIdent()); place >= 0 {
			return func(f *frame) (string, fault) { return f.texts[place], none }
		}
		if number, ok := byName[e.AsIdent()]; ok && attributes[number].Type == Text {
			get := attributes[number].text
			return func(f *frame) (string, fault) { return get(f), none }
		}
	case ast.CallKind:
		if call := e.AsCall(); call.FunctionName() == operators.Conditional {
			when, then, otherwise := c.condition(call.Args()[0]), c.words(call.Args()[1]), c.words(call.Args()[2])
			return func(f *frame) (string, fault) {
				switch t := when(f); {
				case t < 0:
					return "", t.fault()
				case t == yes:
					return then(f)
				}
				return otherwise(f)
			}
		}
	}
	panic(refuse(e, "this is not a text"))
}

// integer compiles a whole number.
func (c *compiler) integer(e ast.Expr) integer {
	switch e.Kind() {
	case ast.LiteralKind:
		if n, ok := whole64(e); ok {
			return func(*frame) (int64, fault) { return n, none }
		}
	case ast.IdentKind:
		if number, ok := byName[e.AsIdent()]; ok && attributes[number].Type == Whole {
			get, missing := attributes[number].whole, unknown+fault(number)
			return func(f *frame) (int64, fault) {
				n, ok := get(f)
				if !ok {
					return 0, missing
				}
				return n, none
			}
		}
	case ast.CallKind:
		return c.arithmetic(e)
	}
	panic(refuse(e, "this is not a whole number"))
}

func (c *compiler) arithmetic(e ast.Expr) integer {
	call := e.AsCall()
	args := call.Args()
	switch name := call.FunctionName(); name {
	case operators.Conditional:
		when, then, otherwise := c.condition(args[0]), c.integer(args[1]), c.integer(args[2])
		return func(f *frame) (int64, fault) {
			switch t := when(f); {
			case t < 0:
				return 0, t.fault()
			case t == yes:
				return then(f)
			}
			return otherwise(f)
		}
	case operators.Negate:
		x := c.integer(args[0])
		return func(f *frame) (int64, fault) {
			n, fault := x(f)
			if fault != none {
				return 0, fault
			}
			if n == math.MinInt64 {
				return 0, overflow
			}
			return -n, none
		}
	case overloads.Size:
		what := call.Target()
		if !call.IsMemberFunction() {
			what = args[0]
		}
		if c.kind(what) == Texts {
			elements := c.list(what)
			return func(f *frame) (int64, fault) { return int64(len(elements(f))), none }
		}
		get := c.words(what)
		return func(f *frame) (int64, fault) {
			s, fault := get(f)
			return int64(utf8.RuneCountInString(s)), fault
		}
	case overloads.TypeConvertInt:
		if c.kind(args[0]) == Whole {
			return c.integer(args[0])
		}
		x := c.decimal(args[0])
		return func(f *frame) (int64, fault) {
			n, fault := x(f)
			if fault != none {
				return 0, fault
			}
			// The bounds are CEL's: both ends are out of range.
			if math.IsNaN(n) || n <= math.MinInt64 || n >= math.MaxInt64 {
				return 0, overflow
			}
			return int64(n), none
		}
	case operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo:
		x, y, calculate := c.integer(args[0]), c.integer(args[1]), wholes[name]
		return func(f *frame) (int64, fault) {
			m, fault := x(f)
			if fault != none {
				return 0, fault
			}
			n, fault := y(f)
			if fault != none {
				return 0, fault
			}
			return calculate(m, n)
		}
	}
	panic(refuse(e, "%s() gives no whole number", call.FunctionName()))
}

var wholes = map[string]func(a, b int64) (int64, fault){
	operators.Add: func(a, b int64) (int64, fault) {
		if sum := a + b; (sum > a) == (b > 0) {
			return sum, none
		}
		return 0, overflow
	},
	operators.Subtract: func(a, b int64) (int64, fault) {
		if rest := a - b; (rest < a) == (b > 0) {
			return rest, none
		}
		return 0, overflow
	},
	operators.Multiply: func(a, b int64) (int64, fault) {
		if a == 0 || b == 0 {
			return 0, none
		}
		if a == -1 && b == math.MinInt64 || b == -1 && a == math.MinInt64 {
			return 0, overflow
		}
		if product := a * b; product/b == a {
			return product, none
		}
		return 0, overflow
	},
	operators.Divide: func(a, b int64) (int64, fault) {
		switch {
		case b == 0:
			return 0, dividedByZero
		case a == math.MinInt64 && b == -1:
			return 0, overflow
		}
		return a / b, none
	},
	operators.Modulo: func(a, b int64) (int64, fault) {
		switch {
		case b == 0:
			return 0, moduloByZero
		case a == math.MinInt64 && b == -1:
			return 0, overflow
		}
		return a % b, none
	},
}

// number compiles a number of either kind; CEL compares a whole one with a real one as real ones.
func (c *compiler) number(e ast.Expr) decimal {
	if c.kind(e) == Real {
		return c.decimal(e)
	}
	x := c.integer(e)
	return func(f *frame) (float64, fault) {
		n, fault := x(f)
		return float64(n), fault
	}
}

// decimal compiles a number.
func (c *compiler) decimal(e ast.Expr) decimal {
	switch e.Kind() {
	case ast.LiteralKind:
		if n, ok := e.AsLiteral().(types.Double); ok {
			return func(*frame) (float64, fault) { return float64(n), none }
		}
	case ast.IdentKind:
		if number, ok := byName[e.AsIdent()]; ok && attributes[number].Type == Real {
			get, missing := attributes[number].real, unknown+fault(number)
			return func(f *frame) (float64, fault) {
				n, ok := get(f)
				if !ok {
					return 0, missing
				}
				return n, none
			}
		}
	case ast.CallKind:
		return c.calculation(e)
	}
	panic(refuse(e, "this is not a number"))
}

func (c *compiler) calculation(e ast.Expr) decimal {
	call := e.AsCall()
	args := call.Args()
	switch name := call.FunctionName(); name {
	case operators.Conditional:
		when, then, otherwise := c.condition(args[0]), c.decimal(args[1]), c.decimal(args[2])
		return func(f *frame) (float64, fault) {
			switch t := when(f); {
			case t < 0:
				return 0, t.fault()
			case t == yes:
				return then(f)
			}
			return otherwise(f)
		}
	case operators.Negate:
		x := c.decimal(args[0])
		return func(f *frame) (float64, fault) {
			n, fault := x(f)
			return -n, fault
		}
	case overloads.TypeConvertDouble:
		return c.number(args[0])
	case operators.Add, operators.Subtract, operators.Multiply, operators.Divide:
		x, y, calculate := c.decimal(args[0]), c.decimal(args[1]), decimals[name]
		return func(f *frame) (float64, fault) {
			m, fault := x(f)
			if fault != none {
				return 0, fault
			}
			n, fault := y(f)
			if fault != none {
				return 0, fault
			}
			return calculate(m, n), none
		}
	}
	panic(refuse(e, "%s() gives no number", call.FunctionName()))
}

var decimals = map[string]func(a, b float64) float64{
	operators.Add:      func(a, b float64) float64 { return a + b },
	operators.Subtract: func(a, b float64) float64 { return a - b },
	operators.Multiply: func(a, b float64) float64 { return a * b },
	operators.Divide:   func(a, b float64) float64 { return a / b },
}
