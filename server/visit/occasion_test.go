package visit_test

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/recommend/rule"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/visit"
)

// box is an outbox that remembers what was suggested on occasions.
type box struct {
	mu   sync.Mutex
	told []spoken
}

type spoken struct {
	shopper, id string
	at          time.Time
	proposal    visit.Proposal
}

func (b *box) Letters(*retailer.Snapshot, who.Key, []visit.Trigger, time.Time) []store.Letter {
	return nil
}
func (b *box) Posted(string) {}
func (b *box) Suggested(_ *retailer.Snapshot, o *visit.Occasion, p *visit.Proposal, now time.Time) []store.Letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, spoken{o.Key.Shopper, o.ID, o.At, *p})
	return []store.Letter{{Endpoint: "hook", Message: o.ID, Type: "satnav.suggestion." + string(o.Happened.Kind), At: o.At, Made: now, Data: "{}"}}
}

// take returns what was told since.
func (b *box) take() []spoken {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.told
	b.told = nil
	return all
}

// letters are those that wait for the hook.
func (w *world) letters() int {
	w.t.Helper()
	all, _, _, err := w.shoppers.Letters(w.t.Context(), "demo", "hook", false, store.Position{}, time.Time{}, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(all)
}

// shares lets a shopper share p3 and tells what rules say about it.
func (w *world) shares(key who.Key, id string, at time.Time) []spoken {
	w.t.Helper()
	event := who.Event{ID: id, Kind: who.Shared, Item: "p3", Quantity: 1, At: at}
	snapshot, err := w.retailers.Of(w.t.Context(), "demo")
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.shoppers.Record(w.t.Context(), key, w.now, snapshot.Scene.Defaults, []who.Event{event}); err != nil {
		w.t.Fatal(err)
	}
	if err := w.visits.Happened(w.t.Context(), "demo", w.now, []string{key.Shopper}, []who.Event{event}); err != nil {
		w.t.Fatal(err)
	}
	return w.box.take()
}

// occasionWorld is a rule town whose rules speak into a box.
func occasionWorld(t *testing.T, shoppers int, rules ...rule.Rule) (*world, []who.Key) {
	t.Helper()
	w := newWorld(t)
	keys := ruleTown(w, shoppers)
	w.box = new(box)
	w.visits.Tell(w.box)
	w.publish(rules...)
	return w, keys
}

var thanks = rule.Rule{ID: "thanks", Uses: []who.Purpose{who.Loyalty}, Trigger: rule.Trigger{Kind: rule.OnEvent, Event: "share"}, When: `event.category == "c3/s" && candidate.item == "p4"`,
	Then: []rule.Action{{Kind: rule.Include, Items: []string{"p4"}}, {Kind: rule.Say, Text: map[string]string{"en": "Thanks for {event.item}: have a look at {candidate.item}"}}}}

// TestEventSpeaks holds that a rule on an event suggests something through the outbox: once for an event, however often it is sent.
func TestEventSpeaks(t *testing.T) {
	t.Parallel()
	remind := rule.Rule{ID: "remind", Uses: []who.Purpose{who.Loyalty}, Trigger: rule.Trigger{Kind: rule.OnEvent, Event: "like"}, Then: []rule.Action{{Kind: rule.Remind, AfterSeconds: 3600, Text: map[string]string{"en": "Still there"}}}}
	w, _ := occasionWorld(t, 1, thanks, remind)
	got := w.shares(anna, "e1", w.now)
	if len(got) != 1 || got[0].proposal.Rule != "thanks" || got[0].proposal.Item != "p4" || got[0].proposal.Text["en"] != "Thanks for p3: have a look at p4" || w.letters() != 1 {
		t.Fatalf("got %+v and %d letters", got, w.letters())
	}
	if again := w.shares(anna, "e1", w.now); len(again) != 0 || w.letters() != 1 {
		t.Errorf("the same event again: got %+v and %d letters", again, w.letters())
	}
	if later := w.afresh(); true { // another process gets the retry
		later.visits.Tell(w.box)
		if again := later.shares(anna, "e1", w.now); len(again) != 0 {
			t.Errorf("the same event in another process: got %+v", again)
		}
	}
	if old := w.shares(anna, "e2", w.now.Add(-time.Hour)); len(old) != 0 {
		t.Errorf("an event of an hour ago: got %+v", old)
	}
	if err := w.visits.Happened(t.Context(), "demo", w.now, []string{anna.Shopper}, []who.Event{{ID: "e3", Kind: who.Liked, Item: "p3"}}); err != nil {
		t.Fatal(err)
	}
	if got := w.box.take(); len(got) != 1 || !got[0].proposal.RemindAt.Equal(w.now.Add(time.Hour)) {
		t.Errorf("a reminder: got %+v", got)
	}
	if err := w.visits.Happened(t.Context(), "demo", w.now, []string{anna.Shopper}, []who.Event{{ID: "e5", Kind: who.Liked, Item: "p3", Purpose: "wellness"}}); err != nil {
		t.Fatal(err)
	}
	if got := w.box.take(); len(got) != 0 {
		t.Errorf("an event that is kept for a purpose of the retailer: got %+v", got)
	}
	if err := w.visits.Happened(t.Context(), "demo", w.now, []string{"nobody"}, []who.Event{{ID: "e4", Kind: who.Shared, Item: "p3"}}); err != nil || len(w.box.take()) != 0 {
		t.Errorf("a stranger was told something: %v", err)
	}
}

// TestEventIsHeldBack holds what keeps a rule on an event from speaking, and that the record of it says why.
func TestEventIsHeldBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*rule.Rule)
		before int
		want   rule.Hold
	}{
		{"in quiet hours", func(r *rule.Rule) { r.Guards.Quiet = rule.Hours{From: "00:00", Until: "23:59"} }, 0, rule.HeldByQuiet},
		{"told today", func(r *rule.Rule) { r.Guards.PerShopperDay = 1 }, 1, rule.HeldByCount},
		{"interrupted often enough", func(*rule.Rule) {}, retailer.DefaultInterruptions, rule.HeldByBudget},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := thanks
			c.change(&r)
			w, _ := occasionWorld(t, 1, r)
			for n := range c.before {
				if got := w.shares(anna, string(rune('a'+n)), w.now); len(got) != 1 {
					t.Fatalf("before: got %+v", got)
				}
			}
			w.now = w.now.Add(time.Minute) // so that its record is the newest
			if got := w.shares(anna, "last", w.now); len(got) != 0 {
				t.Errorf("got %+v, want it held back", got)
			}
			records, err := w.book.Records(t.Context(), anna)
			if err != nil || len(records) == 0 {
				t.Fatal(len(records), err)
			}
			held := false
			for _, r := range records[0].Rules {
				held = held || r.Rule == "thanks" && r.Hold == c.want
			}
			if !held || len(records[0].Suggestions) != 0 {
				t.Errorf("the record says %+v, want %s", records[0].Rules, c.want)
			}
		})
	}
}

