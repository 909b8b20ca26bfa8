package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"satnav/sdk-contract/wire"
	"satnav/server/identity"
)

// TestWhyAndUses asks for suggestions, and holds what the shopper is told afterwards to what the answer said: each use at
// once, each reason again, and nothing more once the permission is withdrawn.
func TestWhyAndUses(t *testing.T) {
	t.Parallel()
	token := city.shopper(t, canary("curious-8014"))
	city.record(t, token, wire.Event{ID: "1", Kind: "purchase", Item: "p0001"}, wire.Event{ID: "2", Kind: "purchase", Item: "p0002"})
	answer := city.ask(t, token, wire.ContextRequest{Where: here()})
	if len(answer.Suggestions) == 0 {
		t.Fatal("nothing was suggested")
	}
	uses := read[wire.Uses](city.call(t, token, "GET", "/v1/me/uses", nil).wants(200))
	if len(uses.Uses) != 1 || uses.KeptDays != 14 {
		t.Fatalf("got %+v, want the one use", uses)
	}
	use := uses.Uses[0]
	if !strings.HasPrefix(answer.Suggestions[0].ID, use.ID) || use.Location != answer.Used.Location || use.History != answer.Used.History ||
		!slices.Equal(use.Purposes, answer.Used.Purposes) || use.Suggestions != len(answer.Suggestions) || use.Model != answer.Used.Model {
		t.Errorf("got %+v, the answer said %+v", use, answer.Used)
	}
	for i, s := range answer.Suggestions {
		why := read[wire.Why](city.call(t, token, "GET", "/v1/me/why/"+s.ID, nil).wants(200))
		if why.Item != s.Item || why.Title != s.Title || why.Position != i+1 || why.Score != s.Score || why.Use.ID != use.ID {
			t.Errorf("suggestion %d: got %+v, want %+v", i, why, s)
		}
		if last := i == len(answer.Suggestions)-1; why.Probability <= 0 || why.Probability > 1 || !last && why.Probability != 1 {
			t.Errorf("suggestion %d of %d: probability %v, want 1, less only at the end", i, len(answer.Suggestions), why.Probability)
		}
		for n := range s.Reasons {
			if n >= len(why.Reasons) || why.Reasons[n].Code != s.Reasons[n].Code {
				t.Errorf("suggestion %d: got reasons %+v, want %+v", i, why.Reasons, s.Reasons)
				break
			}
		}
	}
	id := answer.Suggestions[0].ID
	city.call(t, city.shopper(t, canary("nosy-8015")), "GET", "/v1/me/why/"+id, nil).wants(404)
	for _, wrong := range []string{"x", strings.Repeat("0", 32), strings.ToUpper(id), id + "0"} {
		city.call(t, token, "GET", "/v1/me/why/"+wrong, nil).wants(404)
	}
	german := read[wire.Why](city.call(t, token, "GET", "/v1/me/why/"+id+"?language=de", nil).wants(200))
	if english := read[wire.Why](city.call(t, token, "GET", "/v1/me/why/"+id+"?language=en", nil).wants(200)); german.Reasons[0].Text == english.Reasons[0].Text {
		t.Errorf("German and English say the same: %q", german.Reasons[0].Text)
	}
	if early := read[wire.Uses](city.call(t, token, "GET", "/v1/me/uses?until=2020-01-01T00:00:00Z", nil).wants(200)); len(early.Uses) > 0 {
		t.Errorf("before 2020: got %+v", early.Uses)
	}
	city.grant(t, token, "loyalty", false)
	city.call(t, token, "GET", "/v1/me/why/"+id, nil).wants(404)
	if left := read[wire.Uses](city.call(t, token, "GET", "/v1/me/uses", nil).wants(200)); len(left.Uses) > 0 {
		t.Errorf("after the withdrawal: got %+v", left.Uses)
	}
}

