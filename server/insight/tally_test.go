package insight

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"satnav/server/store"
)

// flat is a measure of two parts that is rolled up part by part.
var flat = &Measure{Name: "flat", Parts: []string{"a", "b"}, Steps: []string{"one", "two", "three"}, Groups: 4, Most: 7, levels: []func(Key) Key{
	func(k Key) Key { return k }, func(k Key) Key { return Key{k[0]} }, nothing,
}}

// did is what one shopper adds, as a test knows it.
type did struct {
	shopper int
	key     Key
	part    part
}

// drawn are acts of up to 90 shoppers in up to 3 × 4 groups.
func drawn(t *rapid.T) (all []did) {
	shoppers := rapid.IntRange(0, 90).Draw(t, "shoppers")
	for s := range shoppers {
		for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 11), 1, flat.Groups, rapid.ID[int]).Draw(t, "groups") {
			all = append(all, did{s, Key{fmt.Sprint(n % 3), fmt.Sprint(n / 3)}, part{
				count: rapid.IntRange(1, 30).Draw(t, "count"), step: rapid.IntRange(1, 3).Draw(t, "step"),
			}})
		}
	}
	return all
}

func tallyOf(m *Measure, all []did) *tally {
	of := map[int]map[Key]part{}
	for _, d := range all {
		if of[d.shopper] == nil {
			of[d.shopper] = map[Key]part{}
		}
		of[d.shopper][d.key] = d.part
	}
	t := newTally(m)
	for _, s := range slices.Sorted(maps.Keys(of)) {
		t.take(fmt.Sprint("p", s), of[s])
	}
	return t
}

// TestGroups holds the groups to what they are by definition, found from end to end: each act counts in the finest group around it that is told, a group
// is told if twenty shoppers act in it who are told of in no finer one, and no two groups share an act.
func TestGroups(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := drawn(t)
		told, err := tallyOf(flat, all).groups(plain{})
		if err != nil {
			t.Fatal(err)
		}
		open, want := all, map[Key]store.InsightGroup{}
		for level, coarser := range flat.levels {
			of := map[Key][]did{}
			for _, d := range open {
				of[coarser(d.key)] = append(of[coarser(d.key)], d)
			}
			var left []did
			for key, acts := range of {
				counts, steps := map[int]int{}, map[int]int{}
				for _, d := range acts {
					counts[d.shopper] = min(counts[d.shopper]+min(d.part.count, flat.Most), flat.Most)
					steps[d.shopper] = max(steps[d.shopper], d.part.step)
				}
				if len(counts) < Least {
					left = append(left, acts...)
					continue
				}
				g := store.InsightGroup{Keys: []string{key[0], key[1]}, Rest: level > 0, Shoppers: grains(int64(len(counts)))}
				total, before := 0, len(counts)
				for _, n := range counts {
					total += n
				}
				for step := 1; step <= 3; step++ {
					got := 0
					for _, s := range steps {
						if s >= step {
							got++
						}
					}
					if step > 1 && (got < Least || before-got < Least) {
						break
					}
					before, g.Steps = got, append(g.Steps, grains(int64(got)))
				}
				g.Count = grains(int64(total))
				want[key] = g
			}
			open = left
		}
		if len(told) != len(want) {
			t.Fatalf("got %d groups, want %d", len(told), len(want))
		}
		for _, g := range told {
			w := want[Key{g.Keys[0], g.Keys[1]}]
			if fmt.Sprint(g) != fmt.Sprint(w) {
				t.Errorf("got %+v, want %+v", g, w)
			}
		}
	})
}

