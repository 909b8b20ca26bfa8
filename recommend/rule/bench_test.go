package rule

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"satnav/context/who"
)

// town is a set of rules such as a retailer has, and scenes and candidates for it: one rule in ten has no
// index, and the scene part of nearly half of them holds in a scene, which is more than real rules do.
type town struct {
	set        *Set
	scenes     []Scene
	candidates []Candidate
}

func newTown(t testing.TB, rules int) town {
	t.Helper()
	random := rand.New(rand.NewPCG(3, uint64(rules)))
	one := func(words ...string) string { return words[random.IntN(len(words))] }
	number := func(most int) int { return random.IntN(most) }
	tiers := []string{"bronze", "silver", "gold"}
	var all []Rule
	for i := range rules {
		scene := []string{
			fmt.Sprintf(`moment.weekday in [%q, %q]`, one(Weekdays...), one(Weekdays...)),
			fmt.Sprintf(`shopper.tier == %q`, one(tiers...)),
			fmt.Sprintf(`place.store == "store-%d"`, number(40)),
			fmt.Sprintf(`shopper.days_since_purchase > %d && shopper.lifecycle != "new"`, number(60)),
			fmt.Sprintf(`moment.hour >= %d && moment.hour < %d`, number(12), 12+number(12)),
			fmt.Sprintf(`place.distance_m < %d && place.open`, 100*number(30)),
			fmt.Sprintf(`(shopper.share_likelihood > 0.%d || shopper.orders > %d)`, number(10), number(50)),
			fmt.Sprintf(`basket.categories.exists(x, x == "category-%d/sub")`, number(30)),
			`shopper.known`, `shopper.known`, `moment.hour >= 0`,
		}[number(11)]
		if number(2) == 0 {
			scene += fmt.Sprintf(` && shopper.visits_here >= %d`, number(6))
		}
		candidate := []string{
			fmt.Sprintf(`candidate.item == "item-%d"`, number(3000)),
			fmt.Sprintf(`candidate.category == "category-%d/sub"`, number(30)),
			fmt.Sprintf(`candidate.category.startsWith("category-%d/")`, number(30)),
			fmt.Sprintf(`candidate.brand == "brand-%d"`, number(200)),
			fmt.Sprintf(`"tag-%d" in candidate.tags`, number(50)),
		}[number(5)]
		if i%10 == 0 {
			candidate = []string{
				fmt.Sprintf(`candidate.price > %d`, number(20)), fmt.Sprintf(`candidate.due >= 1.%d`, number(10)),
				fmt.Sprintf(`candidate.margin > 0.%d && candidate.stock > %d`, number(6), number(100)),
			}[number(3)]
		} else if number(2) == 0 {
			candidate += fmt.Sprintf(` && candidate.price < %d`, number(20))
		}
		all = append(all, Rule{
			ID: fmt.Sprintf("rule-%04d", i), Uses: []who.Purpose{who.Loyalty, who.Location}, Priority: number(10),
			When: scene + " && " + candidate, Then: []Action{{Kind: Boost, Factor: 1.5}},
		})
	}
	set, err := NewSet("v1", all, House{})
	if err != nil {
		t.Fatal(err)
	}
	w := town{set: set, scenes: make([]Scene, 64), candidates: make([]Candidate, 120)}
	for i := range w.scenes {
		s := &w.scenes[i]
		s.Shopper = Shopper{Known: true, Tier: one(tiers...), Lifecycle: one(Lifecycles...), Orders: int64(number(60)),
			DaysSincePurchase: Known(int64(number(60))), ShareLikelihood: Known(random.Float64()), VisitsHere: Known(int64(number(8)))}
		s.Place = Place{Known: true, Store: fmt.Sprintf("store-%d", number(40)), DistanceMeters: Known(3000 * random.Float64()), Open: Known(number(4) > 0)}
		s.Moment = Moment{Minute: number(1440), Weekday: number(7), Year: 2026, Month: 11, Day: 22}
		s.Basket.Categories = []string{fmt.Sprintf("category-%d/sub", number(30)), fmt.Sprintf("category-%d/sub", number(30))}
	}
	for i := range w.candidates {
		price := int64(50 + number(2000))
		w.candidates[i] = Candidate{Kind: "product", Item: fmt.Sprintf("item-%d", number(3000)), Category: fmt.Sprintf("category-%d/sub", number(30)),
			Brand: fmt.Sprintf("brand-%d", number(200)), Tags: []string{fmt.Sprintf("tag-%d", number(50)), fmt.Sprintf("tag-%d", number(50))},
			Price: who.Money{Minor: price, Known: true}, Cost: who.Money{Minor: price * 6 / 10, Known: true},
			Stock: Known(int64(number(200))), Due: Maybe[float64]{2 * random.Float64(), number(3) == 0}}
	}
	return w
}

