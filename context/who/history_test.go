package who_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"

	"satnav/context/who"
)

var start = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)

// plain is the slow twin of a history: the events themselves, counted anew each time.
type plain struct{ events []who.Event }

type plainBasket struct {
	key   uint64
	at    uint32
	store string
	items map[string]bool
}

// baskets are oldest first.
func (p plain) baskets() []plainBasket {
	byKey := map[uint64]*plainBasket{}
	for _, e := range p.events {
		if e.Kind != who.Purchased || e.Quantity < 0 || e.Item == "" {
			continue
		}
		key, at := who.BasketKey(e.Basket, e.At), who.Stamp(e.At)
		b := byKey[key]
		if b == nil {
			b = &plainBasket{key: key, at: at, items: map[string]bool{}}
			byKey[key] = b
		}
		b.at = min(b.at, at)
		if b.store == "" {
			b.store = e.Store
		}
		b.items[e.Item] = true
	}
	var all []plainBasket
	for _, b := range byKey {
		all = append(all, *b)
	}
	slices.SortFunc(all, func(a, b plainBasket) int {
		if a.at != b.at {
			return int(int64(a.at) - int64(b.at))
		}
		if a.key < b.key {
			return -1
		}
		return 1
	})
	return all
}

// differs says where a history is not what the events add up to; empty: nowhere.
func (p plain) differs(names *who.Names, h *who.History) string {
	all := p.baskets()
	kept := all[max(0, len(all)-who.MaxBaskets):]
	if len(h.Baskets) != len(kept) || int(h.Orders) != len(kept) {
		return fmt.Sprintf("%d baskets and %d orders, want %d", len(h.Baskets), h.Orders, len(kept))
	}
	for i, b := range kept {
		got := h.Baskets[i]
		if got.Key != b.key || got.At != b.at || names.Stores.Name(got.Store) != b.store || int(got.Lines) != len(b.items) {
			return fmt.Sprintf("basket %d: got %+v, want %+v", i, got, b)
		}
	}
	items := map[string]bool{}
	for _, b := range all {
		for item := range b.items {
			items[item] = true
		}
	}
	if len(h.Items) != len(items) {
		return fmt.Sprintf("%d items, want %d", len(h.Items), len(items))
	}
	for item := range items {
		i, ok := h.Find(names.Items.Number(item))
		if !ok {
			return "no item " + item
		}
		want := who.Bought{Item: names.Items.Number(item), First: math.MaxUint32}
		for k, b := range slices.Backward(all) {
			if !b.items[item] {
				continue
			}
			want.Count++
			want.First = min(want.First, b.at)
			want.Last = max(want.Last, b.at)
			if rank := len(all) - 1 - k; rank < who.Tail {
				want.Recent |= 1 << rank
			}
		}
		if h.Items[i] != want {
			return fmt.Sprintf("item %s: got %+v, want %+v", item, h.Items[i], want)
		}
		for k, life := range who.HalfLives {
			sum := 0.0
			for rank, b := range all[:max(0, len(all)-who.Tail)] {
				_ = rank
				if b.items[item] {
					sum += math.Exp2(-float64(want.Last-b.at) / life.Seconds())
				}
			}
			got := 0.0
			if h.Older != nil {
				got = float64(h.Older[i][k])
			}
			if math.Abs(got-sum) > 1e-3*(1+sum) {
				return fmt.Sprintf("item %s: %v as of half-life %v, want %v", item, got, life, sum)
			}
		}
	}
	return p.differsInActs(names, h)
}

