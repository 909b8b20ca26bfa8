package e2e

import (
	"slices"
	"strings"
	"testing"

	"satnav/context/who"
	"satnav/geo"
	"satnav/sdk-contract/wire"
	"satnav/server/identity"
)

// warranty is a purpose that a retailer declares.
func warranty() wire.PurposeSetting {
	return wire.PurposeSetting{
		Purpose: "warranty", Use: "functional.service", NoticeVersion: "w1", Basis: "consent", Categories: []string{"user.behavior.purchase_history"},
		Notices: []wire.Notice{{Language: "en", Title: "Your warranties", Text: "We keep what you bought as long as its warranty runs."}, {Language: "de", Title: "Ihre Garantien", Text: "Wir merken uns, was Sie kauften, solange die Garantie läuft."}},
		Kinds:   []wire.EventKind{"purchase"},
	}
}

// TestPurposes declares a purpose, collects for it, and holds that nothing is collected before it is declared and granted, and
// that what is kept for it is used for nothing else.
func TestPurposes(t *testing.T) {
	t.Parallel()
	const shop = "declaring"
	anna := city.as(t, identity.Claims{Role: identity.Shopper, Subject: canary("anna-6101"), Retailer: shop})
	admin := city.role(t, identity.Admin, shop)
	event := wire.Event{ID: "w-1", Kind: "purchase", Item: "drill", Purpose: "warranty"}

	if got := city.record(t, anna, event)[0]; got.Status != "refused" || got.Problem.Errors[0].Code != "undeclared_purpose" || got.Problem.Errors[0].Pointer != "/events/0/purpose" {
		t.Fatalf("before it is declared: got %+v", got)
	}
	settings := wire.Retailer{Languages: []string{"de", "en"}, Purposes: []wire.PurposeSetting{warranty()}}
	kept := read[wire.StoredRetailer](city.call(t, admin, "PUT", "/v1/retailer", settings).wants(200))
	if len(kept.Purposes) != 1 || kept.Purposes[0].Notices[1].Title != "Ihre Garantien" {
		t.Fatalf("settings: got %+v", kept.Purposes)
	}
	purposes := map[string]wire.Purpose{}
	for _, p := range read[wire.Purposes](city.call(t, anna, "GET", "/v1/purposes?language=en", nil).wants(200)).Purposes {
		purposes[p.Purpose] = p
	}
	own := purposes["warranty"]
	words := who.Notice{Language: "en", Title: own.Title, Text: own.Notice}
	if len(purposes) != 4 || own.Title != "Your warranties" || own.NoticeHash != words.Hash() || !own.Own || own.DefaultGranted || own.Resolution.Stored != 9 || !purposes["loyalty"].DefaultGranted ||
		own.Retention.WithdrawnDays != 30 || own.Retention.KeepDays != 0 || purposes["location"].Retention.VisitHours != 24 {
		t.Errorf("got %+v", purposes)
	}
	if german := read[wire.Purposes](city.call(t, anna, "GET", "/v1/purposes", nil).wants(200)); german.Purposes[0].Language != "de" || german.Purposes[0].NoticeHash == purposes["loyalty"].NoticeHash {
		t.Errorf("in the retailer's first language: got %+v", german.Purposes[0])
	}
	if got := city.record(t, anna, event)[0]; got.Status != "refused" || got.Problem.Errors[0].Code != "no_grant" {
		t.Fatalf("before it is granted: got %+v", got)
	}
	decided := read[wire.Permissions](city.call(t, anna, "PUT", "/v1/me/permissions", wire.PermissionsRequest{Grants: map[string]bool{"warranty": true}, Language: "en"}).wants(200))
	i := slices.IndexFunc(decided.Grants, func(g wire.Grant) bool { return g.Purpose == "warranty" })
	if g := decided.Grants[i]; !g.Granted || g.NoticeVersion != "w1" || g.NoticeLanguage != "en" || g.NoticeHash != own.NoticeHash || g.Source != "shopper" {
		t.Errorf("the record of the decision: got %+v", g)
	}
	view := event
	view.ID, view.Kind = "w-2", "view"
	results := city.record(t, anna, event, view, wire.Event{ID: "l-1", Kind: "purchase", Item: "nails"})
	if results[0].Status != "stored" || results[1].Status != "refused" || results[1].Problem.Errors[0].Code != "undeclared_purpose" || results[2].Status != "stored" {
		t.Fatalf("got %+v", results)
	}
	if again := city.record(t, anna, event)[0]; again.Status != "duplicate" {
		t.Errorf("sent again: got %+v", again)
	}
	diary := string(city.call(t, anna, "GET", "/v1/me/diary", nil).wants(200).body)
	if !strings.Contains(diary, `"purpose":"warranty"`) || !strings.Contains(diary, "drill") {
		t.Errorf("the diary tells %s", diary)
	}
	shopper, err := city.app.Shoppers.Shopper(t.Context(), who.Key{Retailer: shop, Shopper: canary("anna-6101")})
	if err != nil {
		t.Fatal(err)
	}
	if grants := shopper.Grants(); !grants.Holds("warranty") || !grants.Holds(who.Loyalty) {
		t.Errorf("got %+v", grants)
	}
	for _, f := range read[wire.Me](city.call(t, anna, "GET", "/v1/me", nil).wants(200)).Facts {
		if f.What == "rhythm" {
			t.Errorf("it is inferred from what is kept for another purpose: %+v", f)
		}
	}
	answer := city.ask(t, anna, wire.ContextRequest{Limit: at(50)})
	for _, s := range answer.Suggestions {
		if s.Item == "drill" {
			t.Errorf("it is suggested from what is kept for another purpose: %+v", s)
		}
	}
}

