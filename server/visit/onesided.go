package visit

import (
	"maps"
	"sync"

	"satnav/recommend"
)

// OneSided counts the suggestions of a retailer that hang on one kind of sign (recommend.Suggestion.OneSided): a list that does is
// easily wrong in the same way for everybody, so whoever answers for the product should see it grow.
type OneSided struct {
	Suggestions int64            // all that were made
	By          map[string]int64 // of those, the one-sided ones by the sign that decided
}

// oneSided counts by retailer, since this process began. It is safe for concurrent use.
type oneSided struct {
	mu sync.Mutex
	of map[string]*OneSided
}

// count counts an answer's suggestions, and tells of each one-sided one.
func (o *oneSided) count(retailer string, list []recommend.Suggestion, tell func(sign string)) {
	if len(list) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.of[retailer]
	if n == nil {
		if o.of == nil {
			o.of = map[string]*OneSided{}
		}
		n = &OneSided{By: map[string]int64{}}
		o.of[retailer] = n
	}
	n.Suggestions += int64(len(list))
	for i := range list {
		if sign := list[i].OneSided; sign != "" {
			n.By[sign]++
			if tell != nil {
				tell(sign)
			}
		}
	}
}

// OneSided is what was counted of a retailer's answers since this process began. What it returns is the caller's.
func (v *Visits) OneSided(retailer string) OneSided {
	v.sided.mu.Lock()
	defer v.sided.mu.Unlock()
	n := v.sided.of[retailer]
	if n == nil {
		return OneSided{By: map[string]int64{}}
	}
	return OneSided{Suggestions: n.Suggestions, By: maps.Clone(n.By)}
}

// Flag sets who is told of each suggestion that hangs on one sign. It must not wait. Call it before the first answer.
func (v *Visits) Flag(tell func(sign string)) { v.flag = tell }
