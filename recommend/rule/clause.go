package rule

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// Clause is one of the parts of a condition that must all hold, to be tried by itself: for whoever looks for scenes in
// which rules meet. It is the closure that answers are made with.
type Clause struct {
	Text      string
	Candidate bool     // it asks about the candidate
	Reads     []string // attributes
	Compared  []Compared
	// Exact says that all it does with what it reads is to compare it with what stands in Compared: between two
	// neighbours of those its truth does not change.
	Exact bool
	holds condition
}

// Compared is a constant that an attribute, an element of it or its size is compared with.
type Compared struct {
	Attribute string
	As        Comparison
	Text      string
	Number    float64
}

// Comparison is how.
type Comparison uint8

const (
	WithText   Comparison = iota // the text, or an element of the list, is Text
	WithPart                     // it begins with, ends with or holds Text
	WithNumber                   // it is held against Number
	WithSize                     // its size is held against Number
	Loosely                      // Number stands in a calculation with it
)

// Clauses takes a condition apart; the empty one has no parts. What is wrong with it is an *Invalid.
func Clauses(when string) ([]Clause, error) {
	if strings.TrimSpace(when) == "" {
		return nil, nil
	}
	f, problems := compile(when)
	if len(problems) > 0 {
		return nil, &Invalid{Problems: problems}
	}
	clauses := make([]Clause, len(f.terms))
	for i, t := range f.terms {
		c := Clause{Text: t.text, Candidate: t.candidate, holds: t.condition, Exact: true}
		for _, n := range t.uses {
			c.Reads = append(c.Reads, attributes[n].Name)
		}
		c.dissect(t.expr, nil)
		clauses[i] = c
	}
	return clauses, nil
}

// Asks lists the attributes that a condition, or a part of one, asks for; none where it cannot be read.
func Asks(when string) (all []Attribute) {
	clauses, err := Clauses(when)
	if err != nil {
		return nil
	}
	seen := map[string]bool{}
	for i := range clauses {
		for _, name := range clauses[i].Reads {
			if !seen[name] {
				seen[name] = true
				all = append(all, attributes[byName[name]])
			}
		}
	}
	return all
}

// Holds tries the clause. What is not known, or fails, does not hold. of may be nil unless it asks about the candidate.
func (c *Clause) Holds(s *Scene, of *Candidate) bool {
	f := frame{scene: s, candidate: of}
	return c.holds(&f) == yes
}

// dissect collects what is compared. scope says which attribute's elements a variable stands for.
func (c *Clause) dissect(e ast.Expr, scope map[string]string) {
	switch e.Kind() {
	case ast.ComprehensionKind:
		walk := e.AsComprehension()
		inner := map[string]string{}
		for name, attribute := range scope {
			inner[name] = attribute
		}
		delete(inner, walk.IterVar())
		if walk.IterRange().Kind() == ast.IdentKind {
			inner[walk.IterVar()] = walk.IterRange().AsIdent()
		} else { // a list that is written out: nothing is learned of the attributes that its elements are held against
			c.Exact = false
		}
		c.dissect(walk.LoopStep().AsCall().Args()[1], inner)
	case ast.CallKind:
		call := e.AsCall()
		args := call.Args()
		switch call.FunctionName() {
		case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional:
			for _, arg := range args {
				c.dissect(arg, scope)
			}
		case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
			c.compared(call.FunctionName(), args[0], args[1], scope)
		case operators.In, operators.OldIn:
			c.within(args[0], args[1], scope)
		case overloads.StartsWith, overloads.EndsWith, overloads.Contains:
			name, ok := reading(call.Target(), scope)
			part, constant := text(args[0])
			if ok && constant {
				c.Compared = append(c.Compared, Compared{Attribute: name, As: WithPart, Text: part})
			}
			c.Exact = c.Exact && ok && constant && call.FunctionName() == overloads.StartsWith
		default:
			c.Exact = false
		}
	}
}

// reading is the attribute that an expression is, or whose element it is.
func reading(e ast.Expr, scope map[string]string) (string, bool) {
	if e.Kind() != ast.IdentKind {
		return "", false
	}
	if of, ok := scope[e.AsIdent()]; ok {
		return of, true
	}
	_, ok := byName[e.AsIdent()]
	return e.AsIdent(), ok
}