// TestMe holds what is told to be known to what was done, and what is inferred to what it is inferred from.
func TestMe(t *testing.T) {
	t.Parallel()
	token := city.shopper(t, canary("myself-8012"))
	if nobody := read[wire.Me](city.call(t, token, "GET", "/v1/me", nil).wants(200)); !nobody.Since.IsZero() || len(nobody.Facts) > 0 {
		t.Errorf("before anything: got %+v", nobody)
	}
	day := moment()
	city.record(t, token,
		wire.Event{ID: "1", Kind: "purchase", Item: "milk", At: day.AddDate(0, 0, -9), Basket: "b1"}, wire.Event{ID: "2", Kind: "purchase", Item: "milk", At: day.AddDate(0, 0, -2), Basket: "b2"},
		wire.Event{ID: "3", Kind: "view", Item: "tea", At: day.AddDate(0, 0, -1)})
	facts := func() map[string]wire.Fact {
		t.Helper()
		all := map[string]wire.Fact{}
		for _, f := range read[wire.Me](city.call(t, token, "GET", "/v1/me", nil).wants(200)).Facts {
			all[f.What] = f
		}
		return all
	}
	got := facts()
	if f := got["purchase"]; f.Count != 2 || f.Inferred || !f.Used || f.Purpose != "loyalty" || !slices.Equal(f.Sources, []string{"app"}) {
		t.Errorf("purchases: got %+v", f)
	}
	if f := got["rhythm"]; f.Item != "milk" || !f.Inferred || f.EveryDays != 7 || f.Count != 2 {
		t.Errorf("rhythm: got %+v", f)
	}
	if f := got["view"]; f.Count != 1 {
		t.Errorf("views: got %+v", f)
	}
	city.grant(t, token, "loyalty", false)
	got = facts()
	if _, told := got["rhythm"]; told || got["purchase"].Used || got["purchase"].Count != 2 {
		t.Errorf("after the withdrawal: got %+v", got)
	}
}

// TestDeleteOneEntry deletes one purchase: the diary, what is inferred, and the next answer no longer know it, and sending it again
// does not bring it back.
func TestDeleteOneEntry(t *testing.T) {
	t.Parallel()
	token := city.shopper(t, canary("tidy-8016"))
	secret := "p0007"
	event := wire.Event{ID: "the-one", Kind: "purchase", Item: secret, At: moment().AddDate(0, 0, -3)}
	city.record(t, token, event, wire.Event{ID: "other", Kind: "purchase", Item: "p0011", At: moment().AddDate(0, 0, -4)})
	city.call(t, token, "DELETE", "/v1/me/diary/nothing", nil).wants(404)
	city.call(t, city.shopper(t, canary("nosy-8015")), "DELETE", "/v1/me/diary/the-one", nil).wants(404)
	city.call(t, token, "DELETE", "/v1/me/diary/the-one", nil).wants(http.StatusNoContent)
	city.call(t, token, "DELETE", "/v1/me/diary/the-one", nil).wants(404)
	answer := city.ask(t, token, wire.ContextRequest{Limit: at(50), At: moment()})
	for _, s := range answer.Suggestions {
		for _, reason := range s.Reasons {
			if s.Item == secret && strings.HasPrefix(reason.Code, "usually_bought") || reason.Values["with"] == secret {
				t.Errorf("the answer knows of it: %+v", s)
			}
		}
	}
	if body := string(city.call(t, token, "GET", "/v1/me/diary", nil).wants(200).body); strings.Contains(body, secret) || !strings.Contains(body, "p0011") {
		t.Errorf("the diary tells %s", body)
	}
	if again := city.record(t, token, event); again[0].Status != "duplicate" {
		t.Errorf("sent again: got %+v", again)
	}
	city.grant(t, token, "location", true)
	diary := read[wire.Diary](city.call(t, token, "GET", "/v1/me/diary?type=grant", nil).wants(200))
	if len(diary.Entries) == 0 {
		t.Fatal("no grant is told")
	}
	for _, e := range diary.Entries {
		if e.Type != "grant" {
			t.Errorf("the filter lets %+v through", e)
		}
	}
	city.call(t, token, "DELETE", "/v1/me/diary/"+diary.Entries[0].ID, nil).wants(http.StatusConflict)
}

