package recommend_test

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"satnav/context/who"
	"satnav/recommend"
	"satnav/recommend/learn"
)

// learntCity is a small city with a model learnt of it, which several tests ask.
var learntCity = sync.OnceValues(func() (*recommend.Snapshot, []*who.History) {
	snapshot, histories, _ := city(600, 400)
	model, err := learn.Fit(snapshot, histories, "learnt", monday)
	if err != nil || model.Version != "learnt" {
		panic(fmt.Sprintf("got model %v, %v", model, err))
	}
	return snapshot.With(snapshot.Crowd, model), histories
})

func logOdds(s *recommend.Suggestion) (sum float64) {
	for _, value := range s.Contributions.All {
		sum += value
	}
	return sum
}

// Reasons are true: what is told first is what put the suggestion where it stands. Without it, at least 19
// of 20 would stand further down. And what the parts add up to is the score.
func TestReasonsAreWhyItStandsThere(t *testing.T) {
	t.Parallel()
	snapshot, histories := learntCity()
	fell, asks := 0, 0
	for i, h := range histories {
		r := asked(h, loyal, monday)
		r.Limit = recommend.MaxLimit
		if i%3 == 0 {
			r.Basket = []who.Item{snapshot.Names.Items.Number("p1"), snapshot.Names.Items.Number("p2")}
		}
		list, _ := recommend.Recommend(snapshot, r)
		for k := range list[:10] {
			odds := logOdds(&list[k])
			if got := math.Log(list[k].Score / (1 - list[k].Score)); math.Abs(got-odds) > 1e-6 {
				t.Fatalf("shopper %d, %s: the score's log-odds are %v, contributions sum to %v", i, list[k].Item, got, odds)
			}
			asks++
			if next := logOdds(&list[k+1]); odds-list[k].Reasons[0].Contribution < next {
				fell++
			}
		}
	}
	if fell*100 < asks*95 {
		t.Errorf("%d of %d suggestions stand lower without their first reason, want 95 %%", fell, asks)
	}
}

// A reason says only what happened: nobody looked at anything in this city but one shopper, at one product. And what added
// next to nothing is not told.
func TestReasonsSayWhatHappened(t *testing.T) {
	t.Parallel()
	snapshot, histories := learntCity()
	model, product := *snapshot.Model, *snapshot.Model.Product
	product.Tables = slices.Clone(product.Tables)
	for table := range product.Tables { // as learnt where who buys seldom looks: not to have looked speaks for a product
		if recommend.Products.Name(table) == "days_since_seen" {
			product.Tables[table] = slices.Clone(product.Tables[table])
			product.Tables[table][0] += 2
			model.Product = &product
		}
	}
	snapshot = snapshot.With(snapshot.Crowd, &model)
	viewed := 0
	for i, h := range histories {
		if i == 7 {
			h = h.With(snapshot.Names, who.Event{ID: "v", Kind: who.Viewed, Item: "p3", At: monday.Add(-time.Hour)})
		}
		r := asked(h, loyal, monday)
		r.Limit = recommend.MaxLimit
		list, _ := recommend.Recommend(snapshot, r)
		for _, s := range list {
			for n, reason := range s.Reasons {
				switch {
				case reason.Code == recommend.Viewed && i == 7 && s.Item == "p3":
					viewed++
				case reason.Code == recommend.Viewed || reason.Code == recommend.Liked:
					t.Fatalf("shopper %d, %s: told %q of what nobody did: %v", i, s.Item, reason.Code, s.Reasons)
				case n > 0 && reason.Contribution < 0.05*s.Reasons[0].Contribution:
					t.Fatalf("shopper %d, %s: a reason that added next to nothing: %v", i, s.Item, s.Reasons)
				}
			}
		}
	}
	if viewed != 1 {
		t.Errorf("the one view is told %d times, want once", viewed)
	}
}

// A suggestion that hangs on one kind of feature is flagged, and no other.
func TestOneSided(t *testing.T) {
	t.Parallel()
	snapshot, histories := learntCity()
	flagged := 0
	rapid.Check(t, func(t *rapid.T) {
		r := asked(rapid.SampledFrom(histories).Draw(t, "shopper"), loyal, monday)
		if rapid.Bool().Draw(t, "a stranger with a list") {
			r = asked(nil, nil, monday)
			r.List = []who.Item{snapshot.Names.Items.Number("p390")}
		}
		list, record := recommend.Recommend(snapshot, r)
		told := 0
		for i := range list {
			most, all := 0.0, 0.0
			name := ""
			for feature, value := range list[i].Contributions.All {
				if feature == "base" || value <= 0 {
					continue
				}
				if all += value; value > most {
					most, name = value, feature
				}
			}
			want := ""
			if most > 0.8*all {
				want = name
				told++
			}
			if list[i].OneSided != want {
				t.Fatalf("%s: one-sided %q, want %q: %v", list[i].Item, list[i].OneSided, want, list[i].Contributions)
			}
		}
		if record.OneSided != told {
			t.Fatalf("the record tells %d, want %d", record.OneSided, told)
		}
		flagged += told
	})
	if flagged == 0 {
		t.Error("none was flagged: the test says nothing")
	}
}

// What was just shown stands behind everything else, and what is on the list does not.
func TestShownComesLast(t *testing.T) {
	t.Parallel()
	snapshot, histories, _ := city(200, 300)
	for i, h := range histories {
		r := asked(h, loyal, monday)
		plain, _ := recommend.Recommend(snapshot, r)
		for _, s := range plain {
			r.Shown = append(r.Shown, snapshot.Names.Items.Number(s.Item))
		}
		r.List = r.Shown[:1]
		again, _ := recommend.Recommend(snapshot, r)
		if len(again) != len(plain) || again[0].Item != plain[0].Item {
			t.Fatalf("shopper %d: got %v after %v, want the first again, since it is on the list", i, items(again), items(plain))
		}
		for _, s := range again[1:] {
			if slices.Contains(items(plain), s.Item) {
				t.Fatalf("shopper %d: %s is shown again: %v after %v", i, s.Item, items(again), items(plain))
			}
		}
	}
	s, anna := weekly()
	r := asked(anna, loyal, monday)
	plain, _ := recommend.Recommend(s.snapshot(), r)
	for _, one := range plain {
		r.Shown = append(r.Shown, s.item(one.Item))
	}
	again, _ := recommend.Recommend(s.snapshot(), r)
	if len(again) != len(plain) {
		t.Errorf("got %v after %v: where there is little, it is shown again", items(again), items(plain))
	}
}
