package retailer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"satnav/recommend/offer"
	"satnav/recommend/rule"
	"satnav/server/store"
)

// MaxOffers bounds the offers of a retailer: all of them are in memory.
const MaxOffers = 5_000

const maxOfferID = 256 // bytes

// ErrNamed says that live rules name an offer, so that it may not go, or may not change as wanted.
var ErrNamed = errors.New("live rules name the offer")

// CheckOffer tells everything that is wrong with an offer of a retailer.
func (r *Retailers) CheckOffer(ctx context.Context, retailer string, o *offer.Offer) ([]rule.Problem, error) {
	snapshot, err := r.Of(ctx, retailer)
	if err != nil {
		return nil, err
	}
	house := snapshot.House()
	problems := offer.Check(o, &house)
	for n, id := range o.Stores {
		if _, known := snapshot.Scene.Stores.ByID(id); !known {
			problems = append(problems, rule.Problem{Field: fmt.Sprintf("stores[%d]", n), Text: fmt.Sprintf("there is no store %q", id), Mend: "write the id of a store"})
		}
	}
	return problems, nil
}

// SaveOffers changes the catalogue of offers. Saved.Err is *rule.Invalid where an offer is wrong, and ErrNamed where live rules
// make an offer that would go, or that would become another one without the second person whom prices need.
func (r *Retailers) SaveOffers(ctx context.Context, retailer string, by Editor, changes []Change[offer.Offer]) ([]Saved, error) {
	p, err := r.picture(ctx, retailer)
	if err != nil {
		return nil, err
	}
	p.offering.Lock() // no rule that names an offer goes live while it goes away
	defer p.offering.Unlock()
	return save(ctx, r, retailer, store.OfferEntry, by, changes, func(c *Change[offer.Offer]) ([]byte, error) {
		snapshot := p.snapshot.Load()
		naming := naming(p, c.ID)
		if c.Delete {
			if len(naming) > 0 {
				return nil, fmt.Errorf("%w (%q): take the rule back first, or let the offer be over by setting until", ErrNamed, naming[0])
			}
			return nil, nil
		}
		c.Value.ID = c.ID
		if len(c.ID) > maxOfferID { // what it has is kept in partitions that are named by it
			return nil, invalid([]Fault{{"/id", fmt.Sprintf("got %d bytes, want at most %d", len(c.ID), maxOfferID)}})
		}
		before := snapshot.Offers.Of(c.ID)
		if before == nil && snapshot.Offers.Len() >= MaxOffers {
			return nil, invalid([]Fault{{"", fmt.Sprintf("there are %d offers, want at most %d: delete those that are over", snapshot.Offers.Len(), MaxOffers)}})
		}
		problems, err := r.CheckOffer(ctx, retailer, &c.Value)
		if err != nil {
			return nil, err
		}
		if len(problems) > 0 {
			return nil, &rule.Invalid{Rule: c.ID, Problems: problems}
		}
		if before != nil && len(naming) > 0 && snapshot.Settings.approves(rule.Pricing) && !tamer(&before.Offer, &c.Value) {
			return nil, fmt.Errorf("%w (%q), and prices take a second person: words, an earlier end and a lower stock or budget may change at once; for all else make another offer, and publish the rule with it", ErrNamed, naming[0])
		}
		return json.Marshal(c.Value)
	})
}

// naming are the live rules, of any arm of an experiment too, that name an offer.
func naming(p *picture, id string) (rules []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	add := func(all []rule.Rule) {
		for i := range all {
			if slices.Contains(all[i].Names(), id) {
				rules = append(rules, all[i].ID)
			}
		}
	}
	add(p.ruleSet.Rules)
	for _, e := range p.experiments {
		for _, name := range slices.Sorted(maps.Keys(e.Pinned)) {
			add(e.Pinned[name])
		}
	}
	return rules
}

// tamer tells whether an offer only changes in what nobody needs to agree to: its words, and less of it.
func tamer(before, after *offer.Offer) bool {
	b, a := *before, *after
	less := func(before, after int64) bool { return before == after || after > 0 && (before == 0 || after < before) }
	if !less(b.Stock, a.Stock) || !less(b.BudgetMinor, a.BudgetMinor) || !less(int64(b.PerShopper), int64(a.PerShopper)) {
		return false
	}
	if !a.Until.Equal(b.Until) && (a.Until.IsZero() || !b.Until.IsZero() && a.Until.After(b.Until)) {
		return false
	}
	for _, o := range []*offer.Offer{&b, &a} {
		o.Name, o.Owner, o.Purpose, o.Title, o.Text = "", "", "", nil, nil
		o.Stock, o.BudgetMinor, o.PerShopper, o.Until = 0, 0, 0, time.Time{}
	}
	return string(mustJSON(b)) == string(mustJSON(a))
}

// takeOffer takes in an entry of the catalogue of offers. The caller holds mu.
func (p *picture) takeOffer(e store.Entry) error {
	if e.Deleted {
		delete(p.offers, e.ID)
		return nil
	}
	var o offer.Offer
	if err := json.Unmarshal(e.Body, &o); err != nil {
		return err
	}
	p.offers[e.ID] = offer.New(o)
	return nil
}
