package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
	"satnav/server/store"
)

const keptFor = time.Hour

// answered is the record of an answer that was made for purposes.
func answered(id string, at time.Time, purposes ...who.Purpose) *store.DecisionRecord {
	return &store.DecisionRecord{ID: id, At: at, Arrived: at, Key: anna, Used: store.UsedFacts{Purposes: purposes},
		Suggestions: []store.Suggested{{Kind: recommend.KindProduct, Item: "milk", Score: 0.5, Propensity: 1}}}
}

func keep(t testing.TB, s *store.Shoppers, records ...*store.DecisionRecord) {
	t.Helper()
	if err := s.KeepRecords(ctx, anna, given, keptFor, records); err != nil {
		t.Fatal(err)
	}
}

// answers are the ids of the records that a shopper sees, and fails unless the documents agree.
func answers(t testing.TB, s *store.Shoppers) []string {
	t.Helper()
	records, err := s.Records(ctx, anna, given, nil)
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}

// stored counts the documents of records in the store, whatever the grants say.
func stored(t testing.TB, s *store.Shoppers, documents store.Documents) int {
	t.Helper()
	page, err := documents.Scan(ctx, s.Partition(anna), "answers/", "answers0", 0)
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Documents)
}

// TestRecordsFollowGrants is what happens to records when what they were made for is withdrawn, before and after they are
// stored, when it is granted again, and when the shopper is erased.
func TestRecordsFollowGrants(t *testing.T) {
	t.Parallel()
	decided := func(t *testing.T, s *store.Shoppers, at time.Time, purpose who.Purpose, yes bool, source who.Source) {
		t.Helper()
		revision := int64(0)
		if shopper, err := s.Shopper(ctx, anna); err == nil {
			revision = shopper.Revision()
		}
		_, err := s.Commit(ctx, anna, revision, store.Change{At: at, Defaults: given, Grants: []who.Grant{{Purpose: purpose, Given: yes, At: at, Source: source}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	decide := func(t *testing.T, s *store.Shoppers, at time.Time, purpose who.Purpose, yes bool) {
		t.Helper()
		decided(t, s, at, purpose, yes, who.ByShopper)
	}
	later := func(s int) time.Time { return now.Add(time.Duration(s) * time.Second) }
	for _, c := range []struct {
		name  string
		do    func(t *testing.T, s *store.Shoppers)
		want  []string
		store int
	}{
		{"granted by default", func(t *testing.T, s *store.Shoppers) {
			keep(t, s, answered("a", later(1), who.Loyalty), answered("b", later(2), who.Location))
		}, []string{"b", "a"}, 1},
		{"for nothing", func(t *testing.T, s *store.Shoppers) { keep(t, s, answered("a", later(1))) }, nil, 0},
		{"withdrawn before it is stored", func(t *testing.T, s *store.Shoppers) {
			decide(t, s, later(2), who.Loyalty, false)
			keep(t, s, answered("a", later(1), who.Loyalty), answered("b", later(1), who.Location))
		}, []string{"b"}, 1},
		{"withdrawn and granted again before it is stored", func(t *testing.T, s *store.Shoppers) {
			decide(t, s, later(2), who.Loyalty, false)
			decide(t, s, later(3), who.Loyalty, true)
			keep(t, s, answered("a", later(1), who.Loyalty), answered("b", later(4), who.Loyalty))
		}, []string{"b"}, 1},
		{"withdrawn after it is stored", func(t *testing.T, s *store.Shoppers) {
			keep(t, s, answered("a", later(1), who.Loyalty, who.Location))
			keep(t, s, answered("b", later(2), who.Loyalty))
			decide(t, s, later(3), who.Location, false)
		}, []string{"b"}, 1},
		{"under a legal hold", func(t *testing.T, s *store.Shoppers) {
			keep(t, s, answered("a", later(1), who.Loyalty))
			decided(t, s, later(3), who.Loyalty, false, who.ByHold)
		}, nil, 1},
		{"restricted, and kept beyond its time", func(t *testing.T, s *store.Shoppers) {
			keep(t, s, answered("a", later(1), who.Loyalty))
			decided(t, s, later(3), who.Loyalty, false, who.ByRestriction)
			if n, err := s.ExpireRecords(ctx, later(3).Add(10*keptFor), keptFor); n != 0 || err != nil {
				t.Errorf("got %d, %v", n, err)
			}
		}, nil, 1},
		{"both withdrawn", func(t *testing.T, s *store.Shoppers) {
			keep(t, s, answered("a", later(1), who.Loyalty), answered("b", later(2), who.Location))
			decide(t, s, later(3), who.Location, false)
			decide(t, s, later(3), who.Loyalty, false)
		}, nil, 0},
		{"erased before it is stored", func(t *testing.T, s *store.Shoppers) {
			decide(t, s, later(0), who.Loyalty, true)
			shopper, err := s.Shopper(ctx, anna)
			if err != nil {
				t.Fatal(err)
			}
			r := answered("a", later(1), who.Loyalty)
			r.Since = shopper.Since()
			if err := s.Forget(ctx, anna); err != nil {
				t.Fatal(err)
			}
			keep(t, s, r)
		}, nil, 0},
		{"erased after it is stored", func(t *testing.T, s *store.Shoppers) {
			keep(t, s, answered("a", later(1), who.Loyalty))
			if err := s.Forget(ctx, anna); err != nil {
				t.Fatal(err)
			}
		}, nil, 0},
		{"answered twice with the same time", func(t *testing.T, s *store.Shoppers) {
			keep(t, s, answered("a", later(1), who.Loyalty))
			keep(t, s, answered("a", later(1), who.Loyalty))
		}, []string{"a"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, cache := range []uint64{1 << 20, 1} {
				s, documents := open(t, cache)
				c.do(t, s)
				if got := answers(t, s); !slices.Equal(got, c.want) {
					t.Errorf("cache of %d bytes: got %v, want %v", cache, got, c.want)
				}
				if got := stored(t, s, documents); got != c.store {
					t.Errorf("cache of %d bytes: %d documents are stored, want %d", cache, got, c.store)
				}
			}
		})
	}
}

// TestRecordsAreBounded holds that a shopper's records are a bounded number of documents, of which the newest stay, and that
// fixes alone never crowd out what was suggested.
func TestRecordsAreBounded(t *testing.T) {
	t.Parallel()
	s, documents := open(t, 1<<20)
	for i := range 300 {
		keep(t, s, answered(fmt.Sprintf("told-%03d", i), now.Add(time.Duration(i)*time.Second), who.Loyalty))
	}
	for i := range 200 {
		r := answered(fmt.Sprintf("fix-%03d", i), now.Add(time.Duration(300+i)*time.Second), who.Location)
		r.Suggestions = nil
		keep(t, s, r)
	}
	if got := stored(t, s, documents); got != 256+64 {
		t.Errorf("%d documents are stored, want %d", got, 256+64)
	}
	got := answers(t, s)
	if len(got) != 320 || got[0] != "fix-199" || got[63] != "fix-136" || got[64] != "told-299" || got[319] != "told-044" {
		t.Errorf("got %d answers, %q", len(got), got)
	}
}

// TestRecordsExpire holds that records go in time (a little early: keptFor is an hour), and only those, whatever brought them
// and whoever has the shopper in memory.
func TestRecordsExpire(t *testing.T) {
	t.Parallel()
	for _, cache := range []uint64{1 << 20, 1} {
		s, documents := open(t, cache)
		keep(t, s, answered("old", now, who.Loyalty))
		keep(t, s, answered("new", now.Add(time.Minute), who.Loyalty))
		for _, c := range []struct {
			after time.Duration
			keep  string
			want  []string
		}{
			{keptFor - time.Minute, "", []string{"new", "old"}},
			{keptFor + time.Second, "", []string{"new"}},
			{keptFor + time.Minute + time.Second, "", []string{}},
			{2 * keptFor, "again", []string{"again"}}, // nothing of before says when it is to go
			{3*keptFor - time.Minute, "", []string{"again"}},
			{3*keptFor + time.Second, "", []string{}},
		} {
			if c.keep != "" {
				keep(t, s, answered(c.keep, now.Add(c.after), who.Loyalty))
			}
			if _, err := s.ExpireRecords(ctx, now.Add(c.after), keptFor); err != nil {
				t.Fatal(err)
			}
			if got := answers(t, s); !slices.Equal(got, c.want) {
				t.Errorf("cache of %d bytes, after %v: got %v, want %v", cache, c.after, got, c.want)
			}
		}
		if got := stored(t, s, documents); got != 0 {
			t.Errorf("cache of %d bytes: %d documents are left", cache, got)
		}
		if left, _, err := documents.Marked(ctx, store.RetentionMark, store.RecordRetention, store.Position{}, time.Time{}, 0); err != nil || len(left) != 0 {
			t.Errorf("cache of %d bytes: %d marks are left, %v", cache, len(left), err)
		}
	}
}

// TestRecordsKeepTheRemembered holds that a presence that is in memory alone survives the commit of records.
func TestRecordsKeepTheRemembered(t *testing.T) {
	t.Parallel()
	s, _ := open(t, 1<<20)
	shopper, err := s.Commit(ctx, anna, 0, store.Change{At: now, Defaults: given, Presence: &geo.Presence{Shopper: "p"}})
	if err != nil {
		t.Fatal(err)
	}
	next := geo.Presence{Shopper: "remembered"}
	next.Now.Seen = now.Add(time.Second)
	if !s.Remember(anna, shopper.Revision(), &next) {
		t.Fatal("not remembered")
	}
	keep(t, s, answered("a", now.Add(time.Second), who.Loyalty))
	shopper, err = s.Shopper(ctx, anna)
	if err != nil {
		t.Fatal(err)
	}
	if got := presence(t, shopper).Shopper; got != "remembered" {
		t.Errorf("got the presence %q", got)
	}
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkKeepRecords pays for the record of one answer, of shoppers in turn, as the worker commits it.
func BenchmarkKeepRecords(b *testing.B) {
	s, _ := open(b, 64<<20)
	const people = 2_000
	keys := make([]who.Key, people)
	for i := range keys {
		keys[i] = who.Key{Retailer: "demo", Shopper: fmt.Sprint("s", i)}
		if _, err := s.Record(ctx, keys[i], now, given, regular("e")); err != nil {
			b.Fatal(err)
		}
	}
	r := answered("a", now.Add(time.Second), who.Loyalty)
	for len(r.Suggestions) < 10 {
		r.Suggestions = append(r.Suggestions, store.Suggested{Kind: recommend.KindProduct, Item: "p-10423", Score: 0.03, Propensity: 1, Reasons: []recommend.Reason{
			{Code: recommend.DueAgain, Contribution: 1.2, Values: recommend.Values{EveryDays: 7.2, LastDays: 8.1, Times: 12}},
			{Code: recommend.PopularHere, Contribution: 0.4, Values: recommend.Values{Store: "lisbon-12"}},
		}})
	}
	records := []*store.DecisionRecord{r}
	report := processor(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := s.KeepRecords(ctx, keys[i%people], given, keptFor, records); err != nil {
			b.Fatal(err)
		}
		i++
	}
	report(b.N)
}
