package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"satnav/sdk-contract/wire"
	"satnav/server/identity"
)

// TestEmptyCatalogue asks a retailer who has nothing at all, and one who has a single product.
func TestEmptyCatalogue(t *testing.T) {
	t.Parallel()
	till := city.role(t, identity.Backend, "bare")
	ask := map[string]any{"shopper": "anna", "limit": 20}
	if got := city.ask(t, till, ask); len(got.Suggestions) != 0 {
		t.Errorf("of nothing: got %v", items(got))
	}
	batch := read[wire.BatchResponse](city.call(t, till, "POST", "/v1/suggestions/batch", `{"shoppers":["anna","ben"]}`).wants(200))
	if len(batch.Results) != 2 || len(batch.Results[0].Suggestions) != 0 {
		t.Errorf("a batch of nothing: got %+v", batch)
	}
	admin := city.role(t, identity.Admin, "bare")
	city.call(t, admin, "POST", "/v1/products", `{"item":"salt","title":"Salt"}`).wants(201)
	if got := items(city.ask(t, till, ask)); !slices.Equal(got, []string{"salt"}) {
		t.Errorf("of one product: got %v", got)
	}
	city.record(t, till, wire.Event{ID: "1", Shopper: "anna", Kind: "purchase", Item: "salt"})
	if got := items(city.ask(t, till, ask)); len(got) != 0 {
		t.Errorf("just bought, and there is nothing else: got %v", got)
	}
}

// TestOddBaskets holds that baskets with what the catalogue does not have, or has no longer, are answered.
func TestOddBaskets(t *testing.T) {
	t.Parallel()
	admin, till := city.role(t, identity.Admin, "odd"), city.role(t, identity.Backend, "odd")
	city.upload(t, admin, "products", "", "item,title,price,status\nmilk,Milk,1.10,\nbread,Bread,,\nsalt,Salt,0.59,\n", "Content-Type", "text/csv")
	var file strings.Builder
	file.WriteString("shopper,at,basket,item,quantity,price\n")
	for i := range 12 {
		for week := range 3 {
			fmt.Fprintf(&file, "s%d,%s,b%d,milk,1,\ns%d,%s,b%d,bread,,1.20\n", i, moment().AddDate(0, 0, -7*week-7).Format(time.DateOnly), week, i, moment().AddDate(0, 0, -7*week-7).Format(time.DateOnly), week)
		}
	}
	if got := city.upload(t, till, "purchases", "", file.String(), "Content-Type", "text/csv"); got.Stored != 72 || got.Refused != 0 {
		t.Fatalf("purchases without prices and quantities: got %+v", got)
	}
	ask := func(inBasket ...string) wire.ContextResponse {
		basket := append([]string{}, inBasket...) // never null
		return city.ask(t, till, map[string]any{"shopper": "s1", "at": moment(), "limit": 10, "kinds": []string{"product"}, "doing": map[string]any{"basket": basket}})
	}
	got := ask("never-heard-of")
	if found := items(got); !slices.Contains(found, "milk") || !slices.Contains(found, "bread") || slices.Contains(found, "never-heard-of") {
		t.Errorf("with an unknown item in the basket: got %v", found)
	}
	for _, s := range got.Suggestions {
		if (s.Item == "bread") != (s.Price == "") {
			t.Errorf("%s: got price %q", s.Item, s.Price)
		}
	}
	city.call(t, admin, "PUT", "/v1/products/milk", `{"item":"milk","title":"Milk","status":"withdrawn"}`).wants(200)
	if found := items(ask("milk")); slices.Contains(found, "milk") || !slices.Contains(found, "bread") {
		t.Errorf("with a withdrawn item in the basket: got %v", found)
	}
	if found := items(ask()); slices.Contains(found, "milk") {
		t.Errorf("a withdrawn item is suggested: %v", found)
	}
	if got := city.record(t, till, wire.Event{ID: "u", Shopper: "s1", Kind: "purchase", Item: "never-heard-of", At: moment()}); got[0].Status != "stored" {
		t.Errorf("a purchase of an unknown item: got %+v", got)
	}
	if found := items(ask()); slices.Contains(found, "never-heard-of") || !slices.Contains(found, "bread") {
		t.Errorf("after a purchase of an unknown item: got %v", found)
	}
}

