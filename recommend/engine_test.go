package recommend_test

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"satnav/context/scene"
	"satnav/context/when"
	"satnav/context/where"
	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
	"satnav/recommend/learn"
)

var monday = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// shop is a small retailer to ask questions in.
type shop struct {
	names    *who.Names
	crowd    *learn.Crowd
	products []recommend.Product
	stores   []*where.Store
}

func newShop() *shop { return &shop{names: who.NewNames(), crowd: learn.NewCrowd(nil)} }

func (s *shop) item(id string) who.Item { return s.names.Items.Number(id) }

// bought makes the events of one basket.
func bought(at time.Time, items ...string) []who.Event {
	var events []who.Event
	for _, item := range items {
		events = append(events, who.Event{Kind: who.Purchased, Item: item, At: at, Basket: fmt.Sprint(at.UnixNano())})
	}
	return events
}

// remember puts a shopper of the crowd into the counts.
func (s *shop) remember(events ...who.Event) *who.History {
	h := (*who.History)(nil).With(s.names, events...)
	s.crowd.Replace(nil, h)
	return h
}

func (s *shop) snapshot() *recommend.Snapshot {
	return recommend.NewSnapshot(s.names, recommend.NewCatalogue(s.names, s.products), s.stores, s.crowd.View(), nil)
}

var loyal = who.Defaults([]who.Purpose{who.Loyalty, who.Location}, monday)

// asked is a request of a shopper with a history.
func asked(h *who.History, grants who.Grants, now time.Time) *recommend.Request {
	shopper := who.New(who.Record{Key: who.Key{Retailer: "r", Shopper: "anna"}, Grants: grants, History: h})
	return &recommend.Request{
		Scene: scene.Scene{
			Shopper: who.NewSubject(shopper, who.Permissions{Location: geo.Precise}),
			Moment:  when.Moment{Instant: now},
		},
		Limit: 10,
	}
}

func items(suggestions []recommend.Suggestion) (ids []string) {
	for _, s := range suggestions {
		ids = append(ids, s.Item)
	}
	return ids
}

// weekly is a shop where anna buys milk each week and many others buy bread and butter.
func weekly() (*shop, *who.History) {
	s := newShop()
	for i := range 20 {
		s.remember(append(bought(monday.AddDate(0, 0, -i), "bread", "butter"), bought(monday.AddDate(0, 0, -i-7), "jam", "bread")...)...)
	}
	var events []who.Event
	for week := 1; week <= 8; week++ {
		events = append(events, bought(monday.AddDate(0, 0, -7*week), "milk", fmt.Sprint("once", week))...)
	}
	return s, s.remember(events...)
}

func TestRecommendWhatIsDueAgain(t *testing.T) {
	s, anna := weekly()
	got, record := recommend.Recommend(s.snapshot(), asked(anna, loyal, monday))
	if len(got) != 10 || got[0].Item != "milk" {
		t.Fatalf("got %v, want ten, milk first", items(got))
	}
	r := got[0].Reasons[0]
	if r.Code != recommend.DueAgain || math.Abs(r.Values.EveryDays-7) > 0.1 || math.Abs(r.Values.LastDays-7) > 0.1 {
		t.Errorf("reason: got %+v, want due again every 7 days, last 7 days ago", r)
	}
	if !record.History || record.Sources&recommend.FromHistory == 0 {
		t.Errorf("record: got %+v, want history used", record)
	}
}

func TestRecommendWithoutGrantAnswersFromTheCrowd(t *testing.T) {
	s, anna := weekly()
	r := asked(anna, nil, monday)
	got, record := recommend.Recommend(s.snapshot(), r)
	if len(got) == 0 || got[0].Item != "bread" {
		t.Errorf("got %v, want bread first", items(got))
	}
	stranger, _ := recommend.Recommend(s.snapshot(), asked(nil, loyal, monday))
	if !slices.Equal(items(got), items(stranger)) {
		t.Errorf("without grant %v, a stranger %v: want the same", items(got), items(stranger))
	}
	if purposes, history := r.Scene.Shopper.Used(); record.History || history || len(purposes) > 0 {
		t.Errorf("used history without a grant: %v", record)
	}
}