// TestOneShopperAddsLittle plants a shopper who did more than all others together: no number moves by more than one of many, and few do.
func TestOneShopperAddsLittle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := drawn(t)
		before, err := tallyOf(flat, all).groups(plain{})
		if err != nil {
			t.Fatal(err)
		}
		with := tallyOf(flat, all)
		loud := map[Key]part{}
		for n := range 12 {
			loud[Key{fmt.Sprint(n % 3), fmt.Sprint(n / 3)}] = part{count: 1 << 20, step: 3}
		}
		with.take("loud", loud)
		after, err := with.groups(plain{})
		if err != nil {
			t.Fatal(err)
		}
		moved := 0
		for _, a := range after {
			i := slices.IndexFunc(before, func(b store.InsightGroup) bool { return slices.Equal(a.Keys, b.Keys) })
			if i < 0 || a.Rest { // what is rolled up there may have changed with what is not
				continue
			}
			b := before[i]
			if b.Shoppers != a.Shoppers || b.Count != a.Count {
				moved++
			}
			if a.Shoppers-b.Shoppers > Grain || a.Count-b.Count > int64(flat.Most)+Grain || a.Shoppers < b.Shoppers || a.Count < b.Count {
				t.Errorf("%v: %+v became %+v", a.Keys, b, a)
			}
		}
		if moved > flat.Groups {
			t.Errorf("one shopper moved %d groups, want at most %d", moved, flat.Groups)
		}
	})
}

// TestStepsHideFew holds that no step of a funnel tells of fewer than twenty, neither who got there nor who did not.
func TestStepsHideFew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                string
		viewed, added, paid int // who got just so far
		want                []int64
	}{
		{"each step is of many", 40, 30, 20, []int64{90, 50, 20}},
		{"nobody bought", 40, 30, 0, []int64{70, 30}},
		{"one did not buy", 40, 1, 60, []int64{100, 60}},
		{"all bought", 0, 0, 50, []int64{50}},
		{"nineteen did not put it into the basket", 19, 30, 40, []int64{90}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var all []did
			for step, n := range []int{c.viewed, c.added, c.paid} {
				for range n {
					all = append(all, did{len(all), Key{"toys"}, part{1, step + 1}})
				}
			}
			told, err := tallyOf(MeasureOf(Funnel), all).groups(plain{})
			if err != nil || len(told) != 1 {
				t.Fatalf("got %+v, %v", told, err)
			}
			want := c.want
			if c.name == "one did not buy" { // 61 went on of whom 60 bought: the second step would tell of one
				want = []int64{100, 60}
			}
			if !slices.Equal(told[0].Steps, want) {
				t.Errorf("got %v, want %v", told[0].Steps, want)
			}
		})
	}
}

// TestWindow holds windows to the calendar of ISO 8601.
func TestWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := noon.AddDate(0, 0, rapid.IntRange(-4000, 4000).Draw(t, "days"))
		w := WindowOf(at)
		again, ok := ParseWindow(w.String())
		if !ok || again != w || at.Before(w.From()) || !at.Before(w.To()) || w.Before().To() != w.From() || w.From().Weekday() != 1 {
			t.Fatalf("%v: got %v from %v", at, w, w.From())
		}
	})
	for _, bad := range []string{"", "2026-47", "2026-W54", "2026-W00", "2025-W53", "2026-W7", "2026-W47x", "last"} {
		if w, ok := ParseWindow(bad); ok {
			t.Errorf("%q: got %v", bad, w)
		}
	}
}

// TestNoise holds the numbers with noise near those without where there are many shoppers, that they are not the same, and that few are never told.
func TestNoise(t *testing.T) {
	t.Parallel()
	var all []did
	for s := range 20_000 {
		all = append(all, did{s, Key{"many"}, part{1, 1}})
	}
	for s := range Least - 1 {
		all = append(all, did{s, Key{"few"}, part{1, 1}})
	}
	tall := tallyOf(MeasureOf(Funnel), all)
	seen := map[int64]bool{}
	for range 8 {
		told, err := tall.groups(newNoisy(tall.measure, 4))
		if err != nil {
			t.Fatal(err)
		}
		if len(told) != 1 || told[0].Keys[0] != "many" {
			t.Fatalf("got %+v", told)
		}
		if n := told[0].Shoppers; n < 19_000 || n > 21_000 {
			t.Errorf("got %d shoppers of 20000", n)
		}
		if s := told[0].Steps; len(s) != 3 || s[0] < s[1] || s[1] < s[2] || s[0] > told[0].Shoppers {
			t.Errorf("steps: got %v of %d", s, told[0].Shoppers)
		}
		seen[told[0].Shoppers] = true
	}
	if len(seen) < 4 {
		t.Errorf("of eight numbers with noise only %d differ", len(seen))
	}
}
