package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/sdk-contract/wire"
	"satnav/server/identity"
	"satnav/server/privacy"
	"satnav/server/store"
	"satnav/server/store/audit"
	"satnav/server/store/embedded"
	"satnav/server/store/storetest"
)

// planted are the texts that a shopper leaves wherever a client can put one.
type planted struct{ shopper, event, item, basket, property, query, file string }

func plantedFor(name string) planted {
	mark := func(what string) string { return fmt.Sprintf("zq-%s-%s-7f3", name, what) }
	return planted{mark("shopper"), mark("event"), mark("item"), mark("basket"), mark("property"), mark("query"), mark("file")}
}

func (p planted) all() []string {
	return []string{p.shopper, p.event, p.item, p.basket, p.property, p.query, p.file}
}

// live lets a shopper do all that a shopper can do, some of it many times, so that it is flushed and compacted in pieces.
func (p planted) live(t *testing.T, h *house) {
	t.Helper()
	me, till := h.as(t, identity.Claims{Role: identity.Shopper, Subject: p.shopper, Retailer: "erasing"}), h.role(t, identity.Backend, "erasing")
	h.grant(t, me, "location", true)
	for i := range 60 {
		h.record(t, me, wire.Event{
			ID: fmt.Sprint(p.event, i), Kind: "purchase", Item: fmt.Sprint(p.item, i%7), Basket: fmt.Sprint(p.basket, i/3),
			Properties: json.RawMessage(`{"note":"` + p.property + `"}`), At: time.Now().Add(-time.Duration(i) * time.Hour),
		})
	}
	h.upload(t, till, "purchases", "?basis=contract", "shopper,at,basket,item,quantity,price,store\n"+p.shopper+",2026-11-01T10:00:00Z,"+p.basket+","+p.file+",1,,\n", "Content-Type", "text/csv")
	for i := range 5 {
		h.call(t, me, "POST", "/v1/context", map[string]any{
			"where": map[string]any{"lat": 38.70 + float64(i)/1000, "lng": -9.13, "accuracy_m": 10},
			"doing": map[string]any{"screen": "home", "query": p.query, "basket": []string{p.item}},
		}).wants(200)
	}
}

// hits lists where any of the texts stands in the files below a folder, or in a text.
func hits(t *testing.T, folder, log string, texts []string) (found []string) {
	t.Helper()
	found = storetest.Holding(t, folder, texts...)
	for _, text := range texts {
		if strings.Contains(log, text) {
			found = append(found, "log: "+text)
		}
	}
	return found
}

