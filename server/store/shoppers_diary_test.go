package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/server/store"
)

// eventsOf leaves out of a diary what is no event.
func eventsOf(entries []store.DiaryEntry) (events []who.Event) {
	for _, e := range entries {
		if e.Event != nil {
			events = append(events, *e.Event)
		}
	}
	return events
}

// tell writes a diary as lines.
func tell(entries []store.DiaryEntry) (lines []string) {
	for _, e := range entries {
		at := e.At().UTC().Format(time.TimeOnly)
		switch {
		case e.Event != nil:
			lines = append(lines, fmt.Sprintf("%s event %s", at, e.Event.ID))
		case e.Crossing != nil:
			lines = append(lines, fmt.Sprintf("%s crossing %s %s %s", at, e.Crossing.Geofence, e.Crossing.Kind, e.Crossing.ID))
		case e.Late != nil:
			lines = append(lines, fmt.Sprintf("%s fix %s %s", at, e.Late.Place, e.Late.Reason))
		default:
			lines = append(lines, fmt.Sprintf("%s grant %s %v %s", at, e.Grant.Purpose, e.Grant.Given, e.Grant.Source))
		}
	}
	return lines
}

// TestDiaryTellsEverythingInOrder commits things of all kinds, some within one millisecond, and reads them in pages
// of every size.
func TestDiaryTellsEverythingInOrder(t *testing.T) {
	t.Parallel()
	shoppers, documents := open(t, 1<<20)
	ctx := t.Context()
	at := func(minute int) time.Time { return now.Add(time.Duration(minute) * time.Minute) }
	bakery := geo.Point{Lat: 38.7, Lng: -9.1}
	shopper, err := shoppers.Commit(ctx, anna, 0, store.Change{
		At: now, Defaults: who.Defaults([]who.Purpose{who.Location, who.Loyalty}, now), Events: []who.Event{buys("e1", "milk", at(1)), buys("e2", "milk", at(4))},
	})
	if err != nil {
		t.Fatal(err)
	}
	visit := store.Change{
		Presence: &geo.Presence{},
		Crossings: []geo.Crossing{
			{ID: "aaaa", Geofence: "bakery", Kind: geo.Enter, At: at(2), DecidedAt: at(2), Told: true},
			{ID: "bbbb", Geofence: "mall", Kind: geo.Enter, At: at(2), DecidedAt: at(2), Told: true},
			{ID: "cccc", Geofence: "bakery", Kind: geo.Exit, At: at(5), DecidedAt: at(6)},
		},
		Late: []geo.Fix{{At: at(3), Point: bakery, AccuracyMeters: 10}},
	}
	if shopper, err = shoppers.Commit(ctx, anna, shopper.Revision(), visit); err != nil {
		t.Fatal(err)
	}
	if shopper, err = shoppers.Commit(ctx, anna, shopper.Revision(), visit); err != nil { // as a retry of the call would
		t.Fatal(err)
	}
	withdrawn := who.Grant{Purpose: who.Loyalty, At: at(5), Source: who.ByShopper, Notice: "2026-11"}
	if _, err = shoppers.Commit(ctx, anna, shopper.Revision(), store.Change{Grants: []who.Grant{withdrawn}}); err != nil {
		t.Fatal(err)
	}
	clock := func(minute int) string { return at(minute).UTC().Format(time.TimeOnly) }
	cell := geo.CellAt(bakery, 9).String()
	want := []string{
		clock(5) + " crossing bakery exit cccc",
		clock(5) + " grant loyalty false shopper",
		clock(4) + " event e2",
		clock(3) + " fix " + cell + " late",
		clock(2) + " crossing bakery enter aaaa",
		clock(2) + " crossing mall enter bbbb",
		clock(1) + " event e1",
		clock(0) + " grant location true retailer_default",
		clock(0) + " grant loyalty true retailer_default",
	}
	for limit := 1; limit <= len(want)+1; limit++ {
		var got []string
		for from := ""; ; {
			page, next, err := over(documents, 1<<20, true).Diary(ctx, anna, from, limit)
			if err != nil || len(page) > limit {
				t.Fatalf("limit %d: got %d entries, %v", limit, len(page), err)
			}
			got = append(got, tell(page)...)
			if from = next; from == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("limit %d: got\n%q, want\n%q", limit, got, want)
		}
	}
	page, _, err := shoppers.Diary(ctx, anna, store.DiaryFrom(at(3)), 1)
	if err != nil || len(page) != 1 || page[0].Late == nil {
		t.Errorf("from an instant: got %q, %v", tell(page), err)
	}
}
