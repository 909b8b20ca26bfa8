package who

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Preferences are what a shopper said in so many words about what is done with their data. They beat whatever is inferred, need no
// purpose to be read (they keep a promise, as grants do), and only ever reduce what the grants allow. They are immutable.
type Preferences struct {
	Neutral bool // nothing that is known of the shopper is used to suggest
	Quiet   bool // no rule speaks to the shopper: an objection to direct marketing
	// Paused is since when nothing new is kept, nor anything used; zero: it is not paused.
	Paused   time.Time
	Pauses   []Pause  // those that ended, the newest MaxPauses, the newest last
	NotForMe []string // items that are not shown
	Less     []string // items of whose like less is shown
	Muted    []string // categories that are not shown, with all below them: "dairy" mutes "dairy/milk"
}

// Pause is a time in which nothing was kept, because the shopper wanted it so.
type Pause struct{ From, Until time.Time }

// What a shopper can wish, at most.
const (
	MaxPauses = 32
	MaxWishes = 100 // of each kind
)

var noPreferences Preferences

// MutesCategory tells whether products of a category are not shown.
func (p *Preferences) MutesCategory(category string) bool {
	return slices.ContainsFunc(p.Muted, func(muted string) bool {
		below, ok := strings.CutPrefix(category, muted)
		return ok && (below == "" || below[0] == '/')
	})
}

// Pause returns the preferences with a pause begun or ended at an instant.
func (p Preferences) Pause(paused bool, at time.Time) Preferences {
	switch {
	case paused && p.Paused.IsZero():
		p.Paused = at
	case !paused && !p.Paused.IsZero():
		p.Pauses = append(slices.Clone(p.Pauses), Pause{p.Paused, at})
		p.Pauses = p.Pauses[max(0, len(p.Pauses)-MaxPauses):]
		p.Paused = time.Time{}
	}
	return p
}

// Check says everything that is wrong with the preferences.
func (p *Preferences) Check() (faults []Fault) {
	for _, list := range []struct {
		field string
		words []string
	}{{"not_for_me", p.NotForMe}, {"less", p.Less}, {"muted_categories", p.Muted}} {
		if n := len(list.words); n > MaxWishes {
			faults = append(faults, Fault{list.field, fmt.Sprintf("got %d, want at most %d", n, MaxWishes)})
		}
		for i, word := range list.words {
			if problem := NameProblem(word, true); problem != "" {
				faults = append(faults, Fault{fmt.Sprintf("%s/%d", list.field, i), problem})
			}
		}
	}
	return faults
}
