package visit_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"satnav/recommend/offer"
	"satnav/recommend/rule"
	"satnav/server/retailer"
)

// TestSecondPersonForOffers holds that nobody brings a price to shoppers alone through the catalogue of offers: who edited an offer is an author of the rules
// that name it, and rules are taken back only with the offers that were live with them.
func TestSecondPersonForOffers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ruleTown(w, 1)
	ctx, r := t.Context(), w.retailers
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := r.SaveSettings(ctx, "demo", editor, retailer.Change[retailer.Settings]{Value: retailer.Settings{Currency: "EUR", Holdout: new(float64)}})
	must(err)
	anna, ben, cleo := retailer.Editor{Role: "product", Subject: "anna"}, retailer.Editor{Role: "product", Subject: "ben"}, retailer.Editor{Role: "product", Subject: "cleo"}
	off := func(percent float64, cost string) {
		t.Helper()
		_, err := r.SaveProducts(ctx, "demo", editor, []retailer.Change[retailer.Product]{{ID: "p3", Value: retailer.Product{Title: "Product 3", Price: "10.00", Cost: cost}}})
		must(err)
		saved, err := r.SaveOffers(ctx, "demo", anna, []retailer.Change[offer.Offer]{{ID: "x", Value: offer.Offer{Title: map[string]string{"en": "Off"}, Items: []string{"p3"}, PercentOff: percent}}})
		must(err)
		must(saved[0].Err)
	}
	off(10, "0.50")
	saved, err := r.SaveRules(ctx, "demo", ben, []retailer.Change[rule.Rule]{{ID: "shows", Value: rule.Rule{Then: []rule.Action{{Kind: rule.Price, Offer: &rule.Offer{ID: "x"}}}}}})
	must(err)
	must(saved[0].Err)
	plan, err := r.Plan(ctx, "demo")
	must(err)
	if !slices.Contains(plan.Authors, anna.String()) || !slices.Contains(plan.Authors, ben.String()) {
		t.Errorf("the authors are %v", plan.Authors)
	}
	if _, err := r.ApproveRules(ctx, "demo", anna, plan.Digest, "mine"); !errors.Is(err, retailer.ErrOwnRules) {
		t.Errorf("who edited the offer approves it: %v", err)
	}
	off(10, "0.60")
	moved, err := r.Plan(ctx, "demo")
	must(err)
	if moved.Digest == plan.Digest {
		t.Error("an approval would hold after the cost of what the offer is on moved")
	}
	_, err = r.ApproveRules(ctx, "demo", cleo, moved.Digest, "fine")
	must(err)
	_, live, err := r.PublishRules(ctx, "demo", ben, retailer.Publication{Why: "go"})
	must(err)

	w.now = w.now.Add(time.Minute)
	_, _, err = r.RestoreRules(ctx, "demo", anna, 0, "back")
	must(err)
	off(40, "0.60")
	if _, _, err := r.RestoreRules(ctx, "demo", anna, live.Version, "again"); !errors.Is(err, retailer.ErrNotApproved) {
		t.Errorf("rules came back with another price: %v", err)
	}
	off(10, "0.60")
	if _, _, err := r.RestoreRules(ctx, "demo", anna, live.Version, "again"); err != nil {
		t.Errorf("rules came back with the price that was agreed to: %v", err)
	}
}
