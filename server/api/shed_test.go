package api

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// machine is a model of one that can answer so many calls in a window, or refuse 1/refusalCost times as many. Calls wait in a queue before
// it knows whose they are, as goroutines do before their first line.
type machine struct {
	capacity float64
	queue    []string
	random   *rand.Rand
}

const refusalCost = 0.12 // of a call that is answered: reading it, its token, and writing a few bytes

// window lets retailers ask, and tells what of each was answered and refused, and how long who comes now would wait.
func (m *machine) window(s *shedder, asked map[string]int) (answered, refused map[string]int, wait time.Duration) {
	var came []string
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		for range asked[name] {
			came = append(came, name)
		}
	}
	m.random.Shuffle(len(came), func(i, j int) { came[i], came[j] = came[j], came[i] })
	m.queue = append(m.queue, came...)
	answered, refused = map[string]int{}, map[string]int{}
	done, spent := 0, 0.
	for ; done < len(m.queue) && spent < m.capacity; done++ {
		name := m.queue[done]
		if d, why := s.enter(name); why == "" {
			s.leave(d)
			answered[name]++
			spent++
		} else {
			refused[name]++
			spent += refusalCost
		}
	}
	m.queue = m.queue[done:]
	wait = time.Duration(float64(len(m.queue)) * spent / float64(max(1, done)) / m.capacity * float64(shedWindow))
	s.turn(wait)
	return answered, refused, wait
}

// TestShedding asks the model for five times what it can answer: what is let in is answered soon, most of the machine that refusing
// leaves is used, a small retailer beside a flood is never refused, and after the flood all are let in again.
func TestShedding(t *testing.T) {
	t.Parallel()
	const capacity, small, calm = 400, 20, 200
	s, m := newShedder(0, 2*time.Millisecond), &machine{capacity: capacity, random: rand.New(rand.NewPCG(1, 2))}
	for range 20 {
		if _, refused, wait := m.window(s, map[string]int{"flood": calm, "small": small}); len(refused) > 0 || wait != 0 {
			t.Fatalf("without need: refused %v, wait %s", refused, wait)
		}
	}
	var waits []time.Duration
	sum := 0
	const windows, learning = 400, 40 // two seconds to find out
	for n := range windows {
		answered, refused, wait := m.window(s, map[string]int{"flood": 5 * capacity, "small": small})
		if refused["small"] > 0 {
			t.Errorf("window %d: %d calls of the small retailer were refused", n, refused["small"])
		}
		if n >= learning {
			waits, sum = append(waits, wait), sum+answered["flood"]+answered["small"]
		}
	}
	slices.Sort(waits)
	if p99 := waits[len(waits)*99/100]; p99 > 5*s.maxWait {
		t.Errorf("at five times what can be answered calls wait %s (p99), want at most %s", p99, 5*s.maxWait)
	}
	// Who refuses x calls and answers y spends refusalCost·x + y of the capacity, and x + y is five times as many.
	best := (1 - 5*refusalCost) / (1 - refusalCost) * capacity
	if part := float64(sum) / (windows - learning) / best; part < 0.85 {
		t.Errorf("%.0f %% of what can be answered beside the refusals was, want at least 85 %%", 100*part)
	}
	after := 0
	for ; after < 400 && s.share.Load() != math.MaxInt64; after++ {
		m.window(s, map[string]int{"flood": calm, "small": small})
	}
	if after > 100 { // five seconds
		t.Errorf("%d windows after the flood calls are still counted", after)
	}
	if _, refused, _ := m.window(s, map[string]int{"flood": calm, "small": small}); len(refused) > 0 {
		t.Errorf("after the flood: refused %v", refused)
	}
}

// TestShedderForgets holds that retailers who call no more cost no memory.
func TestShedderForgets(t *testing.T) {
	t.Parallel()
	s := newShedder(0, time.Millisecond)
	for n := range 100 {
		d, _ := s.enter(fmt.Sprint(n))
		if n > 0 {
			s.leave(d)
		}
	}
	for range shedForget + 2 {
		s.turn(0)
	}
	left := 0
	s.retailers.Range(func(any, any) bool { left++; return true })
	if left != 1 {
		t.Errorf("%d retailers are remembered, want the one with a call under way", left)
	}
}

// TestPlaces holds that one retailer whose calls wait for the store leaves places to others, who leave some, too.
func TestPlaces(t *testing.T) {
	t.Parallel()
	s := newShedder(64, time.Millisecond)
	fill := func(retailer string) (n int) {
		for ; n < 100; n++ {
			if _, why := s.enter(retailer); why == refusedForPlaces {
				return n
			}
		}
		return n
	}
	if n := fill("flood"); n != 32 {
		t.Errorf("one retailer got %d of 64 places, want half", n)
	}
	if n := fill("other"); n != 16 {
		t.Errorf("another got %d of the 32 that were left, want half", n)
	}
	if n := s.under.Load(); n != 48 {
		t.Errorf("%d are under way, want 48: who was refused has no place", n)
	}
}

// TestEvenShare compares the share with its definition, tried out.
func TestEvenShare(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		asked := rapid.SliceOfN(rapid.Int64Range(1, 50), 1, 8).Draw(t, "asked")
		there := rapid.Int64Range(0, 200).Draw(t, "there")
		got := func(share int64) (sum int64) {
			for _, n := range asked {
				sum += min(n, share)
			}
			return sum
		}
		share := evenShare(slices.Clone(asked), there)
		if got(share) > there {
			t.Fatalf("a share of %d gives %d of %d", share, got(share), there)
		}
		if share != math.MaxInt64 && got(share+1) <= there {
			t.Fatalf("a share of %d leaves room: %d of %d", share, got(share+1), there)
		}
	})
}

// TestSchedulerWaits holds that the runtime tells what is asked for.
func TestSchedulerWaits(t *testing.T) {
	t.Parallel()
	w := newSchedulerWaits()
	for range 100 {
		done := make(chan struct{})
		go close(done)
		<-done
	}
	if wait := w.median(); wait < 0 || wait > time.Minute {
		t.Errorf("the median wait is %s", wait)
	}
	counted := uint64(0)
	for _, n := range w.before {
		counted += n
	}
	if counted == 0 {
		t.Error("the runtime counted no waits: nothing would ever be refused")
	}
}
