package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"satnav/sdk-contract/wire"
	"satnav/server/identity"
)

// TestDoubts has an app tell more than anybody does: what is doubted is stored, said at once, shown to the shopper and counts for nothing, until somebody
// of the shop looked at it. Nothing is punished in silence.
func TestDoubts(t *testing.T) {
	t.Parallel()
	const shop = "doubting"
	claims := identity.Claims{Role: identity.Shopper, Subject: canary("anna-7601"), Retailer: shop}
	anna, admin, till := city.as(t, claims), city.role(t, identity.Admin, shop), city.role(t, identity.Backend, shop)
	noon := time.Now().Add(-time.Hour).Truncate(time.Second)
	var events, tills []wire.Event
	for n := range 15 {
		e := wire.Event{ID: fmt.Sprint("r", n), Kind: "redeem", Item: fmt.Sprint("offer-", n), At: noon.Add(time.Duration(n) * time.Second)}
		events = append(events, e)
		e.ID, e.Shopper = "t"+e.ID, "bert"
		tills = append(tills, e)
	}
	for _, status := range []wire.EventResultStatus{"stored", "duplicate"} { // who tells it again is told it again
		for n, told := range city.record(t, anna, events...) {
			if want := map[bool]string{true: "redemptions"}[n >= 10]; told.Status != status || told.Doubt != want {
				t.Fatalf("event %d: got %+v, want %s and the doubt %q", n, told, status, want)
			}
		}
	}
	for n, told := range city.record(t, till, tills...) {
		if told.Doubt != "" {
			t.Fatalf("of a till, event %d: got %+v", n, told)
		}
	}
	city.call(t, anna, "POST", "/v1/context", map[string]any{
		"where": map[string]any{"lat": 38.71, "lng": -9.13, "accuracy_m": 5, "mocked": true}, "permissions": map[string]any{"location": "precise"},
	}).wants(200)

	of := func() map[string]int {
		counts := map[string]int{}
		for _, d := range read[wire.Doubts](city.call(t, anna, "GET", "/v1/me/doubts", nil).wants(200)).Doubts {
			if counts[d.About+" "+d.Kind] = d.Count; strings.HasPrefix(d.Text, "Something else") {
				t.Errorf("no words for %q", d.Kind)
			}
		}
		return counts
	}
	if got := of(); got["event redemptions"] != 5 || got["position mocked"] != 1 || len(got) != 2 {
		t.Errorf("doubts: got %v", got)
	}
	if score := read[wire.Doubts](city.call(t, anna, "GET", "/v1/me/doubts", nil).wants(200)).Score; score < 0.5 || score > 0.7 { // six things
		t.Errorf("score: got %v", score)
	}
	reasons := 0
	for _, e := range read[wire.Diary](city.call(t, anna, "GET", "/v1/me/diary?kind=redeem", nil).wants(200)).Entries {
		if e.Reason == "doubted: redemptions" {
			reasons++
		}
	}
	file := string(city.call(t, anna, "GET", "/v1/me", nil).wants(200).body)
	if reasons != 5 || !strings.Contains(file, `"what":"doubt"`) {
		t.Errorf("the diary tells of %d doubts, the file %s", reasons, file)
	}
	city.call(t, anna, "PUT", "/v1/me/diary/r14", `{"quantity":2}`).wants(204) // nobody clears a doubt by themselves
	if got := of()["event redemptions"]; got != 5 {
		t.Errorf("after a correction %d are doubted", got)
	}

	if got := read[wire.Doubts](city.call(t, anna, "PUT", "/v1/me/doubts", `{"text":"`+canary("we are a family of nine")+`"}`).wants(200)); got.Appeal == nil || got.Appeal.State != "open" {
		t.Fatalf("appeal: got %+v", got)
	}
	waiting := read[wire.Appeals](city.call(t, admin, "GET", "/v1/admin/appeals", nil).wants(200)).Appeals
	if len(waiting) != 1 || !strings.Contains(waiting[0].Text, "family") || strings.Contains(waiting[0].ID, "anna") || len(waiting[0].Doubts) != 2 {
		t.Fatalf("waiting: got %+v", waiting)
	}
	if other := read[wire.Appeals](city.call(t, city.role(t, identity.Admin, "another"), "GET", "/v1/admin/appeals", nil).wants(200)).Appeals; len(other) != 0 {
		t.Errorf("another retailer sees %+v", other)
	}
	path := "/v1/admin/appeals/" + waiting[0].ID + "/decide"
	city.call(t, city.role(t, identity.Admin, "another"), "POST", path, `{"accept":true}`).wants(404)
	city.call(t, admin, "POST", path, `{"accept":true,"answer":"Welcome, all nine"}`).wants(204)
	city.call(t, admin, "POST", path, `{"accept":false}`).wants(404)
	got := read[wire.Doubts](city.call(t, anna, "GET", "/v1/me/doubts", nil).wants(200))
	if got.Appeal.State != "accepted" || got.Appeal.Answer != "Welcome, all nine" || of()["event redemptions"] != 0 {
		t.Errorf("after it was accepted: got %+v", got)
	}
	log := string(city.call(t, admin, "GET", "/v1/admin/audit?limit=500", nil).wants(200).body)
	for _, want := range []string{"appeal.ask", "appeal.decide", `"state":"accepted"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the audit log has no %s", want)
		}
	}
	city.call(t, anna, "PUT", "/v1/me/doubts", `{"text":"again"}`).wants(200)
	city.call(t, anna, "DELETE", "/v1/me", nil).wants(200)
	if left := read[wire.Appeals](city.call(t, admin, "GET", "/v1/admin/appeals", nil).wants(200)).Appeals; len(left) != 0 {
		t.Errorf("after the shopper was erased: got %+v", left)
	}
}

// TestDoubtedCountsForNothing holds that what is doubted is in nobody's suggestions: a farm of likes and purchases moves nothing.
func TestDoubtedCountsForNothing(t *testing.T) {
	t.Parallel()
	const shop = "farmed"
	admin := city.role(t, identity.Admin, shop)
	city.call(t, admin, "PUT", "/v1/products/soap", `{"title":"Soap"}`).wants(201)
	farmer := city.as(t, identity.Claims{Role: identity.Shopper, Subject: "farmer", Retailer: shop})
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	var events []wire.Event
	for n := range 40 {
		events = append(events, wire.Event{ID: fmt.Sprint("p", n), Kind: "purchase", Item: "soap", Basket: fmt.Sprint("b", n), At: at.Add(time.Duration(n) * time.Second)})
	}
	doubted := 0
	for _, told := range city.record(t, farmer, events...) {
		if told.Doubt == "farmed" {
			doubted++
		}
	}
	counted := 0
	for _, f := range read[wire.Me](city.call(t, farmer, "GET", "/v1/me", nil).wants(200)).Facts {
		if f.What == "rhythm" {
			counted += f.Count
		}
	}
	if doubted != 10 || counted != 30 {
		t.Errorf("of 40 purchases %d are doubted, want 10, and %d count, want 30", doubted, counted)
	}
}
