package recommend_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"satnav/context/scene"
	"satnav/context/when"
	"satnav/context/where"
	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
)

// BenchmarkNeutral is the answer to who wants no personal suggestions, beside the personal one of the same shopper, turn by turn: opting out must
// cost nobody time.
func BenchmarkNeutral(b *testing.B) {
	snapshot, histories, _ := city(5_000, 3_000)
	grants := who.Defaults([]who.Purpose{who.Loyalty, who.Location}, monday)
	random := rand.New(rand.NewPCG(3, 4))
	kinds := [2]*who.Preferences{nil, {Neutral: true}}
	var requests [2][]*recommend.Request
	for range 1 << 12 {
		h := histories[random.IntN(len(histories))]
		for kind, wishes := range kinds {
			shopper := who.New(who.Record{Key: who.Key{Retailer: "r", Shopper: "s"}, Grants: grants, History: h, Wishes: wishes})
			requests[kind] = append(requests[kind], &recommend.Request{
				Scene: scene.Scene{
					Shopper: who.NewSubject(shopper, who.Permissions{Location: geo.Precise}),
					Place:   where.Place{Known: true, Precision: geo.Precise, Point: geo.Point{Lat: 51.05, Lng: 0.02}},
					Moment:  when.Moment{Instant: monday},
				},
				Limit: 20,
			})
		}
	}
	var took [2][]time.Duration
	for b.Loop() {
		for kind := range kinds {
			r := requests[kind][len(took[kind])%len(requests[kind])]
			begin := time.Now()
			got, _ := recommend.Recommend(snapshot, r)
			took[kind] = append(took[kind], time.Since(begin))
			if len(got) != 20 {
				b.Fatalf("kind %d: got %d suggestions, want 20", kind, len(got))
			}
		}
	}
	for _, share := range []struct {
		name string
		at   float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		personal, neutral := percentile(took[0], share.at), percentile(took[1], share.at)
		b.ReportMetric(personal, share.name+"-personal-µs")
		b.ReportMetric(neutral, share.name+"-neutral-µs")
		b.ReportMetric(neutral/personal, share.name+"-neutral/personal")
	}
}
