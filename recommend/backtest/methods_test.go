package backtest

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"satnav/context/who"
)

type basket = []who.Item

// three shoppers whose figures can be worked out by hand.
var three = []Shopper{
	{Baskets: []basket{{1, 2}, {2}, {2, 3}}},
	{Baskets: []basket{{2, 4}, {4}}},
	{Baskets: []basket{{5}}},
}

func TestMethodsByHand(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		method  Method
		shopper int
		want    []who.Item
	}{
		// Baskets: 2 in four, 4 in two, 1, 3 and 5 in one each.
		{"popular", Popular(three), 0, basket{2, 4, 1, 3, 5}},
		// The first shopper: 2 three times, 1 and 3 once; all of them equally popular, so that the number decides.
		{"personal", Personal(three, false), 0, basket{2, 1, 3, 4, 5}},
		{"personal by recency", Personal(three, true), 0, basket{2, 3, 1, 4, 5}},
		// w of the first: 1 → 0, 2 → 1, 3 → 1/2 (its newest 2 baskets); of the second: 2 → 1/2, 4 → 1. Of the first's three
		// items and the second's two, one is common: sim = 1 / (√3 √2) = 0.408, and of the first with itself 1. So
		// 2: 1 + 0.408/2 = 1.204; 3: 0.5; 4: 0.408; then what is popular: 1, 5.
		{"UP-CF", UPCF(three, UPCFParameters{2, 0.5, 1}), 0, basket{2, 3, 4, 1, 5}},
		// Groups of 2, from the newest back: {1 2} alone, then {2} {2 3}. r_b 1/2, r_g 1/4.
		// v: 1 → 1/2·1/4·1 = .125; 2 → .125 + 1/2·(1/2·(.5+1)) = .5; 3 → 1/2·1/2·1 = .25. The second shopper has one group:
		// 2 → 1/2·.5 = .25; 4 → 1/2·1.5 = .75. The third: 5 → 1. Distances², from the first: second .0156+.0625+.0625+.5625 =
		// .703; third .0156+.25+.0625+1 = 1.33. With one neighbour and α 1/4:
		// 1: .03; 2: .125+.1875 = .3125; 3: .0625; 4: .5625. Then what is popular: 5.
		{"TIFU-KNN", TIFUKNN(three, TIFUParameters{1, 0.5, 0.25, 0.25, 2}), 0, basket{4, 2, 3, 1, 5}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := tc.method.Rank(tc.shopper, nil); !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// shop makes shoppers by chance.
func shop(random *rand.Rand) []Shopper {
	shoppers := make([]Shopper, 3+random.IntN(20))
	for i := range shoppers {
		s := &shoppers[i]
		for k := range 1 + random.IntN(12) {
			var b basket
			for item := range who.Item(15) {
				if random.IntN(5) == 0 {
					b = append(b, item+1)
				}
			}
			s.Baskets, s.Days = append(s.Baskets, b), append(s.Days, float64(k*7))
		}
		s.Now = float64(len(s.Baskets) * 7)
		s.Target = basket{who.Item(1 + random.IntN(7)), who.Item(8 + random.IntN(7))}
	}
	return shoppers
}

// byWorth is what a slow twin's scores, by item, say of a list: it must be in their order. Rounding may exchange equals.
func byWorth(t *testing.T, method string, list []who.Item, worth []float64) {
	t.Helper()
	positive := 0
	for _, w := range worth {
		if w > 1e-12 {
			positive++
		}
	}
	for i := range min(positive, Length) {
		if worth[list[i]] <= 1e-12 {
			t.Fatalf("%s: item %d at rank %d is worth nothing, though %d items are worth something", method, list[i], i, positive)
		}
		if i > 0 && worth[list[i]] > worth[list[i-1]]+1e-6 {
			t.Fatalf("%s: item %d stands before %d, worth %v and %v", method, list[i-1], list[i], worth[list[i-1]], worth[list[i]])
		}
	}
}

// TestSlowTwins holds the two methods with neighbours to their formulas, written down without any index.
func TestSlowTwins(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		shoppers := shop(random)
		cf := UPCFParameters{1 + random.IntN(6), random.Float64(), float64(1 + random.IntN(5))}
		knn := TIFUParameters{1 + random.IntN(5), 0.5 + random.Float64()/2, 0.5 + random.Float64()/2, random.Float64(), 1 + random.IntN(4)}
		upcf, tifu := UPCF(shoppers, cf), TIFUKNN(shoppers, knn)
		for u := range shoppers {
			byWorth(t, upcf.Name(), upcf.Rank(u, nil), slowUPCF(shoppers, u, cf))
			byWorth(t, tifu.Name(), tifu.Rank(u, nil), slowTIFU(shoppers, u, knn))
		}
	}
}

func slowUPCF(shoppers []Shopper, u int, p UPCFParameters) []float64 {
	has := func(s *Shopper, item who.Item) bool {
		return slices.ContainsFunc(s.Baskets, func(b basket) bool { return slices.Contains(b, item) })
	}
	worth := make([]float64, 16)
	for v := range shoppers {
		common, own, other := 0.0, 0.0, 0.0
		for item := range who.Item(16) {
			a, b := has(&shoppers[u], item), has(&shoppers[v], item)
			if a {
				own++
			}
			if b {
				other++
			}
			if a && b {
				common++
			}
		}
		if common == 0 {
			continue
		}
		sim := math.Pow(common/(math.Pow(own, p.Asymmetry)*math.Pow(other, 1-p.Asymmetry)), p.Locality)
		recent := shoppers[v].Baskets
		if len(recent) > p.Recency {
			recent = recent[len(recent)-p.Recency:]
		}
		for item := range who.Item(16) {
			for _, b := range recent {
				if slices.Contains(b, item) {
					worth[item] += sim / float64(len(recent))
				}
			}
		}
	}
	return worth
}

func slowTIFU(shoppers []Shopper, u int, p TIFUParameters) []float64 {
	vector := func(baskets []basket) []float64 {
		var groups [][]basket // newest first
		for rest := baskets; len(rest) > 0; {
			cut := max(0, len(rest)-p.Group)
			groups, rest = append(groups, rest[cut:]), rest[:cut]
		}
		v := make([]float64, 16)
		for back, group := range groups {
			for j, b := range group {
				for _, item := range b {
					v[item] += math.Pow(p.Between, float64(back)) * math.Pow(p.Within, float64(len(group)-1-j)) / float64(len(group)) / float64(len(groups))
				}
			}
		}
		return v
	}
	own := vector(shoppers[u].Baskets)
	type other struct {
		far float64
		v   []float64
		id  int
	}
	var others []other
	for n := range shoppers {
		v := vector(shoppers[n].Baskets)
		far := 0.0
		for i := range v {
			far += (v[i] - own[i]) * (v[i] - own[i])
		}
		if n != u && slices.ContainsFunc(v, func(x float64) bool { return x > 0 }) {
			others = append(others, other{far, v, n})
		}
	}
	slices.SortFunc(others, func(a, b other) int { return cmp.Or(cmp.Compare(a.far, b.far), cmp.Compare(a.id, b.id)) })
	others = others[:min(len(others), p.Neighbours)]
	worth := make([]float64, 16)
	for i := range worth {
		worth[i] = p.Own * own[i]
		for _, o := range others {
			worth[i] += (1 - p.Own) * o.v[i] / float64(len(others))
		}
	}
	return worth
}
