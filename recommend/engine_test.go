package recommend_test

import (
	"fmt"
	"math"
	"slices"
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
		for _, c := range suggestion.Contributions {
			sum += c.Value
		}
		if odds := math.Log(suggestion.Score / (1 - suggestion.Score)); math.Abs(sum-odds) > 1e-6 {
			t.Errorf("%s: contributions sum to %v, log-odds are %v", suggestion.Item, sum, odds)
		}
		if n := len(suggestion.Reasons); n < 1 || n > 3 {
			t.Errorf("%s: %d reasons, want 1 to 3", suggestion.Item, n)
		}
	}
}
