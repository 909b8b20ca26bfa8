package visit_test

import (
	"testing"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
	"satnav/server/privacy"
	"satnav/server/visit"
)

// TestAnswersLeaveRecords asks under every combination of grants and device permissions, and holds each record to the
// receipt of its answer: it tells all that was used, and holds nothing of a purpose that was not granted.
func TestAnswersLeaveRecords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name              string
		loyalty, location bool
		device            geo.Precision
		cell, suggested   bool
		none              bool
	}{
		{"all", true, true, geo.Precise, true, true, false},
		{"coarse", true, true, geo.Coarse, true, true, false},
		{"the device gives no location", true, true, geo.NoLocation, false, true, false},
		{"loyalty alone", true, false, geo.Precise, false, true, false},
		{"location alone", false, true, geo.Precise, true, false, false},
		{"nothing", false, false, geo.Precise, false, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.draw("bakery", nil)
			permissions := privacy.NewPermissions(w.shoppers, w.retailers, w.log(t))
			if _, err := permissions.Decide(t.Context(), anna, map[who.Purpose]bool{who.Loyalty: c.loyalty, who.Location: c.location}, "", w.now.Add(-time.Minute)); err != nil {
				t.Fatal(err)
			}
			answer, err := w.visits.Answer(t.Context(), visit.Signal{
				Key: anna, Arrived: w.now, Device: who.Permissions{Location: c.device}, Limit: 5, Explore: true,
				Kinds: []recommend.Kind{recommend.KindProduct, recommend.KindStore}, Basket: []string{"milk"}, Fix: &geo.Fix{Point: bakery, AccuracyMeters: 6},
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, when := range []string{"waiting", "stored"} {
				records, err := w.book.Records(t.Context(), anna)
				if err != nil {
					t.Fatal(err)
				}
				if c.none {
					if len(records) > 0 {
						t.Errorf("%s: got %+v, want nothing kept", when, records)
					}
					continue
				}
				if len(records) != 1 {
					t.Fatalf("%s: got %d records, want 1", when, len(records))
				}
				r := records[0]
				if r.ID != recommend.AnswerID(anna, w.now) || !r.Arrived.Equal(w.now) || r.Used.Location != answer.Used.Location ||
					len(r.Used.Purposes) != len(answer.Used.Purposes) || r.Used.History != answer.Used.History || r.Versions.Model != answer.Used.Model {
					t.Errorf("%s: got %+v, the answer said %+v", when, r, answer.Used)
				}
				if cell, err := geo.ParseCell(r.Scene.Spelt); (err == nil) != c.cell || err == nil && cell.Resolution() > 9 {
					t.Errorf("%s: the place is %q", when, r.Scene.Spelt)
				}
				if c.suggested && len(r.Suggestions) != len(answer.Suggestions) || !c.suggested && len(r.Suggestions) > 0 {
					t.Errorf("%s: got %d suggestions, the answer had %d", when, len(r.Suggestions), len(answer.Suggestions))
				}
				for i, s := range r.Suggestions {
					if id := recommend.SuggestionID(r.ID, s.Kind, s.Item); id != answer.Suggestions[i].ID {
						t.Errorf("%s: suggestion %d is %s, want %s", when, i, id, answer.Suggestions[i].ID)
					}
				}
				if err := w.book.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
