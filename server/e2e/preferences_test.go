package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"satnav/sdk-contract/wire"
	"satnav/server/identity"
)

// preferring is a retailer's shopper with a history of milk.
type preferring struct {
	*house
	t     *testing.T
	token string
	now   time.Time
}

func newPreferring(t *testing.T, shop string) preferring {
	t.Helper()
	p := preferring{city.house, t, city.as(t, identity.Claims{Role: identity.Shopper, Subject: canary("wishful-6201"), Retailer: shop}), time.Now()}
	admin := city.role(t, identity.Admin, shop)
	for item, category := range map[string]string{"milk": "dairy/milk", "bread": "bakery", "cream": "dairy/cream", "jam": "pantry"} {
		city.call(t, admin, "PUT", "/v1/products/"+item, `{"title":"`+item+`","category":"`+category+`","brand":"b-`+item+`"}`).wants(201)
	}
	for week := 1; week <= 6; week++ {
		city.record(t, p.token, wire.Event{ID: "b" + string(rune('0'+week)), Kind: "purchase", Item: "milk", At: p.now.AddDate(0, 0, -7*week)})
	}
	return p
}

func (p preferring) says(body string) wire.Preferences {
	p.t.Helper()
	return read[wire.Preferences](p.call(p.t, p.token, "PUT", "/v1/me/preferences", body).wants(200))
}

func (p preferring) asks() wire.ContextResponse {
	p.t.Helper()
	return p.ask(p.t, p.token, wire.ContextRequest{Explore: at(false), Where: here(), Limit: at(20)})
}

// TestNeutral opts out of personal suggestions and in again: the next answer is made of nothing that is known, and still useful; all that is
// known stays, and is known again when the shopper says so.
func TestNeutral(t *testing.T) {
	t.Parallel()
	p := newPreferring(t, "neutral")
	before := p.asks()
	if !before.Used.History || before.Suggestions[0].Item != "milk" {
		t.Fatalf("before: got %v of %+v", items(before), before.Used)
	}
	if said := p.says(`{"personal":false}`); said.Personal || !said.Messages || said.Paused || said.Restricted {
		t.Errorf("got %+v", said)
	}
	answer := p.asks()
	if answer.Used.History || slices.Contains(answer.Used.Purposes, "loyalty") || !slices.Contains(answer.Used.Purposes, "location") {
		t.Errorf("used %+v", answer.Used)
	}
	if len(answer.Suggestions) < 3 {
		t.Errorf("a neutral answer is of use: got %v", items(answer))
	}
	for _, s := range answer.Suggestions {
		for _, reason := range s.Reasons {
			if reason.Code == "due_again" || strings.HasPrefix(reason.Code, "usually_bought") {
				t.Errorf("a personal reason: %+v", s)
			}
		}
	}
	for _, f := range read[wire.Me](p.call(t, p.token, "GET", "/v1/me", nil).wants(200)).Facts {
		if f.What == "rhythm" || f.What == "purchase" && (f.Used || f.Count != 6) {
			t.Errorf("what is known: got %+v", f)
		}
	}
	if got := p.record(t, p.token, wire.Event{ID: "later", Kind: "purchase", Item: "milk"}); got[0].Status != "stored" {
		t.Errorf("the diary goes on: got %+v", got)
	}
	p.says(`{"personal":true}`)
	if again := p.asks(); !again.Used.History {
		t.Errorf("personal again: used %+v", again.Used)
	}
}

// TestWishesBeatInference holds that what a shopper does not want is not shown, however often they bought it, and that neither a neutral answer
// nor a withdrawal forgets the wish.
func TestWishesBeatInference(t *testing.T) {
	t.Parallel()
	p := newPreferring(t, "wishing")
	shown := func() []string { return items(p.asks()) }
	for _, c := range []struct {
		name, say string
		gone      []string
	}{
		{"a category", `{"muted_categories":["dairy"]}`, []string{"milk", "cream"}},
		{"one below it", `{"muted_categories":["dairy/cream"]}`, []string{"cream"}},
		{"no part of a name is a category", `{"muted_categories":["dai"]}`, nil},
		{"a product", `{"muted_categories":[],"not_for_me":["milk"]}`, []string{"milk"}},
		{"in a neutral answer too", `{"personal":false}`, []string{"milk"}},
		{"nothing any more", `{"personal":true,"not_for_me":[]}`, nil},
	} { // one after the other: each goes on from where the one before stopped
		p.says(c.say)
		got := shown()
		for _, item := range []string{"milk", "cream", "bread"} {
			if slices.Contains(got, item) == slices.Contains(c.gone, item) {
				t.Errorf("%s: got %v, want all but %v", c.name, got, c.gone)
			}
		}
	}
	p.says(`{"less":["milk"]}`)
	if got := shown(); got[0] == "milk" || !slices.Contains(got, "milk") {
		t.Errorf("less of it: got %v, want it further down, and not gone", got)
	}
	p.grant(t, p.token, "loyalty", false)
	p.says(`{"not_for_me":["bread"]}`)
	if got := shown(); slices.Contains(got, "bread") || len(got) == 0 {
		t.Errorf("without a permission to know anything: got %v", got)
	}
}

