package visit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"satnav/context/scene"
	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
	"satnav/recommend/experiment"
	"satnav/recommend/rule"
	"satnav/server/store"
)

// Looking says what of the past an estimate is made of.
type Looking struct {
	Retailer     string
	Rules        *rule.Set // that would have been live; nil: none
	Since, Until time.Time // when the answers were given
	Within       time.Duration
	Most         int // answers
}

// Looked is what a set of rules would have brought in the places that were left to chance.
type Looked struct {
	Answers int     // with such a place
	Met     int     // in which the rules would have put there what stood there
	Reward  float64 // what came of the places as they were filled: the share that was bought
	// SNIPS weighs what came of those that were met by how unlikely they were. Robust also asks the engine how likely it takes each, see
	// experiment.DoublyRobust.
	SNIPS, Robust experiment.Estimate
}

// MaxLooked bounds the answers of one estimate.
const MaxLooked = 20_000

// Look estimates what rules would have brought from answers that were given: now and then the last place of a list is left to chance, and how likely each choice was
// is kept. It reads the decision records of shoppers who allow now that their history is used, tries the rules on each moment with the engine that answers,
// and counts a place as worth what was bought of it within a time. It writes nothing and names nobody. Baskets and lists of a call are not kept: the moment is
// tried without.
func (v *Visits) Look(ctx context.Context, l Looking) (*Looked, error) {
	snapshot, err := v.retailers.Of(ctx, l.Retailer)
	if err != nil {
		return nil, err
	}
	suggest := snapshot.Suggest.WithRules(l.Rules)
	suggest.MinorPerUnit = snapshot.Suggest.MinorPerUnit
	out := &Looked{}
	var logged []experiment.Logged
	err = v.shoppers.Sample(ctx, l.Retailer, func(key who.Key) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		shopper, err := v.shoppers.Shopper(ctx, key)
		if errors.Is(err, who.ErrUnknown) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		view, ok := who.Access(who.Loyalty, who.NewSubject(shopper, who.Permissions{}))
		if !ok {
			return true, nil
		}
		records, err := v.book.Records(ctx, key)
		if err != nil {
			return false, err
		}
		for i := range records {
			r := &records[i]
			n := chance(r)
			if n < 0 || r.At.Before(l.Since) || r.At.After(l.Until) {
				continue
			}
			one := lookedAt(snapshot.Names, view.History(), r, n, l.Within)
			call := scene.Call{Key: key, At: r.At}
			if store, ok := snapshot.Scene.Stores.ByID(r.Scene.Store); ok {
				call.Device.Location, call.Fix = geo.Precise, &geo.Fix{At: r.At, Point: store.Point}
			}
			list, _ := recommend.Recommend(suggest, &recommend.Request{Scene: scene.Seen(shopper, &snapshot.Scene, call), Limit: r.Scene.Limit, Guard: newTally().of(key), Glance: true})
			if n < len(list) {
				one.Expected = list[n].Score
				if list[n].Kind == r.Suggestions[n].Kind && list[n].Item == r.Suggestions[n].Item {
					one.Target = 1
					out.Met++
				}
			}
			out.Reward += one.Reward
			logged = append(logged, one)
		}
		return len(logged) < min(l.Most, MaxLooked), nil
	})
	if err != nil {
		return nil, fmt.Errorf("look at past answers: %w", err)
	}
	if out.Answers = len(logged); out.Answers > 0 {
		out.Reward /= float64(out.Answers)
		out.SNIPS, out.Robust = experiment.SNIPS(logged), experiment.DoublyRobust(logged)
	}
	return out, nil
}

// chance is the place of an answer that was left to chance; -1: none was.
func chance(r *store.DecisionRecord) int {
	for n := range r.Suggestions {
		if p := r.Suggestions[n].Propensity; p > 0 && p < 1 && r.Suggestions[n].Kind == recommend.KindProduct {
			return n
		}
	}
	return -1
}

// lookedAt is what came of one place.
func lookedAt(names *who.Names, history *who.History, r *store.DecisionRecord, n int, within time.Duration) experiment.Logged {
	s := &r.Suggestions[n]
	one := experiment.Logged{Propensity: s.Propensity, Predicted: s.Score}
	item, ok := names.Items.Lookup(s.Item)
	if !ok || history == nil {
		return one
	}
	for i := range history.Items {
		if b := &history.Items[i]; b.Item == item {
			for k := range min(who.Tail, len(history.Baskets)) {
				at := time.Unix(int64(history.Baskets[len(history.Baskets)-1-k].At), 0)
				if b.Recent&(1<<k) != 0 && at.After(r.At) && at.Sub(r.At) <= within {
					one.Reward = 1
				}
			}
		}
	}
	return one
}