// TestScheduleSpeaks holds that a rule speaks when its schedule opens, on the clock of each shopper's store, to each shopper once: also when clocks are put
// forward or back, when the process that told some of them dies, and not for what opened before the rule was live or long ago.
func TestScheduleSpeaks(t *testing.T) {
	t.Parallel()
	wake := func(from, until string) rule.Rule {
		return rule.Rule{ID: "wake", Uses: []who.Purpose{who.Loyalty}, When: `shopper.known`, Trigger: rule.Trigger{Kind: rule.OnSchedule},
			Schedule: rule.Schedule{Hours: []rule.Hours{{From: from, Until: until}}}, Then: []rule.Action{{Kind: rule.Say, Text: map[string]string{"en": "Good morning"}}}}
	}
	for _, c := range []struct {
		name        string
		from, until string
		begin       time.Time // when the herald looks first
		minutes     int       // for how long
		step        int       // minutes between two looks
		want        []string  // instants at which everybody is told
	}{
		{"each day", "08:00", "10:00", time.Date(2027, 1, 4, 7, 30, 0, 0, time.UTC), 48 * 60, 10, []string{"2027-01-04T08:00:00Z", "2027-01-05T08:00:00Z"}},
		{"in summer", "08:00", "10:00", time.Date(2027, 7, 5, 6, 30, 0, 0, time.UTC), 3 * 60, 1, []string{"2027-07-05T07:00:00Z"}},
		{"live when it was open already", "08:00", "10:00", time.Date(2027, 1, 4, 8, 30, 0, 0, time.UTC), 60, 1, nil},
		{"an hour that is skipped", "01:15", "03:00", time.Date(2027, 3, 28, 0, 30, 0, 0, time.UTC), 120, 1, []string{"2027-03-28T01:00:00Z"}},
		{"an hour that is skipped whole", "01:15", "01:45", time.Date(2027, 3, 28, 0, 30, 0, 0, time.UTC), 120, 1, nil},
		{"an hour that comes twice", "01:15", "01:45", time.Date(2027, 10, 31, 0, 0, 0, 0, time.UTC), 180, 1, []string{"2027-10-31T00:15:00Z"}},
		{"an hour that comes twice, looked at seldom", "01:15", "01:45", time.Date(2027, 10, 31, 0, 0, 0, 0, time.UTC), 180, 30, []string{"2027-10-31T00:15:00Z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, keys := occasionWorld(t, 12, wake(c.from, c.until))
			herald := func(w *world) *visit.Herald {
				return visit.NewHerald(w.visits, store.NewNotes(w.documents), func() time.Time { return w.now }, slog.New(slog.DiscardHandler))
			}
			known := 0 // to rules: those who ever did something
			for _, key := range keys {
				now, err := w.shoppers.Shopper(t.Context(), key)
				if err != nil {
					t.Fatal(err)
				}
				if view, ok := who.Access(who.Loyalty, who.NewSubject(now, who.Permissions{})); ok && !view.History().Empty() {
					known++
				}
			}
			h := herald(w)
			at := map[string]map[string]int{}
			for minute := 0; minute <= c.minutes; minute += c.step {
				w.now = c.begin.Add(time.Duration(minute) * time.Minute)
				if err := h.Round(t.Context()); err != nil {
					t.Fatal(err)
				}
				for _, told := range w.box.take() {
					instant := told.at.UTC().Format(time.RFC3339)
					if at[instant] == nil {
						at[instant] = map[string]int{}
					}
					at[instant][told.shopper]++
				}
			}
			for _, instant := range c.want {
				if len(at[instant]) != known {
					t.Errorf("at %s: told %d shoppers, want %d", instant, len(at[instant]), known)
				}
				for shopper, times := range at[instant] {
					if times != 1 {
						t.Errorf("%s was told %d times", shopper, times)
					}
				}
			}
			if len(at) != len(c.want) {
				t.Errorf("told at %d instants: %v, want %v", len(at), at, c.want)
			}
		})
	}
}

