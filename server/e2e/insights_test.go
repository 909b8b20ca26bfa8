package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"satnav/sdk-contract/wire"
	"satnav/server/identity"
	"satnav/server/insight"
)

// TestInsights counts a week of a shop and asks for it as everybody who may: a manager of some stores is told of these alone, and
// no question can be asked but for whole weeks.
func TestInsights(t *testing.T) {
	t.Parallel()
	const shop = "counting"
	admin, till := city.role(t, identity.Admin, shop), city.role(t, identity.Backend, shop)
	city.call(t, admin, "PUT", "/v1/retailer", `{"default_grants":["loyalty","location","analytics"]}`).wants(200)
	for i, id := range []string{"s1", "s2"} {
		city.call(t, admin, "PUT", "/v1/stores/"+id, fmt.Sprintf(`{"name":"S","lat":%g,"lng":-9.13}`, 38.71+float64(i)/10)).wants(201)
	}
	for _, item := range []string{"milk", "bread"} {
		city.call(t, admin, "PUT", "/v1/products/"+item, `{"title":"`+item+`","category":"food"}`).wants(201)
	}
	week := city.app.Insights.Newest()
	noon := week.From().Add(60 * time.Hour)
	for i, store := range []string{"s1", "s2"} {
		var events []wire.Event
		for n := range 30 {
			for _, item := range []string{"milk", "bread"} {
				events = append(events, wire.Event{
					ID: fmt.Sprint(store, n, item), Shopper: fmt.Sprint("u", 100*i+n), Kind: "purchase", Item: item, Store: store, Basket: "b", At: noon,
				})
			}
		}
		for _, told := range city.record(t, till, events...) {
			if told.Status != "stored" {
				t.Fatalf("got %+v", told)
			}
		}
	}
	if err := city.app.Insights.Count(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	list := read[wire.InsightList](city.call(t, admin, "GET", "/v1/insights", nil).wants(200))
	if len(list.Tables) != 4 || list.Tables[0].Window != week.String() {
		t.Errorf("got %+v", list)
	}
	one := city.as(t, identity.Claims{Role: identity.Manager, Subject: "m", Retailer: shop, Stores: []string{"s1"}})
	groups := func(token, measure string) (told []string) {
		got := read[wire.Insight](city.call(t, token, "GET", "/v1/insights/"+measure+"?window="+week.String(), nil).wants(200))
		for _, g := range got.Groups {
			told = append(told, fmt.Sprintf("%s%s%s %d", g.Store, g.Daypart, g.Category, g.Shoppers))
		}
		if got.Least != insight.Least || got.Window != week.String() {
			t.Errorf("got %+v", got)
		}
		return told
	}
	if got := groups(admin, "demand"); !slices.Equal(got, []string{"s1middayfood 30", "s2middayfood 30"}) {
		t.Errorf("demand: got %q", got)
	}
	if got := groups(one, "demand"); !slices.Equal(got, []string{"s1middayfood 30"}) {
		t.Errorf("demand of one store: got %q", got)
	}
	if all, mine := groups(admin, "visits"), groups(one, "visits"); len(all) != 2 || len(mine) != 1 {
		t.Errorf("visits: got %q, of one store %q", all, mine)
	}
	pair := read[wire.Insight](city.call(t, admin, "GET", "/v1/insights/affinity", nil).wants(200)).Groups[0]
	if pair.Item != "bread" || pair.WithItem != "milk" || pair.Count != 60 || pair.Lift != 2 {
		t.Errorf("affinity: got %+v", pair)
	}
	for _, c := range []struct {
		name, token, path string
		want              int
	}{
		{"what is of no store", one, "affinity", 403},
		{"what nobody did", admin, "funnel", 404},
		{"what is not counted", admin, "shoppers", 404},
		{"a week that is not over", admin, "demand?window=" + insight.WindowOf(time.Now()).String(), 404},
		{"a day", admin, "demand?window=2026-11-22", 400},
		{"a range", admin, "demand?from=2026-11-22", 400},
		{"one store", admin, "demand?store=s1", 400},
		{"one hour", admin, "visits?hour=12", 400},
	} {
		if got := city.call(t, c.token, "GET", "/v1/insights/"+c.path, nil); got.status != c.want {
			t.Errorf("%s: got %d %s, want %d", c.name, got.status, got.body, c.want)
		}
	}
	before := city.call(t, admin, "GET", "/v1/insights/demand", nil).wants(200).body
	city.call(t, admin, "POST", "/v1/admin/erasures", `{"shopper":"u1"}`).wants(200)
	if err := city.app.Insights.Count(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	if after := city.call(t, admin, "GET", "/v1/insights/demand", nil).wants(200).body; string(after) != string(before) {
		t.Errorf("after an erasure: got %s, want %s", after, before)
	}
	if strings.Contains(string(before), `"u1"`) {
		t.Errorf("it names a shopper: %s", before)
	}
}

// TestInsightNoise has noise in what is told, and a budget for it.
func TestInsightNoise(t *testing.T) {
	t.Parallel()
	admin := city.role(t, identity.Admin, "noisy")
	kept := read[wire.StoredRetailer](city.call(t, admin, "PUT", "/v1/retailer", `{"insights":{"epsilon":4,"budget":120}}`).wants(200))
	if kept.Insights == nil || kept.Insights.Epsilon != 4 || kept.Insights.Budget != 120 {
		t.Errorf("got %+v", kept.Insights)
	}
	for give, pointer := range map[string]string{`{"epsilon":4,"budget":3}`: "/insights/budget", `{"epsilon":11,"budget":30}`: "/insights/epsilon", `{"epsilon":1}`: "/insights/budget"} {
		got := city.call(t, admin, "PUT", "/v1/retailer", `{"insights":`+give+`}`)
		if got.status != 422 && got.status != 400 || !strings.Contains(string(got.body), pointer) {
			t.Errorf("%s: got %d %s, want %s", give, got.status, got.body, pointer)
		}
	}
}
