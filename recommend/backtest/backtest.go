// Package backtest asks methods what shoppers would buy next, of whom it is known, and says how often they were right.
//
// It exists so that the engine stands beside the published simple methods, on the retailer's own shoppers, in one table: a
// figure alone says little, because retailers differ more than methods do. Each method knows exactly the same. Decided
// against: figures without an interval. On a few hundred shoppers a hundredth more is often chance.
package backtest

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"sync"

	"satnav/context/who"
)

// Shopper is somebody whose next basket is to be guessed, or who teaches the methods.
type Shopper struct {
	Baskets [][]who.Item // oldest first; each in order of number, without doubles
	Days    []float64    // of each basket, on any scale; not falling
	Now     float64      // the day on which the next basket is asked for, on the same scale

	// Target is the next basket, in order of number; empty: nobody asks about this shopper.
	Target []who.Item
}

// Length is how long the lists are that methods make.
const Length = 20

// Method ranks items for shoppers. It is safe for concurrent use.
type Method interface {
	// Name tells it, and its parameters, in a table.
	Name() string
	// Rank appends at most Length items, the best first, for the shopper with that place in the list.
	Rank(shopper int, to []who.Item) []who.Item
}

// Segments of shoppers; each is in one.
const (
	New    = "new"    // at most two baskets before
	Lapsed = "lapsed" // silent for 30 days or more, and four times as long as they usually are between baskets
	Heavy  = "heavy"  // of the rest, the fifth with the most baskets, as far as they have more than half of the others
	Light  = "light"  // all others
)

// Segments in the order of a table.
var Segments = []string{New, Light, Heavy, Lapsed}

// scores are what a list is worth for one shopper, by figure; NaN: the figure does not apply.
type scores [figures]float64

// Places of the figures in scores.
const (
	recall10 = iota
	recall20
	ndcg10
	ndcg20
	hit10
	hit20
	repeat10
	repeat20
	new10
	new20
	repeats10
	novelty10

	figures
)

// Figures are the names of what is measured, in order; see Explain.
var Figures = [figures]string{"recall_10", "recall_20", "ndcg_10", "ndcg_20", "hit_10", "hit_20", "repeat_10", "repeat_20", "new_10", "new_20", "repeats_10", "novelty_10"}

// Explain says what each of Figures is.
var Explain = map[string]string{
	"recall_10":  "share of the next basket that is among the first 10 (recall_20: 20)",
	"ndcg_10":    "the same, where a higher place counts more: normalised discounted cumulative gain",
	"hit_10":     "share of the shoppers of whose basket at least one item is among the first 10 (PHR)",
	"repeat_10":  "recall of the items that the shopper had bought before, over shoppers whose basket has such",
	"new_10":     "recall of the items that they had not, likewise",
	"repeats_10": "share of the list that the shopper had bought before",
	"novelty_10": "how surprising the list is: mean of -log2 of the share of shoppers who had bought the item",
}

// score sets a list against what was bought.
func score(s *Shopper, list []who.Item, surprise func(who.Item) float64) (out scores) {
	before := map[who.Item]bool{}
	for _, basket := range s.Baskets {
		for _, item := range basket {
			before[item] = true
		}
	}
	again := 0
	for _, item := range s.Target {
		if before[item] {
			again++
		}
	}
	for k, cut := range [2]int{10, 20} {
		hits, known, repeats, gain, strange := 0, 0, 0, 0.0, 0.0
		top := list[:min(len(list), cut)]
		for rank, item := range top {
			strange += surprise(item)
			if before[item] {
				known++
			}
			if _, hit := slices.BinarySearch(s.Target, item); hit {
				hits++
				gain += discount(rank)
				if before[item] {
					repeats++
				}
			}
		}
		out[recall10+k] = float64(hits) / float64(len(s.Target))
		out[ndcg10+k] = gain / ideal(min(len(s.Target), cut))
		out[hit10+k] = 0
		if hits > 0 {
			out[hit10+k] = 1
		}
		out[repeat10+k], out[new10+k] = math.NaN(), math.NaN()
		if again > 0 {
			out[repeat10+k] = float64(repeats) / float64(again)
		}
		if again < len(s.Target) {
			out[new10+k] = float64(hits-repeats) / float64(len(s.Target)-again)
		}
		if cut == 10 {
			out[repeats10], out[novelty10] = 0, math.NaN()
			if len(top) > 0 {
				out[repeats10], out[novelty10] = float64(known)/float64(cut), strange/float64(len(top))
			}
		}
	}
	return out
}

// discount is what a hit at a rank, from 0, is worth (Järvelin and Kekäläinen 2002).
func discount(rank int) float64 { return 1 / math.Log2(float64(rank)+2) }

// ideal is the most that n hits can be worth.
func ideal(n int) (sum float64) {
	for rank := range n {
		sum += discount(rank)
	}
	return sum
}

// Result is what one method reached.
type Result struct {
	Method   string                         `json:"method"`
	All      map[string]Interval            `json:"all"`      // by figure
	Segments map[string]map[string]Interval `json:"segments"` // by segment, then figure
	Coverage map[string]float64             `json:"coverage"` // share of all items bought that are in any list's first 10 or 20
	// Behind is by how much this method is behind the first one of the report, shopper by shopper: an interval above 0
	// says that the first one is better.
	Behind map[string]Interval `json:"behind,omitempty"`
}

