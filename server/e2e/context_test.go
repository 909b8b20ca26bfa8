package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"satnav/geo"
	"satnav/sdk-contract/wire"
	"satnav/server/demo"
	"satnav/server/identity"
)

// moment is ten in the morning of the newest day of which that has come: fixes of the future are not believed.
func moment() time.Time {
	ten := city.Until().Add(10 * time.Hour)
	if ten.After(time.Now()) {
		ten = ten.AddDate(0, 0, -1)
	}
	return ten
}

// here is a position in front of a demo store.
func here() *wire.Where {
	p := city.Stores()[0].Position
	return &wire.Where{Lat: &p.Lat, Lng: &p.Lng, AccuracyM: 10}
}

// regular is a shopper of the demo who has a history.
func regular(n int) string {
	for i := range city.Len() {
		if city.Shopper(i).Phase == demo.Regular {
			if n == 0 {
				return city.ID(i)
			}
			n--
		}
	}
	panic("the demo has too few regular shoppers")
}

func items(a wire.ContextResponse) (items []string) {
	for _, s := range a.Suggestions {
		items = append(items, s.Item)
	}
	return items
}

func at[T any](v T) *T { return &v }

// TestReceipt holds that everyone gets an answer and that "used" tells what it was made of.
func TestReceipt(t *testing.T) {
	t.Parallel()
	cell := geo.CellAt(city.Stores()[0].Position, 10).String()
	known := regular(0)
	for _, tc := range []struct {
		name    string
		shopper string
		give    wire.ContextRequest
		want    wire.Used // Model is not compared
		place   bool
	}{
		{"a stranger without a position", canary("stranger-4711"), wire.ContextRequest{},
			wire.Used{Location: "none", Permissions: []string{}, Purposes: []string{"loyalty"}}, false},
		{"a stranger with a fix", canary("stranger-4712"), wire.ContextRequest{Where: here()},
			wire.Used{Location: "fix", Permissions: []string{"location"}, Purposes: []string{"loyalty", "location"}}, true},
		{"a known shopper without a position", known, wire.ContextRequest{},
			wire.Used{Location: "none", Permissions: []string{}, Purposes: []string{"loyalty"}, History: true}, false},
		{"a known shopper with a fix", known, wire.ContextRequest{Where: here()},
			wire.Used{Location: "fix", Permissions: []string{"location"}, Purposes: []string{"loyalty", "location"}, History: true}, true},
		{"a cell", known, wire.ContextRequest{Where: &wire.Where{Cell: canary(cell)}},
			wire.Used{Location: "cell-10", Permissions: []string{"location"}, Purposes: []string{"loyalty", "location"}, History: true}, true},
		{"coarse", known, wire.ContextRequest{Where: here(), Permissions: &wire.DevicePermissions{Location: "coarse"}},
			wire.Used{Location: "cell-6", Permissions: []string{"location"}, Purposes: []string{"loyalty", "location"}, History: true}, true},
		{"no location permission", known, wire.ContextRequest{Where: here(), Permissions: &wire.DevicePermissions{Location: "none"}},
			wire.Used{Location: "none", Permissions: []string{}, Purposes: []string{"loyalty"}, History: true}, false},
		{"before the first purchase", known, wire.ContextRequest{At: time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC)},
			wire.Used{Location: "none", Permissions: []string{}, Purposes: []string{"loyalty"}}, false},
		{"fixes alone", known, wire.ContextRequest{Where: here(), Limit: at(0)},
			wire.Used{Location: "fix", Permissions: []string{"location"}, Purposes: []string{"location"}}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.give.At.IsZero() {
				tc.give.At = moment()
			}
			got := city.ask(t, city.shopper(t, tc.shopper), tc.give)
			if wanted := tc.give.Limit == nil; wanted != (len(got.Suggestions) > 0) {
				t.Errorf("got %d suggestions", len(got.Suggestions))
			}
			slices.Sort(got.Used.Purposes)
			slices.Sort(tc.want.Purposes)
			got.Used.Model = ""
			if fmt.Sprint(got.Used) != fmt.Sprint(tc.want) {
				t.Errorf("used: got %+v, want %+v", got.Used, tc.want)
			}
			if (got.Place.Cell != "") != tc.place {
				t.Errorf("place: got %+v", got.Place)
			}
		})
	}
}

