package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/server/store"
	"satnav/server/store/embedded/embeddedtest"
)

// dying is a process that is killed at a commit: that one is stored or not, as after says, and nothing works afterwards.
type dying struct {
	store.Documents
	left  atomic.Int64 // commits until then
	after bool
	dead  atomic.Bool
}

func (d *dying) Commit(ctx context.Context, b store.Batch) (store.Revision, error) {
	if d.dead.Load() {
		return 0, store.ErrUnavailable
	}
	if d.left.Add(-1) >= 0 {
		return d.Documents.Commit(ctx, b)
	}
	d.dead.Store(true)
	if d.after {
		_, _ = d.Documents.Commit(ctx, b)
	}
	return 0, store.ErrUnavailable
}

func (d *dying) Get(ctx context.Context, partition, id string) (store.Document, error) {
	if d.dead.Load() {
		return store.Document{}, store.ErrUnavailable
	}
	return d.Documents.Get(ctx, partition, id)
}

func (d *dying) Scan(ctx context.Context, partition, from, to string, limit int) (store.Page, error) {
	if d.dead.Load() {
		return store.Page{}, store.ErrUnavailable
	}
	return d.Documents.Scan(ctx, partition, from, to, limit)
}

// till is what one process needs to redeem.
type till struct {
	shoppers *store.Shoppers
	codes    *store.Codes
}

func newTill(documents store.Documents, alone bool) till {
	shoppers := over(documents, 1<<20, alone)
	return till{shoppers, store.NewCodes(documents, shoppers, func() time.Time { return now })}
}

// redeem is what a desk does with a code. fresh tells whether the event was stored by it.
func (p till) redeem(key who.Key, offer, code, event string) (fresh bool, err error) {
	hold, err := p.codes.Hold(ctx, key, offer, code, event)
	if err != nil {
		return false, err
	}
	recorded, err := p.shoppers.Redeem(ctx, key, now, given, store.Redemption{
		Event: who.Event{ID: event, Kind: who.Redeemed, Item: offer, Code: code, At: now, Source: "app"}, Still: hold.Still})
	if err != nil {
		return false, err
	}
	if !recorded.Fresh[0] {
		_, err = hold.Drop(ctx)
		return false, err
	}
	return true, hold.Use(ctx)
}

