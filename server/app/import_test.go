package app

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"satnav/config"
	"satnav/context/who"
	"satnav/sdk-contract/wire"
	"satnav/server/identity"
)

// client calls a served App as one holder of a token of the retailer "shop".
type client struct {
	t     *testing.T
	url   string
	token string
}

// as makes a client of the App's development key.
func as(t *testing.T, a *App, url string, role identity.Role, subject string, stores ...string) client {
	t.Helper()
	key, err := identity.DevelopmentKey(a.Config.Data)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	token, err := identity.Issuer{Key: key, Issuer: a.Config.Identity.Issuer, Audience: a.Config.Identity.Audience}.Issue(identity.Claims{
		Retailer: "shop", Role: role, Subject: subject, Stores: stores, Expires: now.Add(time.Hour),
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	return client{t, url, token}
}

// call makes a call and reads its answer into out, if that is not nil.
func (c client) call(method, path, mediaType, body string, want int, out any) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Content-Type", mediaType)
	status, text := do(c.t, request)
	if status != want {
		c.t.Fatalf("%s %s: got %d %.500s, want %d", method, path, status, text, want)
	}
	if out != nil {
		if err := json.Unmarshal([]byte(text), out); err != nil {
			c.t.Fatalf("%s %s: %v in %.500s", method, path, err, text)
		}
	}
}

// load imports a file.
func (c client) load(path, file string) (report wire.ImportReport) {
	c.t.Helper()
	c.call("POST", "/v1/import/"+path, "text/csv", file, 200, &report)
	return report
}

// told is the decision about loyalty that a shopper is shown.
func (c client) told() wire.Grant {
	c.t.Helper()
	var permissions wire.Permissions
	c.call("GET", "/v1/me/permissions", "", "", 200, &permissions)
	i := slices.IndexFunc(permissions.Grants, func(g wire.Grant) bool { return g.Purpose == "loyalty" })
	if i < 0 {
		c.t.Fatal("loyalty is not shown")
	}
	return permissions.Grants[i]
}

// TestImportNamesItsBasis imports purchases where nobody allows anything by default: they are refused, unless the
// retailer names a legal basis, which every shopper sees and may end.
func TestImportNamesItsBasis(t *testing.T) {
	t.Parallel()
	a, url := serve(t, func(*config.Config) {})
	admin, till := as(t, a, url, identity.Admin, "owner"), as(t, a, url, identity.Backend, "till")
	anna, ben, cleo := as(t, a, url, identity.Shopper, "anna"), as(t, a, url, identity.Shopper, "ben"), as(t, a, url, identity.Shopper, "cleo")
	admin.call("PUT", "/v1/retailer", "application/json", `{"jurisdiction":"EU","currency":"EUR"}`, 200, nil)
	cleo.call("PUT", "/v1/me/permissions", "application/json", `{"grants":{"location":true}}`, 200, nil) // known, undecided about loyalty
	const header = "shopper,at,basket,item,quantity,price,store\n"
	file := header + "anna,2026-11-01,b1,milk,1,1.10,\nben,2026-11-01,b2,milk,1,1.10,\ncleo,2026-11-01,b3,milk,1,1.10,\n"

	report := till.load("purchases", file)
	if report.Stored != 0 || report.Refused != 3 || !strings.HasPrefix(report.Rejected[0].Reason, "no_grant: ") || !strings.Contains(report.Rejected[0].Reason, "basis") {
		t.Fatalf("without a basis: got %+v", report)
	}
	if report = till.load("purchases?basis=contract&dry_run=true", file); report.Stored != 3 || anna.told().Granted {
		t.Fatalf("a dry run: got %+v, granted %v", report, anna.told())
	}
	if report = till.load("purchases?dry_run=true", file); report.Stored != 0 || report.Refused != 3 {
		t.Fatalf("a dry run without a basis: got %+v", report)
	}
	if report = till.load("purchases?basis=contract", file); report.Stored != 3 || report.Refused != 0 {
		t.Fatalf("with a basis: got %+v", report)
	}
	for _, shopper := range []client{anna, cleo} {
		if g := shopper.told(); !g.Granted || g.Source != "import" || g.Basis != "contract" || g.At.IsZero() || g.NoticeVersion == "" {
			t.Errorf("the grant: got %+v", g)
		}
	}
	for _, query := range []string{"&dry_run=true", ""} {
		if report = till.load("purchases?basis=contract"+query, file); report.Unchanged != 3 || report.Stored != 0 {
			t.Errorf("again %s: got %+v", query, report)
		}
	}
	dearer := strings.Replace(file, "b2,milk,1,1.10", "b2,milk,1,1.20", 1)
	if report = till.load("purchases?basis=contract&dry_run=true", dearer); report.Unchanged != 2 || report.Refused != 1 || report.Rejected[0].Column != "price" {
		t.Errorf("a dry run of another price: got %+v", report)
	}

	ben.call("PUT", "/v1/me/permissions", "application/json", `{"grants":{"loyalty":false}}`, 200, nil)
	report = till.load("purchases?basis=contract", header+"ben,2026-11-02,b4,milk,1,1.10,\nanna,2026-11-02,b5,milk,1,1.10,\n")
	if report.Stored != 1 || report.Refused != 1 || report.Rejected[0].Line != 2 || !strings.HasPrefix(report.Rejected[0].Reason, "no_grant: ") {
		t.Errorf("of who withdrew: got %+v", report)
	}
	if g := ben.told(); g.Granted || g.Source != "shopper" || g.Basis != "" {
		t.Errorf("an import may not undo a withdrawal: got %+v", g)
	}
	var events wire.EventsResponse
	till.call("POST", "/v1/events", "application/json", `{"events":[{"id":"e1","kind":"view","item":"milk","shopper":"dora"}]}`, 200, &events)
	if events.Results[0].Status != "refused" {
		t.Errorf("a basis is an import's alone: got %+v", events)
	}
}

// TestImportReport holds what a report says of bad rows, of a file in pieces and of one that breaks off.
func TestImportReport(t *testing.T) {
	t.Parallel()
	a, url := serve(t, func(c *config.Config) { c.Limits.Import = 1 << 20 })
	till := as(t, a, url, identity.Backend, "till")
	var bad strings.Builder
	bad.WriteString("item,store,stock\n")
	const rows = 10_050
	for range rows {
		bad.WriteString("milk,s1,many\n")
	}
	report := till.load("stock?first_line=1000001", bad.String())
	if report.Refused != rows || len(report.Rejected) != 10_000 {
		t.Fatalf("many bad rows: got %d refused, %d told", report.Refused, len(report.Rejected))
	}
	if first, last := report.Rejected[0], report.Rejected[9_999]; first.Line != 1_000_002 || last.Line != 1_010_001 || first.Column != "stock" || first.Row != "milk,s1,many" {
		t.Errorf("a later piece: got %+v to %+v", first, last)
	}

	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	for i := range 30_000 {
		if i == 0 {
			fmt.Fprintln(zip, "item,title")
		}
		fmt.Fprintf(zip, "item-%d,Thing %d\n", i, i*7919)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	report = till.load("products", packed.String()[:packed.Len()/2])
	if report.Stored == 0 || report.Refused != 0 || len(report.Rejected) != 0 || report.Rows != report.Stored || !strings.Contains(report.BrokeOff, "cut off") {
		t.Errorf("a file that is cut off: got %d rows, %d stored, %d refused: %v; %s", report.Rows, report.Stored, report.Refused, report.Rejected, report.BrokeOff)
	}
	var problem wire.Problem
	till.call("POST", "/v1/import/products", "text/csv", "item,title\n"+strings.Repeat("milk,"+strings.Repeat("M", 195)+"\n", 60_000), 413, &problem)
	if !strings.Contains(problem.Detail, "1048576 bytes") || !strings.Contains(problem.Detail, "first_line") {
		t.Errorf("a file too large: got %q", problem.Detail)
	}
	till.call("POST", "/v1/import/products", "text/csv", "colour\nred\n", 400, &problem)
	till.call("POST", "/v1/import/wishes", "text/csv", "", 404, &problem)
}

// TestImportRoles sends every kind of file as every role.
func TestImportRoles(t *testing.T) {
	t.Parallel()
	a, url := serve(t, func(*config.Config) {})
	files := map[string]string{
		"stores":    "store,name,lat,lng,zone\ns1,Shop,38.7,-9.1,Europe/Lisbon\n",
		"geofences": `{"type":"Feature","id":"g1","properties":{"radius_m":50,"store":"s1"},"geometry":{"type":"Point","coordinates":[-9.1,38.7]}}`,
		"products":  "item,title\nmilk,Milk\n",
		"stock":     "item,store,stock\nmilk,s1,3\n",
		"purchases": "shopper,at,item\nanna,2026-11-01,milk\n",
		"events":    "shopper,id,kind,item,at\nanna,e1,view,milk,2026-11-01T09:00:00Z\n",
	}
	all := []string{"stores", "geofences", "products", "stock", "purchases", "events"}
	for _, test := range []struct {
		name   string
		who    client
		allows []string
	}{
		{"admin", as(t, a, url, identity.Admin, "owner"), all},
		{"backend", as(t, a, url, identity.Backend, "till"), all},
		{"manager", as(t, a, url, identity.Manager, "mia"), []string{"stores", "geofences", "products", "stock"}},
		{"manager of a store", as(t, a, url, identity.Manager, "max", "s1"), []string{"geofences"}},
		{"product team", as(t, a, url, identity.Product, "pia"), []string{"products", "stock"}},
		{"shopper", as(t, a, url, identity.Shopper, "anna"), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			caller := test.who
			caller.t = t
			for _, kind := range all {
				want := 403
				if slices.Contains(test.allows, kind) {
					want = 200
				}
				caller.call("POST", "/v1/import/"+kind+"?dry_run=true", "application/octet-stream", files[kind], want, nil)
			}
		})
	}
}

// TestImportTellsWhatDiffers holds that a row which only has the id of a stored one is refused, with both values; and
// that one which says the same in other words is unchanged.
func TestImportTellsWhatDiffers(t *testing.T) {
	t.Parallel()
	a, url := serve(t, func(*config.Config) {})
	as(t, a, url, identity.Admin, "owner").call("PUT", "/v1/retailer", "application/json", `{"currency":"EUR"}`, 200, nil)
	till := as(t, a, url, identity.Backend, "till")
	const lines, events = "shopper,at,basket,item,quantity,price,store\n", "shopper,id,kind,item,at,properties,price\n"
	for _, file := range []string{lines + "anna,2026-11-01,b1,milk,1,1.10,\n", events + "anna,e1,view,milk,2026-11-01T09:00:00Z,\"{\"\"a\"\": 1, \"\"b\"\": 2}\",\n"} {
		kind := map[bool]string{true: "purchases", false: "events"}[strings.HasPrefix(file, lines)]
		if report := till.load(kind, file); report.Stored != 1 {
			t.Fatalf("%s: got %+v", kind, report)
		}
	}
	for _, test := range []struct {
		name, kind, file string
		column, reason   string // "": it is unchanged
	}{
		{"the same line", "purchases", lines + "anna,2026-11-01,b1,milk,,1.1,\n", "", ""},
		{"another price", "purchases", lines + "anna,2026-11-01,b1,milk,1,9.99,\n", "price", `got "9.99", but it is stored with "1.10"; a stored line does not change`},
		{"another day", "purchases", lines + "anna,2026-11-02,b1,milk,1,1.10,\n", "at", `got "2026-11-02", but it is stored with "2026-11-01"`},
		{"no price", "purchases", lines + "anna,2026-11-01,b1,milk,1,,\n", "price", `got nothing, but it is stored with "1.10"`},
		{"the same event", "events", events + "anna,e1,view,milk,2026-11-01T10:00:00+01:00,\"{\"\"b\"\":2,\"\"a\"\":1}\",\n", "", ""},
		{"another item", "events", events + "anna,e1,view,bread,2026-11-01T09:00:00Z,\"{\"\"a\"\":1,\"\"b\"\":2}\",\n", "item", `got "bread", but it is stored with "milk"; a stored event does not change: if this is another one, give it an id of its own`},
		{"other properties", "events", events + "anna,e1,view,milk,2026-11-01T09:00:00Z,{},\n", "properties", `got nothing, but it is stored with "{\"a\":1,\"b\":2}"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			caller := till
			caller.t = t
			report := caller.load(test.kind, test.file)
			if test.column == "" {
				if report.Unchanged != 1 {
					t.Errorf("got %+v, want it unchanged", report)
				}
				return
			}
			if report.Refused != 1 || report.Rejected[0].Column != test.column || !strings.Contains(report.Rejected[0].Reason, test.reason) {
				t.Errorf("got %+v, want %s: …%s", report, test.column, test.reason)
			}
		})
	}
	// Twice in one file, with two items: the first is stored.
	if report := till.load("events", events+"ben,e1,view,milk,2026-11-01T09:00:00Z,,\nben,e1,view,bread,2026-11-01T09:00:00Z,,\n"); report.Stored != 1 || report.Refused != 1 || report.Rejected[0].Line != 3 {
		t.Errorf("twice in one file: got %+v", report)
	}
	// What is stored of a shopper who withdrew is not read to be told.
	as(t, a, url, identity.Shopper, "anna").call("PUT", "/v1/me/permissions", "application/json", `{"grants":{"loyalty":false}}`, 200, nil)
	if report := till.load("events", events+"anna,e1,view,bread,2026-11-01T09:00:00Z,,\n"); len(report.Rejected) > 0 && strings.Contains(report.Rejected[0].Reason, "milk") {
		t.Errorf("after a withdrawal: got %+v", report)
	}
}

// TestEmptyBasketIsTheDay holds that a purchase without a basket is of the shopper's day, whether it came in a file or
// in a call, and that nobody is shown a basket that nobody named.
func TestEmptyBasketIsTheDay(t *testing.T) {
	t.Parallel()
	a, url := serve(t, func(*config.Config) {})
	till, anna := as(t, a, url, identity.Backend, "till"), as(t, a, url, identity.Shopper, "anna")
	const file = "shopper,at,item\nanna,2026-11-01,milk\nanna,2026-11-01,milk\nanna,2026-11-02,bread\n"
	if report := till.load("purchases", file); report.Stored != 3 {
		t.Fatalf("got %+v", report)
	}
	var answer wire.EventsResponse
	till.call("POST", "/v1/events", "application/json", `{"events":[{"id":"e1","kind":"purchase","item":"salt","shopper":"anna","at":"2026-11-01T18:00:00Z"}]}`, 200, &answer)
	if report := till.load("purchases", file); report.Unchanged != 3 {
		t.Errorf("again: got %+v", report)
	}
	var diary wire.Diary
	anna.call("GET", "/v1/me/diary", "", "", 200, &diary)
	for _, entry := range diary.Entries {
		if entry.Basket != "" {
			t.Errorf("the diary tells of basket %q, which nobody named", entry.Basket)
		}
	}
	shopper, err := a.Shoppers.Shopper(t.Context(), who.Key{Retailer: "shop", Shopper: "anna"})
	if err != nil {
		t.Fatal(err)
	}
	view, ok := who.Access(who.Loyalty, who.NewSubject(shopper, who.Permissions{}))
	if !ok || view.History().Orders != 2 {
		t.Errorf("got %d orders, want one on each of two days", view.History().Orders)
	}
}