// TestWithdrawnLoyalty holds that without the grant a shopper is a stranger, and that granting again brings
// the history back.
func TestWithdrawnLoyalty(t *testing.T) {
	token, give := city.shopper(t, regular(1)), wire.ContextRequest{At: moment(), Where: here(), Explore: at(false)}
	with := city.ask(t, token, give)
	stranger := city.ask(t, city.shopper(t, "stranger-4713"), give)
	if slices.Equal(items(with), items(stranger)) {
		t.Fatal("a history makes no difference, so nothing can be told apart here")
	}
	city.grant(t, token, "loyalty", false)
	var without wire.ContextResponse
	eventually(t, "without the grant: the same as a stranger", func() bool { // the crowd forgets the shopper, too
		without = city.ask(t, token, give)
		return slices.Equal(items(without), items(city.ask(t, city.shopper(t, "stranger-4713"), give)))
	})
	if without.Used.History || slices.Contains(without.Used.Purposes, "loyalty") {
		t.Errorf("used tells of loyalty, which was withdrawn: %+v", without.Used)
	}
	city.grant(t, token, "loyalty", true)
	eventually(t, "granted again: the same as before", func() bool {
		again := city.ask(t, token, give)
		return again.Used.History && slices.Equal(items(again), items(with))
	})
}

// TestWithdrawnLocation holds that a withdrawn purpose beats what the device allows.
func TestWithdrawnLocation(t *testing.T) {
	t.Parallel()
	token := city.shopper(t, regular(2))
	city.grant(t, token, "location", false)
	got := city.ask(t, token, wire.ContextRequest{At: moment(), Where: here()})
	if got.Used.Location != "none" || got.Place.Cell != "" || len(got.Used.Permissions) > 0 || slices.Contains(got.Used.Purposes, "location") {
		t.Errorf("the position was used although the grant is withdrawn: %+v, %+v", got.Place, got.Used)
	}
}

// TestWhoIsAsked holds for whom a token may ask.
func TestWhoIsAsked(t *testing.T) {
	t.Parallel()
	known := regular(3)
	for _, tc := range []struct {
		name    string
		role    identity.Role
		subject string
		give    wire.ContextRequest
		status  int
		pointer string
	}{
		{"a shopper for itself", identity.Shopper, known, wire.ContextRequest{}, 200, ""},
		{"a shopper who names itself", identity.Shopper, known, wire.ContextRequest{Shopper: known}, 200, ""},
		{"a shopper who names another", identity.Shopper, known, wire.ContextRequest{Shopper: regular(4)}, 403, "/shopper"},
		{"a back end for a shopper", identity.Backend, "kiosk", wire.ContextRequest{Shopper: known}, 200, ""},
		{"a back end for nobody", identity.Backend, "kiosk", wire.ContextRequest{}, 400, "/shopper"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.give.At = moment()
			r := city.call(t, city.as(t, identity.Claims{Role: tc.role, Subject: tc.subject}), "POST", "/v1/context", tc.give)
			if tc.status != 200 {
				if p := r.problem(tc.status); len(p.Errors) != 1 || p.Errors[0].Pointer != tc.pointer {
					t.Errorf("got %+v, want it to point at %s", p, tc.pointer)
				}
				return
			}
			if got := read[wire.ContextResponse](r.wants(200)); !got.Used.History {
				t.Errorf("the shopper's history was not used: %+v", got.Used)
			}
		})
	}
}

// TestKinds holds that an answer has the kinds that were asked for, and no more than the limit.
func TestKinds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		kinds []wire.SuggestionKind
		limit int
	}{
		{"products", []wire.SuggestionKind{"product"}, 7},
		{"stores", []wire.SuggestionKind{"store"}, 3},
		{"both", []wire.SuggestionKind{"product", "store"}, 25},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := city.ask(t, city.shopper(t, regular(5)), wire.ContextRequest{At: moment(), Where: here(), Kinds: tc.kinds, Limit: &tc.limit})
			if n := len(got.Suggestions); n == 0 || n > tc.limit {
				t.Fatalf("got %d suggestions, want 1 to %d", n, tc.limit)
			}
			for _, s := range got.Suggestions {
				if !slices.Contains(tc.kinds, s.Kind) {
					t.Errorf("got a %s", s.Kind)
				}
				if len(s.Reasons) == 0 || s.Reasons[0].Text == "" || s.Title == "" {
					t.Errorf("%s: a suggestion needs a title and a reason: %+v", s.Item, s)
				}
			}
		})
	}
}

