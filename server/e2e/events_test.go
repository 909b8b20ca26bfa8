package e2e

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"satnav/sdk-contract/wire"
	"satnav/server/demo"
	"satnav/server/identity"
	"satnav/server/importer"
)

// bought is a purchase of three times within three weeks, so that a week later it is due.
func bought(item string, until time.Time) (events []wire.Event) {
	for i := range 3 {
		day := until.AddDate(0, 0, -7*(i+1))
		events = append(events, wire.Event{ID: "buy-" + item + day.Format("-0102"), Kind: "purchase", Item: item, At: day})
	}
	return events
}

// onSale are the items that may be suggested.
func onSale() (items []string) {
	shelves := map[string]float64{}
	counted := map[string]bool{}
	for _, s := range city.Stock() {
		shelves[s.Item] += s.Amount
		counted[s.Item] = true
	}
	for _, p := range city.Products() {
		if p.Status == importer.Active && p.Sensitive == "" && (!counted[p.Item] || shelves[p.Item] > 0) && (counted[p.Item] || !p.StockKnown || p.Stock > 0) {
			items = append(items, p.Item)
		}
	}
	return items
}

// TestPurchaseCountsAtOnce holds that what was acknowledged is known to the shopper's very next answer, for
// 200 shoppers at once.
func TestPurchaseCountsAtOnce(t *testing.T) {
	t.Parallel()
	products := onSale()
	var all sync.WaitGroup
	turns := make(chan struct{}, 16)
	for i := range 200 {
		all.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			token, item := city.shopper(t, fmt.Sprint("newcomer-", i)), products[3*i]
			for _, r := range city.record(t, token, bought(item, moment())...) {
				if r.Status != "stored" {
					t.Errorf("shopper %d: %+v", i, r)
				}
			}
			got := city.ask(t, token, wire.ContextRequest{At: moment(), Limit: at(30), Explore: at(false)})
			if !slices.Contains(items(got), item) || !got.Used.History {
				t.Errorf("shopper %d bought %s three times, but gets %v (%+v)", i, item, items(got), got.Used)
			}
		})
	}
	all.Wait()
}

// TestPurchaseAfterDecisions holds the same after the purpose was withdrawn and granted again.
func TestPurchaseAfterDecisions(t *testing.T) {
	t.Parallel()
	token, item := city.shopper(t, "undecided"), onSale()[700]
	city.grant(t, token, "loyalty", false)
	switch got := city.record(t, token, bought(item, moment())[0])[0]; {
	case got.Status != "refused" || got.Problem.Errors[0].Code != "no_grant" || got.Problem.Errors[0].Pointer != "/events/0":
		t.Fatalf("without the grant: got %+v, want it refused with no_grant", got)
	case got.Problem.Type != "urn:problem-type:satnav:no-grant" || got.Problem.Status != 403 || !strings.Contains(got.Problem.Title, "shopper") ||
		!strings.Contains(got.Problem.Detail, `"loyalty"`) || !strings.Contains(got.Problem.Detail, "/v1/me/permissions"):
		t.Errorf("got %+v, want whose grant of what is missing, and how it is given", got.Problem)
	}
	city.grant(t, token, "loyalty", true)
	for _, r := range city.record(t, token, bought(item, moment())...) {
		if r.Status != "stored" {
			t.Fatalf("granted again: got %+v", r)
		}
	}
	if got := city.ask(t, token, wire.ContextRequest{At: moment(), Limit: at(30), Explore: at(false)}); !slices.Contains(items(got), item) {
		t.Errorf("got %v without %s", items(got), item)
	}
}

