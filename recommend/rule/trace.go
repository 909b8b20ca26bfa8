package rule

import (
	"slices"
	"strings"
)

// reached is how far a rule came in a request, in four bytes, so that a decision record can tell of every rule
// what it came to without costing the request anything.
type reached struct {
	outcome code
	part    uint16 // number among the scene parts that did not hold
}

// code is an Outcome in a byte.
type code uint8

const (
	codeNotAsked code = iota
	codeNotNow
	codeNotTrue
	codeNotKnown
	codeFaulted
	codeHeld
	codeActive // its scene part held
)

var outcomes = [...]Outcome{codeNotAsked: NotAsked, codeNotNow: NotNow, codeNotTrue: NotTrue, codeNotKnown: NotKnown,
	codeFaulted: Faulted, codeHeld: HeldBack, codeActive: NoCandidate}

func codeOf(t truth) code {
	switch {
	case t >= 0:
		return codeNotTrue
	case t.fault() < unknown:
		return codeFaulted
	}
	return codeNotKnown
}

// Trace tells what every rule of a set came to in one request. It is small, immutable and shared with nobody; the
// zero Trace is of no rules.
type Trace struct {
	set     *Set
	reached []reached
	counts  []uint32
	held    []held
}

// Trace takes down what the rules came to by now. Take it before Release, after the last Candidate.
func (r *Request) Trace() Trace {
	return Trace{set: r.set, reached: slices.Clone(r.reached), counts: slices.Clone(r.counts), held: slices.Clone(r.held)}
}

// Version is that of the set; empty: there was none.
func (t *Trace) Version() string {
	if t == nil || t.set == nil {
		return ""
	}
	return t.set.Version
}

// Traced is one rule of a Trace.
type Traced struct {
	Rule    *Rule
	Outcome Outcome
	Hold    Hold   // with HeldBack
	Part    string // of the condition, that is false, unknown or failed, or that no candidate met, as it is written; empty elsewhere
	Matched int    // with Matched: scenes (1) or candidates
}

// All calls yield for each rule, the first goes first, until it returns false.
func (t *Trace) All(yield func(Traced) bool) {
	if t == nil || t.set == nil {
		return
	}
	for n := range t.set.members {
		m := &t.set.members[n]
		traced := Traced{Rule: m.rule, Outcome: outcomes[t.reached[n].outcome], Matched: int(t.counts[n])}
		switch traced.Outcome {
		case NotTrue, NotKnown, Faulted:
			traced.Part = m.scenePart(int(t.reached[n].part))
		case HeldBack:
			if i := slices.IndexFunc(t.held, func(h held) bool { return h.member == int32(n) }); i >= 0 {
				traced.Hold = t.held[i].hold
			}
		case NoCandidate:
			if traced.Matched > 0 {
				traced.Outcome = Matched
			} else {
				traced.Part = m.candidateParts()
			}
		}
		if !yield(traced) {
			return
		}
	}
}

// scenePart is the text of the n-th part that asks about no candidate.
func (m *member) scenePart(n int) string {
	for _, t := range m.formula.terms {
		if t.candidate {
			continue
		}
		if n == 0 {
			return t.text
		}
		n--
	}
	return ""
}

// candidateParts is the text of all parts that ask about a candidate: none met them together.
func (m *member) candidateParts() string {
	var texts []string
	for _, t := range m.formula.terms {
		if t.candidate {
			texts = append(texts, t.text)
		}
	}
	return strings.Join(texts, " && ")
}