// TestScheduleSpeaksOnce holds that nobody is told twice by a process that takes over in the middle.
func TestScheduleSpeaksOnce(t *testing.T) {
	t.Parallel()
	w, _ := occasionWorld(t, 12, rule.Rule{ID: "wake", Uses: []who.Purpose{who.Loyalty}, When: `shopper.known`, Trigger: rule.Trigger{Kind: rule.OnSchedule},
		Schedule: rule.Schedule{Hours: []rule.Hours{{From: "10:00", Until: "11:00"}}}, Then: []rule.Action{{Kind: rule.Say, Text: map[string]string{"en": "Good morning"}}}})
	notes := store.NewNotes(w.documents)
	first := visit.NewHerald(w.visits, notes, func() time.Time { return w.now }, slog.New(slog.DiscardHandler))
	w.now = time.Date(2026, 11, 23, 9, 59, 0, 0, time.UTC)
	if err := first.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, err := notes.Get(t.Context(), "heralded/demo")
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(2 * time.Minute)
	if err := first.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	told := len(w.box.take())
	if told == 0 {
		t.Fatal("nobody was told")
	}
	// It died before it noted that all were told.
	if err := notes.Put(t.Context(), "heralded/demo", before); err != nil {
		t.Fatal(err)
	}
	other := w.afresh()
	other.visits.Tell(w.box)
	second := visit.NewHerald(other.visits, notes, func() time.Time { return w.now }, slog.New(slog.DiscardHandler))
	if err := second.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := w.box.take(); len(again) != 0 || w.letters() != told {
		t.Errorf("told %d again, %d letters for %d shoppers", len(again), w.letters(), told)
	}
}