// TestPause holds that nothing is kept nor used while the diary is paused, that the diary shows the gap, and that it goes on where it was.
func TestPause(t *testing.T) {
	t.Parallel()
	p := newPreferring(t, "pausing")
	p.asks()
	uses := func() int { return len(read[wire.Uses](p.call(t, p.token, "GET", "/v1/me/uses", nil).wants(200)).Uses) }
	if uses() != 1 {
		t.Fatalf("before: got %d uses, want one", uses())
	}
	if said := p.says(`{"paused":true}`); !said.Paused || said.PausedSince.IsZero() {
		t.Errorf("got %+v", said)
	}
	if got := p.record(t, p.token, wire.Event{ID: "hidden", Kind: "purchase", Item: "jam"}); got[0].Status != "refused" || got[0].Problem.Errors[0].Code != "paused" {
		t.Errorf("got %+v", got)
	}
	answer := p.asks()
	if len(answer.Used.Purposes) > 0 || answer.Used.Location != "none" || len(answer.Suggestions) == 0 {
		t.Errorf("got %v of %+v", items(answer), answer.Used)
	}
	for _, f := range read[wire.Me](p.call(t, p.token, "GET", "/v1/me", nil).wants(200)).Facts {
		if f.What == "place" || f.Used && f.Purpose != "" {
			t.Errorf("while it is paused: got %+v", f)
		}
	}
	gap := func() wire.DiaryEntry {
		t.Helper()
		for _, e := range read[wire.Diary](p.call(t, p.token, "GET", "/v1/me/diary", nil).wants(200)).Entries {
			if e.Reason == "paused" {
				return e
			}
		}
		t.Fatal("the diary shows no gap")
		return wire.DiaryEntry{}
	}
	if e := gap(); e.Type != "gap" || !e.Until.IsZero() {
		t.Errorf("got %+v, want a gap that lasts", e)
	}
	p.says(`{"paused":false}`)
	if e := gap(); !e.Until.After(e.At) {
		t.Errorf("got %+v, want a gap that ended", e)
	}
	if uses() != 1 {
		t.Errorf("got %d uses, want the one before the pause", uses())
	}
	if got := p.record(t, p.token, wire.Event{ID: "hidden", Kind: "purchase", Item: "jam"}); got[0].Status != "stored" {
		t.Errorf("afterwards: got %+v", got)
	}
}

// TestRestrict holds that all is kept and nothing is used or added, until the shopper says otherwise.
func TestRestrict(t *testing.T) {
	t.Parallel()
	p := newPreferring(t, "restricting")
	if said := p.says(`{"restricted":true}`); !said.Restricted {
		t.Errorf("got %+v", said)
	}
	if answer := p.asks(); len(answer.Used.Purposes) > 0 {
		t.Errorf("used %+v", answer.Used)
	}
	if got := p.record(t, p.token, wire.Event{ID: "more", Kind: "purchase", Item: "jam"}); got[0].Status != "refused" {
		t.Errorf("got %+v", got)
	}
	if body := string(p.call(t, p.token, "GET", "/v1/me/diary", nil).wants(200).body); strings.Count(body, `"milk"`) != 6 {
		t.Errorf("the diary tells %s", body)
	}
	if said := p.says(`{"restricted":false}`); said.Restricted {
		t.Errorf("got %+v", said)
	}
	if answer := p.asks(); !answer.Used.History || !slices.Contains(answer.Used.Purposes, "location") {
		t.Errorf("afterwards: used %+v", answer.Used)
	}
}

// TestObjection holds that no rule speaks to who objects, while the suggestions stay.
func TestObjection(t *testing.T) {
	t.Parallel()
	r := newRuledRetailer(t, city.house, "objecting")
	r.put("hello", `{"uses":["loyalty"],"when":"shopper.known","then":[{"kind":"message","text":{"en":"Hello"}}]}`)
	r.publish("say hello")
	if answer, _ := r.milk(); len(answer.Messages) != 1 {
		t.Fatalf("before: got %+v", answer.Messages)
	}
	r.call(t, r.eve, "PUT", "/v1/me/preferences", `{"messages":false}`).wants(200)
	answer, milk := r.milk()
	if len(answer.Messages) > 0 {
		t.Errorf("got %+v", answer.Messages)
	}
	why := read[wire.Why](r.call(t, r.eve, "GET", "/v1/me/why/"+milk.ID, nil).wants(200))
	if !slices.ContainsFunc(why.Rules, func(w wire.WhyRule) bool { return w.Rule == "hello" && strings.Contains(w.Text, "objection") }) {
		t.Errorf("why: got %+v", why.Rules)
	}
}