func (c *Clause) compared(operator string, left, right ast.Expr, scope map[string]string) {
	for _, sides := range [...][2]ast.Expr{{left, right}, {right, left}} {
		attribute, constant := sides[0], sides[1]
		if s, ok := text(constant); ok {
			if name, ok := reading(attribute, scope); ok {
				c.Compared = append(c.Compared, Compared{Attribute: name, As: WithText, Text: s})
				c.Exact = c.Exact && (operator == operators.Equals || operator == operators.NotEquals)
				return
			}
		}
		if n, ok := real64(constant); ok {
			if name, ok := reading(attribute, scope); ok {
				c.Compared = append(c.Compared, Compared{Attribute: name, As: WithNumber, Number: n})
				return
			}
			if name, ok := sized(attribute, scope); ok {
				c.Compared = append(c.Compared, Compared{Attribute: name, As: WithSize, Number: n})
				return
			}
		}
	}
	if c.flags(left) && c.flags(right) { // true or false: every value there is will be tried
		c.dissect(left, scope)
		c.dissect(right, scope)
		return
	}
	c.Exact = false
	numbers := []float64{}
	var names []string
	for _, side := range [...]ast.Expr{left, right} {
		ast.PostOrderVisit(side, ast.NewExprVisitor(func(e ast.Expr) {
			if n, ok := real64(e); ok {
				numbers = append(numbers, n)
			} else if name, ok := reading(e, scope); ok && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}))
	}
	for _, name := range names {
		c.Compared = append(c.Compared, Compared{Attribute: name, As: Loosely})
		for _, n := range numbers {
			c.Compared = append(c.Compared, Compared{Attribute: name, As: Loosely, Number: n})
		}
	}
}

// flags tells whether an expression is true or false, without anything being calculated.
func (c *Clause) flags(e ast.Expr) bool {
	switch e.Kind() {
	case ast.LiteralKind:
		_, ok := e.AsLiteral().(types.Bool)
		return ok
	case ast.IdentKind:
		n, ok := byName[strings.TrimPrefix(e.AsIdent(), presence)]
		return ok && (attributes[n].Type == Flag || strings.HasPrefix(e.AsIdent(), presence))
	case ast.CallKind:
		switch e.AsCall().FunctionName() {
		case operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo, operators.Negate,
			overloads.Size, overloads.TypeConvertInt, overloads.TypeConvertDouble, operators.Conditional:
			return false
		}
		return true
	}
	return e.Kind() == ast.ComprehensionKind
}

// sized is the attribute whose size an expression is.
func sized(e ast.Expr, scope map[string]string) (string, bool) {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != overloads.Size {
		return "", false
	}
	of := e.AsCall().Target()
	if !e.AsCall().IsMemberFunction() {
		of = e.AsCall().Args()[0]
	}
	if of.Kind() != ast.IdentKind {
		return "", false
	}
	if _, walked := scope[of.AsIdent()]; walked {
		return "", false
	}
	return reading(of, nil)
}

func (c *Clause) within(what, where ast.Expr, scope map[string]string) {
	if where.Kind() == ast.ListKind {
		name, ok := reading(what, scope)
		c.Exact = c.Exact && ok
		for _, element := range where.AsList().Elements() {
			if s, isText := text(element); ok && isText {
				c.Compared = append(c.Compared, Compared{Attribute: name, As: WithText, Text: s})
			} else if n, isNumber := real64(element); ok && isNumber {
				c.Compared = append(c.Compared, Compared{Attribute: name, As: WithNumber, Number: n})
			}
		}
		return
	}
	name, ok := reading(where, nil)
	s, constant := text(what)
	if ok && constant {
		c.Compared = append(c.Compared, Compared{Attribute: name, As: WithText, Text: s})
		return
	}
	c.Exact = false
}

// Opens is the test whether a moment lies in a schedule, which must be a right one.
func (s *Schedule) Opens() func(*Moment) bool {
	c := s.compile(func(string, string, string) {})
	return c.open
}

// Holds tells whether a minute of the day lies in hours, which may go past midnight.
func (h Hours) Holds(minute int) bool {
	from, until, ok := h.parse("", func(string, string, string) {})
	return ok && span{from, until % (24 * 60)}.quiet(minute)
}