// TestPurposeSettingsAreChecked holds what a retailer cannot declare.
func TestPurposeSettingsAreChecked(t *testing.T) {
	t.Parallel()
	admin := city.role(t, identity.Admin, "declaring-badly")
	for _, c := range []struct {
		name string
		set  func(*wire.Retailer)
		want string // pointer
	}{
		{"no notice", func(r *wire.Retailer) { r.Purposes[0].Notices = nil }, "/purposes/0/notices"},
		{"no version", func(r *wire.Retailer) { r.Purposes[0].NoticeVersion = "" }, "/purposes/0/notice_version"},
		{"no basis", func(r *wire.Retailer) { r.Purposes[0].Basis = "" }, "/purposes/0/basis"},
		{"a basis that is none", func(r *wire.Retailer) { r.Purposes[0].Basis = "greed" }, "/purposes/0/basis"},
		{"no events", func(r *wire.Retailer) { r.Purposes[0].Kinds = nil }, "/purposes/0/kinds"},
		{"no categories", func(r *wire.Retailer) { r.Purposes[0].Categories = nil }, "/purposes/0/categories"},
		{"twice", func(r *wire.Retailer) { r.Purposes = append(r.Purposes, warranty()) }, "/purposes/1/purpose"},
		{"a name of another form", func(r *wire.Retailer) { r.Purposes[0].Purpose = "My Purpose" }, "/purposes/0/purpose"},
		{"finer than anything may be", func(r *wire.Retailer) { r.Purposes[0].Resolution.Stored = 12 }, "/purposes/0/resolution/stored"},
		{"withdrawn, and kept", func(r *wire.Retailer) { r.Purposes[0].WithdrawnDays = 31 }, "/purposes/0/withdrawn_days"},
		{"loyalty for something else", func(r *wire.Retailer) {
			r.Purposes[0] = wire.PurposeSetting{Purpose: "loyalty", Use: "marketing.advertising"}
		}, "/purposes/0/use"},
		{"consent by default", func(r *wire.Retailer) { r.DefaultGrants = []string{"warranty"} }, "/default_grants/0"},
		{"a partner without a name", func(r *wire.Retailer) { r.Sources = []string{"partner:"} }, "/sources/0"},
		{"the app as a partner", func(r *wire.Retailer) { r.Sources = []string{"app"} }, "/sources/0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			settings := wire.Retailer{Purposes: []wire.PurposeSetting{warranty()}}
			c.set(&settings)
			problem := read[wire.Problem](city.call(t, admin, "PUT", "/v1/retailer", settings).wants(422))
			if !slices.ContainsFunc(problem.Errors, func(e wire.ProblemError) bool { return e.Pointer == c.want }) {
				t.Errorf("got %+v, want %s", problem.Errors, c.want)
			}
		})
	}
}

