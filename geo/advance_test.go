package geo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// town is a handful of overlapping geofences of every rule, for the property tests.
func town(t testing.TB) *Index {
	t.Helper()
	shop, err := ParseHours("Mo-Su 00:00-09:20,09:40-24:00", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	var fences []Geofence
	for i, g := range []Geofence{
		{Dwell: 2 * time.Minute}, {Schedule: shop, Dwell: time.Minute}, {Cooldown: 10 * time.Minute}, {DailyCap: 1, ApproachMeters: 150}, {Priority: 3},
	} {
		circle, err := NewCircle(noiseMiddle.shift(float64(i)*60, float64(i%2)*50), 40+20*float64(i))
		if err != nil {
			t.Fatal(err)
		}
		g.ID, g.Shape, g.Version, g.Wants = fmt.Sprint("fence-", i), circle, 1, WantEnter|WantDwell|WantExit|WantApproach
		fences = append(fences, g)
	}
	return NewIndex(fences)
}

// wander draws a noisy walk through the town: interval seconds between fixes, sometimes a gap.
func wander(seed uint64, fixes int) []Fix {
	r := rand.New(rand.NewPCG(seed, 1))
	interval := []float64{2, 5, 20}[r.IntN(3)]
	x, y, heading, speed := r.Float64()*400-200, r.Float64()*200-100, r.Float64()*2*math.Pi, 1.4
	at := noiseStart
	out := make([]Fix, 0, fixes)
	for range fixes {
		if r.IntN(20) == 0 {
			heading, speed = r.Float64()*2*math.Pi, []float64{0, 1.4, 10}[r.IntN(3)]
		}
		if math.Hypot(x, y) > 500 {
			heading = math.Atan2(-y, -x)
		}
		dt := interval
		if r.IntN(60) == 0 {
			dt = 400
		}
		at = at.Add(time.Duration(dt * float64(time.Second)))
		x, y = x+speed*interval*math.Cos(heading), y+speed*interval*math.Sin(heading)
		f := Fix{At: at, Point: noiseMiddle.shift(x+8*r.NormFloat64(), y+8*r.NormFloat64()), AccuracyMeters: 12}
		if r.IntN(50) == 0 {
			f.Point, f.AccuracyMeters = noiseMiddle.shift(x+200*r.NormFloat64(), y+200*r.NormFloat64()), 3
		}
		f.Mocked = r.IntN(40) == 0
		out = append(out, f)
	}
	return out
}

func advanceEach(fences *Index, p Presence, fixes []Fix) (Presence, []Crossing) {
	var all []Crossing
	for _, f := range fixes {
		var crossings []Crossing
		p, crossings = Advance(fences, p, f)
		all = append(all, crossings...)
	}
	return p, all
}

// checkVisits holds crossings, in order of their geofence's story, to what a visit is.
func checkVisits(t *rapid.T, crossings []Crossing) {
	inside, seen := map[string]bool{}, map[string]bool{}
	began := map[string]time.Time{}
	for _, c := range crossings {
		if seen[c.ID] {
			t.Fatalf("got %s of %s twice, with id %s", c.Kind, c.Geofence, c.ID)
		}
		seen[c.ID] = true
		if (c.Withheld == "") != c.Told {
			t.Fatalf("got told %v, withheld %q", c.Told, c.Withheld)
		}
		if c.At.After(c.DecidedAt) {
			t.Fatalf("got %s of %s at %s, decided before that, at %s", c.Kind, c.Geofence, c.At, c.DecidedAt)
		}
		switch c.Kind {
		case Enter:
			if inside[c.Geofence] {
				t.Fatalf("got a second enter of %s at %s without an exit", c.Geofence, c.At)
			}
			inside[c.Geofence], began[c.Geofence] = true, c.At
		case Exit, Dwell:
			if !inside[c.Geofence] || c.At.Before(began[c.Geofence]) {
				t.Fatalf("got %s of %s at %s, inside %v since %s", c.Kind, c.Geofence, c.At, inside[c.Geofence], began[c.Geofence])
			}
			inside[c.Geofence] = c.Kind == Dwell
		case Approach:
			if inside[c.Geofence] {
				t.Fatalf("got an approach of %s from inside", c.Geofence)
			}
		}
	}
}

func ids(crossings []Crossing) []string {
	out := make([]string, len(crossings))
	for i, c := range crossings {
		out[i] = c.ID
	}
	slices.Sort(out)
	return out
}

func TestVisitsBeginAndEndInTurn(t *testing.T) {
	t.Parallel()
	fences := town(t)
	rapid.Check(t, func(t *rapid.T) {
		fixes := wander(rapid.Uint64().Draw(t, "seed"), 300)
		p := Presence{Shopper: "s"}
		var all []Crossing
		for i, f := range fixes {
			var crossings []Crossing
			p, crossings = Advance(fences, p, f)
			all = append(all, crossings...)
			if i%7 == 0 {
				p, crossings = Settle(fences, p, f.At.Add(time.Second))
				all = append(all, crossings...)
			}
			if len(p.Tail) > MaxTail || len(p.Now.Stays) > MaxStays || len(p.Recent) > 8*MaxTail {
				t.Fatalf("got a presence of %d fixes, %d stays, %d crossings", len(p.Tail), len(p.Now.Stays), len(p.Recent))
			}
		}
		p, crossings := Settle(fences, p, fixes[len(fixes)-1].At.Add(25*time.Hour))
		all = append(all, crossings...)
		checkVisits(t, all)
		if left := p.Inside(); len(left) > 0 {
			t.Fatalf("got a shopper inside %v after a day of silence", left)
		}
		if due, ok := p.Due(); ok {
			t.Fatalf("got something due at %s, when all visits are over", due)
		}
	})
}

func TestAKnownFixChangesNothingAndReturnsItsCrossings(t *testing.T) {
	t.Parallel()
	fences := town(t)
	rapid.Check(t, func(t *rapid.T) {
		fixes := wander(rapid.Uint64().Draw(t, "seed"), 120)
		p := Presence{Shopper: "s"}
		var made [][]Crossing
		for i, f := range fixes {
			var crossings []Crossing
			p, crossings = Advance(fences, p, f)
			made = append(made, crossings)
			again := max(0, i-rapid.IntRange(0, MaxTail-1).Draw(t, "back"))
			q, same := Advance(fences, p, fixes[again])
			if !slices.Equal(ids(same), ids(made[again])) {
				t.Fatalf("fix %d sent again after %d: got %v, want %v", again, i, ids(same), ids(made[again]))
			}
			q.Changed, q.Odd = p.Changed, p.Odd
			if !reflect.DeepEqual(p, q) {
				t.Fatalf("fix %d sent again after %d changed the presence", again, i)
			}
		}
	})
}

// A phone that slept sends up to a hundred fixes at once, more than the tail holds. When the answer is lost it sends them again.
func TestALongCallIsKnownAsAWhole(t *testing.T) {
	t.Parallel()
	fences, long := town(t), 0
	rapid.Check(t, func(t *rapid.T) {
		fixes := wander(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(20, 160).Draw(t, "fixes"))
		first := len(fixes) - min(len(fixes), rapid.IntRange(1, 101).Draw(t, "in one call"))
		before, _ := advanceEach(fences, Presence{Shopper: "anna"}, fixes[:first])
		after, told := AdvanceAll(fences, before, fixes[first:])
		if len(fixes)-first > MaxTail && len(told) > 0 {
			long++
		}
		for _, f := range fixes[first:] {
			if after.Late(f) {
				t.Fatalf("the fix of %s is late after its own call", f.At)
			}
		}
		again, retold := AdvanceAll(fences, after, fixes[first:])
		if !slices.Equal(ids(told), ids(retold)) {
			t.Fatalf("a call of %d fixes told %v, its retry %v", len(fixes)-first, ids(told), ids(retold))
		}
		if again.Changed, again.Odd = after.Changed, after.Odd; !reflect.DeepEqual(again, after) {
			t.Fatalf("the retry changed what is remembered from\n%+v to\n%+v", after, again)
		}
	})
	if long == 0 {
		t.Error("no call was longer than the tail and told something")
	}
}

func TestTheOrderWithinACallDoesNotMatter(t *testing.T) {
	t.Parallel()
	fences := town(t)
	rapid.Check(t, func(t *rapid.T) {
		fixes := wander(rapid.Uint64().Draw(t, "seed"), 100)
		p, want := advanceEach(fences, Presence{Shopper: "s"}, fixes)
		shuffled := rapid.Permutation(fixes).Draw(t, "order")
		q, got := AdvanceAll(fences, Presence{Shopper: "s"}, shuffled)
		if !slices.Equal(ids(got), ids(want)) {
			t.Fatalf("got %v, want %v", ids(got), ids(want))
		}
		if !reflect.DeepEqual(p.Now, q.Now) || !reflect.DeepEqual(p.Tail, q.Tail) {
			t.Fatal("got another presence than in order")
		}
	})
}

// TestLateFixesArePutInOrder swaps fixes within the tail and the time that late ones have. The outcome is the
// one in order, except for geofences about which something else had been told by then; those stay consistent.
func TestLateFixesArePutInOrder(t *testing.T) {
	t.Parallel()
	fences := town(t)
	same, other := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		fixes := wander(rapid.Uint64().Draw(t, "seed"), 100)
		_, want := advanceEach(fences, Presence{Shopper: "s"}, fixes)
		late := slices.Clone(fixes)
		for i := 0; i+1 < len(late); i++ {
			j := min(len(late)-1, i+rapid.IntRange(0, 3).Draw(t, "swap"))
			if late[j].At.Sub(late[i].At) < LateLimit {
				late[i], late[j] = late[j], late[i]
			}
		}
		p, newest := Presence{Shopper: "s"}, time.Time{}
		var got []Crossing
		for _, f := range late {
			if newest.Sub(f.At) < LateLimit && len(p.Tail) < MaxTail/2 && p.Late(f) {
				t.Fatalf("a fix %s late, within the tail: got late", newest.Sub(f.At))
			}
			var crossings []Crossing
			p, crossings = Advance(fences, p, f)
			got = append(got, crossings...)
			if f.At.After(newest) {
				newest = f.At
			}
		}
		for n := uint32(0); n < 5; n++ {
			id := fences.Fence(n).ID
			of := func(all []Crossing) []Crossing {
				var own []Crossing
				for _, c := range all {
					if c.Geofence == id {
						own = append(own, c)
					}
				}
				slices.SortStableFunc(own, func(a, b Crossing) int { return a.At.Compare(b.At) })
				return own
			}

			checkVisits(t, of(got))
			if slices.Equal(ids(of(got)), ids(of(want))) {
				same++
			} else {
				other++
			}
		}
	})
	t.Logf("%d stories of a geofence as in order, %d where something else had been told", same, other)
	if same < other {
		t.Errorf("got %d stories as in order and %d others, want most of them in order", same, other)
	}
}