// TestEvents holds what becomes of each event of a batch.
func TestEvents(t *testing.T) {
	t.Parallel()
	item := city.Products()[0].Item
	for _, tc := range []struct {
		name    string
		give    []string // events as JSON
		want    []string // status, or refused with the pointer of its first fault
		someone string
	}{
		{"one of each kind", []string{
			`{"id":"k1","kind":"view","item":"p"}`, `{"id":"k2","kind":"add","item":"p"}`, `{"id":"k3","kind":"purchase","item":"p","quantity":2,"price":"3.58"}`,
			`{"id":"k4","kind":"visit","store":"s-1"}`, `{"id":"k5","kind":"redeem","item":"p"}`, `{"id":"k6","kind":"share","item":"p"}`, `{"id":"k7","kind":"dismiss","item":"p"}`,
			`{"id":"k8","kind":"like","item":"p"}`},
			slices.Repeat([]string{"stored"}, 8), "kinds"},
		{"an id twice in a batch", []string{`{"id":"d1","kind":"view","item":"p"}`, `{"id":"d1","kind":"view","item":"p"}`}, []string{"stored", "duplicate"}, "twice"},
		{"an item that is not in the catalogue", []string{`{"id":"u1","kind":"view","item":"never-heard-of"}`}, []string{"stored"}, "unheard"},
		{"an unknown kind beside a good one", []string{`{"id":"b1","kind":"veiw","item":"p"}`, `{"id":"b2","kind":"view","item":"p"}`}, []string{"/events/0/kind", "stored"}, "typo"},
		{"a wrong type beside a good one", []string{`{"id":"w1","kind":"view","item":7}`, `{"id":"w2","kind":"view","item":"p"}`}, []string{"/events/0/item", "stored"}, "type"},
		{"an unknown field", []string{`{"id":"f1","kind":"view","item":"p","colour":"red"}`}, []string{"/events/0/colour"}, "field"},
		{"a kind without its item", []string{`{"id":"n1","kind":"purchase"}`}, []string{"/events/0/item"}, "itemless"},
		{"a price with too many decimals", []string{`{"id":"m1","kind":"purchase","item":"p","price":"1.999"}`}, []string{"/events/0/price"}, "cents"},
		{"a return", []string{`{"id":"q1","kind":"purchase","item":"p","quantity":-1}`}, []string{"stored"}, "returner"},
		{"a quantity beyond reason", []string{`{"id":"q1","kind":"purchase","item":"p","quantity":100001}`}, []string{"/events/0/quantity"}, "greedy"},
		{"a quantity of 0 beside one left out", []string{`{"id":"z1","kind":"purchase","item":"p","quantity":0}`, `{"id":"z2","kind":"view","item":"p","quantity":0}`, `{"id":"z3","kind":"purchase","item":"p"}`},
			[]string{"/events/0/quantity", "/events/1/quantity", "stored"}, "nothing-bought"},
		{"a visit without its store", []string{`{"id":"v1","kind":"visit"}`}, []string{"/events/0/store"}, "nowhere"},
		{"of the far future", []string{`{"id":"t1","kind":"view","item":"p","at":"2099-01-01T00:00:00Z"}`}, []string{"/events/0/at"}, "future"},
		{"somebody else's", []string{`{"id":"s1","kind":"view","item":"p","shopper":"` + regular(0) + `"}`, `{"id":"s2","kind":"view","item":"p"}`}, []string{"/events/0/shopper", "stored"}, "impostor"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			body := strings.ReplaceAll(`{"events":[`+strings.Join(tc.give, ",")+`]}`, `"p"`, `"`+item+`"`)
			got := read[wire.EventsResponse](city.call(t, city.shopper(t, tc.someone), "POST", "/v1/events", body).wants(200)).Results
			if len(got) != len(tc.want) {
				t.Fatalf("got %d results, want %d", len(got), len(tc.want))
			}
			for i, r := range got {
				said := string(r.Status)
				if r.Status == "refused" {
					said = r.Problem.Errors[0].Pointer
					if r.Problem.Type == "" || r.Problem.Errors[0].Detail == "" || r.Problem.TraceID == "" {
						t.Errorf("event %d: a refusal says why, and has a trace id: %+v", i, r.Problem)
					}
				}
				if said != tc.want[i] {
					t.Errorf("event %d: got %s (%+v), want %s", i, said, r.Problem, tc.want[i])
				}
			}
		})
	}
}

// TestRetriedEvents holds that a batch sent again changes nothing and says so.
func TestRetriedEvents(t *testing.T) {
	t.Parallel()
	token := city.shopper(t, "stutterer")
	events := bought(city.Products()[1].Item, moment())
	city.record(t, token, events...)
	for _, r := range city.record(t, token, events...) {
		if r.Status != "duplicate" {
			t.Errorf("got %+v, want a duplicate", r)
		}
	}
	if got := eventsIn(read[wire.Diary](city.call(t, token, "GET", "/v1/me/diary", nil).wants(200))); len(got) != len(events) {
		t.Errorf("the diary has %d events, want %d", len(got), len(events))
	}
}

// TestTwoEventsWithOneID holds that another event with a stored one's id is refused, in the same batch and later, and that a
// repetition is none because its time was left to us.
func TestTwoEventsWithOneID(t *testing.T) {
	t.Parallel()
	token := city.shopper(t, "twice-named")
	bread, milk := city.Products()[1].Item, city.Products()[2].Item
	for _, tc := range []struct{ item, price, status, pointer string }{
		{bread, "5.00", "stored", ""},
		{bread, "5.00", "duplicate", ""},
		{milk, "5.00", "refused", "/events/0/item"},
		{bread, "7.00", "refused", "/events/0/price"},
	} {
		got := city.record(t, token, wire.Event{ID: "till-1", Kind: wire.EventKindPurchase, Item: tc.item, Price: tc.price})[0]
		if string(got.Status) != tc.status || tc.pointer != "" && (got.Problem == nil || got.Problem.Errors[0].Pointer != tc.pointer || got.Problem.Errors[0].Code != "differs") {
			t.Errorf("%+v: got %+v", tc, got)
		}
	}
	batch := city.record(t, token, wire.Event{ID: "till-2", Kind: wire.EventKindPurchase, Item: bread}, wire.Event{ID: "till-2", Kind: wire.EventKindPurchase, Item: milk})
	if batch[0].Status != "stored" || batch[1].Status != "refused" {
		t.Errorf("two in a batch: got %+v", batch)
	}
	if got := eventsIn(read[wire.Diary](city.call(t, token, "GET", "/v1/me/diary", nil).wants(200))); len(got) != 2 {
		t.Errorf("the diary has %d events, want 2", len(got))
	}
}

