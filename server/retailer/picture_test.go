package retailer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"satnav/geo"
	"satnav/recommend"
	"satnav/server/store"
)

// seen is what a snapshot shows, as text that can be compared.
func seen(p *picture) (lines []string) {
	s := p.snapshot.Load()
	if s == nil {
		return nil
	}
	s.Suggest.Catalogue.All(func(p *recommend.Product) bool {
		line := fmt.Sprintf("product %s %s price %+v withdrawn %t", p.ID, p.Title, p.Price, p.Withdrawn)
		if p.Stock != nil {
			line += fmt.Sprintf(" stock %d", *p.Stock)
		}
		var bare []string
		for _, shop := range p.SoldOut {
			bare = append(bare, s.Names.Stores.Name(shop))
		}
		slices.Sort(bare) // their numbers are given in the order of what was told
		line += fmt.Sprint(" none in ", bare)
		lines = append(lines, line)
		return true
	})
	for _, shop := range s.Scene.Stores.All() {
		lines = append(lines, fmt.Sprintf("store %s %s %v", shop.ID, shop.Name, shop.Point))
	}
	for name, index := range map[string]*geo.Index{"live": s.Fences, "draft": s.Drafts} {
		for i := range 3 {
			if n, ok := index.Lookup(fmt.Sprint("g", i)); ok {
				lines = append(lines, fmt.Sprintf("%s g%d version %d", name, i, index.Fence(n).Version))
			}
		}
		lines = append(lines, fmt.Sprint(name, " ", index.Len()))
	}
	lines = append(lines, fmt.Sprintf("settings %+v", s.Settings))
	slices.Sort(lines)
	return lines
}

// edited draws a history of a retailer's entries: each of a few things edited and deleted again and again.
func edited(t *rapid.T) (entries []store.Entry) {
	versions := map[entryKey]int64{}
	for n := range rapid.IntRange(1, 30).Draw(t, "edits") {
		e := store.Entry{Retailer: "r", At: time.Unix(int64(n), 0)}
		thing, other := rapid.IntRange(0, 2).Draw(t, "thing"), rapid.IntRange(0, 1).Draw(t, "other")
		number := rapid.IntRange(0, 3).Draw(t, "number")
		var value any
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			e.Kind, e.ID = store.RetailerEntry, SettingsID
			value = Settings{Currency: []string{"", "EUR", "JPY", "KWD"}[number]}
		case 1:
			e.Kind, e.ID, e.Deleted = store.StoreEntry, fmt.Sprint("s", thing), number == 0
			value = Store{ID: e.ID, Name: fmt.Sprint("v", n), Lat: float64(n), Zone: "UTC"}
		case 2:
			e.Kind, e.ID, e.Deleted = store.ProductEntry, fmt.Sprint("p", thing), number == 0
			value = Product{Item: e.ID, Title: fmt.Sprint("v", n), Price: []string{"", "1", "2.50", "3"}[number], Status: []string{"", "draft"}[other]}
		case 3:
			shelf := Stock{Item: fmt.Sprint("p", thing), Store: fmt.Sprint("s", other), Stock: float64(number)}
			e.Kind, e.ID, value = store.StockEntry, shelf.id(), shelf
		case 4:
			e.Kind, e.ID, e.Deleted = store.GeofenceEntry, fmt.Sprint("g", thing), number == 0
			value = json.RawMessage(fmt.Sprintf(`{"type":"Feature","id":%q,"geometry":{"type":"Point","coordinates":[%d,0]},"properties":{"radius_m":50,"status":%q}}`,
				e.ID, n, []string{"live", "draft"}[other]))
		}
		key := entryKey{e.Kind, e.ID}
		versions[key]++
		e.Version = versions[key]
		body, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		e.Body = body
		entries = append(entries, e)
	}
	return entries
}

// TestPictureNeedsNoOrder holds that a picture is the same in whatever order and however often it is told of edits:
// those of other processes come late, twice and shuffled. The slow twin is one that is told the last word on each thing.
func TestPictureNeedsNoOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		entries := edited(t)
		last := map[entryKey]store.Entry{}
		for _, e := range entries {
			last[entryKey{e.Kind, e.ID}] = e
		}
		twin := newPicture("r", NewNames().Of("r"))
		for _, kind := range loadOrder {
			keys := slices.SortedFunc(maps.Keys(last), func(a, b entryKey) int { return int(last[a].At.Unix() - last[b].At.Unix()) })
			for _, key := range keys {
				if key.kind == kind {
					twin.apply([]store.Entry{last[key]})
				}
			}
		}
		told := rapid.Permutation(slices.Concat(entries, entries[:len(entries)/2])).Draw(t, "told")
		p := newPicture("r", NewNames().Of("r"))
		for len(told) > 0 {
			n := rapid.IntRange(1, len(told)).Draw(t, "batch")
			p.apply(told[:n])
			told = told[n:]
		}
		if got, want := seen(p), seen(twin); !slices.Equal(got, want) {
			t.Fatalf("got\n%q\nwant\n%q", got, want)
		}
	})
}

// TestPictureKeepsTheRest holds that an entry that cannot be used, of a later version of the program say, hides nothing else.
func TestPictureKeepsTheRest(t *testing.T) {
	t.Parallel()
	p := newPicture("r", NewNames().Of("r"))
	errs := p.apply([]store.Entry{
		{Kind: store.ProductEntry, ID: "a", Version: 1, Body: []byte(`{"item":"a","title":"A"}`)},
		{Kind: store.ProductEntry, ID: "b", Version: 1, Body: []byte(`{"item":7}`)},
		{Kind: store.GeofenceEntry, ID: "g", Version: 1, Body: []byte(`{"type":"Spiral"}`)},
		{Kind: store.StoreEntry, ID: "s", Version: 1, Body: []byte(`{"id":"s","zone":"UTC"}`)},
	})
	if len(errs) != 2 {
		t.Errorf("got %v, want the two that cannot be used", errs)
	}
	if s := p.snapshot.Load(); !s.Knows("a") || s.Knows("b") || s.Scene.Stores.Len() != 1 {
		t.Errorf("got %q", seen(p))
	}
}
