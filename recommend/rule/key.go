package rule

import (
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
)

// key is something that a candidate must have for a rule to match it.
type key struct {
	kind keyKind
	text string
}

type keyKind uint8

const (
	byItem keyKind = iota
	byBrand
	byTag
	byCategory
	byBranch // a category's path begins with it; it ends with a slash

	keyKinds
)

var keyed = map[string]keyKind{"candidate.item": byItem, "candidate.brand": byBrand, "candidate.category": byCategory}

// keysOf lists keys of which a candidate must have at least one, or the expression is not true of it; nil if
// nothing can be said.
func keysOf(e ast.Expr) []key {
	if e.Kind() != ast.CallKind {
		return nil
	}
	call := e.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalAnd:
		var best []key
		for _, term := range flatten(e, operators.LogicalAnd) {
			if keys := keysOf(term); keys != nil && (best == nil || worth(keys) < worth(best)) {
				best = keys
			}
		}
		return best
	case operators.LogicalOr:
		var all []key
		for _, term := range flatten(e, operators.LogicalOr) {
			keys := keysOf(term)
			if keys == nil {
				return nil
			}
			all = append(all, keys...)
		}
		return all
	case operators.Equals:
		if keys := equal(args[0], args[1]); keys != nil {
			return keys
		}
		return equal(args[1], args[0])
	case operators.In, operators.OldIn:
		if tag, ok := text(args[0]); ok && args[1].Kind() == ast.IdentKind && args[1].AsIdent() == "candidate.tags" {
			return []key{{byTag, tag}}
		}
		return equal(args[0], args[1])
	case overloads.StartsWith:
		if target := call.Target(); target.Kind() == ast.IdentKind && target.AsIdent() == "candidate.category" {
			prefix, ok := text(args[0])
			if slash := strings.LastIndexByte(prefix, '/'); ok && slash >= 0 {
				return []key{{byBranch, prefix[:slash+1]}}
			}
		}
	}
	return nil
}

// equal is the keys of "attribute is the constant", or one of the constants.
func equal(attribute, constant ast.Expr) []key {
	if attribute.Kind() != ast.IdentKind {
		return nil
	}
	kind, ok := keyed[attribute.AsIdent()]
	if !ok {
		return nil
	}
	if s, ok := text(constant); ok {
		return []key{{kind, s}}
	}
	if constant.Kind() != ast.ListKind {
		return nil
	}
	var keys []key
	for _, element := range constant.AsList().Elements() {
		s, ok := text(element)
		if !ok {
			return nil
		}
		keys = append(keys, key{kind, s})
	}
	return keys
}

// worth orders keys by how few candidates they are likely to leave: the lower the better.
func worth(keys []key) int {
	worst := byItem
	for _, k := range keys {
		worst = max(worst, k.kind)
	}
	return int(worst)*1_000 + len(keys)
}

// index finds the rules that a candidate can match.
type index [keyKinds]map[string][]int32

func (x *index) add(k key, member int32) {
	if x[k.kind] == nil {
		x[k.kind] = map[string][]int32{}
	}
	x[k.kind][k.text] = append(x[k.kind][k.text], member)
}

// find appends the members that have a key of the candidate, some maybe twice.
func (x *index) find(hits []int32, c *Candidate) []int32 {
	if x[byItem] != nil {
		hits = append(hits, x[byItem][c.Item]...)
	}
	if x[byBrand] != nil {
		hits = append(hits, x[byBrand][c.Brand]...)
	}
	if x[byTag] != nil {
		for _, tag := range c.Tags {
			hits = append(hits, x[byTag][tag]...)
		}
	}
	if x[byCategory] != nil {
		hits = append(hits, x[byCategory][c.Category]...)
	}
	if x[byBranch] != nil {
		for i := range len(c.Category) {
			if c.Category[i] == '/' {
				hits = append(hits, x[byBranch][c.Category[:i+1]]...)
			}
		}
	}
	return hits
}
