package e2e

import (
	"fmt"
	"testing"
	"time"

	"satnav/sdk-contract/wire"
	"satnav/server/identity"
)

// TestPermissionsOfACallReduce asks for the same moment with each permission that a call can name, of a shopper who granted all, and of one who granted
// nothing.
func TestPermissionsOfACallReduce(t *testing.T) {
	t.Parallel()
	const shop = "reduces"
	backend, admin := city.role(t, identity.Backend, shop), city.role(t, identity.Admin, shop)
	city.call(t, admin, "PUT", "/v1/retailer", `{"jurisdiction":"EU","purposes":[{"purpose":"location","recipients":["Acme Maps"]}]}`).wants(200)
	city.call(t, admin, "POST", "/v1/geofences", plaza(``)).wants(201)
	for _, shopper := range []string{"all", "none"} {
		if shopper == "all" {
			city.call(t, city.as(t, identity.Claims{Role: identity.Shopper, Retailer: shop, Subject: shopper}), "PUT", "/v1/me/permissions", `{"grants":{"location":true,"loyalty":true}}`).wants(200)
		}
		for i, c := range []struct {
			permissions string
			gpc         string
			location    bool // used
			regions     bool // told
		}{
			{`{}`, "", true, true},
			{`{"location":"precise","background":true,"notifications":true,"tracking":true}`, "0", true, true},
			{`{"location":"coarse"}`, "", true, false},
			{`{"location":"none"}`, "", false, false},
			{`{"background":false}`, "", true, false},
			{`{"notifications":false}`, "", true, true},
			{`{"tracking":false}`, "", false, false},
			{`{}`, "1", false, false},
			{`{"tracking":true}`, "1", false, false},
		} {
			at := time.Now().UTC().Add(time.Duration(i)*time.Second - time.Minute)
			body := fmt.Sprintf(`{"shopper":%q,"at":%q,"where":{"lat":38.7075,"lng":-9.1364,"accuracy_m":8},"permissions":%s,"regions":5}`, shopper, at.Format(time.RFC3339Nano), c.permissions)
			got := read[wire.ContextResponse](city.call(t, backend, "POST", "/v1/context", body, "Sec-GPC", c.gpc).wants(200))
			granted := shopper == "all"
			if used := got.Used.Location != "none"; used != (c.location && granted) {
				t.Errorf("%s, %s, Sec-GPC %q: location %q", shopper, c.permissions, c.gpc, got.Used.Location)
			}
			if told := len(got.Next.Regions) > 0; told != (c.regions && granted) {
				t.Errorf("%s, %s, Sec-GPC %q: regions %v", shopper, c.permissions, c.gpc, got.Next.Regions)
			}
		}
	}
}

// TestSharedEventsAreKeptPrivate holds that a call with Sec-GPC keeps nothing for a purpose whose data others receive.
func TestSharedEventsAreKeptPrivate(t *testing.T) {
	t.Parallel()
	const shop = "private"
	admin, me := city.role(t, identity.Admin, shop), city.as(t, identity.Claims{Role: identity.Shopper, Retailer: shop, Subject: "anna"})
	city.call(t, admin, "PUT", "/v1/retailer", `{"purposes":[{"purpose":"panel","use":"analytics","basis":"contract","notice_version":"1","notices":[{"language":"en","title":"Panel","text":"For a panel."}],
		"categories":["user.behavior"],"kinds":["view"],"recipients":["Acme"]}],"default_grants":["loyalty","panel"]}`).wants(200)
	send := func(gpc, id string) wire.EventsResponse {
		return read[wire.EventsResponse](city.call(t, me, "POST", "/v1/events",
			fmt.Sprintf(`{"events":[{"id":"%s-1","kind":"view","item":"i","purpose":"panel"},{"id":"%s-2","kind":"view","item":"i"}]}`, id, id), "Sec-GPC", gpc).wants(200))
	}
	for _, c := range []struct {
		gpc  string
		want [2]wire.EventResultStatus
	}{
		{"", [2]wire.EventResultStatus{wire.EventResultStatusStored, wire.EventResultStatusStored}},
		{"1", [2]wire.EventResultStatus{wire.EventResultStatusRefused, wire.EventResultStatusStored}},
	} {
		got := send(c.gpc, "e"+c.gpc)
		for i := range c.want {
			if got.Results[i].Status != c.want[i] {
				t.Errorf("Sec-GPC %q: event %d is %s, want %s: %+v", c.gpc, i+1, got.Results[i].Status, c.want[i], got.Results[i].Problem)
			}
		}
	}
}
