package bench

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"time"
)

const bound = 50 * time.Millisecond

// TestSearchFindsTheBorder looks for the border of a server that bears just so much.
func TestSearchFindsTheBorder(t *testing.T) {
	t.Parallel()
	for _, border := range []float64{3, 700, 1000, 12_345} {
		confirmed := false
		s := search{
			from: 1000, bound: bound, probe: time.Second, confirm: time.Minute,
			try: func(_ context.Context, rate float64, lasting time.Duration) (outcome, error) {
				confirmed = lasting == time.Minute
				return answered(rate <= border), nil
			},
			said: func(float64, *outcome) {},
		}
		rate, _, err := s.highest(t.Context())
		if err != nil || rate > border || rate < border*(1-2*precision) || !confirmed {
			t.Errorf("border %v: found %v, confirmed %v, %v", border, rate, confirmed, err)
		}
	}
}

func TestSearchTellsWhatWentWrong(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	s := search{
		from: 8, bound: bound, probe: time.Second, confirm: time.Second,
		try: func(context.Context, float64, time.Duration) (outcome, error) {
			o := answered(true)
			o.Errors, o.First = 1, broken
			return o, nil
		},
		said: func(float64, *outcome) {},
	}
	if _, _, err := s.highest(t.Context()); !errors.Is(err, broken) {
		t.Errorf("got %v, want why no rate holds", err)
	}
}

// TestSearchStopsAtTheMost never tries more than it was told.
func TestSearchStopsAtTheMost(t *testing.T) {
	t.Parallel()
	s := search{
		from: 1000, most: 5000, bound: bound, probe: time.Second, confirm: time.Second,
		try: func(_ context.Context, rate float64, _ time.Duration) (outcome, error) {
			if rate > 5000 {
				t.Errorf("tried %v", rate)
			}
			return answered(true), nil
		},
		said: func(float64, *outcome) {},
	}
	if rate, _, err := s.highest(t.Context()); err != nil || rate != 4000 {
		t.Errorf("found %v, %v; want 4000", rate, err)
	}
}

func answered(inTime bool) outcome {
	o := outcome{Sent: 1}
	for i := range o.latency {
		o.latency[i] = newHistogram()
	}
	latency := bound / 2
	if !inTime {
		latency *= 4
	}
	_ = o.latency[plain].RecordValue(latency.Microseconds())
	return o
}

// TestLoadChargesForWaiting lets the only worker stand still: whoever was due meanwhile is told to have waited,
// though nobody could send them.
func TestLoadChargesForWaiting(t *testing.T) {
	t.Parallel()
	const stop = 300 * time.Millisecond
	l := load{rate: 100, lasting: 500 * time.Millisecond, workers: 1, hopeless: time.Minute, call: func(_ int, n int64) (class, error) {
		if n == 10 {
			time.Sleep(stop)
		}
		return plain, nil
	}}
	o := l.run(t.Context())
	if o.Sent != 50 {
		t.Fatalf("%d calls, want 50", o.Sent)
	}
	// Some 30 calls were due while it stood still; half of them waited for more than half of the time.
	h, waited := o.all(), 0
	for _, bar := range h.Distribution() {
		if bar.From > stop.Microseconds()/3 {
			waited += int(bar.Count)
		}
	}
	if waited < 15 {
		t.Errorf("%d calls waited, want at least 15 of the 30 that were due", waited)
	}
}

// TestLoadGivesUp ends a load that cannot be borne long before all its calls were made.
func TestLoadGivesUp(t *testing.T) {
	t.Parallel()
	var made atomic.Int64
	l := load{rate: 1000, lasting: time.Minute, workers: 4, hopeless: time.Second, call: func(int, int64) (class, error) {
		made.Add(1)
		time.Sleep(50 * time.Millisecond)
		return plain, nil
	}}
	if o := l.run(t.Context()); !o.GivenUp || o.sustained(bound) || made.Load() > 30_000 {
		t.Errorf("given up %v, sustained %v, after %d calls", o.GivenUp, o.sustained(bound), made.Load())
	}
}

func TestErrorsAreCountedApart(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	l := load{rate: 10_000, lasting: 10 * time.Millisecond, workers: 8, hopeless: time.Minute, call: func(_ int, n int64) (class, error) {
		if n%10 == 0 {
			return plain, refused
		}
		return class(n % 2), nil
	}}
	o := l.run(t.Context())
	if o.Sent != 100 || o.Errors != 10 || !errors.Is(o.First, refused) || o.all().TotalCount() != 90 || o.sustained(bound) {
		t.Errorf("%d sent, %d errors, first %v, %d latencies", o.Sent, o.Errors, o.First, o.all().TotalCount())
	}
	if share := figures(1, &o).Crossings; math.Abs(share-0.5) > 0.01 {
		t.Errorf("share of crossings %v, want 0.5", share)
	}
}