// TestSkewedClocks holds that a clock that is off is corrected, and one that is of no use is refused, with nothing lost.
func TestSkewedClocks(t *testing.T) {
	t.Parallel()
	till := city.role(t, identity.Backend, "clocks")
	past := time.Now().AddDate(-60, 0, 0)
	for _, tc := range []struct {
		name   string
		at     time.Time
		status string
	}{
		{"a minute ahead", time.Now().Add(time.Minute), "stored"},
		{"a year ahead", time.Now().AddDate(1, 0, 0), "refused"},
		{"years ago", time.Now().AddDate(-9, 0, 0), "stored"},
		{"before there were computers", past, "refused"},
	} {
		got := city.record(t, till, wire.Event{ID: tc.name, Shopper: "anna", Kind: "purchase", Item: "milk", At: tc.at})[0]
		if string(got.Status) != tc.status || (got.Problem == nil) != (tc.status == "stored") {
			t.Errorf("%s: got %+v, want %s", tc.name, got, tc.status)
		}
	}
}

// TestHugeHistories gives one shopper a basket of 5,000 lines, and another tens of thousands of events: they are
// answered as anybody, and the diary has it all. The long form has 50,000 events.
func TestHugeHistories(t *testing.T) {
	t.Parallel()
	events := 5_000
	if os.Getenv("SATNAV_TEST_LONG") != "" {
		events = 50_000
	}
	h := newHouse(t, plan{})
	till := h.role(t, identity.Backend, "huge")
	var file strings.Builder
	file.WriteString("shopper,at,basket,item\n")
	for i := range 5_000 {
		fmt.Fprintf(&file, "bulk,2026-10-01T10:00:00Z,one,i%d\n", i)
	}
	start := time.Date(2020, 1, 1, 10, 0, 0, 0, time.UTC)
	for i := range events {
		fmt.Fprintf(&file, "busy,%s,b%d,i%d\n", start.Add(time.Duration(i/10)*8*time.Hour).Format(time.RFC3339), i/10, i*7919%3001)
	}
	if got := h.upload(t, till, "purchases", "", file.String(), "Content-Type", "text/csv"); got.Stored != int64(5_000+events) {
		t.Fatalf("got %+v", got)
	}
	for _, shopper := range []string{"bulk", "busy"} {
		got := h.ask(t, till, map[string]any{"shopper": shopper, "limit": 20, "kinds": []string{"product"}})
		if len(got.Suggestions) != 20 || !got.Used.History {
			t.Errorf("%s: got %d suggestions, history %v", shopper, len(got.Suggestions), got.Used.History)
		}
	}
	basket := make([]string, 5_000)
	for i := range basket {
		basket[i] = fmt.Sprint("i", i)
	}
	got := h.ask(t, till, map[string]any{"shopper": "bulk", "limit": 20, "kinds": []string{"product"}, "doing": map[string]any{"basket": basket}})
	for _, item := range items(got) {
		if slices.Contains(basket, item) {
			t.Errorf("%s is in the basket and suggested", item)
		}
	}
	problem := h.stream(t, till, "POST", "/v1/context", map[string]any{"shopper": "bulk", "doing": map[string]any{"basket": slices.Concat(basket, []string{"one-more"})}}).problem(422)
	if len(problem.Errors) == 0 || problem.Errors[0].Pointer != "/doing/basket" {
		t.Errorf("5,001 items: got %+v", problem)
	}
	told := 0
	token := h.as(t, identity.Claims{Role: identity.Shopper, Subject: "busy", Retailer: "huge"})
	for next := ""; ; {
		page := read[wire.Diary](h.call(t, token, "GET", "/v1/me/diary?limit=100"+next, nil).wants(200))
		told += len(eventsIn(page))
		if page.Next == "" {
			break
		}
		next = "&cursor=" + page.Next
	}
	if told != events {
		t.Errorf("the diary has %d events, want %d", told, events)
	}
}