// TestCorrect puts one purchase right: the diary, what is inferred and the next answer know it as it is now.
func TestCorrect(t *testing.T) {
	t.Parallel()
	p := newPreferring(t, "correcting")
	p.call(t, p.token, "PUT", "/v1/me/diary/none", `{"item":"jam"}`).wants(404)
	p.call(t, p.token, "PUT", "/v1/me/diary/b1", `{"quantity":0}`).wants(422)
	p.call(t, p.token, "PUT", "/v1/me/diary/b1", `{"at":"2126-01-01T00:00:00Z"}`).wants(422)
	other := city.as(t, identity.Claims{Role: identity.Shopper, Subject: canary("meddler-6202"), Retailer: "correcting"})
	p.call(t, other, "PUT", "/v1/me/diary/b1", `{"item":"jam"}`).wants(404)
	for _, id := range []string{"b1", "b2", "b3", "b4", "b5", "b6"} {
		p.call(t, p.token, "PUT", "/v1/me/diary/"+id, `{"item":"jam","quantity":2}`).wants(204)
	}
	p.call(t, p.token, "PUT", "/v1/me/diary/b1", map[string]any{"at": p.now.AddDate(0, 0, -6).UTC()}).wants(204)
	diary := read[wire.Diary](p.call(t, p.token, "GET", "/v1/me/diary?type=event", nil).wants(200)).Entries
	if len(diary) != 6 || diary[0].ID != "b1" || diary[0].Item != "jam" || *diary[0].Quantity != 2 || diary[0].Reason != "corrected" || !diary[0].At.After(p.now.AddDate(0, 0, -7)) {
		t.Errorf("the diary tells %+v", diary)
	}
	for _, f := range read[wire.Me](p.call(t, p.token, "GET", "/v1/me", nil).wants(200)).Facts {
		if f.What == "rhythm" && f.Item != "jam" {
			t.Errorf("got %+v", f)
		}
	}
	answer := p.asks()
	for _, s := range answer.Suggestions {
		if s.Item == "milk" && slices.ContainsFunc(s.Reasons, func(r wire.Reason) bool { return strings.HasPrefix(r.Code, "usually") || r.Code == "due_again" }) {
			t.Errorf("got %+v", s)
		}
	}
	if answer.Suggestions[0].Item != "jam" {
		t.Errorf("got %v, want jam first", items(answer))
	}
	if got := p.record(t, p.token, wire.Event{ID: "b1", Kind: "purchase", Item: "milk"}); got[0].Status != "duplicate" {
		t.Errorf("sent again: got %+v", got)
	}
}

// TestPageWishes does on the page, without scripts, what a shopper may wish.
func TestPageWishes(t *testing.T) {
	t.Parallel()
	p := newPreferring(t, "page-wishes")
	b, path := browse(t, p.token)
	body := b.get(path)
	secret := secretOf(t, body)
	for _, step := range []struct {
		what, want string
		fields     []string
	}{
		{"a neutral answer", "They are the same for everybody", []string{"what", "personal", "on", "no"}},
		{"a personal one", "They are made from what we know of you", []string{"what", "personal", "on", "yes"}},
		{"no messages", "The shop does not write to you", []string{"what", "messages", "on", "no"}},
		{"a pause", "It is paused", []string{"what", "running", "on", "no"}},
		{"the end of it", "It runs", []string{"what", "running", "on", "yes"}},
		{"a restriction", "It is kept, and not used", []string{"what", "unrestricted", "on", "no"}},
		{"the end of that", "It is used for what you allow", []string{"what", "unrestricted", "on", "yes"}},
		{"a muted category", "Nothing of <b>dairy</b> is shown", []string{"what", "mute", "category", "dairy"}},
	} {
		if got := b.send(secret, append([]string{"do", "prefer"}, step.fields...)...); !strings.Contains(got, step.want) || !strings.Contains(got, "Your wish is kept") {
			t.Errorf("%s: %q is not on the page", step.what, step.want)
		}
	}
	if got := items(p.asks()); slices.Contains(got, "milk") {
		t.Errorf("dairy is muted: got %v", got)
	}
	if got := b.send(secret, "do", "prefer", "what", "unmute", "category", "dairy"); strings.Contains(got, "Nothing of <b>dairy") {
		t.Error("it is still muted")
	}
	if got := b.send(secret, "do", "correct", "id", "b1", "item", "cream", "quantity", "3"); !strings.Contains(got, "The entry is put right") || !strings.Contains(got, `value="cream"`) {
		t.Errorf("put right: got %s", got)
	}
	if got := b.send(secret, "do", "correct", "id", "b1", "item", "cream", "quantity", "none"); !strings.Contains(got, "That cannot be so") {
		t.Errorf("put wrong: got %.300s", got)
	}
}
