package recommend

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"unicode"

	"satnav/context/who"
)

// words finds products by what they are called. It is made when somebody first asks, since a catalogue is made anew with each edit.
type words struct {
	once      sync.Once
	all       []word     // in order of text
	of        [][]uint32 // by item number: places in all, rising
	catalogue *Catalogue
}

// word is one word of titles, categories and brands.
type word struct {
	text  string
	items []who.Item // rising
}

const (
	maxWords   = 8     // of a query that are looked at
	maxMatches = 4_096 // products that are looked at for one query
)

// wordsIn calls yield for each word of a text in lower case: letters and digits, without what stands between them.
func wordsIn(text string, yield func(word string)) {
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		yield(w)
	}
}

func (x *words) make() {
	c := x.catalogue
	numbers := map[string]int{}
	x.of = make([][]uint32, len(c.rows))
	for item, p := range c.rows {
		if p == nil {
			continue
		}
		for _, text := range [...]string{p.Title, p.Category, p.Brand} {
			wordsIn(text, func(w string) {
				n, known := numbers[w]
				if !known {
					n = len(x.all)
					numbers[strings.Clone(w)] = n
					x.all = append(x.all, word{text: strings.Clone(w)})
				}
				if items := x.all[n].items; len(items) == 0 || items[len(items)-1] != who.Item(item) {
					x.all[n].items = append(items, who.Item(item))
				}
			})
		}
	}
	slices.SortFunc(x.all, func(a, b word) int { return cmp.Compare(a.text, b.text) })
	for n, w := range x.all {
		for _, item := range w.items {
			x.of[item] = append(x.of[item], uint32(n))
		}
	}
}

// span are the words that begin with some text.
type span struct{ from, to, items int }

func (x *words) beginning(with string) span {
	from, _ := slices.BinarySearchFunc(x.all, with, func(w word, text string) int { return cmp.Compare(w.text, text) })
	s := span{from: from, to: from}
	for s.to < len(x.all) && strings.HasPrefix(x.all[s.to].text, with) {
		s.items += len(x.all[s.to].items)
		s.to++
	}
	return s
}

// match calls yield for the products of which most words of a query begin a word, with the share of the words that do.
func (x *words) match(query string, yield func(item who.Item, share float32)) {
	x.once.Do(x.make)
	var asked [maxWords]span
	spans, total := asked[:0], 0
	wordsIn(query, func(w string) {
		if total++; len(spans) == maxWords {
			return
		}
		if s := x.beginning(w); s.items > 0 {
			spans = append(spans, s)
		}
	})
	// Whoever has all words has the rarest.
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.items, b.items) })
	for wanted := len(spans); wanted > 0; wanted-- {
		found := false
		looked := map[who.Item]bool{}
		for _, s := range spans[:len(spans)-wanted+1] { // who has so many of them has one of these
			for n := s.from; n < s.to && len(looked) < maxMatches; n++ {
				for _, item := range x.all[n].items {
					if looked[item] || len(looked) == maxMatches {
						continue
					}
					looked[item] = true
					if x.has(item, spans) >= wanted {
						found = true
						yield(item, float32(wanted)/float32(min(total, maxWords)))
					}
				}
			}
		}
		if found {
			return
		}
	}
}

// has counts the spans in which an item has a word.
func (x *words) has(item who.Item, spans []span) (n int) {
	for _, s := range spans {
		at, _ := slices.BinarySearch(x.of[item], uint32(s.from))
		if at < len(x.of[item]) && int(x.of[item][at]) < s.to {
			n++
		}
	}
	return n
}
