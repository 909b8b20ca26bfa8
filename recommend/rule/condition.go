package rule

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// formula is a condition that passed the check, compiled.
type formula struct {
	whole condition
	terms []term // that are joined by && at the top, in the order in which they are written
	uses  []int  // numbers of the attributes that it reads
	pairs []pair // attributes and the constants that they are compared with
	keys  []key  // one of them is needed for the candidate part to hold; nil: no index
	tree  *cel.Ast
}

// term is one of the parts of a condition that must all hold.
type term struct {
	condition condition
	candidate bool   // it reads the candidate
	text      string // as it was written, in CEL's own spacing
	uses      []int
	expr      ast.Expr
}

// pair is a constant that an attribute, or an element of it, is compared with.
type pair struct {
	attribute int
	text      string
	prefix    bool // the attribute is asked to start with it
	at        int64
}

// personal tells whether the condition reads what is known of the shopper.
func (f *formula) personal() bool {
	return slices.ContainsFunc(f.uses, func(n int) bool { return attributes[n].Purpose != "" })
}

// aboutCandidate tells whether the condition asks about the candidate.
func (f *formula) aboutCandidate() bool {
	return slices.ContainsFunc(f.terms, func(t term) bool { return t.candidate })
}

// compile checks a condition and compiles it. Without problems the formula is whole.
func compile(text string) (*formula, []Problem) {
	if strings.TrimSpace(text) == "" {
		text = "true"
	}
	if len(text) > maxText {
		return nil, []Problem{{Field: "when", Line: 1, Column: 1, Text: fmt.Sprintf("the condition has %d characters", len(text)), Mend: fmt.Sprintf("at most %d: make two rules of it", maxText)}}
	}
	lang, err := dialect()
	if err != nil {
		return nil, []Problem{{Field: "when", Line: 1, Column: 1, Text: err.Error()}}
	}
	parsed, issues := lang.Parse(text)
	if issues.Err() != nil {
		return nil, reworded(issues)
	}
	info := parsed.NativeRep().SourceInfo()
	var problems []Problem
	say := func(id int64, text, mend string) {
		at := info.GetStartLocation(id)
		problems = append(problems, Problem{Field: "when", Line: max(at.Line(), 1), Column: at.Column() + 1, Text: text, Mend: mend})
	}
	names(parsed.NativeRep().Expr(), nil, say)
	if len(problems) > 0 {
		return nil, problems
	}
	checked, issues := lang.Check(parsed)
	if issues.Err() != nil {
		return nil, reworded(issues)
	}
	root := checked.NativeRep().Expr()
	if kind := checked.OutputType(); kind.Kind() != types.BoolKind {
		return nil, []Problem{{Field: "when", Line: 1, Column: 1, Mend: "compare it with something",
			Text: fmt.Sprintf("the condition is a %s, not true or false", called(kind.String()))}}
	}
	c := &formula{tree: checked}
	c.pairs = pairs(root, map[string]int{})
	for _, p := range c.pairs {
		a := &attributes[p.attribute]
		if a.Values != nil && !p.prefix && p.text != "" && !slices.Contains(a.Values, p.text) {
			say(p.at, fmt.Sprintf("%s is never %q", a.Name, p.text), didYouMean(p.text, a.Values))
		}
	}
	if worst, err := lang.EstimateCost(checked, sizes{}); err != nil {
		say(root.ID(), err.Error(), "")
	} else if worst.Max > maxCost {
		say(root.ID(), fmt.Sprintf("in the worst case the condition looks at about %d values", worst.Max), fmt.Sprintf("at most %d: walk fewer lists, and none inside another", maxCost))
	}
	if len(problems) > 0 {
		return nil, problems
	}
	if err := c.build(checked); err != nil {
		say(err.at, err.text, "")
		return nil, problems
	}
	return c, nil
}

// build makes the closures.
func (f *formula) build(checked *cel.Ast) (wrong *refusal) {
	defer func() {
		if r := recover(); r != nil {
			var ok bool
			if wrong, ok = r.(*refusal); !ok {
				panic(r)
			}
		}
	}()
	compiler := &compiler{tree: checked.NativeRep()}
	root := checked.NativeRep().Expr()
	f.whole = compiler.condition(root)
	for _, e := range flatten(root, operators.LogicalAnd) {
		t := term{condition: compiler.condition(e), uses: reads(e), expr: e}
		t.candidate = slices.ContainsFunc(t.uses, func(n int) bool { return attributes[n].Candidate })
		text, err := cel.ExprToString(e, checked.NativeRep().SourceInfo())
		if err != nil {
			return refuse(e, "this cannot be written out again: %v", err)
		}
		t.text = text
		if t.candidate {
			if keys := keysOf(e); keys != nil && (f.keys == nil || worth(keys) < worth(f.keys)) {
				f.keys = keys
			}
		}
		f.terms = append(f.terms, t)
	}
	f.uses = reads(root)
	return nil
}

