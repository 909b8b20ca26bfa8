package backtest

import (
	"cmp"
	"slices"

	"satnav/context/who"
)

// popular is the same list for everybody: what most baskets held (G-TopFreq).
type popular struct{ list []who.Item }

// Popular makes the method.
func Popular(shoppers []Shopper) Method { return popular{ranked(baskets(shoppers), 256)} }

// baskets counts the baskets that held each item.
func baskets(shoppers []Shopper) []float64 {
	var held []float64
	for i := range shoppers {
		for _, basket := range shoppers[i].Baskets {
			for _, item := range basket {
				if int(item) >= len(held) {
					held = append(held, make([]float64, int(item)+1-len(held))...)
				}
				held[item]++
			}
		}
	}
	return held
}

// ranked lists the n items with the greatest positive worth, the greatest first; of equals the smaller number.
func ranked(worth []float64, n int) []who.Item {
	best := make([]who.Item, 0, min(n, len(worth)))
	for i, w := range worth {
		switch {
		case w <= 0 || len(best) == n && w <= worth[best[n-1]]:
			continue
		case len(best) < n:
			best = append(best, 0)
		}
		k := len(best) - 1
		for ; k > 0 && worth[best[k-1]] < w; k-- {
			best[k] = best[k-1]
		}
		best[k] = who.Item(i)
	}
	return best
}

// fill appends items that are not in the list yet, until it is Length long.
func fill(list, from []who.Item) []who.Item {
	for _, item := range from {
		if len(list) >= Length {
			break
		}
		if !slices.Contains(list, item) {
			list = append(list, item)
		}
	}
	return list
}

func (p popular) Name() string { return "popular" }

func (p popular) Rank(_ int, to []who.Item) []who.Item { return fill(to, p.list) }

// personal is what the shopper bought most often, then what is popular (GP-TopFreq).
type personal struct {
	popular
	shoppers []Shopper
	recency  bool      // of equals, what was bought last stands first; else what is more popular
	held     []float64 // baskets, by item
}

// Personal makes the method. With recency, of what was bought equally often, what was bought last stands first.
func Personal(shoppers []Shopper, recency bool) Method {
	p := personal{popular: popular{ranked(baskets(shoppers), 256)}, shoppers: shoppers, recency: recency, held: baskets(shoppers)}
	return p
}

func (p personal) Name() string {
	if p.recency {
		return "personal by recency, then popular"
	}
	return "personal, then popular"
}

func (p personal) Rank(shopper int, to []who.Item) []who.Item {
	s := &p.shoppers[shopper]
	times, last := map[who.Item]int{}, map[who.Item]int{}
	var items []who.Item
	for k, basket := range s.Baskets {
		for _, item := range basket {
			if times[item] == 0 {
				items = append(items, item)
			}
			times[item]++
			last[item] = k
		}
	}
	slices.SortFunc(items, func(a, b who.Item) int {
		switch {
		case times[a] != times[b]:
			return times[b] - times[a]
		case p.recency && last[a] != last[b]:
			return last[b] - last[a]
		}
		return cmp.Or(cmp.Compare(p.held[b], p.held[a]), int(a)-int(b))
	})
	return fill(fill(to, items), p.list)
}
