package redemption_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/recommend/offer"
	"satnav/server/redemption"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/store/embedded/embeddedtest"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// process is one process on a store.
type process struct {
	t         testing.TB
	shoppers  *store.Shoppers
	retailers *retailer.Retailers
	codes     *store.Codes
	quotas    *store.Quotas
	desk      *redemption.Desk
}

func newProcess(t testing.TB, documents store.Documents) *process {
	t.Helper()
	names, log := retailer.NewNames(), slog.New(slog.DiscardHandler)
	clock := func() time.Time { return noon }
	p := &process{t: t}
	p.shoppers = store.NewShoppers(documents, store.ShoppersConfig{Secret: []byte("secret"), Names: names.Of, CacheBytes: 1 << 20})
	p.retailers = retailer.New(store.NewEntries(documents), p.shoppers, names, clock, log)
	p.codes, p.quotas = store.NewCodes(documents, p.shoppers, clock), store.NewQuotas(documents, log)
	p.desk = redemption.New(p.shoppers, p.quotas, p.codes, clock, log)
	return p
}

var admin = retailer.Editor{Role: "admin", Subject: "test"}

func (p *process) save(offers ...offer.Offer) {
	p.t.Helper()
	changes := make([]retailer.Change[offer.Offer], len(offers))
	for i, o := range offers {
		o.Title = map[string]string{"en": o.ID}
		changes[i] = retailer.Change[offer.Offer]{ID: o.ID, Value: o}
	}
	saved, err := p.retailers.SaveOffers(context.Background(), "demo", admin, changes)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := range saved {
		if saved[i].Err != nil {
			p.t.Fatal(saved[i].Err)
		}
	}
}

func (p *process) redeem(shopper string, e who.Event) (redemption.Outcome, error) {
	snapshot, err := p.retailers.Of(context.Background(), "demo")
	if err != nil {
		return redemption.Outcome{}, err
	}
	e.Kind, e.Source = who.Redeemed, "app"
	if e.At.IsZero() {
		e.At = noon
	}
	return p.desk.Redeem(context.Background(), snapshot, who.Key{Retailer: "demo", Shopper: shopper}, noon, who.Defaults([]who.Purpose{who.Loyalty}, noon), e)
}

