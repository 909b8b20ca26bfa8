package deliver_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"satnav/server/deliver"
)

// BenchmarkDelivery pays for one trigger on its way from the store to a webhook on this machine that answers at once: read,
// signed, sent, answered, noted. The triggers of 1,000 shoppers wait when it begins.
func BenchmarkDelivery(b *testing.B) {
	h := newHouse(b, deliver.Config{}, time.Now)
	var got atomic.Int64
	all := make(chan struct{})
	r := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		if got.Add(1) == int64(b.N) {
			close(all)
		}
	}))
	defer r.Close()
	h.hook(b, "orders", r.URL)
	const shoppers = 1_000
	for n := range b.N {
		h.cross(b, fmt.Sprint("s", n%shoppers), n/shoppers, 1)
	}
	b.ResetTimer()
	h.run(b)
	<-all
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