// TestExportGoesOn takes everything along and gives it to another retailer, as JSON through the app and as CSV through an
// import: what is known there is the same.
func TestExportGoesOn(t *testing.T) {
	t.Parallel()
	token := city.shopper(t, canary("moving-8013"))
	var events []wire.Event
	for i := range 40 {
		events = append(events, wire.Event{ID: fmt.Sprint("e", i), Kind: wire.EventKind([]string{"purchase", "view", "like"}[i%3]), Item: fmt.Sprint("p000", i%7), At: moment().AddDate(0, 0, -i)})
	}
	events[0].Price, events[0].Basket, events[0].Quantity = "2.50", "b, \"1\"", at(3.0)
	events[1].Properties = []byte(`{"aisle":"4, left"}`)
	city.record(t, token, events...)
	city.ask(t, token, wire.ContextRequest{})
	file := read[wire.MyExport](city.call(t, token, "GET", "/v1/me/export", nil).wants(200))
	if len(file.Events) != 40 || len(file.Grants) == 0 || len(file.Uses) != 1 || len(file.Facts) == 0 {
		t.Fatalf("got %d events, %d grants, %d uses, %d facts", len(file.Events), len(file.Grants), len(file.Uses), len(file.Facts))
	}
	csv := city.call(t, token, "GET", "/v1/me/export?format=csv", nil).wants(200)
	const elsewhere = "mover-elsewhere"
	for _, way := range []string{"json", "csv"} {
		there := city.as(t, identity.Claims{Role: identity.Shopper, Subject: canary("moving-8013"), Retailer: elsewhere + way})
		if way == "json" {
			city.record(t, there, file.Events...)
		} else {
			report := city.upload(t, city.role(t, identity.Backend, elsewhere+way), "events", "", string(csv.body), "Content-Type", "text/csv")
			if report.Stored != 40 || report.Refused != 0 {
				t.Fatalf("imported: got %+v", report)
			}
		}
		again := read[wire.MyExport](city.call(t, there, "GET", "/v1/me/export", nil).wants(200))
		for i := range file.Events {
			a, b := file.Events[i], again.Events[i]
			if !a.At.Equal(b.At) {
				t.Fatalf("%s: event %d: got %+v, want %+v", way, i, b, a)
			}
			a.At = b.At
			if fmt.Sprintf("%+v", flat(a)) != fmt.Sprintf("%+v", flat(b)) {
				t.Errorf("%s: event %d: got %+v, want %+v", way, i, flat(b), flat(a))
			}
		}
	}
}

// flat is an event without pointers.
func flat(e wire.Event) (out struct {
	wire.Event
	Count float64
}) {
	out.Event = e
	if e.Quantity != nil {
		out.Count = *e.Quantity
	}
	out.Quantity = nil
	return out
}

// TestDeleteMe erases the shopper who asks: nothing of them is told any more, and they may begin anew.
func TestDeleteMe(t *testing.T) {
	t.Parallel()
	token := city.shopper(t, canary("leaving-8017"))
	city.record(t, token, wire.Event{ID: "1", Kind: "purchase", Item: "p0001"})
	answer := city.ask(t, token, wire.ContextRequest{Where: here()})
	receipt := read[wire.Erasure](city.call(t, token, "DELETE", "/v1/me", nil).wants(200))
	if receipt.Secret == "" || receipt.AskedBy != "shopper" || receipt.ErasedAt.IsZero() {
		t.Errorf("got the receipt %+v", receipt)
	}
	if me := read[wire.Me](city.call(t, token, "GET", "/v1/me", nil).wants(200)); !me.Since.IsZero() || len(me.Facts) > 0 {
		t.Errorf("still known: %+v", me)
	}
	if uses := read[wire.Uses](city.call(t, token, "GET", "/v1/me/uses", nil).wants(200)); len(uses.Uses) > 0 {
		t.Errorf("still told: %+v", uses.Uses)
	}
	city.call(t, token, "GET", "/v1/me/why/"+answer.Suggestions[0].ID, nil).wants(404)
	if again := city.record(t, token, wire.Event{ID: "1", Kind: "purchase", Item: "p0001"}); again[0].Status != "stored" {
		t.Errorf("begun anew: got %+v", again)
	}
}
