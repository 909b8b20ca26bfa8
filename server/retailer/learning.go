package retailer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"satnav/context/who"
	"satnav/recommend"
	"satnav/recommend/learn"
	"satnav/server/store"
)

const (
	modelID    = "current"
	learner    = "satnav learning"
	learnEvery = 2 * time.Second // how often it is looked whether there is enough to learn from
	// A retailer's model is learnt again once this many baskets were recorded since, and at least a
	// tenth of those that the crowd knows: sooner nothing would come of it.
	learnAfter = 1_000
)

// Learn learns a retailer's model from all histories and puts it into service, on every replica, unless the
// one in service ranks better in the backtest. It returns the model in service, nil when there is too
// little to learn from.
func (r *Retailers) Learn(ctx context.Context, retailer string) (*recommend.Model, error) {
	p, err := r.picture(ctx, retailer)
	if err != nil {
		return nil, err
	}
	p.learning.Lock() // one at a time; nobody else waits for it
	defer p.learning.Unlock()
	began := p.recorded.Swap(0)
	var histories []*who.History
	err = r.histories.Each(ctx, retailer, func(h *who.History) error {
		histories = append(histories, h)
		return nil
	})
	if err != nil {
		p.recorded.Add(began)
		return nil, fmt.Errorf("retailer %q: read histories to learn from: %w", retailer, err)
	}
	slices.SortFunc(histories, byBaskets)
	before := p.snapshot.Load().Suggest
	model, err := learn.Fit(before, histories, ulid.Make().String(), r.now())
	if err != nil { // too little to learn from: the built-in weights stay
		r.log.Info("nothing learnt", "retailer", retailer, "why", err)
		return nil, nil
	}
	body, err := json.Marshal(model)
	if err != nil {
		return nil, fmt.Errorf("retailer %q: model %s: %w", retailer, model.Version, err)
	}
	outcomes, err := r.entries.Apply(ctx, retailer, store.ModelEntry, learner, r.now(), []store.Edit{{ID: modelID, Body: body}})
	if err != nil {
		return nil, fmt.Errorf("retailer %q: keep model %s: %w", retailer, model.Version, err)
	}
	if err := errors.Join(p.apply([]store.Entry{outcomes[0].Entry})...); err != nil {
		return nil, err
	}
	for _, f := range model.Figures {
		r.log.Info("learnt", "retailer", retailer, "model", model.Version, "method", f.Method, "recall10", f.Recall10, "ndcg10", f.NDCG10)
	}
	return model, nil
}

// byBaskets puts histories into an order that does not depend on how they were read, because learning sets
// some of them aside to test on.
func byBaskets(a, b *who.History) int {
	if len(a.Baskets) == 0 || len(b.Baskets) == 0 {
		return cmp.Compare(len(a.Baskets), len(b.Baskets))
	}
	return cmp.Or(cmp.Compare(a.Baskets[0].Key, b.Baskets[0].Key), cmp.Compare(a.Baskets[0].At, b.Baskets[0].At),
		cmp.Compare(len(a.Baskets), len(b.Baskets)), cmp.Compare(len(a.Items), len(b.Items)))
}

// LearnWhenDue learns again, one retailer after the other, whenever enough was recorded since, until the
// context ends. It runs beside Follow and never on the path of a request.
func (r *Retailers) LearnWhenDue(ctx context.Context) {
	ticker := time.NewTicker(learnEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, p := range r.loaded() {
			known := p.snapshot.Load().Suggest.Crowd.Baskets
			if recorded := p.recorded.Load(); recorded < learnAfter || recorded < int64(known/10) {
				continue
			}
			if _, err := r.Learn(ctx, p.retailer); err != nil && ctx.Err() == nil {
				r.log.Error("learning failed", "retailer", p.retailer, "err", err)
			}
		}
	}
}
