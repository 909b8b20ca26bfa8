package learn

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"satnav/context/who"
	"satnav/recommend"
)

// shop is a shop of people who have staples of their own, among 12,000 items of which few sell often.
func shop(lines int) (*recommend.Snapshot, []*who.History, int) {
	const items, perBasket = 12_000, 6
	random := rand.New(rand.NewPCG(5, 5))
	popular := rand.NewZipf(random, 1.1, 8, items-1)
	names := who.NewNames()
	for i := range items {
		names.Items.Number(fmt.Sprint(i))
	}
	var histories []*who.History
	made := 0
	for made < lines {
		staples := make([]uint64, 4+random.IntN(20))
		for i := range staples {
			staples[i] = popular.Uint64()
		}
		var events []who.Event
		for k := range 2 + random.IntN(30) {
			at := start.AddDate(0, 0, 7*k).Add(time.Duration(random.IntN(12)) * time.Hour)
			for range 1 + random.IntN(2*perBasket) {
				item := popular.Uint64()
				if random.IntN(3) == 0 {
					item = staples[random.IntN(len(staples))]
				}
				events = append(events, who.Event{Kind: who.Purchased, Item: fmt.Sprint(item), At: at, Quantity: 1})
			}
		}
		made += len(events)
		histories = append(histories, (*who.History)(nil).With(names, events...))
	}
	return recommend.NewSnapshot(names, nil, nil, nil, nil), histories, made
}

// BenchmarkFit learns a model with its backtest, which is to take no longer than a minute for a million lines on two
// processors, and counts the crowd, which is what a restart has to do.
func BenchmarkFit(b *testing.B) {
	snapshot, histories, lines := shop(1_000_000)
	b.Run(fmt.Sprintf("lines=1M/shoppers=%d", len(histories)), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m, err := Fit(snapshot, histories, "v", start)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(m.Figures[0].Recall10, "recall10")
		}
		b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		b.ReportMetric(1e6/60, "goal-lines/s")
	})
	b.Run("crowd/lines=1M", func(b *testing.B) {
		for b.Loop() {
			crowd := NewCrowd(nil)
			for _, h := range histories {
				crowd.Replace(nil, h)
			}
			crowd.View()
		}
		b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		b.ReportMetric(1e6/5, "goal-lines/s")
	})
}