func (p plain) differsInActs(names *who.Names, h *who.History) string {
	type act struct {
		item string
		kind who.SignalKind
	}
	kinds := map[who.EventKind]who.SignalKind{
		who.Viewed: who.SignalView, who.Liked: who.SignalLike, who.Dismissed: who.SignalDismiss,
	}
	signals := map[act]who.Signal{}
	visits := 0
	for _, e := range p.events {
		if e.Kind == who.Visited {
			visits++
		}
		kind, ok := kinds[e.Kind]
		if e.Kind == who.Purchased && e.Quantity < 0 {
			kind, ok = who.SignalReturn, true
		}
		if !ok {
			continue
		}
		s := signals[act{e.Item, kind}]
		s.Item, s.Kind = names.Items.Number(e.Item), kind
		s.Count++
		s.Last = max(s.Last, who.Stamp(e.At))
		signals[act{e.Item, kind}] = s
	}
	if len(h.Visits) != min(visits, who.MaxVisits) || len(h.Signals) != len(signals) {
		return fmt.Sprintf("%d visits and %d signals, want %d and %d", len(h.Visits), len(h.Signals), visits, len(signals))
	}
	if !slices.IsSortedFunc(h.Visits, func(a, b who.Visit) int { return int(int64(a.At) - int64(b.At)) }) {
		return "visits are out of order"
	}
	for a, want := range signals {
		if got, _ := h.Signal(names.Items.Number(a.item), a.kind); got != want {
			return fmt.Sprintf("signal %v: got %+v, want %+v", a, got, want)
		}
	}
	return ""
}

// drawEvents makes the diary of one shopper. With few baskets, lines of one basket may differ in time.
func drawEvents(t *rapid.T, maxBaskets int) []who.Event {
	baskets := rapid.IntRange(0, maxBaskets).Draw(t, "baskets")
	spread := 0
	if baskets <= who.Tail {
		spread = rapid.SampledFrom([]int{0, 50}).Draw(t, "hours between lines")
	}
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	var events []who.Event
	for b := range baskets {
		at := start.Add(time.Duration(random.IntN(24*900)) * time.Hour)
		store := fmt.Sprint("s", random.IntN(3))
		ordinals := map[string]int{}
		for range 1 + random.IntN(4) {
			item := fmt.Sprint("p", random.IntN(12))
			e := who.Event{
				Kind: who.Purchased, Item: item, Basket: fmt.Sprint("b", b), Store: store, Quantity: 1, Ordinal: ordinals[item],
				At: at.Add(time.Duration(random.IntN(spread+1)) * time.Hour),
			}
			ordinals[item]++
			events = append(events, e)
		}
	}
	for range random.IntN(30) {
		e := who.Event{
			Kind: []who.EventKind{who.Viewed, who.Liked, who.Dismissed, who.Visited, who.Purchased}[random.IntN(5)],
			Item: fmt.Sprint("p", random.IntN(5)), Store: "s1", Quantity: -1,
			At: start.Add(time.Duration(random.IntN(1000)) * time.Hour),
		}
		events = append(events, e)
	}
	return events
}

// A history is what its events add up to, in whatever order and in whatever portions they came.
func TestHistoryEqualsItsEvents(t *testing.T) {
	t.Parallel()
	for _, size := range []struct {
		name    string
		baskets int
	}{{"few baskets", 12}, {"about the tail", 2 * who.Tail}, {"more than are kept", who.MaxBaskets + 40}} {
		t.Run(size.name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				events := drawEvents(t, size.baskets)
				random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "shuffle"), 0))
				random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
				names := who.NewNames()
				var h *who.History
				for rest := events; len(rest) > 0; {
					n := min(len(rest), 1+random.IntN(40))
					h, rest = h.With(names, rest[:n]...), rest[n:]
				}
				if h == nil {
					return
				}
				if d := (plain{events}).differs(names, h); d != "" {
					t.Fatal(d)
				}
			})
		})
	}
}

func TestHistoryWithLeavesTheOldOneAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := drawEvents(t, 20)
		names := who.NewNames()
		half := len(events) / 2
		h := (*who.History)(nil).With(names, events[:half]...)
		h.With(names, events[half:]...)
		if d := (plain{events[:half]}).differs(names, h); d != "" {
			t.Fatal(d)
		}
	})
}