// TestFullBatch holds the bound of a batch: 500 events are taken, 501 and none are refused.
func TestFullBatch(t *testing.T) {
	t.Parallel()
	token := city.shopper(t, "hoarder")
	var events []wire.Event
	for i := range 501 {
		events = append(events, wire.Event{ID: fmt.Sprint("e", i), Kind: "view", Item: city.Products()[i].Item, At: moment()})
	}
	for _, r := range city.record(t, token, events[:500]...) {
		if r.Status != "stored" {
			t.Fatalf("got %+v", r)
		}
	}
	for _, n := range []int{0, 501} {
		p := city.call(t, token, "POST", "/v1/events", map[string]any{"events": append([]wire.Event{}, events[:n]...)}).problem(422)
		if p.Errors[0].Pointer != "/events" {
			t.Errorf("%d events: got %+v, want /events", n, p)
		}
	}
}

// TestTill holds that a back end reports for many shoppers in one call, and must name each.
func TestTill(t *testing.T) {
	t.Parallel()
	token, item := city.role(t, identity.Backend, demo.Retailer), city.Products()[2].Item
	got := city.record(t, token,
		wire.Event{ID: "till-1", Kind: "purchase", Item: item, Shopper: "till-a", At: moment()},
		wire.Event{ID: "till-1", Kind: "purchase", Item: item, Shopper: "till-b", At: moment()}, // ids are a shopper's own
		wire.Event{ID: "till-2", Kind: "purchase", Item: item, At: moment()},
		wire.Event{ID: "till-3", Kind: "purchase", Item: item, Shopper: "till-a", At: moment()})
	for i, want := range []wire.EventResultStatus{"stored", "stored", "refused", "stored"} {
		if got[i].Status != want {
			t.Errorf("event %d: got %+v, want %s", i, got[i], want)
		}
	}
	if got[2].Problem == nil || got[2].Problem.Errors[0].Pointer != "/events/2/shopper" {
		t.Errorf("got %+v, want /events/2/shopper", got[2].Problem)
	}
	if n := len(eventsIn(read[wire.Diary](city.call(t, city.shopper(t, "till-a"), "GET", "/v1/me/diary", nil).wants(200)))); n != 2 {
		t.Errorf("the diary of till-a has %d events, want 2", n)
	}
}

// TestDiaryPages holds that the diary shows the client's ids, newest first, over pages of any size.
func TestDiaryPages(t *testing.T) {
	t.Parallel()
	token := city.shopper(t, "diarist")
	var events []wire.Event
	var want []string
	for i := range 25 {
		events = append(events, wire.Event{ID: fmt.Sprintf("page-%02d", i), Kind: "view", Item: city.Products()[i].Item, At: moment().Add(-time.Duration(i) * time.Hour)})
		want = append(want, fmt.Sprintf("page-%02d", i))
	}
	slices.Reverse(events)
	city.record(t, token, events...)
	for _, size := range []int{1, 7, 25, 100} {
		var got []string
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			page := read[wire.Diary](city.call(t, token, "GET", fmt.Sprintf("/v1/me/diary?limit=%d%s", size, cursor), nil).wants(200))
			for _, e := range eventsIn(page) {
				got = append(got, e.ID)
			}
			if cursor = ""; page.Next != "" {
				cursor = "&cursor=" + page.Next
			}
			if pages > 30 {
				t.Fatal("the pages do not end")
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: got %v, want %v", size, got, want)
		}
	}
	window := fmt.Sprintf("/v1/me/diary?from=%s&until=%s", moment().Add(-3*time.Hour).UTC().Format("2006-01-02T15:04:05Z"), moment().Add(-time.Hour).UTC().Format("2006-01-02T15:04:05Z"))
	var got []string
	for _, e := range eventsIn(read[wire.Diary](city.call(t, token, "GET", window, nil).wants(200))) {
		got = append(got, e.ID)
	}
	if !slices.Equal(got, want[2:4]) {
		t.Errorf("from three hours ago until before an hour ago: got %v, want %v", got, want[2:4])
	}
	p := city.call(t, token, "GET", "/v1/me/diary?cursor=..%2Fhistory", nil).problem(400)
	if len(p.Errors) != 1 || p.Errors[0].Parameter != "cursor" {
		t.Errorf("a cursor that nobody gave: got %+v", p)
	}
}

// TestUnknownItemsAreCounted holds that operators see when the catalogue lags behind.
func TestUnknownItemsAreCounted(t *testing.T) {
	retailer := "lagging"
	token := city.as(t, identity.Claims{Role: identity.Shopper, Subject: "early-bird", Retailer: retailer})
	city.record(t, token, wire.Event{ID: "1", Kind: "view", Item: "tomorrows"}, wire.Event{ID: "2", Kind: "view", Item: "tomorrows"})
	response, err := http.Get(operator + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`satnav_events_unknown_item_total{retailer="lagging"} 2`, `satnav_http_calls_total{method="POST",route="/v1/events",status="2xx"}`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
}
