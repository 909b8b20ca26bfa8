package privacy

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/server/decision"
	"satnav/server/retailer"
	"satnav/server/store"
)

// Fact is one kind of thing that is known of a shopper.
type Fact struct {
	What      string      // the kind of an event, or one of the words below
	Purpose   who.Purpose // what it is for; empty: to keep the promise itself
	Used      bool        // the purpose is granted
	Sources   []string
	Inferred  bool
	Count     int
	Newest    time.Time
	Item      string
	EveryDays float64
	Until     time.Time // when it goes; zero: when the shopper deletes it
}

// What facts are about, beside events.
const (
	FactCrossing = "crossing"
	FactFix      = "fix"
	FactGrant    = "grant"
	FactPlace    = "place"
	FactAnswer   = "answer"
	FactRhythm   = "rhythm"
	FactTrial    = "experiment"
	FactDoubt    = "doubt"
	FactCard     = "card"
)

// File is what is known of a shopper, as the shopper may see it.
type File struct {
	Since time.Time // zero: nothing is kept
	Facts []Fact
	Card  *who.Card // what the loyalty programme says; nil: nothing is known of one
}

// Files shows shoppers what is known of them. It is safe for concurrent use.
type Files struct {
	shoppers  *store.Shoppers
	retailers *retailer.Retailers
	book      *decision.Book
}

// NewFiles shows what is in the store and in the book.
func NewFiles(shoppers *store.Shoppers, retailers *retailer.Retailers, book *decision.Book) *Files {
	return &Files{shoppers, retailers, book}
}

// maxRhythms bounds the rhythms that a file tells, the most certain first.
const maxRhythms = 50

// Of lists what is known of a shopper. It reads the whole diary: a right of the shopper that needs no purpose. What was
// worked out from it, and where they were last, is read for the purpose it is kept for, and so only while that is granted.
func (f *Files) Of(ctx context.Context, key who.Key) (File, error) {
	snapshot, err := f.retailers.Of(ctx, key.Retailer)
	if err != nil {
		return File{}, err
	}
	shopper, err := f.shoppers.Shopper(ctx, key)
	if errors.Is(err, who.ErrUnknown) {
		shopper, err = who.Stranger(key, snapshot.Scene.Defaults), nil
	}
	if err != nil {
		return File{}, err
	}
	file := File{Since: shopper.Since()}
	if file.Facts, err = f.told(ctx, key, shopper); err != nil {
		return File{}, err
	}
	if file.Card, err = f.shoppers.Card(ctx, key); err != nil {
		return File{}, err
	}
	if card := file.Card; card != nil {
		file.Facts = append(file.Facts, Fact{What: FactCard, Purpose: who.Loyalty, Used: used(shopper, who.Loyalty), Sources: []string{card.Source}, Count: 1, Newest: card.At})
	}
	subject := who.NewSubject(shopper, who.Permissions{Location: geo.Precise})
	if view, ok := who.Access(who.Location, subject); ok {
		if now := view.Presence().Now; !now.Seen.IsZero() {
			file.Facts = append(file.Facts, Fact{What: FactPlace, Purpose: who.Location, Used: true, Sources: []string{"app"}, Count: 1, Newest: now.Seen})
		}
	}
	if view, ok := who.Access(who.Loyalty, subject); ok {
		file.Facts = append(file.Facts, rhythms(view.History(), snapshot.Names)...)
		if in := view.Exposures(); len(in) > 0 {
			file.Facts = append(file.Facts, Fact{What: FactTrial, Purpose: who.Loyalty, Used: true, Sources: []string{"satnav"}, Count: len(in), Newest: in[len(in)-1].At})
		}
	}
	records, err := f.book.Records(ctx, key)
	if err != nil {
		return File{}, err
	}
	if len(records) > 0 {
		file.Facts = append(file.Facts, Fact{
			What: FactAnswer, Used: true, Sources: []string{"satnav"}, Count: len(records), Newest: records[0].Arrived, Until: records[0].Arrived.Add(f.book.Keep),
		})
	}
	return file, nil
}

// used tells whether what is kept for a purpose may be used now.
func used(shopper *who.Shopper, purpose who.Purpose) bool {
	wishes := shopper.Preferences()
	return shopper.Grants().Holds(purpose) && wishes.Paused.IsZero() && !(purpose == who.Loyalty && wishes.Neutral)
}

// told counts what the diary tells.
func (f *Files) told(ctx context.Context, key who.Key, shopper *who.Shopper) (facts []Fact, err error) {
	of := func(what string, purpose who.Purpose, source string, at time.Time) {
		i := slices.IndexFunc(facts, func(f Fact) bool { return f.What == what && f.Purpose == purpose })
		if i < 0 {
			i = len(facts)
			facts = append(facts, Fact{What: what, Purpose: purpose, Used: purpose == "" || used(shopper, purpose)})
		}
		fact := &facts[i]
		fact.Count++
		if at.After(fact.Newest) {
			fact.Newest = at
		}
		if source != "" && !slices.Contains(fact.Sources, source) {
			fact.Sources = append(fact.Sources, source)
		}
	}
	err = f.shoppers.EachEntry(ctx, key, func(e store.DiaryEntry) bool {
		switch {
		case e.Event != nil:
			if e.Event.Doubt() != "" {
				of(FactDoubt, "", "satnav", e.Event.At)
			}
			of(string(e.Event.Kind), e.Event.For(), e.Event.Source, e.Event.At)
		case e.Crossing != nil:
			of(FactCrossing, who.Location, "app", e.Crossing.At)
		case e.Late != nil:
			of(FactFix, who.Location, "app", e.Late.At)
		case e.Grant != nil:
			of(FactGrant, "", string(e.Grant.Source), e.Grant.At)
		}
		return true
	})
	for i := range facts {
		slices.Sort(facts[i].Sources)
	}
	return facts, err
}

// rhythms are what is inferred of how often the shopper buys something.
func rhythms(h *who.History, names *who.Names) (facts []Fact) {
	for i := range h.Items {
		b := &h.Items[i]
		if b.Count < 2 || b.Last <= b.First {
			continue
		}
		facts = append(facts, Fact{
			What: FactRhythm, Purpose: who.Loyalty, Used: true, Sources: []string{"satnav"}, Inferred: true, Count: int(b.Count),
			Newest: time.Unix(int64(b.Last), 0).UTC(), Item: names.Items.Name(b.Item),
			EveryDays: float64(b.Last-b.First) / float64(b.Count-1) / (24 * 60 * 60),
		})
	}
	slices.SortFunc(facts, func(a, b Fact) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Item, b.Item)) })
	return facts[:min(len(facts), maxRhythms)]
}
