package visit_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
	"satnav/server/privacy"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/visit"
)

// afresh is the same world in a process that has just started: nothing is in memory.
func (w *world) afresh() *world {
	w.t.Helper()
	other := *w
	clock := func() time.Time { return other.now }
	names, log := retailer.NewNames(), slog.New(slog.DiscardHandler)
	other.shoppers = store.NewShoppers(w.documents, store.ShoppersConfig{Secret: []byte("secret"), Names: names.Of, CacheBytes: 1 << 20, Alone: true})
	other.retailers = retailer.New(store.NewEntries(w.documents), other.shoppers, names, clock, log)
	other.book = newBook(&other)
	other.visits = visit.New(other.shoppers, other.retailers, store.NewQuotas(w.documents, log), other.book)
	return &other
}

var afar = geo.Point{Lat: bakery.Lat + 0.005, Lng: bakery.Lng} // 550 m

// TestTrackSurvivesARestart holds that fixes which were only remembered still speak against a lying one in the next
// process: after a stop all of them, after a kill those that matter.
func TestTrackSurvivesARestart(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(w *world){
		"stopped": func(w *world) {
			if err := w.shoppers.Flush(context.Background()); err != nil {
				w.t.Fatal(err)
			}
		},
		"killed": func(*world) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.draw("bakery", nil)
			if told := w.walk(w.now, afar, 40); len(told) > 0 {
				t.Fatalf("told %v far away", told)
			}
			stop(w)
			if told := w.afresh().walk(w.now, bakery, 1); len(told) > 0 {
				t.Errorf("one fix inside, 550 m from the track of a moment ago, told %v", told)
			}
		})
	}
}

// overtaken are documents into which somebody else writes before the next lazy commit, as the decision records of another
// replica do.
type overtaken struct {
	store.Documents
	armed bool
}

func (o *overtaken) Commit(ctx context.Context, b store.Batch) (store.Revision, error) {
	if b.Lazy && o.armed {
		o.armed = false
		if _, err := o.Documents.Commit(ctx, store.Batch{Partition: b.Partition, Lazy: true}); err != nil {
			return 0, err
		}
	}
	return o.Documents.Commit(ctx, b)
}

// TestTrackSurvivesOthersCommits holds that fixes on which nothing is decided are kept although another replica came first.
func TestTrackSurvivesOthersCommits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("bakery", nil)
	other := &overtaken{Documents: w.documents}
	w.documents = other
	replica := w.afresh()
	replica.shoppers = store.NewShoppers(w.documents, store.ShoppersConfig{Secret: []byte("secret"), Names: retailer.NewNames().Of, CacheBytes: 1 << 20})
	replica.visits = visit.New(replica.shoppers, replica.retailers, store.NewQuotas(w.documents, slog.New(slog.DiscardHandler)), replica.book)
	for range 40 {
		other.armed = true
		if told := replica.walk(replica.now, afar, 1); len(told) > 0 {
			t.Fatalf("told %v far away", told)
		}
	}
	if told := replica.walk(replica.now, bakery, 1); len(told) > 0 {
		t.Errorf("one fix inside, 550 m from the track of a moment ago, told %v", told)
	}
}

// TestFutureIsNotKept holds that geofences see no position from later than our clock, while suggestions may be asked for any
// instant.
func TestFutureIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("bakery", nil)
	signal := visit.Signal{
		Key: anna, Arrived: w.now, At: w.now.AddDate(1, 0, 0), Device: who.Permissions{Location: geo.Precise},
		Fix: &geo.Fix{Point: bakery, AccuracyMeters: 6},
	}
	answer, err := w.visits.Answer(t.Context(), signal)
	if err != nil || len(answer.Triggers) > 0 || !slices.Contains(answer.Used.Distrust, "future") {
		t.Errorf("next year: told %v, used %+v, %v", answer.Triggers, answer.Used, err)
	}
	if _, err := w.shoppers.Shopper(t.Context(), anna); err == nil {
		t.Error("something was kept of a visit that did not happen")
	}
	if told := w.walk(w.now, bakery, 3); len(told) != 1 {
		t.Errorf("now: told %v, want one enter", told)
	}
}

// TestClockThatIsNotSet holds that a position of 1900 or 1970 begins no visit, and hides none.
func TestClockThatIsNotSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("bakery", nil)
	for _, at := range []time.Time{time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(42, 0).UTC()} {
		answer, err := w.visits.Answer(t.Context(), visit.Signal{
			Key: anna, Arrived: w.now, At: at, Device: who.Permissions{Location: geo.Precise}, Fix: &geo.Fix{Point: bakery, AccuracyMeters: 6},
		})
		if err != nil || len(answer.Triggers) > 0 || !slices.Contains(answer.Used.Distrust, "past") {
			t.Errorf("%v: told %v, used %+v, %v", at, answer.Triggers, answer.Used, err)
		}
	}
	if _, err := w.shoppers.Shopper(t.Context(), anna); err == nil {
		t.Error("something was kept of a visit that did not happen")
	}
	if told := w.walk(w.now, bakery, 3); len(told) != 1 {
		t.Errorf("now: told %v, want one enter", told)
	}
}

// TestReceiptOfLittle holds the receipt true where a call tells or wants next to nothing.
func TestReceiptOfLittle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("bakery", nil)
	precise := who.Permissions{Location: geo.Precise}
	trail := []geo.Fix{{At: w.now.Add(-20 * time.Second), Point: bakery, AccuracyMeters: 6}, {At: w.now.Add(-10 * time.Second), Point: bakery, AccuracyMeters: 6}}
	answer, err := w.visits.Answer(t.Context(), visit.Signal{Key: anna, Arrived: w.now, Device: precise, Trail: trail})
	if err != nil || len(answer.Triggers) != 1 || answer.Used.Location != "trail" || !slices.Equal(answer.Used.Permissions, []string{"location"}) {
		t.Errorf("a trail alone: told %v, used %+v, %v", answer.Triggers, answer.Used, err)
	}
	answer, err = w.visits.Answer(t.Context(), visit.Signal{Key: anna, Arrived: w.now, Kinds: []recommend.Kind{recommend.KindOffer}, Limit: 5})
	if err != nil || answer.Used.History || answer.Used.Model != "" {
		t.Errorf("offers, of which there are none: used %+v, %v", answer.Used, err)
	}
}

// TestWithdrawnLocationIsForgotten holds that with the grant goes what was known, and that a position is not used, told
// or known, until there is a new one.
func TestWithdrawnLocationIsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("bakery", nil)
	w.walk(w.now, afar, 3)
	permissions := privacy.NewPermissions(w.shoppers, w.retailers, w.log(t))
	decide := func(location bool) {
		t.Helper()
		if _, err := permissions.Decide(t.Context(), anna, map[who.Purpose]bool{who.Location: location}, "", w.now); err != nil {
			t.Fatal(err)
		}
	}
	plan := func(point *geo.Point) error {
		_, err := w.visits.Plan(t.Context(), visit.Wanted{Key: anna, At: w.now, Regions: geo.RegionsIOS, Point: point})
		return err
	}
	if err := plan(nil); err != nil {
		t.Fatal(err)
	}
	decide(false)
	if err := plan(&afar); err != visit.ErrNotAllowed {
		t.Errorf("a position is told without the grant: got error %v, want %v", err, visit.ErrNotAllowed)
	}
	decide(true)
	if err := plan(nil); err != visit.ErrNowhere {
		t.Errorf("granted again: got error %v, want %v", err, visit.ErrNowhere)
	}
	if err := plan(&afar); err != nil {
		t.Error(err)
	}
}