// TestNothingTold: when no crossing is decided in between, late fixes leave no trace at all.
func TestLateFixesLeaveNoTrace(t *testing.T) {
	t.Parallel()
	fences := town(t)
	compared := 0
	rapid.Check(t, func(t *rapid.T) {
		fixes := wander(rapid.Uint64().Draw(t, "seed"), 60)
		from := rapid.IntRange(1, len(fixes)-5).Draw(t, "from")
		p, _ := advanceEach(fences, Presence{Shopper: "s"}, fixes[:from])
		group := fixes[from : from+4]
		if group[3].At.Sub(group[0].At) >= LateLimit {
			return
		}
		inOrder, want := advanceEach(fences, p, group)
		got, crossings := p, []Crossing(nil)
		for i, f := range rapid.Permutation(group).Draw(t, "order") {
			var more []Crossing
			got, more = Advance(fences, got, f)
			crossings = append(crossings, more...)
			if i < 3 && len(more) > 0 {
				return // told before all was known
			}
		}
		compared++
		if !slices.Equal(ids(crossings), ids(want)) {
			t.Fatalf("got %v, want %v", ids(crossings), ids(want))
		}
		if !reflect.DeepEqual(got.Now.Track, inOrder.Now.Track) || !reflect.DeepEqual(got.Now.Stays, inOrder.Now.Stays) || !reflect.DeepEqual(got.Tail, inOrder.Tail) {
			t.Fatalf("got another memory than in order:\n%+v\n%+v", got.Now.Stays, inOrder.Now.Stays)
		}
	})
	if compared < 10 {
		t.Errorf("got %d comparisons, want more", compared)
	}
}