// Report is what a backtest found.
type Report struct {
	Shoppers int            `json:"shoppers"` // that were asked about
	Known    int            `json:"known"`    // that the methods knew
	Items    int            `json:"items"`    // that had been bought
	Segments map[string]int `json:"segments"` // shoppers asked about, by segment
	Results  []Result       `json:"results"`
}

// Run asks each method about each shopper with a target. The first method is the one that the others are set beside.
func Run(shoppers []Shopper, methods []Method) Report {
	var asked []int
	for i := range shoppers {
		if len(shoppers[i].Target) > 0 {
			asked = append(asked, i)
		}
	}
	buyers, items := count(shoppers)
	report := Report{Shoppers: len(asked), Known: len(shoppers), Items: items, Segments: map[string]int{}}
	segment := segments(shoppers, asked)
	for _, name := range segment {
		report.Segments[name]++
	}
	surprise := func(item who.Item) float64 {
		n := uint32(0)
		if int(item) < len(buyers) {
			n = buyers[item]
		}
		return -math.Log2(max(float64(n), 0.5) / float64(len(shoppers))) // nobody: as if half a shopper had
	}
	var first []scores
	for _, m := range methods {
		found, shown := ask(m, shoppers, asked, surprise)
		result := Result{Method: m.Name(), All: intervals(found), Segments: map[string]map[string]Interval{}, Coverage: map[string]float64{}}
		for k, name := range []string{"coverage_10", "coverage_20"} {
			result.Coverage[name] = float64(shown[k]) / float64(max(items, 1))
		}
		for _, name := range Segments {
			var some []scores
			for i := range found {
				if segment[i] == name {
					some = append(some, found[i])
				}
			}
			if len(some) > 0 {
				result.Segments[name] = intervals(some)
			}
		}
		if first == nil {
			first = found
		} else {
			ahead := make([]scores, len(found))
			for i := range found {
				for f := range figures {
					ahead[i][f] = first[i][f] - found[i][f]
				}
			}
			result.Behind = intervals(ahead)
		}
		report.Results = append(report.Results, result)
	}
	return report
}

// ask scores a method's lists, and counts the items that are in any of them, in the first 10 and 20.
func ask(m Method, shoppers []Shopper, asked []int, surprise func(who.Item) float64) ([]scores, [2]int) {
	found := make([]scores, len(asked))
	lists := make([][]who.Item, len(asked))
	inParts(len(asked), func(i int) {
		lists[i] = m.Rank(asked[i], nil)
		found[i] = score(&shoppers[asked[i]], lists[i], surprise)
	})
	var shown [2]map[who.Item]bool
	for k, cut := range [2]int{10, 20} {
		shown[k] = map[who.Item]bool{}
		for _, list := range lists {
			for _, item := range list[:min(len(list), cut)] {
				shown[k][item] = true
			}
		}
	}
	return found, [2]int{len(shown[0]), len(shown[1])}
}

// inParts calls do for 0 to n-1 on all processors and waits.
func inParts(n int, do func(i int)) {
	var wait sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for worker := range workers {
		wait.Go(func() {
			for i := worker; i < n; i += workers {
				do(i)
			}
		})
	}
	wait.Wait()
}

// count tells how many shoppers had bought each item, and how many items were bought at all.
func count(shoppers []Shopper) (buyers []uint32, items int) {
	last := map[who.Item]int{} // who was counted last for an item
	for i := range shoppers {
		for _, basket := range shoppers[i].Baskets {
			for _, item := range basket {
				if int(item) >= len(buyers) {
					buyers = append(buyers, make([]uint32, int(item)+1-len(buyers))...)
				}
				if last[item] != i+1 {
					last[item] = i + 1
					buyers[item]++
				}
			}
		}
	}
	return buyers, len(last)
}

// segments names the segment of each shopper who is asked about.
func segments(shoppers []Shopper, asked []int) []string {
	names := make([]string, len(asked))
	var rest []int
	for n, i := range asked {
		s := &shoppers[i]
		switch count := len(s.Baskets); {
		case count <= 2:
			names[n] = New
		case lapsed(s):
			names[n] = Lapsed
		default:
			names[n] = Light
			rest = append(rest, count)
		}
	}
	if len(rest) == 0 {
		return names
	}
	slices.SortFunc(rest, func(a, b int) int { return cmp.Compare(b, a) })
	many, middle := rest[len(rest)/5], rest[len(rest)/2]
	for n, i := range asked {
		if count := len(shoppers[i].Baskets); names[n] == Light && count >= many && count > middle {
			names[n] = Heavy
		}
	}
	return names
}

func lapsed(s *Shopper) bool {
	n := len(s.Days)
	if n < 2 {
		return false
	}
	silent, usual := s.Now-s.Days[n-1], (s.Days[n-1]-s.Days[0])/float64(n-1)
	return silent >= 30 && silent >= 4*usual
}