// TestBasketIsNotSuggested holds that what is in the basket is not offered once more, and that an item that
// nobody knows does no harm.
func TestBasketIsNotSuggested(t *testing.T) {
	token := city.shopper(t, regular(6))
	give := wire.ContextRequest{At: moment(), Kinds: []wire.SuggestionKind{"product"}, Explore: at(false)}
	first := items(city.ask(t, token, give))[0]
	give.Doing = wire.Doing{Basket: []string{first, "an-item-that-nobody-knows"}}
	if got := items(city.ask(t, token, give)); len(got) == 0 || slices.Contains(got, first) {
		t.Errorf("%s is in the basket, but is suggested: %v", first, got)
	}
}

// TestAttention holds that two calls within a minute show different products, unless the plain ranking is
// asked for, and that what was shown comes back later.
func TestAttention(t *testing.T) {
	t.Parallel()
	token := city.shopper(t, regular(11))
	ask := func(after time.Duration, explore bool) []string {
		return items(city.ask(t, token, wire.ContextRequest{At: moment().Add(after), Kinds: []wire.SuggestionKind{"product"}, Limit: at(5), Explore: at(explore)}))
	}
	first := ask(0, true)
	plain, again := ask(20*time.Second, false), ask(40*time.Second, true)
	for _, item := range plain {
		if len(first) == 0 || slices.Contains(again, item) {
			t.Errorf("got %v, then %v: %s is shown again", first, again, item)
		}
	}
	all := city.ask(t, token, wire.ContextRequest{At: moment().Add(45 * time.Second), Kinds: []wire.SuggestionKind{"product"}, Limit: at(20), Explore: at(true)})
	for _, s := range all.Suggestions {
		if s.Item != again[0] {
			continue
		}
		sought := items(city.ask(t, token, wire.ContextRequest{
			At: moment().Add(50 * time.Second), Kinds: []wire.SuggestionKind{"product"}, Limit: at(5), Explore: at(true), Doing: wire.Doing{Query: s.Title},
		}))
		if !slices.Contains(sought, s.Item) {
			t.Errorf("%s is searched for by its name five seconds after it was shown: got %v without it", s.Item, sought)
		}
	}
	if later := ask(5*time.Minute, true); !slices.Contains(later, first[0]) {
		t.Errorf("got %v five minutes after %v: the best does not come back", later, first)
	}
}

// TestOneSided holds that suggestions which hang on one kind of sign are counted for the product team, by what decided, and that the
// record of each tells it.
func TestOneSided(t *testing.T) {
	t.Parallel()
	product := city.as(t, identity.Claims{Role: identity.Product, Subject: "assortment"})
	before := city.models(t, product).OneSided
	made, told := int64(0), map[string]int64{}
	for shopper := 0; shopper < 40 && len(told) == 0; shopper++ { // whose suggestions hang on one kind of sign depends on what was learnt last
		token := city.shopper(t, regular(17+shopper))
		all := items(city.ask(t, token, wire.ContextRequest{At: moment(), Kinds: []wire.SuggestionKind{"product"}, Limit: at(50), Explore: at(false)}))
		for n := range 10 {
			answer := city.ask(t, token, wire.ContextRequest{
				At: moment().Add(time.Duration(n) * time.Minute), Kinds: []wire.SuggestionKind{"product"}, Limit: at(20), Explore: at(false), Doing: wire.Doing{List: all[len(all)/2+n:]},
			})
			made += int64(len(answer.Suggestions))
			for _, s := range answer.Suggestions {
				if why := read[wire.Why](city.call(t, token, "GET", "/v1/me/why/"+s.ID, nil).wants(200)); why.OneSided != "" {
					told[why.OneSided]++
				}
			}
		}
	}
	after := city.models(t, product).OneSided
	if len(told) == 0 {
		t.Fatal("no record tells of a one-sided suggestion: the test says nothing")
	}
	if after.Suggestions-before.Suggestions < made {
		t.Errorf("%d suggestions were counted, want %d or more", after.Suggestions-before.Suggestions, made)
	}
	for sign, n := range told {
		if after.By[sign]-before.By[sign] < n {
			t.Errorf("%s: %d were counted, want %d or more", sign, after.By[sign]-before.By[sign], n)
		}
	}
}