// reads lists the attributes that an expression reads, each once, in order.
func reads(e ast.Expr) []int {
	seen := map[int]bool{}
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind {
			if n, ok := byName[strings.TrimPrefix(e.AsIdent(), presence)]; ok {
				seen[n] = true
			}
		}
	}))
	return slices.Sorted(maps.Keys(seen))
}

// names tells every name that is no attribute. It runs before the checker, which would only know the first half
// of a dotted name.
func names(e ast.Expr, scope []string, say func(id int64, text, mend string)) {
	switch e.Kind() {
	case ast.IdentKind, ast.SelectKind:
		name, ok := dotted(e)
		if !ok {
			names(e.AsSelect().Operand(), scope, say)
			return
		}
		root, field, _ := strings.Cut(name, ".")
		switch {
		case slices.Contains(scope, root):
			if field != "" {
				say(first(e).ID(), fmt.Sprintf("%s is a text and has no part %q", root, field), "")
			}
		case strings.HasPrefix(name, presence), strings.HasPrefix(name, "@"):
		default:
			if _, ok := byName[name]; !ok {
				text, mend := undeclared(name), nearestAttribute(name)
				say(first(e).ID(), text, mend)
			}
		}
	case ast.CallKind:
		if f := e.AsCall().FunctionName(); f == "map" || f == "filter" || f == "exists_one" {
			say(e.ID(), fmt.Sprintf("there is no %s()", f), "ask with exists or all")
			return
		}
		if e.AsCall().IsMemberFunction() {
			names(e.AsCall().Target(), scope, say)
		}
		for _, arg := range e.AsCall().Args() {
			names(arg, scope, say)
		}
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			names(element, scope, say)
		}
	case ast.ComprehensionKind:
		walk := e.AsComprehension()
		names(walk.IterRange(), scope, say)
		if _, object := objects[walk.IterVar()]; object {
			say(e.ID(), fmt.Sprintf("%s names attributes", walk.IterVar()), "take another name for the elements, x for example")
			return
		}
		names(walk.LoopStep(), append(slices.Clone(scope), walk.IterVar()), say)
	}
}

// objects are the first halves of the attributes' names.
var objects = func() map[string]bool {
	all := map[string]bool{}
	for i := range attributes {
		object, _, _ := strings.Cut(attributes[i].Name, ".")
		all[object] = true
	}
	return all
}()

func undeclared(name string) string { return fmt.Sprintf("there is no attribute %q", name) }

func nearestAttribute(name string) string {
	all := make([]string, len(attributes))
	var same []string
	object, field, _ := strings.Cut(name, ".")
	for i := range attributes {
		all[i] = attributes[i].Name
		of, its, _ := strings.Cut(attributes[i].Name, ".")
		if of == object {
			same = append(same, attributes[i].Name)
		}
		if its == name || field != "" && its == field && of != object {
			return fmt.Sprintf("did you mean %q?", attributes[i].Name)
		}
	}
	if near := didYouMean(name, all); near != "" {
		return near
	}
	if len(same) > 0 {
		return "there are " + strings.Join(same, ", ")
	}
	return "the objects are " + strings.Join(slices.Sorted(maps.Keys(objects)), ", ")
}

var (
	noOverload = regexp.MustCompile(`^found no matching overload for '(.*)' applied to '(.*)'`)
	noName     = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	inWords    = map[string]string{"int": "whole number", "double": "number", "string": "text", "bool": "true or false", "list(string)": "list of texts"}
	// spoken are the functions that can be written by name.
	spoken = []string{"has", "exists", "all", "size", "startsWith", "endsWith", "contains", "int", "double"}
)

func called(kind string) string {
	if word, ok := inWords[kind]; ok {
		return word
	}
	return kind
}

// reworded puts the checker's messages into the words of a product team.
func reworded(issues *cel.Issues) []Problem {
	var problems []Problem
	for _, e := range issues.Errors() {
		p := Problem{Field: "when", Line: max(e.Location.Line(), 1), Column: e.Location.Column() + 1}
		p.Text, p.Mend = reword(e)
		if !slices.Contains(problems, p) {
			problems = append(problems, p)
		}
	}
	return problems
}