func TestHistoryStaysWithinItsBounds(t *testing.T) {
	t.Parallel()
	names := who.NewNames()
	random := rand.New(rand.NewPCG(1, 1))
	var h *who.History
	var events []who.Event
	for i := range 50_000 {
		at := start.Add(time.Duration(i) * time.Minute)
		kind := who.Purchased
		if i%10 == 0 {
			kind = []who.EventKind{who.Viewed, who.Visited}[i/10%2]
		}
		events = append(events, who.Event{
			Kind: kind, Item: fmt.Sprint("p", random.IntN(9000)), Store: "s", At: at, Basket: fmt.Sprint(i / 5), Quantity: 1,
		})
	}
	// The one that is bought again and again must stay.
	for i := range 200 {
		events = append(events, who.Event{Kind: who.Purchased, Item: "milk", At: start.AddDate(0, 0, -i), Basket: fmt.Sprint("m", i)})
	}
	h = h.With(names, events...)
	if len(h.Items) > who.MaxItems || len(h.Items) < 1024 || len(h.Baskets) > who.MaxBaskets || len(h.Visits) > who.MaxVisits || len(h.Signals) > who.MaxSignals {
		t.Fatalf("%d items, %d baskets, %d visits, %d signals", len(h.Items), len(h.Baskets), len(h.Visits), len(h.Signals))
	}
	if _, ok := h.Find(names.Items.Number("milk")); !ok {
		t.Error("what was bought most is gone")
	}
	if !slices.IsSortedFunc(h.Items, func(a, b who.Bought) int { return int(int64(a.Item) - int64(b.Item)) }) {
		t.Error("items are out of order")
	}
}

func TestHistoryIsSmall(t *testing.T) {
	t.Parallel()
	names := who.NewNames()
	var h *who.History
	for b := range 16 {
		for line := range 5 {
			h = h.With(names, who.Event{
				Kind: who.Purchased, Item: fmt.Sprint("p", (b*4+line)%60), Basket: fmt.Sprint(b), Store: "s",
				At: start.AddDate(0, 0, 7*b), Quantity: 1,
			})
		}
	}
	if len(h.Baskets) != 16 || len(h.Items) != 60 {
		t.Fatalf("%d baskets and %d items, want 16 and 60", len(h.Baskets), len(h.Items))
	}
	bytes := int(unsafe.Sizeof(*h)) + cap(h.Baskets)*int(unsafe.Sizeof(who.Basket{})) + cap(h.Items)*int(unsafe.Sizeof(who.Bought{})) +
		cap(h.Older)*int(unsafe.Sizeof([4]float32{})) + cap(h.Visits)*int(unsafe.Sizeof(who.Visit{})) + cap(h.Signals)*int(unsafe.Sizeof(who.Signal{}))
	if bytes > 2<<10 {
		t.Errorf("%d bytes, want at most %d", bytes, 2<<10)
	}
}

// What is odd in an event does not break a history: it stays sorted, bounded and consistent.
func FuzzHistory(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	f.Add([]byte("a basket of many lines, bought again and again"))
	kinds := append(slices.Clone(who.EventKinds), "", "unheard of")
	f.Fuzz(func(t *testing.T, diary []byte) {
		names := who.NewNames()
		var h *who.History
		for ; len(diary) >= 6; diary = diary[6:] {
			e := who.Event{
				Kind:     kinds[int(diary[0])%len(kinds)],
				Item:     []string{"", "a", "b", "c"}[diary[1]%4],
				Basket:   []string{"", "x", "y"}[diary[2]%3],
				Store:    []string{"", "s"}[diary[2]%2],
				At:       time.Unix(int64(diary[3])<<25-int64(diary[4])<<20, 0),
				Quantity: float64(diary[5]) - 128,
				Ordinal:  int(diary[5] & 1),
			}
			h = h.With(names, e)
		}
		if h == nil {
			return
		}
		if int(h.Orders) != len(h.Baskets) || h.Older != nil && len(h.Older) != len(h.Items) {
			t.Fatalf("%d orders of %d baskets, %d items with %d decays", h.Orders, len(h.Baskets), len(h.Items), len(h.Older))
		}
		for i, b := range h.Items {
			if b.Count == 0 || b.First > b.Last || i > 0 && h.Items[i-1].Item >= b.Item || names.Items.Name(b.Item) == "" {
				t.Fatalf("item %d: %+v", i, b)
			}
		}
	})
}
