package e2e

import (
	"testing"
	"time"

	"satnav/sdk-contract/wire"
)

// eventsIn leaves out of a diary what is no event.
func eventsIn(diary wire.Diary) (events []wire.DiaryEntry) {
	for _, e := range diary.Entries {
		if e.Type == "event" {
			events = append(events, e)
		}
	}
	return events
}

// TestDiaryTellsDecisions shows a shopper what was taken as granted, and what they decided, beside what they did.
func TestDiaryTellsDecisions(t *testing.T) {
	t.Parallel()
	token := city.shopper(t, "chronicler")
	city.record(t, token, wire.Event{ID: "seen", Kind: "view", Item: "milk", At: time.Now().Add(-time.Second)})
	city.call(t, token, "PUT", "/v1/me/permissions", wire.PermissionsRequest{Grants: map[string]bool{"location": false}}).wants(200)
	entries := read[wire.Diary](city.call(t, token, "GET", "/v1/me/diary", nil).wants(200)).Entries
	if len(entries) != 4 || entries[0].Type != "grant" || entries[0].Purpose != "location" || *entries[0].Granted || entries[0].Source != "shopper" || entries[1].ID != "seen" {
		t.Fatalf("got %+v, want the withdrawal, the event and two defaults", entries)
	}
	for _, e := range entries[2:] {
		if e.Type != "grant" || !*e.Granted || e.Source != "retailer_default" {
			t.Errorf("a default: got %+v", e)
		}
	}
}
