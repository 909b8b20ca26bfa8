package backtest

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"satnav/context/who"
)

// fixed gives everybody the same list.
type fixed struct{ list []who.Item }

func (f fixed) Name() string                         { return "fixed" }
func (f fixed) Rank(_ int, to []who.Item) []who.Item { return append(to, f.list...) }

func TestFiguresByHand(t *testing.T) {
	t.Parallel()
	shoppers := []Shopper{
		{Baskets: []basket{{1, 2}, {1}}, Days: []float64{0, 7}, Now: 14, Target: basket{1, 9}},                                  // new
		{Baskets: []basket{{3}, {3}, {3}, {4}}, Days: []float64{0, 7, 14, 21}, Now: 60, Target: basket{8}},                      // lapsed: 39 days after weekly baskets
		{Baskets: []basket{{1}, {2}, {3}}, Days: []float64{0, 7, 14}, Now: 21},                                                  // not asked about
		{Baskets: []basket{{5}, {5}, {5}}, Days: []float64{0, 7, 14}, Now: 21, Target: basket{5}},                               // light
		{Baskets: []basket{{5}, {5}, {5}, {5}, {6}}, Days: []float64{0, 7, 14, 21, 28}, Now: 35, Target: basket{6, 7}},          // light
		{Baskets: []basket{{5}, {5}, {5}, {5}, {6}}, Days: []float64{0, 7, 14, 21, 28}, Now: 35, Target: basket{6, 7}},          // light
		{Baskets: []basket{{5}, {5}, {5}, {5}, {6}, {6}}, Days: []float64{0, 7, 14, 21, 28, 35}, Now: 42, Target: basket{6, 7}}, // heavy
	}
	report := Run(shoppers, []Method{fixed{basket{7, 1, 5}}, fixed{basket{9}}})
	if report.Shoppers != 6 || report.Known != 7 || report.Items != 6 {
		t.Fatalf("got %+v", report)
	}
	if want := map[string]int{New: 1, Lapsed: 1, Light: 3, Heavy: 1}; !reflect.DeepEqual(report.Segments, want) {
		t.Errorf("segments: got %v, want %v", report.Segments, want)
	}
	second, third := 1/math.Log2(3), 1/math.Log2(4)
	ideal2 := 1 + second
	want := map[string]float64{
		"recall_10":  (0.5 + 0 + 1 + 3*0.5) / 6,
		"ndcg_10":    (second/ideal2 + third + 3*1/ideal2) / 6,
		"hit_10":     5. / 6,
		"repeat_10":  (1 + 1 + 0 + 0 + 0) / 5., // who bought something of the target before
		"new_10":     (0 + 0 + 1 + 1 + 1) / 5., // who had not
		"repeats_10": (1 + 0 + 1 + 1 + 1 + 1) / 60.,
		// 7 was bought by nobody: half of 7 shoppers; 1 by two, 5 by four.
		"novelty_10": (math.Log2(14) + math.Log2(3.5) + math.Log2(7./4)) / 3,
	}
	first := report.Results[0]
	for figure, value := range want {
		if got := first.All[figure]; math.Abs(got.Mean-value) > 1e-12 || got.Low > got.Mean || got.High < got.Mean {
			t.Errorf("%s: got %+v, want %v", figure, got, value)
		}
	}
	if got := first.Coverage["coverage_10"]; got != 3./6 {
		t.Errorf("coverage: got %v", got)
	}
	if got := first.Segments[New]["recall_10"]; got.Mean != 0.5 || got.Shoppers != 1 {
		t.Errorf("recall of the new: got %+v", got)
	}
	if got, want := report.Results[1].Behind["recall_10"].Mean, (0+0+1+3*0.5)/6; math.Abs(got-want) > 1e-12 {
		t.Errorf("the second is behind by %v, want %v", got, want)
	}
}

// TestIntervalHolds draws samples of a known mean: about 95 of 100 intervals must hold it.
func TestIntervalHolds(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(4, 4))
	held := 0
	const trials = 200
	for range trials {
		values := make([]scores, 150)
		for i := range values {
			if random.Float64() < 0.2 {
				values[i][recall10] = 1
			}
		}
		if got := intervals(values)["recall_10"]; got.Low <= 0.2 && 0.2 <= got.High {
			held++
		}
	}
	if held < trials*88/100 || held == trials {
		t.Errorf("%d of %d intervals hold the mean, want about 95 of 100", held, trials)
	}
}

// TestSplit holds that nothing of the future is in the past: what is left equals a history that never knew it.
func TestSplit(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 9))
		names := who.NewNames()
		since := start.AddDate(0, 0, 40+random.IntN(60))
		var all, before []who.Event
		for day := range 100 {
			if random.IntN(3) == 0 {
				continue
			}
			at := start.AddDate(0, 0, day)
			for item := range 8 {
				if random.IntN(4) > 0 {
					continue
				}
				e := who.Event{Kind: who.Purchased, Item: string(rune('a' + item)), At: at, Quantity: 1}
				all = append(all, e)
				if at.Before(since) {
					before = append(before, e)
				}
			}
		}
		for _, e := range all { // the same numbers in both
			names.Items.Number(e.Item)
		}
		h, want := (*who.History)(nil).With(names, all...), (*who.History)(nil).With(names, before...)
		past, shoppers := Split([]*who.History{nil, h}, who.Stamp(since))
		if len(past) != 1 || len(shoppers) != 1 {
			t.Fatal("one shopper goes in, one must come out")
		}
		got := past[0]
		if got.Orders != want.Orders || !slices.Equal(got.Baskets, want.Baskets) {
			t.Fatalf("seed %d: got %d baskets, want %d", seed, len(got.Baskets), len(want.Baskets))
		}
		if len(got.Items) != len(want.Items) {
			t.Fatalf("seed %d: got items %v, want %v", seed, got.Items, want.Items)
		}
		after := len(h.Baskets) - len(want.Baskets)
		for i := range got.Items {
			a, b := got.Items[i], want.Items[i]
			seen := uint64(1)<<(who.Tail-after) - 1 // beyond it the whole history does not know which baskets
			if a.Item != b.Item || a.Count != b.Count || a.First != b.First || a.Recent&seen != b.Recent&seen || a.Recent != 0 && a.Last != b.Last {
				t.Fatalf("seed %d: got %+v, want %+v", seed, a, b)
			}
		}
		if after == 0 || len(want.Baskets) == 0 {
			continue
		}
		s := shoppers[0]
		next := h.Baskets[len(h.Baskets)-after]
		if len(s.Target) != int(next.Lines) || s.Now != float64(next.At)/secondsADay || len(s.Baskets) != len(s.Days) {
			t.Fatalf("seed %d: the target is %v, want the %d items of the first basket since", seed, s.Target, next.Lines)
		}
		if len(h.Baskets) <= who.Tail {
			lines := 0
			for k, b := range s.Baskets {
				lines += len(b)
				if len(b) != int(want.Baskets[k].Lines) {
					t.Fatalf("seed %d: basket %d has %d items, want %d", seed, k, len(b), want.Baskets[k].Lines)
				}
			}
			if lines != len(before) {
				t.Fatalf("seed %d: %d lines, want %d", seed, lines, len(before))
			}
		}
	}
}
