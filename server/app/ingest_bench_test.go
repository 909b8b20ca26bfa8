package app

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"satnav/config"
	"satnav/server/importer"
	"satnav/server/retailer"
)

// BenchmarkIngest imports purchases into the embedded store, durably, as the command and the API do: each shopper's lines
// stand together, as files of tills' archives have them.
func BenchmarkIngest(b *testing.B) {
	random := rand.New(rand.NewPCG(3, 3))
	var file strings.Builder
	file.WriteString("shopper,at,basket,item,quantity,price\n")
	lines := 0
	for shopper := range 2_500 {
		for basket := range 6 + random.IntN(20) {
			at := time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC).AddDate(0, 0, 7*basket).Format(time.RFC3339)
			for range 1 + random.IntN(11) {
				fmt.Fprintf(&file, "u%d,%s,u%d-%d,%d,1,1.20\n", shopper, at, shopper, basket, random.IntN(12_000))
				lines++
			}
		}
	}
	for b.Loop() {
		c := config.Default()
		c.Data = b.TempDir()
		a, err := Open(b.Context(), Options{Config: c, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		options, err := a.ImportOptions(b.Context(), "shop")
		if err != nil {
			b.Fatal(err)
		}
		got, err := importer.Run(b.Context(), importer.KindPurchases, strings.NewReader(file.String()), a.Sink("shop", retailer.Editor{Role: "admin", Subject: "bench"}, ""), options)
		if err != nil || got.Stored != lines {
			b.Fatalf("stored %d of %d lines (%v)", got.Stored, lines, err)
		}
		if err := a.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
	b.ReportMetric(50_000, "goal-lines/s")
}
