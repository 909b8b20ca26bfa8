package recommend_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
)

// TestWishes holds that whatever a shopper does not want is not shown, whatever speaks for it, and that their own list speaks louder than a
// category that they muted.
func TestWishes(t *testing.T) {
	t.Parallel()
	s, anna := weekly()
	s.products = append(s.products, recommend.Product{ID: "milk", Category: "dairy/milk"}, recommend.Product{ID: "bread", Category: "bakery"},
		recommend.Product{ID: "butter", Category: "dairy/butter"}, recommend.Product{ID: "jam", Category: "pantry"})
	snapshot := s.snapshot()
	ask := func(wishes *who.Preferences, list ...who.Item) []string {
		shopper := who.New(who.Record{Key: who.Key{Retailer: "r", Shopper: "anna"}, Grants: loyal, History: anna, Wishes: wishes})
		r := asked(anna, loyal, monday)
		r.Scene.Shopper, r.List, r.Limit = who.NewSubject(shopper, who.Permissions{Location: geo.Precise}), list, 30
		got, _ := recommend.Recommend(snapshot, r)
		return items(got)
	}
	if got := ask(nil); !slices.Contains(got, "milk") || !slices.Contains(got, "butter") {
		t.Fatalf("without a wish: got %v", got)
	}
	if got := ask(&who.Preferences{Muted: []string{"dairy"}}, s.item("milk")); !slices.Contains(got, "milk") || slices.Contains(got, "butter") {
		t.Errorf("muted, and on the list: got %v", got)
	}
	if got := ask(&who.Preferences{NotForMe: []string{"milk"}}, s.item("milk")); slices.Contains(got, "milk") {
		t.Errorf("not for me, and on the list: got %v", got)
	}
	if got := ask(&who.Preferences{Less: []string{"milk"}}); !slices.Contains(got, "milk") || got[0] == "milk" {
		t.Errorf("less like milk: got %v", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		some := func(name string, of ...string) []string {
			return rapid.SliceOfDistinct(rapid.SampledFrom(of), rapid.ID[string]).Draw(t, name)
		}
		wishes := &who.Preferences{
			NotForMe: some("not", "milk", "bread", "butter", "jam", "unknown"), Muted: some("muted", "dairy", "dairy/milk", "bakery", "pantry", "pan"),
			Less: some("less", "milk", "bread", "unknown"), Neutral: rapid.Bool().Draw(t, "neutral"),
		}
		category := map[string]string{"milk": "dairy/milk", "bread": "bakery", "butter": "dairy/butter", "jam": "pantry"}
		for _, item := range ask(wishes) {
			if slices.Contains(wishes.NotForMe, item) || wishes.MutesCategory(category[item]) && category[item] != "" {
				t.Fatalf("%s is shown to who wishes %+v", item, wishes)
			}
		}
	})
}
