package learn

import (
	"math"
	"math/bits"

	"satnav/context/who"
	"satnav/recommend"
)

// ranker appends a lesson's list of 20, best first.
type ranker func(l lesson, to []who.Item) []who.Item

// engine ranks as the engine does, with the variety that was learnt or without.
func engine(s *recommend.Snapshot, varied bool) func() ranker {
	return func() ranker {
		rehearsal := recommend.Rehearsal{Varied: varied}
		return func(l lesson, to []who.Item) []who.Item { return rehearsal.Rank(s, l.past, l.at, 20, to) }
	}
}

func storeEngine(s *recommend.Snapshot) func() ranker {
	return func() ranker {
		var rehearsal recommend.Rehearsal
		return func(l lesson, to []who.Item) []who.Item { return rehearsal.RankPlaces(s, l.past, l.at, 20, to) }
	}
}

// global is the same list for all.
func global(s *recommend.Snapshot) func() ranker {
	lines := func(i int) float32 { return float32(s.Crowd.Items[i].Lines) }
	list := most(len(s.Crowd.Items), 20, lines)
	return func() ranker {
		return func(_ lesson, to []who.Item) []who.Item { return append(to, list...) }
	}
}

// personal is what the shopper bought most often, of equals what they bought last, then what is popular.
func personal(s *recommend.Snapshot) func() ranker {
	lines := func(i int) float32 { return float32(s.Crowd.Items[i].Lines) }
	list := most(len(s.Crowd.Items), 64, lines)
	return func() ranker {
		return func(l lesson, to []who.Item) []who.Item {
			items := l.past.History.Items
			first := len(to)
			own := most(len(items), 20, func(i int) float32 {
				recent, times := l.past.Held(&items[i])
				return float32(times) * (2 - float32(bits.TrailingZeros64(recent))/128)
			})
			for _, i := range own {
				to = append(to, items[i].Item)
			}
			for _, item := range list {
				if len(to)-first >= 20 {
					break
				}
				known := false
				for _, other := range to[first:] {
					known = known || other == item
				}
				if !known {
					to = append(to, item)
				}
			}
			return to
		}
	}
}

// measure asks a ranker about each lesson. It splits the lessons over the processors.
func measure(s *recommend.Snapshot, method string, lessons []lesson, open func() ranker) recommend.Figures {
	var sums [parts]tally
	inParts(func(part int) {
		rank := open()
		var list []who.Item
		for i := part; i < len(lessons); i += parts {
			list = rank(lessons[i], list[:0])
			sums[part].count(lessons[i], list)
			if !lessons[i].store {
				sums[part].Variety10 += variety(s, list[:min(len(list), 10)])
			}
		}
	})
	var all tally
	for i := range sums {
		all.join(&sums[i])
	}
	return all.figures(method)
}

// variety is 1 less the mean likeness of two products of a list.
func variety(s *recommend.Snapshot, list []who.Item) float64 {
	pairs, alike := 0, 0.0
	for i, a := range list {
		for _, b := range list[:i] {
			pairs++
			alike += s.Likeness(a, b)
		}
	}
	return 1 - alike/float64(max(pairs, 1))
}

// tally sums figures over shoppers.
type tally struct {
	recommend.Figures
	repeat, new int // shoppers whose basket has such a part
}

func (t *tally) count(l lesson, list []who.Item) {
	size, again := len(l.target), 0
	for _, item := range l.target {
		if l.knows(item) {
			again++
		}
	}
	t.Shoppers++
	var hits, repeats [2]int
	var gain [2]float64
	for rank, item := range list[:min(len(list), 20)] {
		if !l.holds(item) {
			continue
		}
		for k, cut := range [2]int{10, 20} {
			if rank < cut {
				hits[k]++
				gain[k] += discount(rank)
				if l.knows(item) {
					repeats[k]++
				}
			}
		}
	}
	t.Recall10 += float64(hits[0]) / float64(size)
	t.Recall20 += float64(hits[1]) / float64(size)
	t.NDCG10 += gain[0] / ideal(min(size, 10))
	t.NDCG20 += gain[1] / ideal(min(size, 20))
	if hits[0] > 0 {
		t.Hit10++
	}
	if again > 0 {
		t.repeat++
		t.Repeat10 += float64(repeats[0]) / float64(again)
	}
	if size > again {
		t.new++
		t.New10 += float64(hits[0]-repeats[0]) / float64(size-again)
	}
}

// discount is what a hit at a rank, from 0, is worth (Järvelin and Kekäläinen 2002).
func discount(rank int) float64 { return 1 / math.Log2(float64(rank)+2) }

func ideal(n int) (sum float64) {
	for rank := range n {
		sum += discount(rank)
	}
	return sum
}

func (t *tally) join(o *tally) {
	t.Shoppers += o.Shoppers
	t.repeat += o.repeat
	t.new += o.new
	t.Recall10 += o.Recall10
	t.Recall20 += o.Recall20
	t.NDCG10 += o.NDCG10
	t.NDCG20 += o.NDCG20
	t.Hit10 += o.Hit10
	t.Repeat10 += o.Repeat10
	t.New10 += o.New10
	t.Variety10 += o.Variety10
}

func (t *tally) figures(method string) recommend.Figures {
	n := float64(max(t.Shoppers, 1))
	return recommend.Figures{
		Method: method, Shoppers: t.Shoppers,
		Recall10: t.Recall10 / n, NDCG10: t.NDCG10 / n, Hit10: t.Hit10 / n,
		Recall20: t.Recall20 / n, NDCG20: t.NDCG20 / n,
		Repeat10: t.Repeat10 / float64(max(t.repeat, 1)), New10: t.New10 / float64(max(t.new, 1)),
		Variety10: t.Variety10 / n,
	}
}
