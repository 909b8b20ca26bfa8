package e2e

import (
	"fmt"
	"testing"
	"time"

	"satnav/sdk-contract/wire"
	"satnav/server/identity"
)

// TestDropSource brings events of several sources, one of them by a file, and drops one source: nothing of it is left in the diaries, in what is said to be
// known and in the crowd's counts; the rest stays, and the log tells.
func TestDropSource(t *testing.T) {
	t.Parallel()
	const shop = "drops"
	admin, backend := city.role(t, identity.Admin, shop), city.role(t, identity.Backend, shop)
	city.call(t, admin, "PUT", "/v1/retailer", `{"sources":["partner:acme"]}`).wants(200)
	csv := "shopper,at,basket,item,source\n"
	for i := range 4 {
		csv += fmt.Sprintf("s%d,2026-11-20T10:00:00Z,b%d,milk,\ns%d,2026-11-20T10:00:00Z,p%d,pills,partner:acme\n", i, i, i, i)
		body := fmt.Sprintf(`{"events":[{"shopper":"s%d","id":"v%d","kind":"view","item":"pills","source":"partner:acme"},{"shopper":"s%d","id":"w%d","kind":"view","item":"milk"}]}`, i, i, i, i)
		city.call(t, backend, "POST", "/v1/events", body).wants(200)
	}
	csv += "s9,2026-11-20T10:00:00Z,x,milk,acme\ns9,2026-11-20T10:00:00Z,x,milk,partner:other\n"
	report := read[wire.ImportReport](city.call(t, admin, "POST", "/v1/import/purchases?basis=contract", csv, "Content-Type", "text/csv").wants(200))
	if report.Stored != 8 || report.Refused != 2 {
		t.Fatalf("got %+v, want 8 rows stored and 2 refused: one names no partner, one a partner that is off", report)
	}
	kinds := func(shopper string) (milk, pills int) {
		for _, e := range read[wire.Diary](city.call(t, city.as(t, identity.Claims{Role: identity.Shopper, Retailer: shop, Subject: shopper}), "GET", "/v1/me/diary", nil).wants(200)).Entries {
			switch e.Item {
			case "milk":
				milk++
			case "pills":
				pills++
			}
		}
		return milk, pills
	}
	if milk, pills := kinds("s1"); milk != 2 || pills != 2 {
		t.Fatalf("before: %d and %d", milk, pills)
	}
	city.call(t, backend, "DELETE", "/v1/admin/sources/nobody", nil).wants(422)
	drop := func() wire.SourceDrop {
		return read[wire.SourceDrop](city.call(t, admin, "DELETE", "/v1/admin/sources/partner:acme", nil).wants(200))
	}
	began, removed := time.Now(), 0
	for done := false; !done; { // a call works for two seconds, and leaves the rest: a slow machine asks again
		got := drop()
		removed += got.Removed
		if done = !got.DoneAt.IsZero(); !done && time.Since(began) > patience {
			t.Fatalf("got %+v, want it done", got)
		}
	}
	if removed > 8 || removed < 8 && time.Since(began) < 10*time.Second { // later on the work in the background may have taken its part
		t.Errorf("%d events were removed, want 8", removed)
	}
	for i := range 4 {
		if milk, pills := kinds(fmt.Sprint("s", i)); milk != 2 || pills != 0 {
			t.Errorf("s%d: %d of the retailer and %d of the partner are left, want 2 and 0", i, milk, pills)
		}
	}
	if again := drop(); again.Removed != 0 {
		t.Errorf("again: got %+v", again)
	}
	told := 0
	for _, e := range read[wire.AuditLog](city.call(t, admin, "GET", "/v1/admin/audit?limit=500", nil).wants(200)).Entries {
		if e.Action == "source.drop" && e.Object == "partner:acme" {
			told++
		}
	}
	if told < 4 {
		t.Errorf("the log tells %d times, want it of what was asked and of what was done, each time", told)
	}
}
