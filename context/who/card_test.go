package who

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCardCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		give Card
		want string // the field at fault; empty: none
	}{
		{"empty", Card{}, ""},
		{"full", Card{Tier: "gold", Points: MaxMinor, Counts: true, Segments: []string{"families"}}, ""},
		{"fewer than none", Card{Points: -1}, "points"},
		{"too many points", Card{Points: MaxMinor + 1}, "points"},
		{"a tier too long", Card{Tier: strings.Repeat("x", 1000)}, "tier"},
		{"a segment without a name", Card{Segments: []string{"a", ""}}, "segments/1"},
		{"too many segments", Card{Segments: strings.Fields(strings.Repeat("x ", MaxSegments+1))}, "segments"},
	} {
		got := c.give.Check()
		if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || got[0].Field != c.want || got[0].Problem == "") {
			t.Errorf("%s: got %v, want a fault of %q", c.name, got, c.want)
		}
	}
}

// TestBalance holds what is left to a ledger: every point that was spent after the balance of the newest card, and never more than the card
// had.
func TestBalance(t *testing.T) {
	t.Parallel()
	var none *Card
	if _, known := none.Balance(); known {
		t.Error("without a card a balance is known")
	}
	if _, ok := none.Spend(1, noon); ok {
		t.Error("points of no card are spent")
	}
	if _, ok := (&Card{Tier: "gold"}).Spend(0, noon); ok {
		t.Error("points that nobody knows of are spent")
	}
	rapid.Check(t, func(t *rapid.T) {
		var card *Card
		var spent []Spent // all that ever was
		now := noon
		for step := range rapid.IntRange(1, 150).Draw(t, "steps") {
			now = now.Add(time.Second)
			if card == nil || rapid.IntRange(0, 40).Draw(t, "told") == 0 {
				at := now.Add(-time.Duration(rapid.IntRange(0, 5).Draw(t, "ago")) * time.Second)
				told := Card{Tier: rapid.SampledFrom([]string{"gold", "blue"}).Draw(t, "tier"), Points: rapid.Int64Range(0, 300).Draw(t, "points"), Counts: true, At: at}
				since := told.At
				if card != nil && card.Tier == told.Tier {
					since = card.Since
				}
				if card != nil && told.At.Before(card.At) { // whoever keeps cards refuses an older one
					continue
				}
				before := card
				if card = told.After(card); !card.Since.Equal(since) {
					t.Fatalf("step %d: since %s, want %s", step, card.Since, since)
				}
				if before != nil && len(before.Spent) == MaxSpent {
					spent = append([]Spent(nil), card.Spent...) // some were counted as later ones
				}
			} else {
				points := rapid.Int64Range(1, 20).Draw(t, "cost")
				left, _ := card.Balance()
				next, ok := card.Spend(points, now)
				if ok != (left >= points) {
					t.Fatalf("step %d: %d of %d points are spent: %v", step, points, left, ok)
				}
				if ok {
					card, spent = next, append(spent, Spent{now, points})
				}
			}
			want := card.Points
			for _, s := range spent {
				if s.At.After(card.At) {
					want -= s.Points
				}
			}
			if got, _ := card.Balance(); got != max(want, 0) || len(card.Spent) > MaxSpent {
				t.Fatalf("step %d: %d are left, want %d; %d entries", step, got, max(want, 0), len(card.Spent))
			}
		}
	})
}

// What many small redemptions cost is all kept, in bounded room.
func TestManySmallRedemptions(t *testing.T) {
	t.Parallel()
	card := (&Card{Points: 1000, Counts: true, At: noon}).After(nil)
	for i := range 1000 {
		next, ok := card.Spend(1, noon.Add(time.Duration(i+1)*time.Second))
		if !ok {
			t.Fatalf("the %dth point cannot be spent", i+1)
		}
		card = next
	}
	if _, ok := card.Spend(1, noon.Add(time.Hour)); ok || len(card.Spent) != MaxSpent {
		t.Errorf("more than there is: %v; %d entries, want %d", ok, len(card.Spent), MaxSpent)
	}
	if late := (&Card{Points: 1000, Counts: true, At: noon.Add(999 * time.Second)}).After(card); fmt.Sprint(late.Balance()) != "999 true" {
		t.Errorf("after a newer balance %v, want what was redeemed since to come off", fmt.Sprint(late.Balance()))
	}
}

func TestViewOfCard(t *testing.T) {
	t.Parallel()
	card := &Card{Tier: "gold", At: noon}
	for _, c := range []struct {
		name   string
		grants []Grant
		want   bool
	}{{"granted", []Grant{gave(Loyalty), gave(Location)}, true}, {"location alone", []Grant{gave(Location)}, false}, {"taken back", []Grant{gave(Loyalty), took(Loyalty)}, false}} {
		var in Grants
		for _, g := range c.grants {
			in = in.With(g)
		}
		subject := NewSubject(New(Record{Key: Key{"demo", "anna"}, Grants: in, Card: card}), Permissions{Location: 2})
		loyalty, _ := Access(Loyalty, subject)
		location, _ := Access(Location, subject)
		if got := loyalty.Card(); (got == card) != c.want || location.Card() != nil {
			t.Errorf("%s: got %v", c.name, got)
		}
		if used, _ := subject.Used(); (len(used) == 1) != c.want {
			t.Errorf("%s: used %v", c.name, used)
		}
	}
}