// TestRefusals is the table of what is refused, and in which word.
func TestRefusals(t *testing.T) {
	t.Parallel()
	p := newProcess(t, embeddedtest.Open(t))
	saved, err := p.retailers.SaveStores(t.Context(), "demo", admin, []retailer.Change[retailer.Store]{{ID: "s1", Value: retailer.Store{Name: "One", Lat: 38.7, Lng: -9.1, Zone: "Europe/Lisbon"}}})
	if err != nil || saved[0].Err != nil {
		t.Fatal(err, saved)
	}
	loyal := []who.Purpose{who.Loyalty, who.Location}
	p.save(
		offer.Offer{ID: "plain"},
		offer.Offer{ID: "soon", From: noon.Add(time.Hour)},
		offer.Offer{ID: "over", Until: noon.Add(-time.Hour)},
		offer.Offer{ID: "here", Stores: []string{"s1"}, Uses: loyal},
		offer.Offer{ID: "regulars", When: `shopper.orders > 3`, Uses: loyal},
		offer.Offer{ID: "gold", Tiers: []string{"gold"}, Uses: loyal},
		offer.Offer{ID: "points", Points: 100, Uses: loyal},
		offer.Offer{ID: "basket", When: `basket.size > 2`},
		offer.Offer{ID: "evening", When: `moment.hour >= 18`},
		offer.Offer{ID: "coded", Codes: true},
		offer.Offer{ID: "budget", PercentOff: 10, BudgetMinor: 100},
		offer.Offer{ID: "fixed", MinorOff: 80, BudgetMinor: 100},
		offer.Offer{ID: "once", PerShopper: 1},
	)
	made, err := p.codes.Make(t.Context(), "demo", "coded", 1)
	if err != nil {
		t.Fatal(err)
	}
	carded := func(card *who.Card) {
		key := who.Key{Retailer: "demo", Shopper: "anna"}
		err := p.shoppers.DropCard(t.Context(), key, noon)
		if card != nil {
			_, err = p.shoppers.PutCard(t.Context(), key, noon, nil, *card)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	paid := func(minor int64) who.Money { return who.Money{Minor: minor, Known: true} }
	for i, c := range []struct {
		name string
		give who.Event
		want string // empty: it is redeemed
	}{
		{"plain", who.Event{Item: "plain"}, ""},
		{"unknown", who.Event{Item: "moon"}, redemption.UnknownOffer},
		{"for another purpose", who.Event{Item: "plain", Purpose: "moon"}, redemption.WrongPurpose},
		{"before it begins", who.Event{Item: "soon"}, redemption.NotValid},
		{"over", who.Event{Item: "over"}, redemption.NotValid},
		{"when it was not over", who.Event{Item: "over", At: noon.Add(-2 * time.Hour)}, ""},
		{"told a day late", who.Event{Item: "plain", At: noon.Add(-25 * time.Hour)}, redemption.TooLate},
		{"tomorrow", who.Event{Item: "plain", At: noon.Add(time.Hour)}, redemption.OutOfRange},
		{"in no store", who.Event{Item: "here"}, redemption.WrongStore},
		{"in another store", who.Event{Item: "here", Store: "s2"}, redemption.WrongStore},
		{"in its store", who.Event{Item: "here", Store: "s1"}, ""},
		{"for regulars", who.Event{Item: "regulars"}, redemption.NotEligible},
		{"for a tier", who.Event{Item: "gold"}, redemption.NotEligible},
		{"for a tier, by who has it", who.Event{Item: "gold"}, ""},
		{"for points, by who has them", who.Event{Item: "points"}, ""},
		{"for points that are spent", who.Event{Item: "points"}, redemption.NotEligible},
		{"for points that nobody knows of", who.Event{Item: "points"}, redemption.NotEligible},
		{"what only the app knew", who.Event{Item: "basket"}, ""},
		{"at another hour", who.Event{Item: "evening"}, redemption.NotEligible},
		{"two at once", who.Event{Item: "plain", Quantity: 2}, redemption.OutOfRange},
		{"a negative reduction", who.Event{Item: "plain", Price: paid(-5)}, redemption.OutOfRange},
		{"without its code", who.Event{Item: "coded"}, redemption.CodeMissing},
		{"a code that it has not", who.Event{Item: "coded", Code: "NONE0000"}, redemption.CodeUnknown},
		{"its code", who.Event{Item: "coded", Code: made[0].Code}, ""},
		{"its code again", who.Event{Item: "coded", Code: made[0].Code}, redemption.CodeUsed},
		{"a code that it does not take", who.Event{Item: "plain", Code: made[0].Code}, redemption.CodeUnwanted},
		{"a budget without a price", who.Event{Item: "budget"}, redemption.PriceMissing},
		{"over its budget", who.Event{Item: "budget", Price: paid(101)}, redemption.UsedUp},
		{"all of its budget", who.Event{Item: "budget", Price: paid(100)}, ""},
		{"beyond its budget", who.Event{Item: "budget", Price: paid(1)}, redemption.UsedUp},
		{"a fixed reduction", who.Event{Item: "fixed"}, ""},
		{"a fixed reduction beyond the budget", who.Event{Item: "fixed"}, redemption.UsedUp},
		{"once", who.Event{Item: "once"}, ""},
		{"twice", who.Event{Item: "once"}, redemption.Redeemed},
	} {
		c.give.ID = fmt.Sprint("e", i)
		switch c.name {
		case "for a tier, by who has it":
			carded(&who.Card{Tier: "gold", Points: 150, Counts: true, At: noon})
		case "for points that nobody knows of":
			carded(nil)
		}
		_, err := p.redeem("anna", c.give)
		var refused *redemption.Refusal
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (!errors.As(err, &refused) || refused.Code != c.want || refused.Text == ""):
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
		if again, err := p.redeem("anna", c.give); c.want == "" && (err != nil || !again.Duplicate) {
			t.Errorf("%s, once more: %+v, %v", c.name, again, err)
		}
	}
}

// killed is a process that ends at a commit, which is stored or not.
type killed struct {
	store.Documents
	left  atomic.Int64
	after bool
}

func (k *killed) Commit(ctx context.Context, b store.Batch) (store.Revision, error) {
	n := k.left.Add(-1)
	if n >= 0 || n == -1 && k.after {
		revision, err := k.Documents.Commit(ctx, b)
		if n >= 0 {
			return revision, err
		}
	}
	return 0, store.ErrUnavailable
}

// Whichever commit a process is killed at: after the worker, and the shopper's retry in another process, the offer is redeemed once, its code is
// used, and of the stock no more is gone than was redeemed and the killed process had leased.
func TestKilledRedemption(t *testing.T) {
	t.Parallel()
	for at := range int64(6) {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("commit %d stored %v", at, after), func(t *testing.T) {
				t.Parallel()
				documents := embeddedtest.Open(t)
				next := newProcess(t, documents)
				const stock = 40 // a lease is two
				next.save(offer.Offer{ID: "ten", Codes: true, Stock: stock, PerShopper: 1})
				made, err := next.codes.Make(t.Context(), "demo", "ten", stock)
				if err != nil {
					t.Fatal(err)
				}
				dying := &killed{Documents: documents, after: after}
				dying.left.Store(1 << 30)
				p := newProcess(t, dying)
				if _, err := p.retailers.Of(t.Context(), "demo"); err != nil {
					t.Fatal(err)
				}
				dying.left.Store(at)
				_, _ = p.redeem("anna", who.Event{ID: "e", Item: "ten", Code: made[0].Code})
				if _, err := next.codes.Settle(t.Context(), noon.Add(time.Minute)); err != nil {
					t.Fatal(err)
				}
				if _, err := next.redeem("anna", who.Event{ID: "e", Item: "ten", Code: made[0].Code}); err != nil {
					t.Errorf("the retry: %v", err)
				}
				var refused *redemption.Refusal
				if _, err := next.redeem("ben", who.Event{ID: "e", Item: "ten", Code: made[0].Code}); !errors.As(err, &refused) || refused.Code != redemption.CodeUsed {
					t.Errorf("somebody else: %v", err)
				}
				redeemed := 1
				for i, code := range made[1:] {
					if _, err := next.redeem(fmt.Sprint("shopper", i), who.Event{ID: "e", Item: "ten", Code: code.Code}); err == nil {
						redeemed++
					}
				}
				if redeemed > stock || redeemed < stock-2-1 { // what was drawn, and what was leased with it
					t.Errorf("%d of %d were redeemed", redeemed, stock)
				}
			})
		}
	}
}