// TestPartnersAreOff holds that what a partner tells is taken only from those whom the retailer turned on, and only from back ends.
func TestPartnersAreOff(t *testing.T) {
	t.Parallel()
	const shop = "partnered"
	anna := city.as(t, identity.Claims{Role: identity.Shopper, Subject: canary("anna-6102"), Retailer: shop})
	till, admin := city.role(t, identity.Backend, shop), city.role(t, identity.Admin, shop)
	event := wire.Event{ID: "p-1", Kind: "purchase", Item: "tent", Source: "partner:acme", Shopper: canary("anna-6102")}
	code := func(got wire.EventResult) string {
		if got.Problem == nil {
			return string(got.Status)
		}
		return got.Problem.Errors[0].Code
	}
	if got := city.record(t, till, event)[0]; code(got) != "source_off" {
		t.Errorf("before: got %+v", got)
	}
	city.call(t, admin, "PUT", "/v1/retailer", wire.Retailer{Sources: []string{"partner:acme"}}).wants(200)
	mine := event
	mine.Shopper = ""
	if got := city.record(t, anna, mine)[0]; code(got) != "unknown_value" {
		t.Errorf("from the shopper: got %+v", got)
	}
	other := event
	other.Source = "partner:other"
	got := city.record(t, till, event, other)
	if got[0].Status != "stored" || code(got[1]) != "source_off" {
		t.Errorf("once on: got %+v", got)
	}
	for _, f := range read[wire.Me](city.call(t, anna, "GET", "/v1/me", nil).wants(200)).Facts {
		if f.What == "purchase" && !slices.Equal(f.Sources, []string{"partner:acme"}) {
			t.Errorf("where it is from: got %+v", f)
		}
	}
}

// TestPlacesAreKeptCoarse holds that no place is kept more finely than the purpose allows, whoever sent it and however fine it was.
func TestPlacesAreKeptCoarse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		stored         int // what the retailer says; 0: nothing
		suggest        int
		want           int
		location, cell string
	}{
		{"as declared", 0, 0, 9, "cell-10", ""},
		{"coarser", 7, 8, 7, "cell-8", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			shop := "coarse-" + strings.ReplaceAll(c.name, " ", "-")
			anna := city.as(t, identity.Claims{Role: identity.Shopper, Subject: canary("anna-6103"), Retailer: shop})
			var said []wire.PurposeSetting
			if c.stored > 0 {
				caps := wire.Resolution{Suggest: c.suggest, Stored: c.stored}
				said = []wire.PurposeSetting{{Purpose: "loyalty", Resolution: wire.Resolution{Stored: c.stored}}, {Purpose: "location", Resolution: caps}}
			}
			city.call(t, city.role(t, identity.Admin, shop), "PUT", "/v1/retailer", wire.Retailer{Purposes: said}).wants(200)
			city.record(t, anna, wire.Event{ID: "1", Kind: "purchase", Item: "tea", Place: geo.CellAt(geo.Point{Lat: 38.71, Lng: -9.14}, 15).String()})
			for _, e := range read[wire.Diary](city.call(t, anna, "GET", "/v1/me/diary?type=event", nil).wants(200)).Entries {
				if cell, err := geo.ParseCell(e.Place); err != nil || cell.Resolution() != c.want {
					t.Errorf("the diary has %+v, want resolution %d", e, c.want)
				}
			}
			fine := geo.CellAt(geo.Point{Lat: 38.71, Lng: -9.14}, 11).String()
			answer := city.ask(t, anna, wire.ContextRequest{Where: &wire.Where{Cell: fine}})
			if answer.Used.Location != c.location {
				t.Errorf("used: got %s, want %s", answer.Used.Location, c.location)
			}
			for _, use := range read[wire.Uses](city.call(t, anna, "GET", "/v1/me/uses", nil).wants(200)).Uses {
				if cell, err := geo.ParseCell(use.Cell); err != nil || cell.Resolution() != c.want {
					t.Errorf("the record has %+v, want resolution %d", use, c.want)
				}
			}
		})
	}
}