// redemptions counts the diary's redemptions of each code, over shoppers.
func (p till) redemptions(t testing.TB, keys ...who.Key) map[string]int {
	t.Helper()
	times := map[string]int{}
	for _, key := range keys {
		err := p.shoppers.EachEntry(ctx, key, func(e store.DiaryEntry) bool {
			if e.Event != nil && e.Event.Kind == who.Redeemed {
				times[e.Event.Code]++
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return times
}

func (p till) state(t testing.TB, offer string) map[string]store.CodeState {
	t.Helper()
	codes, _, _, err := p.codes.List(ctx, anna.Retailer, offer, store.Position{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]store.CodeState{}
	for _, c := range codes {
		states[c.Code] = c.State
	}
	return states
}

func shopperNamed(name string) who.Key { return who.Key{Retailer: anna.Retailer, Shopper: name} }

// Whatever commit a process is killed at, before or after it is stored: the worker of another finishes or frees the code, and however often
// the shopper tries again, and others try, it is redeemed once.
func TestCodeSurvivesAKill(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for at := range int64(4) { // hold, the shopper, used
			t.Run(fmt.Sprintf("commit %d stored %v", at, after), func(t *testing.T) {
				t.Parallel()
				for _, known := range []bool{false, true} {
					documents := embeddedtest.Open(t)
					next := newTill(documents, true)
					if _, err := next.codes.Add(ctx, anna.Retailer, "ten", []string{"AAAA-1111"}); err != nil {
						t.Fatal(err)
					}
					if known {
						if _, err := next.shoppers.Record(ctx, anna, now, given, []who.Event{buys("b", "milk", now)}); err != nil {
							t.Fatal(err)
						}
					}
					killed := &dying{Documents: documents, after: after}
					killed.left.Store(at)
					_, _ = newTill(killed, true).redeem(anna, "ten", "aaaa1111", "e1")
					next = newTill(documents, true) // another process
					if _, err := next.codes.Settle(ctx, now.Add(time.Second)); err != nil {
						t.Fatal(err)
					}
					stored := next.redemptions(t, anna)["aaaa1111"]
					state := next.state(t, "ten")["AAAA-1111"]
					if state == store.CodeHeld || stored == 1 && state != store.CodeUsed || stored == 0 && known && state != store.CodeFree {
						t.Errorf("shopper known %v: after the worker the code is %s, redeemed %d times", known, state, stored)
					}
					// The shopper's app tries again until it is told.
					if fresh, err := next.redeem(anna, "ten", "AAAA 1111", "e1"); err != nil && !(stored == 1 && errors.Is(err, store.ErrCodeUsed)) || fresh == (stored == 1) {
						t.Errorf("shopper known %v: the retry is stored now: %v, %v; before: %d", known, fresh, err, stored)
					}
					if fresh, err := next.redeem(shopperNamed("ben"), "ten", "AAAA-1111", "e2"); fresh || !errors.Is(err, store.ErrCodeUsed) {
						t.Errorf("shopper known %v: somebody else redeemed it: %v, %v", known, fresh, err)
					}
					sum := 0
					for _, n := range next.redemptions(t, anna, shopperNamed("ben")) {
						sum += n
					}
					if sum != 1 || next.state(t, "ten")["AAAA-1111"] != store.CodeUsed {
						t.Errorf("shopper known %v: redeemed %d times, state %v", known, sum, next.state(t, "ten"))
					}
				}
			})
		}
	}
}

// A process that froze between the check of its hold and its commit, while the worker freed the code and another shopper redeemed it, cannot
// redeem it any more; its own shopper's retry meanwhile is the only one that counts otherwise.
func TestFrozenRedemptionComesTooLate(t *testing.T) {
	t.Parallel()
	documents := embeddedtest.Open(t)
	p, other := newTill(documents, false), newTill(documents, false)
	if _, err := p.codes.Add(ctx, anna.Retailer, "ten", []string{"AAAA-1111"}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.shoppers.Record(ctx, anna, now, given, []who.Event{buys("b", "milk", now)}); err != nil {
		t.Fatal(err)
	}
	hold, err := p.codes.Hold(ctx, anna, "ten", "AAAA1111", "e1")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	_, err = p.shoppers.Redeem(ctx, anna, now, given, store.Redemption{
		Event: who.Event{ID: "e1", Kind: who.Redeemed, Item: "ten", Code: "AAAA1111", At: now, Source: "app"},
		Still: func(ctx context.Context) error {
			err := hold.Still(ctx)
			if asked++; asked == 1 { // it holds, and now time stands still for this process
				if n, settled := other.codes.Settle(ctx, now.Add(time.Second)); n != 1 || settled != nil {
					t.Errorf("settled %d, %v", n, settled)
				}
				if fresh, taken := other.redeem(shopperNamed("ben"), "ten", "AAAA1111", "e2"); !fresh || taken != nil {
					t.Errorf("the freed code: %v, %v", fresh, taken)
				}
			}
			return err
		},
	})
	if !errors.Is(err, store.ErrCodeHeld) || asked != 2 {
		t.Errorf("the frozen one got %v after %d looks, want %v after 2", err, asked, store.ErrCodeHeld)
	}
	if got := p.redemptions(t, anna, shopperNamed("ben")); got["AAAA1111"] != 1 {
		t.Errorf("redeemed %v", got)
	}
}

// Many shoppers in two processes want the same codes at once, while a worker settles every hold that it sees: each code is redeemed
// once at most.
func TestCodesAreRedeemedOnce(t *testing.T) {
	t.Parallel()
	documents := embeddedtest.Open(t)
	processes := []till{newTill(documents, false), newTill(documents, false)}
	const codes, shoppers = 20, 12
	var names []string
	for i := range codes {
		names = append(names, fmt.Sprintf("CODE%04d", i))
	}
	if _, err := processes[0].codes.Add(ctx, anna.Retailer, "ten", names); err != nil {
		t.Fatal(err)
	}
	var won, settled atomic.Int64
	var tills, worker sync.WaitGroup
	stop := make(chan struct{})
	var keys []who.Key
	for s := range shoppers { // of whom something is known: a hold of somebody unknown is lost to all others when it is settled
		keys = append(keys, shopperNamed(fmt.Sprint("shopper", s)))
		if _, err := processes[0].shoppers.Record(ctx, keys[s], now, given, []who.Event{buys("b", "milk", now)}); err != nil {
			t.Fatal(err)
		}
	}
	worker.Go(func() { // a worker that is far too eager
		for {
			select {
			case <-stop:
				return
			default:
				n, err := processes[1].codes.Settle(ctx, now.Add(time.Hour))
				if err != nil {
					t.Error(err)
				}
				settled.Add(int64(n))
			}
		}
	})
	for s, key := range keys {
		tills.Go(func() {
			for i := range names {
				p, code := processes[(s+i)%2], names[(i+s)%codes]
				for try := 0; try < 50; try++ {
					fresh, err := p.redeem(key, "ten", code, code)
					if fresh {
						won.Add(1)
					}
					if err == nil || errors.Is(err, store.ErrCodeUsed) {
						break
					}
					if !errors.Is(err, store.ErrCodeHeld) && !errors.Is(err, store.ErrConflict) {
						t.Errorf("%v of %s: %v", key, code, err)
						break
					}
				}
			}
		})
	}
	tills.Wait()
	close(stop)
	worker.Wait()
	if _, err := processes[0].codes.Settle(ctx, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	before := len(processes[0].redemptions(t, keys...))
	last := shopperNamed("last")
	for _, code := range names { // who comes last finds it used, or is the one
		if fresh, err := processes[0].redeem(last, "ten", code, code); !fresh && !errors.Is(err, store.ErrCodeUsed) {
			t.Errorf("%s at last: %v", code, err)
		}
	}
	times := processes[0].redemptions(t, append(keys, last)...)
	for code, state := range processes[0].state(t, "ten") {
		if times[code] != 1 || state != store.CodeUsed {
			t.Errorf("code %s is %s and was redeemed %d times", code, state, times[code])
		}
	}
	t.Logf("%d of %d codes were redeemed at once, %d told so; the worker settled %d holds", before, codes, won.Load(), settled.Load())
}

// What is refused of codes, and what adding them again does.
func TestCodesAreKnown(t *testing.T) {
	t.Parallel()
	p := newTill(embeddedtest.Open(t), true)
	if made, err := p.codes.Make(ctx, anna.Retailer, "ten", 3); err != nil || len(made) != 3 || store.CodeProblem(made[0].Code) != "" || made[0].State != store.CodeFree {
		t.Fatalf("made %v, %v", made, err)
	}
	if _, err := p.codes.Add(ctx, anna.Retailer, "ten", []string{"AAAA-1111"}); err != nil {
		t.Fatal(err)
	}
	if again, err := p.codes.Add(ctx, anna.Retailer, "ten", []string{"aaaa 1111"}); err != nil || again[0].Code != "AAAA-1111" {
		t.Errorf("added again: %v, %v", again, err)
	}
	if _, err := p.codes.Add(ctx, anna.Retailer, "twenty", []string{"AAAA1111"}); !errors.Is(err, store.ErrCodeTaken) {
		t.Errorf("of another offer: %v", err)
	}
	for code, want := range map[string]error{"BBBB-2222": store.ErrCodeUnknown} {
		if _, err := p.redeem(anna, "ten", code, "e"); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", code, err, want)
		}
	}
	if _, err := p.redeem(anna, "twenty", "AAAA-1111", "e"); !errors.Is(err, store.ErrCodeUnknown) {
		t.Errorf("for another offer: %v", err)
	}
	if _, err := p.codes.Hold(ctx, anna, "ten", "AAAA-1111", "e"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.codes.Hold(ctx, anna, "ten", "AAAA-1111", "another"); !errors.Is(err, store.ErrCodeHeld) {
		t.Errorf("held by another redemption: %v", err)
	}
	if fresh, err := p.redeem(anna, "ten", "AAAA-1111", "e"); !fresh || err != nil {
		t.Errorf("by the same: %v, %v", fresh, err)
	}
}

// A code whose shopper was erased before it could be told what became of it is nobody's any more.
func TestCodeOfAnErasedShopper(t *testing.T) {
	t.Parallel()
	p := newTill(embeddedtest.Open(t), true)
	if _, err := p.codes.Add(ctx, anna.Retailer, "ten", []string{"AAAA-1111"}); err != nil {
		t.Fatal(err)
	}
	hold, err := p.codes.Hold(ctx, anna, "ten", "AAAA1111", "e1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.shoppers.Redeem(ctx, anna, now, given, store.Redemption{Event: who.Event{ID: "e1", Kind: who.Redeemed, Item: "ten", At: now, Source: "app"}, Still: hold.Still}); err != nil {
		t.Fatal(err)
	}
	if err := p.shoppers.Forget(ctx, anna); err != nil {
		t.Fatal(err)
	}
	if n, err := p.codes.Settle(ctx, now.Add(time.Second)); n != 1 || err != nil {
		t.Fatalf("settled %d, %v", n, err)
	}
	if _, err := p.redeem(shopperNamed("ben"), "ten", "AAAA1111", "e2"); !errors.Is(err, store.ErrCodeUsed) {
		t.Errorf("got %v", err)
	}
}

// What one shopper may, on the revision that is written: so often, and one of a group in a basket.
func TestRedeemCounts(t *testing.T) {
	t.Parallel()
	documents := embeddedtest.Open(t)
	processes := []*store.Shoppers{over(documents, 1<<20, false), over(documents, 1<<20, false)}
	redeem := func(p int, id, offer, basket string, most int) error {
		_, err := processes[p].Redeem(ctx, anna, now, given, store.Redemption{PerShopper: most, Group: "bread",
			Event: who.Event{ID: id, Kind: who.Redeemed, Item: offer, Basket: basket, At: now, Source: "app"}})
		return err
	}
	for i, c := range []struct {
		name, id, offer, basket string
		want                    error
	}{
		{"first", "1", "ten", "a", nil},
		{"the same event", "1", "ten", "a", nil},
		{"another of the group in the basket", "2", "twenty", "a", store.ErrStacked},
		{"in another basket", "3", "twenty", "b", nil},
		{"the second time", "4", "ten", "c", nil},
		{"too often", "5", "ten", "d", store.ErrRedeemed},
	} {
		if err := redeem(i%2, c.id, c.offer, c.basket, 2); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	var wg sync.WaitGroup
	var ok atomic.Int64
	for i := range 20 { // at once, in two processes
		wg.Go(func() {
			if redeem(i%2, fmt.Sprint("x", i), "forty", fmt.Sprint("basket", i), 3) == nil {
				ok.Add(1)
			}
		})
	}
	wg.Wait()
	if ok.Load() != 3 {
		t.Errorf("%d of 20 were redeemed, want 3", ok.Load())
	}
}

// What is counted of redemptions is kept for its time: deleting the entry does not give the offer again, and after its time nothing is left.
func TestCountsOfRedemptionsGo(t *testing.T) {
	t.Parallel()
	names := who.NewNames()
	documents := embeddedtest.Open(t)
	shoppers := store.NewShoppers(documents, store.ShoppersConfig{
		Secret: []byte("secret"), Names: func(string) *who.Names { return names }, CacheBytes: 1 << 20,
		Keep: func(string, who.Purpose) who.Keep { return who.Keep{Age: 30 * 24 * time.Hour} },
	})
	redeem := func(id string, at time.Time) error {
		_, err := shoppers.Redeem(ctx, anna, at, given, store.Redemption{PerShopper: 1, Group: "bread", Event: who.Event{ID: id, Kind: who.Redeemed, Item: "ten", At: at, Source: "app"}})
		return err
	}
	if err := redeem("1", now); err != nil {
		t.Fatal(err)
	}
	if n, _, err := shoppers.Remove(ctx, anna, func(e store.DiaryEntry) bool { return e.Event != nil }); n != 1 || err != nil {
		t.Fatalf("removed %d, %v", n, err)
	}
	soon, late := now.Add(24*time.Hour), now.Add(31*24*time.Hour)
	if _, _, err := shoppers.Expire(ctx, anna, soon); err != nil {
		t.Fatal(err)
	}
	if err := redeem("2", soon); !errors.Is(err, store.ErrRedeemed) {
		t.Errorf("after the entry was deleted: %v, want %v", err, store.ErrRedeemed)
	}
	found, _, err := shoppers.Expiring(ctx, store.Position{}, late)
	if err != nil || len(found) != 1 {
		t.Fatalf("what is to go: %v, %v", found, err)
	}
	if _, _, err := shoppers.Expire(ctx, anna, late); err != nil {
		t.Fatal(err)
	}
	page, err := documents.Scan(ctx, shoppers.Partition(anna), "redeemed/", "redeemed0", 0)
	if err != nil || len(page.Documents) != 0 {
		t.Errorf("left after its time: %v, %v", page.Documents, err)
	}
	if err := redeem("3", late); err != nil {
		t.Errorf("after its time: %v", err)
	}
}
