package who_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"satnav/context/who"
)

// BenchmarkHeap tells what a million shoppers with 16 baskets and 60 items each take in memory: B/shopper.
func BenchmarkHeap(b *testing.B) {
	const shoppers, kinds = 1_000_000, 500
	names := who.NewNames()
	random := rand.New(rand.NewPCG(1, 1))
	templates := make([]*who.History, kinds)
	for i := range templates {
		var events []who.Event
		items := random.Perm(30_000)[:60]
		for n, item := range append(items, items[:30]...) { // half of them are bought again
			at := time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC).AddDate(0, 0, 7*(n%16))
			events = append(events, who.Event{Kind: who.Purchased, Item: fmt.Sprint(item), At: at, Quantity: 1, Store: fmt.Sprint("s", i%40)})
		}
		templates[i] = (*who.History)(nil).With(names, events...)
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		before := heap()
		all := make([]*who.History, shoppers)
		for i := range all {
			all[i] = templates[i%kinds].With(names)
		}
		b.ReportMetric(float64(heap()-before)/shoppers, "B/shopper")
		runtime.KeepAlive(all)
	}
}