func TestContributionsSumToTheScore(t *testing.T) {
	s, anna := weekly()
	got, _ := recommend.Recommend(s.snapshot(), asked(anna, loyal, monday))
	for _, suggestion := range got {
		sum := 0.0
		for _, value := range suggestion.Contributions.All {
			sum += value
		}
		if odds := math.Log(suggestion.Score / (1 - suggestion.Score)); math.Abs(sum-odds) > 1e-6 {
			t.Errorf("%s: contributions sum to %v, log-odds are %v", suggestion.Item, sum, odds)
		}
		if n := len(suggestion.Reasons); n < 1 || n > 3 {
			t.Errorf("%s: %d reasons, want 1 to 3", suggestion.Item, n)
		}
	}
}

// The same scene and snapshot make the same answer, whatever was asked in between; nothing is shared
// between answers; and no product comes twice.
func TestRecommendIsDeterministic(t *testing.T) {
	t.Parallel()
	snapshot, histories, _ := city(300, 400)
	ask := func(i int) []recommend.Suggestion {
		r := asked(histories[i], loyal, monday)
		r.Basket = []who.Item{who.Item(i), who.Item(2 * i)}
		r.List = []who.Item{who.Item(3 * i)}
		got, _ := recommend.Recommend(snapshot, r)
		return got
	}
	first := make([][]recommend.Suggestion, 100)
	for i := range first {
		first[i] = ask(i)
	}
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for i := range first {
				if got := ask(i); !reflect.DeepEqual(got, first[i]) {
					t.Errorf("shopper %d: got %v, then %v", i, items(first[i]), items(got))
				}
			}
		})
	}
	wait.Wait()
	for i, list := range first {
		ids := items(list)
		slices.Sort(ids)
		if len(slices.Compact(ids)) != 10 {
			t.Errorf("shopper %d: got %v, want ten different ones", i, items(list))
		}
		if !slices.IsSortedFunc(list, func(a, b recommend.Suggestion) int { return cmp.Compare(b.Score, a.Score) }) {
			t.Errorf("shopper %d: not sorted by score", i)
		}
	}
}

// A purchase that was acknowledged is in the next answer, and only from its own time on.
func TestRecommendCountsWhatJustHappened(t *testing.T) {
	t.Parallel()
	snapshot, histories, _ := city(200, 300)
	for i, h := range histories {
		now := monday.AddDate(0, 0, 1)
		before, _ := recommend.Recommend(snapshot, asked(h, loyal, now))
		after := h.With(snapshot.Names, bought(now, before[0].Item)...)
		got, _ := recommend.Recommend(snapshot, asked(after, loyal, now))
		if slices.Contains(items(got), before[0].Item) {
			t.Fatalf("shopper %d: %s was bought and is suggested at once", i, before[0].Item)
		}
		past, _ := recommend.Recommend(snapshot, asked(after, loyal, now.Add(-time.Second)))
		want, _ := recommend.Recommend(snapshot, asked(h, loyal, now.Add(-time.Second)))
		if !reflect.DeepEqual(past, want) {
			t.Fatalf("shopper %d: an answer as of a second before knows of it", i)
		}
	}
}

// What the shopper alone has bought counts as well: the crowd's counts come up to a second later, and a learnt model takes an
// item that nobody buys for one that nobody will buy.
func TestRecommendCountsWhatTheCrowdDoesNotKnow(t *testing.T) {
	t.Parallel()
	snapshot, _ := learntCity()
	const unsold = "never sold before"
	snapshot = snapshot.WithCatalogue(snapshot.Catalogue.With([]recommend.Product{{ID: unsold}}, nil))
	var h *who.History
	for week := 1; week <= 3; week++ {
		h = h.With(snapshot.Names, bought(monday.AddDate(0, 0, -7*week), unsold)...)
	}
	list, _ := recommend.Recommend(snapshot, asked(h, loyal, monday))
	if got := items(list); !slices.Contains(got, unsold) {
		t.Errorf("bought three weeks in a row: got %v without it", got)
	}
}

