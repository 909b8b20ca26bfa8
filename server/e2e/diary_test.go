package e2e

import (
	"fmt"
	"slices"
	"strings"
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
	var got []string
	for _, e := range read[wire.Diary](city.call(t, token, "GET", "/v1/me/diary", nil).wants(200)).Entries {
		told := e.Type + " " + e.ID
		if e.Type == "grant" {
			told = fmt.Sprintln(e.Type, e.Purpose, *e.Granted, e.Source)
		}
		got = append(got, strings.TrimSpace(told))
	}
	slices.Sort(got)
	want := []string{"event seen", "grant analytics true retailer_default", "grant location false shopper", "grant location true retailer_default", "grant loyalty true retailer_default"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
