package rule

import (
	"fmt"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/parser"
)

// The language is CEL (https://github.com/google/cel-spec) over the attributes, with the operators,
// functions and macros that are listed here. All of it compiles to closures, so there is one way in
// which a condition is evaluated. What is left out makes values at run time (maps, new lists, joined texts,
// times), asks for more than a condition needs, or has no bound on its cost.
var functions = map[string][]string{
	operators.Conditional:   {overloads.Conditional},
	operators.LogicalAnd:    {overloads.LogicalAnd},
	operators.LogicalOr:     {overloads.LogicalOr},
	operators.LogicalNot:    {overloads.LogicalNot},
	operators.Equals:        {overloads.Equals},
	operators.NotEquals:     {overloads.NotEquals},
	operators.Less:          {overloads.LessInt64, overloads.LessInt64Double, overloads.LessDouble, overloads.LessDoubleInt64, overloads.LessString},
	operators.LessEquals:    {overloads.LessEqualsInt64, overloads.LessEqualsInt64Double, overloads.LessEqualsDouble, overloads.LessEqualsDoubleInt64, overloads.LessEqualsString},
	operators.Greater:       {overloads.GreaterInt64, overloads.GreaterInt64Double, overloads.GreaterDouble, overloads.GreaterDoubleInt64, overloads.GreaterString},
	operators.GreaterEquals: {overloads.GreaterEqualsInt64, overloads.GreaterEqualsInt64Double, overloads.GreaterEqualsDouble, overloads.GreaterEqualsDoubleInt64, overloads.GreaterEqualsString},
	operators.Add:           {overloads.AddInt64, overloads.AddDouble},
	operators.Subtract:      {overloads.SubtractInt64, overloads.SubtractDouble},
	operators.Multiply:      {overloads.MultiplyInt64, overloads.MultiplyDouble},
	operators.Divide:        {overloads.DivideInt64, overloads.DivideDouble},
	operators.Modulo:        {overloads.ModuloInt64},
	operators.Negate:        {overloads.NegateInt64, overloads.NegateDouble},
	operators.In:            {overloads.InList},
	operators.OldIn:         {overloads.InList},
	overloads.Size:          {overloads.SizeString, overloads.SizeStringInst, overloads.SizeList, overloads.SizeListInst},
	overloads.StartsWith:    {overloads.StartsWithString},
	overloads.EndsWith:      {overloads.EndsWithString},
	overloads.Contains:      {overloads.ContainsString},
	overloads.TypeConvertInt: {
		overloads.IntToInt, overloads.DoubleToInt,
	},
	overloads.TypeConvertDouble: {
		overloads.DoubleToDouble, overloads.IntToDouble,
	},
	"@" + "not_strictly_false": {overloads.NotStrictlyFalse}, // inside exists and all
}

// Bounds of one condition.
const (
	maxText  = 4 << 10 // bytes of source
	maxDepth = 3       // lists walked inside each other
	// maxCost is in CEL's units, about one for each value that is looked at in the worst case.
	maxCost = 1_000
	// Sizes that the worst case is counted with.
	maxListed  = 64 // elements of a list
	maxLetters = 64 // characters of a text
)

// presence is the name under which the checker knows whether an attribute has a value. No condition can write
// it: only has() makes it.
const presence = "has "

// dialect is the checker's environment, the same for all; making it takes some milliseconds, so the first check does.
var dialect = sync.OnceValues(func() (*cel.Env, error) {
	subset := &env.LibrarySubset{DisableMacros: true}
	for name, ids := range functions {
		f := &env.Function{Name: name}
		for _, id := range ids {
			f.Overloads = append(f.Overloads, &env.Overload{ID: id})
		}
		subset.IncludeFunctions = append(subset.IncludeFunctions, f)
	}
	options := []cel.EnvOption{
		cel.StdLib(cel.StdLibSubset(subset)),
		cel.CrossTypeNumericComparisons(true),
		cel.EnableMacroCallTracking(), // so that a trace shows what was written
		cel.Macros(parser.ExistsMacro, parser.AllMacro, parser.NewGlobalMacro(operators.Has, 1, expandHas)),
		cel.ParserRecursionLimit(64),
		cel.ParserExpressionSizeLimit(maxText),
	}
	types := map[Type]*cel.Type{Flag: cel.BoolType, Whole: cel.IntType, Real: cel.DoubleType, Text: cel.StringType, Texts: cel.ListType(cel.StringType)}
	for i := range attributes {
		a := &attributes[i]
		options = append(options, cel.Variable(a.Name, types[a.Type]))
		if a.Optional {
			options = append(options, cel.Variable(presence+a.Name, cel.BoolType))
		}
	}
	return cel.NewCustomEnv(options...)
})

// expandHas makes of has(shopper.points) the question whether that attribute is known. CEL's own has asks
// for a field of a message, which attributes are not.
func expandHas(help parser.ExprHelper, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
	name, ok := dotted(args[0])
	if !ok {
		return nil, help.NewError(args[0].ID(), "has() asks for an attribute: has(shopper.points)")
	}
	number, ok := byName[name]
	if !ok {
		return nil, help.NewError(first(args[0]).ID(), undeclared(name))
	}
	if !attributes[number].Optional {
		return nil, help.NewError(first(args[0]).ID(), fmt.Sprintf("%s is always known: leave has() out%s", name, emptyHint(&attributes[number])))
	}
	return help.NewIdent(presence + name), nil
}

func emptyHint(a *Attribute) string {
	switch a.Type {
	case Text:
		return fmt.Sprintf(`, or write %s != ""`, a.Name)
	case Texts:
		return fmt.Sprintf(`, or write size(%s) > 0`, a.Name)
	}
	return ""
}

// dotted is the name that a chain of selections spells.
func dotted(e ast.Expr) (string, bool) {
	switch e.Kind() {
	case ast.IdentKind:
		return e.AsIdent(), true
	case ast.SelectKind:
		if s := e.AsSelect(); !s.IsTestOnly() {
			name, ok := dotted(s.Operand())
			return name + "." + s.FieldName(), ok
		}
	}
	return "", false
}

// first is the leftmost name of a chain of selections: where a reader looks for it.
func first(e ast.Expr) ast.Expr {
	for e.Kind() == ast.SelectKind {
		e = e.AsSelect().Operand()
	}
	return e
}