// TestTheWorkerAndTheNextFixDecideTheSame: what time decides has the same id, time and reason, whoever comes first.
func TestTheWorkerAndTheNextFixDecideTheSame(t *testing.T) {
	t.Parallel()
	fences := town(t)
	rapid.Check(t, func(t *rapid.T) {
		fixes := wander(rapid.Uint64().Draw(t, "seed"), 150)
		lazy, want := advanceEach(fences, Presence{Shopper: "s"}, fixes)
		p := Presence{Shopper: "s"}
		var got []Crossing
		for _, f := range fixes {
			var crossings []Crossing
			for {
				due, ok := p.Due()
				if !ok || due.After(f.At) {
					break
				}
				p, crossings = Settle(fences, p, due)
				got = append(got, crossings...)
				if next, ok := p.Due(); ok && !next.After(due) {
					t.Fatalf("settled at %s: still due then", due)
				}
			}
			p, crossings = Advance(fences, p, f)
			got = append(got, crossings...)
		}
		if !slices.Equal(ids(got), ids(want)) || !reflect.DeepEqual(p.Now, lazy.Now) {
			t.Fatalf("got %v, want %v", ids(got), ids(want))
		}
	})
}

// TestAdvanceDoesNotWriteToItsArgument keeps every presence of a walk and compares it with a copy at the end.
func TestAdvanceDoesNotWriteToItsArgument(t *testing.T) {
	t.Parallel()
	fences := town(t)
	rapid.Check(t, func(t *rapid.T) {
		p := Presence{Shopper: "s"}
		var kept, copies []Presence
		for i, f := range wander(rapid.Uint64().Draw(t, "seed"), 80) {
			kept, copies = append(kept, p), append(copies, deepCopy(p))
			if i%9 == 5 {
				Advance(fences, p, Fix{At: f.At.Add(-time.Minute), Point: noiseMiddle})
			}
			p, _ = Advance(fences, p, f)
			Settle(fences, p, f.At.Add(time.Hour))
		}
		if !reflect.DeepEqual(kept, copies) {
			t.Fatal("an earlier presence was written to")
		}
	})
}

