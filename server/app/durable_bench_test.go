package app

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"satnav/config"
	"satnav/context/who"
	"satnav/server/diary"
	"satnav/server/retailer"
	"satnav/server/store/mongodb/mongotest"
)

// openOn opens Satnav on a store of its own; url "" is the embedded one.
func openOn(b *testing.B, url string) *App {
	b.Helper()
	c := config.Default()
	c.Data = b.TempDir()
	if url != "" {
		c.Store = url
	}
	a, err := Open(b.Context(), Options{Config: c, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := a.Close(); err != nil {
			b.Error(err)
		}
	})
	return a
}

// BenchmarkEvents pays for one event that is durable when it is acknowledged, all but HTTP, from so many clients at once, each with
// a shopper of its own. mongodb is the server that SATNAV_TEST_MONGODB names, else the test server, which is made for
// conformance and says nothing of MongoDB.
func BenchmarkEvents(b *testing.B) {
	for _, engine := range []string{"embedded", "mongodb"} {
		for _, clients := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/clients=%d", engine, clients), func(b *testing.B) {
				url := ""
				if engine == "mongodb" {
					url = mongotest.URL(b)
				}
				a := openOn(b, url)
				event := func(client int, id string) {
					results, err := a.Diary.Record(b.Context(), "shop", time.Now(), []diary.Entry{{
						Shopper: fmt.Sprint("s", client), Event: who.Event{ID: id, Kind: "view", Item: "i"},
					}})
					if err != nil || results[0].Status != diary.Stored {
						b.Error(err, results)
					}
				}
				for client := range clients {
					event(client, "first")
				}
				var next atomic.Int64
				var all sync.WaitGroup
				b.ResetTimer()
				for client := range clients {
					all.Go(func() {
						for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
							event(client, fmt.Sprint("e", n))
						}
					})
				}
				all.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}

// BenchmarkEditIsLive tells how long after its answer an edit in one process is live in another one on the same database.
func BenchmarkEditIsLive(b *testing.B) {
	url := mongotest.URL(b)
	one, two := openOn(b, url), openOn(b, url)
	by := retailer.Editor{Role: "admin", Subject: "bench"}
	var longest, sum time.Duration
	for n := 0; b.Loop(); n++ {
		id := fmt.Sprint("p", n)
		saved, err := one.Retailers.SaveProducts(b.Context(), "shop", by, []retailer.Change[retailer.Product]{{ID: id, Value: retailer.Product{Title: "Beans"}}})
		if err != nil || saved[0].Err != nil {
			b.Fatal(err, saved)
		}
		began := time.Now()
		for {
			snapshot, err := two.Retailers.Of(b.Context(), "shop")
			if err != nil {
				b.Fatal(err)
			}
			if item, known := snapshot.Names.Items.Lookup(id); known && snapshot.Suggest.Catalogue.Product(item) != nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		took := time.Since(began)
		longest, sum = max(longest, took), sum+took
	}
	b.ReportMetric(float64(sum.Milliseconds())/float64(b.N), "ms/edit")
	b.ReportMetric(float64(longest.Milliseconds()), "ms-longest")
}