// BenchmarkScene pays for the scene parts of all rules, once an answer.
func BenchmarkScene(b *testing.B) {
	for _, rules := range []int{200, 2000} {
		b.Run(fmt.Sprintf("rules=%d", rules), func(b *testing.B) {
			w := newTown(b, rules)
			b.ReportAllocs()
			active, n := 0, 0
			for b.Loop() {
				r := w.set.Begin(&w.scenes[n%len(w.scenes)], nil)
				active += r.keyed + len(r.open)
				r.Release()
				n++
			}
			b.ReportMetric(float64(active)/float64(n), "active/op")
		})
	}
}

// BenchmarkCandidates pays for the candidate parts of all rules over 120 candidates, and for their effects.
func BenchmarkCandidates(b *testing.B) {
	for _, rules := range []int{200, 2000} {
		b.Run(fmt.Sprintf("rules=%d/candidates=120", rules), func(b *testing.B) {
			w := newTown(b, rules)
			b.ReportAllocs()
			var e Effect
			var r *Request
			n, matched := 0, 0
			for b.Loop() {
				b.StopTimer()
				if r != nil {
					r.Release()
				}
				r = w.set.Begin(&w.scenes[n%len(w.scenes)], nil)
				b.StartTimer()
				for i := range w.candidates {
					r.Candidate(&w.candidates[i], &e)
					matched += len(e.Matched)
				}
				n++
			}
			b.ReportMetric(float64(matched)/float64(n), "matched/op")
		})
	}
}

// BenchmarkWhole pays for an answer's rules from Begin to Release.
func BenchmarkWhole(b *testing.B) {
	for _, rules := range []int{200, 2000} {
		b.Run(fmt.Sprintf("rules=%d/candidates=120", rules), func(b *testing.B) {
			w := newTown(b, rules)
			b.ReportAllocs()
			var e Effect
			n := 0
			for b.Loop() {
				r := w.set.Begin(&w.scenes[n%len(w.scenes)], nil)
				for i := range w.candidates {
					r.Candidate(&w.candidates[i], &e)
				}
				r.Release()
				n++
			}
		})
	}
}

// BenchmarkCondition pays for one condition of eight comparisons, as closures and by CEL's interpreter.
func BenchmarkCondition(b *testing.B) {
	const source = `shopper.tier in ["silver", "gold"] && moment.hour >= 7 && moment.hour < 23 && moment.payday_distance <= 3 && ` +
		`shopper.share_likelihood > 0.2 && shopper.days_since_purchase < 90 && "a" in place.store_tags && place.store != ""`
	f := &frame{scene: &Scene{
		Shopper: Shopper{Tier: "gold", ShareLikelihood: Known(0.5), DaysSincePurchase: Known(int64(5))},
		Moment:  Moment{Minute: 600, PaydayDistance: Known(int64(1))}, Place: Place{Store: "s", StoreTags: []string{"b", "a"}},
	}}
	c, problems := compile(source)
	if len(problems) > 0 {
		b.Fatal(problems)
	}
	b.Run("closures", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if c.whole(f) != yes {
				b.Fatal("it does not hold")
			}
		}
	})
	b.Run("interpreter", func(b *testing.B) {
		lang, _ := dialect()
		program, err := lang.Program(c.tree)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if interpreted(b, program, f) != yes {
				b.Fatal("it does not hold")
			}
		}
	})
}