func TestRecommendTogether(t *testing.T) {
	t.Parallel()
	s := newShop()
	for day := range 40 {
		s.remember(bought(monday.AddDate(0, 0, -day), "bread", "milk")...)
		s.remember(bought(monday.AddDate(0, 0, -day), "pasta", "pesto")...)
	}
	r := asked(nil, loyal, monday.AddDate(0, 0, 1))
	r.Basket = []who.Item{s.item("pasta")}
	got, record := recommend.Recommend(s.snapshot(), r)
	if got[0].Item != "pesto" || got[0].Reasons[0].Code != recommend.BoughtTogether || got[0].Reasons[0].Values.With != "pasta" {
		t.Errorf("got %v because %+v, want pesto, bought together with pasta", items(got), got[0].Reasons)
	}
	if record.Sources&recommend.FromBasket == 0 {
		t.Errorf("sources: got %v, want the basket among them", record.Sources.Names())
	}
}

func TestRecommendWhatIsOnTheList(t *testing.T) {
	t.Parallel()
	s, anna := weekly()
	r := asked(anna, loyal, monday)
	r.List = []who.Item{s.item("jam")}
	got, _ := recommend.Recommend(s.snapshot(), r)
	i := slices.Index(items(got), "jam")
	if i < 0 || i > 1 || got[i].Reasons[0].Code != recommend.OnYourList {
		t.Errorf("got %v, want jam at the top because it is on the list", items(got))
	}
}

func TestRecommendVariants(t *testing.T) {
	t.Parallel()
	s := newShop()
	for day := range 20 {
		s.remember(bought(monday.AddDate(0, 0, -day), "cola", "cola light", "chips")...)
	}
	s.products = []recommend.Product{{ID: "cola"}, {ID: "cola light", VariantOf: "cola"}, {ID: "chips"}}
	got, _ := recommend.Recommend(s.snapshot(), asked(nil, loyal, monday.AddDate(0, 0, 1)))
	if want := []string{"cola", "chips"}; len(got) != 2 || !slices.Contains(items(got), "chips") {
		t.Errorf("got %v, want one of the variants and chips, such as %v", items(got), want)
	}
	anna := s.remember(bought(monday.AddDate(0, 0, -9), "cola", "cola light")...)
	got, _ = recommend.Recommend(s.snapshot(), asked(anna, loyal, monday.AddDate(0, 0, 1)))
	if len(got) != 3 {
		t.Errorf("got %v, want both variants for who buys both", items(got))
	}
}

// What the shopper searches for comes first, of that what they buy; a word that nothing is called changes nothing.
func TestQueryComesFirst(t *testing.T) {
	t.Parallel()
	s, anna := weekly()
	s.products = append(s.products,
		recommend.Product{ID: "oat-1", Title: "Oat drink barista"}, recommend.Product{ID: "oat-2", Title: "Porridge", Category: "cereals/oats"},
		recommend.Product{ID: "oat-3", Title: "Oat drink, sensitive", Sensitive: true}, recommend.Product{ID: "tea", Title: "Green tea"})
	snapshot := s.snapshot()
	ask := func(query string) ([]string, []recommend.Suggestion) {
		r := asked(anna, loyal, monday)
		r.Query = query
		list, _ := recommend.Recommend(snapshot, r)
		return items(list), list
	}
	plain, _ := ask("")
	if got, _ := ask("zebra !"); !slices.Equal(got, plain) {
		t.Errorf("got %v for a word that nothing is called, want %v", got, plain)
	}
	for _, c := range []struct {
		query string
		want  []string
	}{
		{"oat", []string{"oat-1", "oat-2"}},
		{"drink OAT", []string{"oat-1"}},
		{"green oats", []string{"oat-2", "tea"}},
		{"tea", []string{"tea"}},
	} {
		got, list := ask(c.query)
		first := slices.Clone(got[:len(c.want)])
		slices.Sort(first)
		if !slices.Equal(first, c.want) || list[0].Reasons[0].Code != recommend.Searched {
			t.Errorf("%q: got %v, %v; want %v first", c.query, got, list[0].Reasons, c.want)
		}
	}
}