func deepCopy(p Presence) Presence {
	p.Tail, p.Recent = slices.Clone(p.Tail), slices.Clone(p.Recent)
	p.Now.Stays, p.Base.Stays = slices.Clone(p.Now.Stays), slices.Clone(p.Base.Stays)
	return p
}

// FuzzAdvance feeds fixes of any time, place and claim: nothing panics, no number stops being one, and visits
// begin and end in turn.
func FuzzAdvance(f *testing.F) {
	f.Add(uint64(1), int64(0), 52.52, 13.405, 10.0, false)
	f.Add(uint64(2), int64(-60), 90.0, 180.0, 0.0, true)
	f.Add(uint64(3), int64(1<<40), -90.0, -180.0, 1e9, false)
	fences := town(f)
	f.Fuzz(func(t *testing.T, seed uint64, seconds int64, lat, lng, accuracy float64, coarse bool) {
		if seconds > 1<<33 || seconds < -(1<<33) {
			return // beyond what a time can be moved by
		}
		fixes := wander(seed, 40)
		odd := Fix{At: fixes[20].At.Add(time.Duration(seconds) * time.Second), Point: Point{lat, lng}, AccuracyMeters: accuracy, Coarse: coarse}
		fixes = slices.Insert(fixes, 20, odd)
		p, crossings := advanceEach(fences, Presence{Shopper: "s"}, fixes)
		inside := map[string]bool{}
		slices.SortStableFunc(crossings, func(a, b Crossing) int { return a.At.Compare(b.At) })
		for _, c := range crossings {
			if c.Kind == Enter || c.Kind == Exit {
				if inside[c.Geofence] == (c.Kind == Enter) {
					t.Fatalf("got %s of %s twice in a row", c.Kind, c.Geofence)
				}
				inside[c.Geofence] = c.Kind == Enter
			}
		}
		for _, w := range p.Now.Track.Ways {
			for _, x := range append(append(w.Cov[:], w.East[:]...), append(w.North[:], w.Weight)...) {
				if math.IsNaN(x) || math.IsInf(x, 0) {
					t.Fatalf("got a track with %v: %+v", x, p.Now.Track)
				}
			}
		}
	})
}
