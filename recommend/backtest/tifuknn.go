package backtest

import (
	"fmt"
	"math"
	"slices"

	"satnav/context/who"
)

// TIFUParameters are those of TIFU-KNN.
type TIFUParameters struct {
	Neighbours int
	Within     float64 // r_b: what a basket counts beside the next one of its group
	Between    float64 // r_g: what a group counts beside the next one
	Own        float64 // α: share of the shopper's own vector
	Group      int     // m: baskets in a group
}

// TIFUPublished are the parameters with which the method's figures were published for three retailers (Hu et al. 2020; Li et
// al. 2023).
var TIFUPublished = []TIFUParameters{{300, 0.9, 0.7, 0.7, 7}, {900, 0.9, 0.6, 0.2, 3}, {900, 0.9, 0.7, 0.9, 3}}

// tifu is TIFU-KNN (Hu, He, Gao and Zhang, Modeling Personalized Item Frequency Information for Next-basket
// Recommendation, SIGIR 2020). A shopper's baskets are put into groups of m from the newest back, so that the oldest group
// may be short. In each group and then over the groups, what is older counts less:
//
//	v(g) = 1/|g| · Σ over the baskets b of g, j from 1, of r_b^(|g|-j) · b
//	v(u) = 1/G · Σ over the groups, g from 1 to G, of r_g^(G-g) · v(g)
//	p(u) = α · v(u) + (1-α) · mean of v over the k shoppers nearest to u (Euclidean distance)
type tifu struct {
	TIFUParameters
	popular
	vectors [][]weighted // by shopper, in order of item
	length  []float64    // squared, by shopper
	holders [][]holder   // by item
}

// holder is a shopper in whose vector an item is.
type holder struct {
	shopper int32
	weight  float32
}

// TIFUKNN makes the method.
func TIFUKNN(shoppers []Shopper, p TIFUParameters) Method {
	m := &tifu{TIFUParameters: p, popular: Popular(shoppers).(popular)}
	for n := range shoppers {
		v := m.vector(shoppers[n].Baskets)
		length := 0.0
		for _, w := range v {
			length += w.weight * w.weight
			if int(w.item) >= len(m.holders) {
				m.holders = append(m.holders, make([][]holder, int(w.item)+1-len(m.holders))...)
			}
			m.holders[w.item] = append(m.holders[w.item], holder{int32(n), float32(w.weight)})
		}
		m.vectors, m.length = append(m.vectors, v), append(m.length, length)
	}
	return m
}

// vector is v(u).
func (m *tifu) vector(baskets [][]who.Item) []weighted {
	groups := (len(baskets) + m.Group - 1) / m.Group
	sum := map[who.Item]float64{}
	for k, basket := range baskets {
		back := len(baskets) - 1 - k // 0 is the newest
		g := back / m.Group          // 0 is the newest group
		size := min(m.Group, len(baskets)-g*m.Group)
		weight := math.Pow(m.Between, float64(g)) * math.Pow(m.Within, float64(back%m.Group)) / float64(size) / float64(groups)
		for _, item := range basket {
			sum[item] += weight
		}
	}
	v := make([]weighted, 0, len(sum))
	for item, weight := range sum {
		v = append(v, weighted{item, weight})
	}
	slices.SortFunc(v, func(a, b weighted) int { return int(a.item) - int(b.item) })
	return v
}

func (m *tifu) Name() string {
	return fmt.Sprintf("TIFU-KNN (k %d, r_b %g, r_g %g, alpha %g, group %d)", m.Neighbours, m.Within, m.Between, m.Own, m.Group)
}

func (m *tifu) Rank(shopper int, to []who.Item) []who.Item {
	product := make([]float32, len(m.vectors)) // with each other shopper
	for _, w := range m.vectors[shopper] {
		for _, h := range m.holders[w.item] {
			product[h.shopper] += float32(w.weight) * h.weight
		}
	}
	far := make([]float64, len(m.vectors)) // squared distance, less the same for all
	others := make([]int32, 0, len(m.vectors))
	for v := range m.vectors {
		far[v] = m.length[v] - 2*float64(product[v])
		if v != shopper && len(m.vectors[v]) > 0 {
			others = append(others, int32(v))
		}
	}
	near := nearest(others, far, m.Neighbours)
	worth := make([]float64, len(m.holders))
	for _, w := range m.vectors[shopper] {
		worth[w.item] += m.Own * w.weight
	}
	for _, v := range near {
		for _, w := range m.vectors[v] {
			worth[w.item] += (1 - m.Own) * w.weight / float64(len(near))
		}
	}
	return fill(fill(to, ranked(worth, Length)), m.list)
}

// nearest returns the k shoppers that are least far, in no order; of equals those with the smaller number. It reorders all.
func nearest(all []int32, far []float64, k int) []int32 {
	if len(all) <= k {
		return all
	}
	before := func(a, b int32) bool { return far[a] < far[b] || far[a] == far[b] && a < b }
	low, high := 0, len(all)
	for high-low > 1 {
		pivot := all[int(uint(low+high)>>1)]
		i, j := low, high-1
		for i <= j {
			for before(all[i], pivot) {
				i++
			}
			for before(pivot, all[j]) {
				j--
			}
			if i <= j {
				all[i], all[j] = all[j], all[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case k <= j:
			high = j + 1
		case k >= i:
			low = i
		default:
			return all[:k]
		}
	}
	return all[:k]
}

// Baselines are all methods that stand beside the engine.
func Baselines(shoppers []Shopper) []Method {
	all := []Method{Popular(shoppers), Personal(shoppers, false), Personal(shoppers, true)}
	for _, p := range UPCFPublished {
		all = append(all, UPCF(shoppers, p))
	}
	for _, p := range TIFUPublished {
		all = append(all, TIFUKNN(shoppers, p))
	}
	return all
}