// TestErasedIsNowhere is the canary: of a shopper who was erased not one byte is left on the disk, in the open folder, after a
// restart, in the log; the proof says so and names nobody, and the audit log is whole. Others keep all that is theirs.
func TestErasedIsNowhere(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	log := new(lockedBuffer)
	opened := plan{data: data, log: log, store: embedded.Options{MemTableBytes: 512 << 10}}
	h := newHouse(t, opened)
	gone, stays := plantedFor("gone"), plantedFor("stays")
	gone.live(t, h)
	stays.live(t, h)
	if err := h.stop(); err != nil { // a restart leaves logs and tables of several kinds
		t.Fatal(err)
	}
	h = newHouse(t, opened)
	gone.live(t, h)
	if len(hits(t, data, "", gone.all())) == 0 {
		t.Fatal("nothing was planted: the test shows nothing")
	}
	admin := h.role(t, identity.Admin, "erasing")
	pseudonym := h.app.Shoppers.Pseudonym(who.Key{Retailer: "erasing", Shopper: gone.shopper})

	receipt := read[wire.Erasure](h.call(t, admin, "POST", "/v1/admin/erasures", map[string]any{"shopper": gone.shopper, "reason": "asked by letter"}).wants(200))
	if want := privacy.Commitment(receipt.Secret, who.Key{Retailer: "erasing", Shopper: gone.shopper}); receipt.Commitment != want || receipt.Documents < 120 {
		t.Errorf("got %+v, want the commitment %s of at least 120 documents", receipt, want)
	}
	if err := h.app.Erasures.Sweep(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if left := hits(t, data, log.String(), gone.all()); len(left) > 0 {
		t.Errorf("open: %s", strings.Join(left, "\n"))
	}
	text := h.call(t, admin, "GET", "/v1/admin/erasures/"+receipt.ID, nil).wants(200)
	proof := read[wire.Erasure](text)
	if proof.ScrubbedAt.IsZero() || proof.Secret != "" || strings.Contains(string(text.body), pseudonym) || strings.Contains(string(text.body), receipt.Secret) {
		t.Errorf("proof: %s", text.body)
	}
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	if left := hits(t, data, log.String(), gone.all()); len(left) > 0 {
		t.Errorf("closed: %s", strings.Join(left, "\n"))
	}
	h = newHouse(t, opened)
	if left := hits(t, data, log.String(), gone.all()); len(left) > 0 {
		t.Errorf("opened again: %s", strings.Join(left, "\n"))
	}
	head, err := audit.Verify(t.Context(), h.app.Documents, "erasing", h.app.AuditKeys(), nil)
	if err != nil || head.Number < 4 {
		t.Errorf("audit log: %v, %v", head, err)
	}
	me := h.as(t, identity.Claims{Role: identity.Shopper, Subject: gone.shopper, Retailer: "erasing"})
	if page := read[wire.Diary](h.call(t, me, "GET", "/v1/me/diary", nil).wants(200)); len(page.Entries) > 0 {
		t.Errorf("the diary has %d entries", len(page.Entries))
	}
	other := h.as(t, identity.Claims{Role: identity.Shopper, Subject: stays.shopper, Retailer: "erasing"})
	if page := read[wire.Diary](h.call(t, other, "GET", "/v1/me/diary?limit=500", nil).wants(200)); len(page.Entries) < 60 {
		t.Errorf("of somebody else %d entries are left", len(page.Entries))
	}
	if len(hits(t, data, "", stays.all())) == 0 {
		t.Error("somebody else is nowhere either: the search finds nothing")
	}
}

// TestErasureGoesOn holds that an erasure that broke off at any point is finished by the next process.
func TestErasureGoesOn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		stop func(t *testing.T, h *house, key who.Key) // leaves the erasure as a process would that ended there
	}{
		{"asked for", func(*testing.T, *house, who.Key) {}},
		{"nothing can be read", func(t *testing.T, h *house, key who.Key) {
			if _, err := h.app.Shoppers.Erase(t.Context(), key, time.Now()); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data, log := t.TempDir(), new(lockedBuffer)
			h := newHouse(t, plan{data: data, log: log})
			gone := plantedFor("broken")
			gone.live(t, h)
			key := who.Key{Retailer: "erasing", Shopper: gone.shopper}
			erasure := store.Erasure{Retailer: key.Retailer, Partition: h.app.Shoppers.Partition(key), Proof: store.Proof{ID: "e-1", Asked: time.Now(), Role: "admin"}}
			if err := store.NewErasures(h.app.Documents).Put(t.Context(), erasure); err != nil {
				t.Fatal(err)
			}
			c.stop(t, h, key)
			if err := h.stop(); err != nil {
				t.Fatal(err)
			}
			h = newHouse(t, plan{data: data, log: log})
			if err := h.app.Erasures.Sweep(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			if left := hits(t, data, log.String(), gone.all()); len(left) > 0 {
				t.Errorf("left: %s", strings.Join(left, "\n"))
			}
			if proof, err := h.app.Erasures.Proof(t.Context(), key.Retailer, "e-1"); err != nil || proof.Erased.IsZero() || proof.Scrubbed.IsZero() {
				t.Errorf("proof: %+v, %v", proof, err)
			}
		})
	}
}

// TestHoldKeeps holds that what is under a legal hold is not erased and not used, until it is released.
func TestHoldKeeps(t *testing.T) {
	t.Parallel()
	me := city.as(t, identity.Claims{Role: identity.Shopper, Subject: "held", Retailer: "holding"})
	admin := city.role(t, identity.Admin, "holding")
	city.record(t, me, wire.Event{ID: "e-1", Kind: "purchase", Item: "milk"})
	city.call(t, admin, "DELETE", "/v1/admin/holds/held", nil).wants(404)
	city.call(t, admin, "PUT", "/v1/admin/holds/held", `{"reason":"a case"}`).wants(204)
	if grants := string(city.call(t, me, "GET", "/v1/me/permissions", nil).wants(200).body); strings.Contains(grants, `"granted":true`) || !strings.Contains(grants, "legal_hold") {
		t.Errorf("what is held is used: %s", grants)
	}
	city.call(t, admin, "POST", "/v1/admin/erasures", `{"shopper":"held"}`).wants(409)
	city.call(t, me, "PUT", "/v1/me/permissions", `{"grants":{"loyalty":true}}`).wants(409)
	city.call(t, me, "PUT", "/v1/me/diary/e-1", `{"quantity":2}`).wants(409)
	city.call(t, me, "DELETE", "/v1/me/diary/e-1", nil).wants(409)
	if page := string(city.call(t, me, "GET", "/v1/me/diary", nil).wants(200).body); !strings.Contains(page, `"milk"`) {
		t.Errorf("what is held was erased, or changed: %s", page)
	}
	city.call(t, admin, "DELETE", "/v1/admin/holds/held", nil).wants(204)
	city.call(t, admin, "POST", "/v1/admin/erasures", `{"shopper":"held"}`).wants(200)
	if page := read[wire.Diary](city.call(t, me, "GET", "/v1/me/diary", nil).wants(200)); len(page.Entries) > 0 {
		t.Error("what was released was not erased")
	}
	log := read[wire.AuditLog](city.call(t, admin, "GET", "/v1/admin/audit?limit=500", nil).wants(200))
	var actions []string
	for _, e := range log.Entries {
		actions = append(actions, e.Action)
	}
	if got, want := strings.Join(actions, " "), "hold.place grant.decide erasure.refuse hold.release erasure.ask"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