func reword(e *common.Error) (text, mend string) {
	if m := noName.FindStringSubmatch(e.Message); m != nil {
		return fmt.Sprintf("there is no function %q", m[1]), didYouMean(m[1], spoken)
	}
	if m := noOverload.FindStringSubmatch(e.Message); m != nil {
		operator := strings.Trim(m[1], "_!")
		switch m[1] {
		case operators.LogicalNot:
			operator = "!"
		case operators.NotEquals:
			operator = "!="
		case operators.In:
			operator = "in"
		}
		kinds := kindsOf(m[2])
		texts := make([]string, len(kinds))
		for i, kind := range kinds {
			texts[i] = "a " + called(kind)
		}
		text = fmt.Sprintf("%s cannot be used with %s", operator, strings.Join(texts, " and "))
		switch {
		case slices.Contains(kinds, "int") && slices.Contains(kinds, "double"):
			mend = "write 2.0 for 2, or put double( ) around the whole number"
		case slices.Contains(kinds, "string") && (slices.Contains(kinds, "int") || slices.Contains(kinds, "double")):
			mend = `a text is written in quotes ("gold"), a number without`
		case slices.Contains(kinds, "list(string)") && slices.Contains(kinds, "string"):
			mend = `ask whether a list holds a text with "vegan" in candidate.tags`
		case slices.Contains(kinds, "bool"):
			mend = "compare values first: a == 1 && b == 2"
		default:
			mend = "both sides must be of one kind"
		}
		return text, mend
	}
	if e.Message == "" {
		return "this cannot be read", ""
	}
	text = strings.TrimPrefix(e.Message, "Syntax error: ")
	if text != e.Message {
		mend = `a condition looks like this: shopper.tier == "gold" && place.distance_m < 500.0`
	}
	return text, mend
}

// kindsOf splits "(string, list(int))" or "string.(int)".
func kindsOf(signature string) []string {
	signature = strings.Replace(signature, ".(", ", ", 1)
	signature = strings.TrimSuffix(strings.TrimPrefix(signature, "("), ")")
	if strings.HasSuffix(signature, "(string") || strings.HasSuffix(signature, "(int") || strings.HasSuffix(signature, "(double") {
		signature += ")"
	}
	return strings.Split(signature, ", ")
}

// sizes tells the cost estimate how large values may be.
type sizes struct{}

func (sizes) EstimateSize(element cost.AstNode) *cost.SizeEstimate {
	switch element.Type().Kind() {
	case types.ListKind:
		if n := element.ComputedSize(); n != nil {
			return n
		}
		return &cost.SizeEstimate{Min: 0, Max: maxListed}
	case types.StringKind:
		if n := element.ComputedSize(); n != nil {
			return n
		}
		return &cost.SizeEstimate{Min: 0, Max: maxLetters}
	}
	return nil
}

func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// pairs lists which attributes are compared with which texts. scope says which attribute's elements a
// variable stands for.
func pairs(e ast.Expr, scope map[string]int) (all []pair) {
	read := func(e ast.Expr) (int, bool) {
		if e.Kind() != ast.IdentKind {
			return 0, false
		}
		if n, ok := scope[e.AsIdent()]; ok {
			return n, true
		}
		n, ok := byName[e.AsIdent()]
		return n, ok && (attributes[n].Type == Text || attributes[n].Type == Texts)
	}
	add := func(attribute, constant ast.Expr, prefix bool) {
		n, ok := read(attribute)
		if !ok {
			return
		}
		constants := []ast.Expr{constant}
		if constant.Kind() == ast.ListKind {
			constants = constant.AsList().Elements()
		}
		for _, c := range constants {
			if s, ok := text(c); ok {
				all = append(all, pair{attribute: n, text: s, prefix: prefix, at: c.ID()})
			}
		}
	}
	switch e.Kind() {
	case ast.CallKind:
		call := e.AsCall()
		args := call.Args()
		switch call.FunctionName() {
		case operators.Equals, operators.NotEquals:
			add(args[0], args[1], false)
			add(args[1], args[0], false)
		case operators.In, operators.OldIn:
			add(args[0], args[1], false)
			add(args[1], args[0], false)
		case overloads.StartsWith:
			add(call.Target(), args[0], true)
		}
		if call.IsMemberFunction() {
			all = append(all, pairs(call.Target(), scope)...)
		}
		for _, arg := range args {
			all = append(all, pairs(arg, scope)...)
		}
	case ast.ComprehensionKind:
		walk := e.AsComprehension()
		inner := maps.Clone(scope)
		delete(inner, walk.IterVar())
		if n, ok := read(walk.IterRange()); ok {
			inner[walk.IterVar()] = n
		}
		all = append(all, pairs(walk.LoopStep(), inner)...)
	}
	return all
}

// idents lists the identifiers of an expression by their id.
func idents(e ast.Expr) map[int64]string {
	all := map[int64]string{}
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind {
			all[e.ID()] = e.AsIdent()
		}
	}))
	return all
}
