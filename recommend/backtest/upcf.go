package backtest

import (
	"fmt"
	"math"

	"satnav/context/who"
)

// UPCFParameters are those of UP-CF@r.
type UPCFParameters struct {
	Recency   int     // newest baskets that a popularity looks at
	Asymmetry float64 // how much of the similarity's norm is the shopper's own, 0 to 1
	Locality  float64 // power of the similarity: how little unlike shoppers count
}

// UPCFPublished are the parameters with which the method's figures were published for three retailers (Li et al., A Next
// Basket Recommendation Reality Check, 2023).
var UPCFPublished = []UPCFParameters{{10, 0.75, 10}, {25, 0.75, 10}, {10, 0.75, 100}}

// upcf is UP-CF@r: collaborative filtering over what shoppers bought recently (Faggioli, Polato and Aiolli, Recency Aware
// Collaborative Filtering for Next Basket Recommendation, UMAP 2020).
//
//	w(u,i) = newest r baskets of u that held i ÷ min(r, baskets of u)
//	sim(u,v) = |I(u) ∩ I(v)| ÷ (|I(u)|^a · |I(v)|^(1-a))     I: the items ever bought
//	score(u,i) = Σ over all v, u too, of sim(u,v)^q · w(v,i)
type upcf struct {
	UPCFParameters
	popular
	items  [][]who.Item // by shopper: ever bought
	weight [][]weighted // by shopper: w
	buyers [][]int32    // by item: shoppers who ever bought it
}

// weighted is an item and what it weighs.
type weighted struct {
	item   who.Item
	weight float64
}

// UPCF makes the method.
func UPCF(shoppers []Shopper, p UPCFParameters) Method {
	m := &upcf{UPCFParameters: p, popular: Popular(shoppers).(popular)}
	for n := range shoppers {
		s := &shoppers[n]
		times := map[who.Item]float64{}
		recent := s.Baskets[max(0, len(s.Baskets)-p.Recency):]
		for _, basket := range recent {
			for _, item := range basket {
				times[item]++
			}
		}
		var items []who.Item
		var weights []weighted
		seen := map[who.Item]bool{}
		for _, basket := range s.Baskets {
			for _, item := range basket {
				if seen[item] {
					continue
				}
				seen[item] = true
				items = append(items, item)
				if times[item] > 0 {
					weights = append(weights, weighted{item, times[item] / float64(len(recent))})
				}
				if int(item) >= len(m.buyers) {
					m.buyers = append(m.buyers, make([][]int32, int(item)+1-len(m.buyers))...)
				}
				m.buyers[item] = append(m.buyers[item], int32(n))
			}
		}
		m.items, m.weight = append(m.items, items), append(m.weight, weights)
	}
	return m
}

func (m *upcf) Name() string {
	return fmt.Sprintf("UP-CF@%d (asymmetry %g, locality %g)", m.Recency, m.Asymmetry, m.Locality)
}

func (m *upcf) Rank(shopper int, to []who.Item) []who.Item {
	common := make([]uint16, len(m.items))
	var others []int32
	for _, item := range m.items[shopper] {
		for _, v := range m.buyers[item] {
			if common[v] == 0 {
				others = append(others, v)
			}
			common[v]++
		}
	}
	own := math.Pow(float64(len(m.items[shopper])), m.Asymmetry)
	worth := make([]float64, len(m.buyers))
	for _, v := range others {
		sim := float64(common[v]) / (own * math.Pow(float64(len(m.items[v])), 1-m.Asymmetry))
		sim = math.Pow(sim, m.Locality)
		for _, w := range m.weight[v] {
			worth[w.item] += sim * w.weight
		}
	}
	return fill(fill(to, ranked(worth, Length)), m.list)
}