// TestExploration holds that now and then the last place of a list is left to chance, that what is kept of the answer tells how likely
// it was, and that nobody who asks for the plain ranking finds it there.
func TestExploration(t *testing.T) {
	t.Parallel()
	token := city.shopper(t, regular(13))
	drawn := 0
	for n := range 240 { // that none of 120 is drawn happens once in 300,000 times
		explore := n%2 == 0
		answer := city.ask(t, token, wire.ContextRequest{
			At: moment().Add(-time.Duration(n) * 3 * time.Minute), Kinds: []wire.SuggestionKind{"product"}, Limit: at(5), Explore: at(explore),
		})
		if drawn > 0 && explore {
			continue
		}
		for i, s := range answer.Suggestions {
			if i < len(answer.Suggestions)-1 && n > 1 {
				continue
			}
			why := read[wire.Why](city.call(t, token, "GET", "/v1/me/why/"+s.ID, nil).wants(200))
			switch p := why.Probability; {
			case i < len(answer.Suggestions)-1 || !explore:
				if p != 1 {
					t.Fatalf("call %d, place %d: probability %v, want 1", n, i, p)
				}
			case p > 0 && p < 0.1:
				drawn++
			case p != 0.9 && p != 1: // 1: there was nothing to draw
				t.Fatalf("call %d: probability %v, want 0.9 or less than 0.1", n, p)
			}
		}
	}
	if drawn == 0 {
		t.Error("nothing was left to chance")
	}
}

// TestSameMomentSameAnswer holds that an answer depends on nothing but what it is asked.
func TestSameMomentSameAnswer(t *testing.T) {
	for _, when := range []time.Time{moment(), moment().AddDate(0, 0, -30), moment().AddDate(0, 0, 10)} {
		t.Run(when.Format(time.DateOnly), func(t *testing.T) {
			token := city.shopper(t, regular(7))
			give := wire.ContextRequest{At: when, Where: here(), Limit: at(20)}
			var first wire.ContextResponse
			eventually(t, "six equal answers in a row", func() bool { // the crowd may still be taking in what another test did
				first = city.ask(t, token, give)
				for range 5 {
					if again := city.ask(t, token, give); fmt.Sprintf("%+v", again.Suggestions) != fmt.Sprintf("%+v", first.Suggestions) {
						return false
					}
				}
				return true
			})
			if local := first.Moment.LocalTime; !local.Equal(when) {
				t.Errorf("got the moment %s, want %s", local, when)
			}
		})
	}
}

// TestPastKnowsNoFuture holds that an answer for a past date uses no later purchase.
func TestPastKnowsNoFuture(t *testing.T) {
	t.Parallel()
	token := city.shopper(t, "time-traveller")
	bought := city.Products()[10].Item
	for i := range 4 {
		city.record(t, token, wire.Event{ID: fmt.Sprint("b", i), Kind: "purchase", Item: bought, At: moment().AddDate(0, 0, -7*i)})
	}
	past := city.ask(t, token, wire.ContextRequest{At: moment().AddDate(0, 0, -50)})
	for _, s := range past.Suggestions {
		for _, r := range s.Reasons {
			if r.Code == "due_again" || r.Code == "usually_bought" {
				t.Errorf("%s: %q was not so yet", s.Item, r.Text)
			}
		}
	}
}

// TestBatchIsTheSameRanking holds that the batch ranks as a call without a position does.
func TestBatchIsTheSameRanking(t *testing.T) {
	token := city.role(t, identity.Backend, demo.Retailer)
	shoppers := []string{regular(8), regular(9), "stranger-4714"}
	eventually(t, "the same ranking for each", func() bool { // the crowd may still be taking in what another test did
		got := read[wire.BatchResponse](city.call(t, token, "POST", "/v1/suggestions/batch", map[string]any{"shoppers": shoppers, "at": moment(), "limit": 15}).wants(200))
		if len(got.Results) != len(shoppers) {
			t.Fatalf("got %d results, want %d", len(got.Results), len(shoppers))
		}
		for i, result := range got.Results {
			one := city.ask(t, token, wire.ContextRequest{Shopper: shoppers[i], At: moment(), Limit: at(15), Kinds: []wire.SuggestionKind{"product"}, Explore: at(false)})
			var batch []string
			for _, s := range result.Suggestions {
				batch = append(batch, s.Item)
			}
			if result.Shopper != shoppers[i] || !slices.Equal(batch, items(one)) {
				return false
			}
		}
		return true
	})
}