// Two processes that redeem the same codes and the same stock at once redeem each once, and no more than there is.
func TestTwoDesks(t *testing.T) {
	t.Parallel()
	documents := embeddedtest.Open(t)
	desks := []*process{newProcess(t, documents), newProcess(t, documents)}
	const codes, stock = 12, 8
	desks[0].save(offer.Offer{ID: "ten", Codes: true, Stock: stock})
	made, err := desks[0].codes.Make(t.Context(), "demo", "ten", codes)
	if err != nil {
		t.Fatal(err)
	}
	var times [codes]atomic.Int64
	done := make(chan struct{})
	const shoppers = 6
	for s := range shoppers {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range codes {
				n := (i + s) % codes
				outcome, err := desks[s%2].redeem(fmt.Sprint("shopper", s), who.Event{ID: fmt.Sprint("e", n), Item: "ten", Code: made[n].Code})
				var refused *redemption.Refusal
				switch {
				case err == nil && !outcome.Duplicate:
					times[n].Add(1)
				case err != nil && !errors.As(err, &refused):
					t.Errorf("shopper %d, code %d: %v", s, n, err)
				}
			}
		}()
	}
	for range shoppers {
		<-done
	}
	sum := int64(0)
	for n := range times {
		if times[n].Load() > 1 {
			t.Errorf("code %d was redeemed %d times", n, times[n].Load())
		}
		sum += times[n].Load()
	}
	if sum > stock {
		t.Errorf("%d were redeemed, the stock is %d", sum, stock)
	}
}
