package store_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"satnav/server/store"
	"satnav/server/store/embedded/embeddedtest"
)

var stock = store.Quota{Retailer: "demo", Of: "ten", What: "offer-stock"}

// Whatever many processes draw, return, release or take with them when they are killed, no more is handed out than the limit; and of what is not
// handed out when nobody gets anything more, all is with processes that did not end in order.
func TestQuotasNeverOverspend(t *testing.T) {
	t.Parallel()
	documents := embeddedtest.Open(t)
	log, n := slog.New(slog.DiscardHandler), 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		quota, limit := stock, rapid.Int64Range(1, 2000).Draw(t, "limit")
		quota.Of += string(rune('0'+n%10)) + time.Duration(n).String()
		processes := make([]*store.Quotas, 3)
		held := make([]int64, len(processes)) // that each leased and did not hand out, at most
		lost, spent := int64(0), int64(0)
		for i := range processes {
			processes[i] = store.NewQuotas(documents, log)
		}
		left := func(p int) int64 { // takes all that a process has leased
			sum := int64(0)
			for processes[p].Take(quota, limit, 1) {
				sum++
			}
			return sum
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			p := rapid.IntRange(0, len(processes)-1).Draw(t, "process")
			want := rapid.Int64Range(1, 1+limit/4).Draw(t, "n")
			switch rapid.SampledFrom([]string{"draw", "draw", "draw", "take", "return", "kill", "stop"}).Draw(t, "what") {
			case "draw":
				ok, err := processes[p].Draw(context.Background(), quota, limit, want)
				if err != nil {
					t.Fatal(err)
				}
				if ok {
					spent += want
				}
			case "take":
				if processes[p].Take(quota, limit, want) {
					spent += want
				}
			case "return":
				if ok, err := processes[p].Draw(context.Background(), quota, limit, want); err != nil {
					t.Fatal(err)
				} else if ok {
					processes[p].Return(quota, want)
				}
			case "kill":
				had := left(p)
				lost += had
				processes[p] = store.NewQuotas(documents, log)
			case "stop":
				processes[p].Release(context.Background())
				processes[p] = store.NewQuotas(documents, log)
			}
			if spent > limit {
				t.Fatalf("%d were handed out, the limit is %d", spent, limit)
			}
		}
		for p := range processes { // what is left is had by whoever asks
			for {
				ok, err := processes[p].Draw(context.Background(), quota, limit, 1)
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
				spent++
			}
			held[p] = left(p)
		}
		others := int64(0)
		for _, h := range held {
			others += h
		}
		if spent+lost+others != limit {
			t.Fatalf("handed out %d, lost with processes %d, leased elsewhere %d: that is not the limit %d", spent, lost, others, limit)
		}
	})
}

// A lease takes a twentieth of what is left at most, unless more is asked for at once.
func TestLeaseIsAShare(t *testing.T) {
	t.Parallel()
	documents := embeddedtest.Open(t)
	for _, c := range []struct {
		limit, ask, most int64
	}{{1000, 1, 50}, {1000, 200, 200}, {10, 1, 1}} {
		quota := stock
		quota.Of = time.Duration(c.limit + c.ask).String()
		q := store.NewQuotas(documents, slog.New(slog.DiscardHandler))
		if ok, err := q.Draw(t.Context(), quota, c.limit, c.ask); !ok || err != nil {
			t.Fatalf("%+v: %v, %v", c, ok, err)
		}
		leased := c.ask
		for q.Take(quota, c.limit, 1) {
			leased++
		}
		if leased > c.most {
			t.Errorf("limit %d, asked for %d: leased %d, want at most %d", c.limit, c.ask, leased, c.most)
		}
	}
}

// Many at once, in several processes: exactly the limit is handed out.
func TestQuotasAtOnce(t *testing.T) {
	t.Parallel()
	documents := embeddedtest.Open(t)
	const limit = 300
	var spent atomic.Int64
	var all sync.WaitGroup
	processes := make([]*store.Quotas, 4)
	for p := range processes {
		processes[p] = store.NewQuotas(documents, slog.New(slog.DiscardHandler))
		for range 4 {
			all.Go(func() {
				for range limit {
					ok, err := processes[p].Draw(context.Background(), stock, limit, 1)
					if err != nil {
						t.Error(err)
						return
					}
					if ok {
						spent.Add(1)
					}
				}
			})
		}
	}
	all.Wait()
	if spent.Load() > limit {
		t.Fatalf("%d were handed out, the limit is %d", spent.Load(), limit)
	}
	for _, q := range processes {
		for {
			ok, err := q.Draw(t.Context(), stock, limit, 1)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			spent.Add(1)
		}
	}
	if spent.Load() != limit {
		t.Errorf("%d were handed out, want all %d: nobody has a lease left", spent.Load(), limit)
	}
}
