package retailer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"satnav/context/who"
	"satnav/recommend"
	"satnav/recommend/learn"
	"satnav/server/every"
	"satnav/server/store"
)

const (
	modelID    = "current"
	learner    = "satnav learning"
	learnEvery = 500 * time.Millisecond // how often it is looked whether there is enough to learn from
	// A retailer's model is learnt again once this many baskets and visits were recorded since, and at
	// least a tenth of those that are known: sooner nothing would come of it.
	learnAfter = 1_000
	// After an import, a hundredth of what is known is enough. Less is learnt with what comes later: a
	// retailer may import its tills' files every minute.
	importedPart = 100
	// While files are being imported nothing is learnt, because it would be learnt again right after; but
	// an import may take as long as it likes, so that learning waits no longer than this.
	importPatience = 10 * time.Minute
)

// debt tells what was recorded and not learnt from yet.
type debt struct {
	known    atomic.Int64 // baskets and visits of all shoppers
	recorded atomic.Int64 // of them, since the model was learnt; what is forgotten counts against it

	mu        sync.Mutex
	importing int       // imports under way
	imported  bool      // one ended, and enough of it is left to learn from
	fitting   bool      // a model is being learnt
	since     time.Time // when learning last ended
}

// add notes that so many baskets and visits were recorded.
func (d *debt) add(n int64) {
	d.known.Add(n)
	d.recorded.Add(n)
}

// owe begins with what a model that was loaded has not learnt from; nil: nothing was learnt yet.
func (d *debt) owe(m *recommend.Model) {
	owed := d.known.Load()
	if m != nil {
		owed -= m.Baskets + m.Visits
	}
	d.recorded.Store(owed)
}

// paid notes a model that was learnt in some process.
func (d *debt) paid(m *recommend.Model) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.owe(m)
	d.imported = false
}

// open tells whether there is something to learn from, or that is being learnt from.
func (d *debt) open() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.importing > 0 || d.imported || d.fitting || d.much()
}

// due tells whether to learn now.
func (d *debt) due(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.importing > 0 {
		return d.much() && now.Sub(d.since) > importPatience
	}
	return d.imported || d.much()
}

func (d *debt) much() bool {
	recorded := d.recorded.Load()
	return recorded >= learnAfter && recorded >= d.known.Load()/10
}

// begin notes that a learning reads all that was recorded by now, and returns how much that is.
func (d *debt) begin() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fitting, d.imported = true, false
	return d.recorded.Swap(0)
}

// end notes that a learning ended.
func (d *debt) end(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fitting, d.since = false, now
}

// opened notes that an import began.
func (d *debt) opened(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.importing == 0 && d.since.IsZero() {
		d.since = now
	}
	d.importing++
}

// closed notes that an import ended.
func (d *debt) closed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.importing--
	recorded := d.recorded.Load()
	d.imported = d.imported || recorded > 0 && recorded >= d.known.Load()/importedPart
}

// Importing notes that purchases or events are about to be imported, and returns what to call once they are.
// Between the two, and until what was imported is learnt from, a Lesson is Learning.
func (r *Retailers) Importing(ctx context.Context, retailer string) (done func(), err error) {
	p, err := r.picture(ctx, retailer)
	if err != nil {
		return nil, err
	}
	p.debt.opened(r.now())
	return func() {
		if err := r.Heed(context.WithoutCancel(ctx)); err != nil { // it is counted a little later
			r.log.Warn("what was imported cannot be counted yet", "retailer", retailer, "err", err)
		}
		p.debt.closed()
	}, nil
}

// Lesson is how far the learning of a retailer is.
type Lesson struct {
	Retailer string
	Model    *recommend.Model // in service
	Learning bool             // something was recorded that it has not learnt from, and will
}

// Lesson returns the model in service, and whether something was recorded that will be learnt from.
func (r *Retailers) Lesson(ctx context.Context, retailer string) (Lesson, error) {
	p, err := r.picture(ctx, retailer)
	if err != nil {
		return Lesson{}, err
	}
	return p.lesson(), nil
}

// Lessons returns those of all retailers that are loaded, in no order.
func (r *Retailers) Lessons() (all []Lesson) {
	for _, p := range r.loaded() {
		if p.failed == nil {
			all = append(all, p.lesson())
		}
	}
	return all
}

func (p *picture) lesson() Lesson {
	learning := p.debt.open() // first: what has been learnt by then is in the snapshot
	return Lesson{p.retailer, p.snapshot.Load().Suggest.Model, learning}
}

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
	began := p.debt.begin()
	defer func() { p.debt.end(r.now()) }()
	model, err := r.learn(ctx, p)
	if err != nil {
		p.debt.recorded.Add(began)
	}
	return model, err
}

func (r *Retailers) learn(ctx context.Context, p *picture) (*recommend.Model, error) {
	retailer := p.retailer
	forgotten, remembers := p.remembers() // before anything is read
	began := r.now()
	if err := r.Heed(ctx); err != nil {
		return nil, err
	}
	p.publish() // whoever waits for the model finds what was recorded before it in the crowd's counts, too
	var histories []*who.History
	err := r.histories.Each(ctx, retailer, func(h *who.History) error {
		histories = append(histories, h)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("retailer %q: read histories to learn from: %w", retailer, err)
	}
	before := p.snapshot.Load().Suggest.WithRules(nil) // what a model is worth by itself
	if remembers {                                     // the model in service is no rival: it goes, whatever comes
		before = before.With(before.Crowd, nil)
	}
	model, err := learn.Fit(before, histories, ulid.Make().String(), began)
	if err != nil {
		r.log.Info("nothing learnt", "retailer", retailer, "why", err)
		if !remembers { // too little to learn from: the weights in service stay
			return nil, nil
		}
		model = recommend.BuiltIn()
	}
	model.Shoppers, model.Baskets, model.Lines, model.Visits = len(histories), 0, 0, 0
	for _, h := range histories {
		model.Baskets += int64(h.Orders)
		model.Visits += int64(len(h.Visits))
		for _, b := range h.Baskets {
			model.Lines += int64(b.Lines)
		}
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
	if remembers {
		if _, err := r.noteForgotten(ctx, retailer, func(f *oblivion) { f.learnt(forgotten, began) }); err != nil {
			return nil, err
		}
	}
	for _, f := range model.Figures {
		r.log.Info("learnt", "retailer", retailer, "model", model.Version, "method", f.Method, "recall10", f.Recall10, "ndcg10", f.NDCG10)
	}
	return model, nil
}

// LearnWhenDue learns again, one retailer after the other, whenever enough was recorded since, or somebody was
// forgotten whom the model has seen, until the context ends. It runs beside Follow and never on the path of a request.
func (r *Retailers) LearnWhenDue(ctx context.Context) {
	every.Do(ctx, learnEvery, func() {
		for _, p := range r.loaded() {
			if !p.debt.due(r.now()) && !p.mustUnlearn(r.now()) {
				continue
			}
			if _, err := r.Learn(ctx, p.retailer); err != nil && ctx.Err() == nil {
				r.log.Error("learning failed", "retailer", p.retailer, "err", err)
			}
		}
	})
}
