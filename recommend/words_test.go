package recommend

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"satnav/context/who"
)

// What the words find is what looking at each product finds: those with the most words of the query, a beginning each.
func TestWordsEqualLookingAtAll(t *testing.T) {
	t.Parallel()
	vocabulary := []string{"oat", "oats", "milk", "Milk-shake", "Käse", "käsekuchen", "3,5%", "bio", "", "whole milk", "ÉCLAIR"}
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom(vocabulary)
		names := who.NewNames()
		names.Items.Number("not a product")
		var rows []Product
		for i := range rapid.IntRange(0, 12).Draw(t, "products") {
			rows = append(rows, Product{ID: fmt.Sprint("p", i), Title: strings.Join(rapid.SliceOfN(word, 0, 3).Draw(t, "title"), " "), Category: word.Draw(t, "category"), Brand: word.Draw(t, "brand")})
		}
		c := NewCatalogue(names, rows)
		query := strings.Join(rapid.SliceOfN(rapid.OneOf(word, rapid.SampledFrom([]string{"mil", "KÄ", "o", "zzz"})), 0, 4).Draw(t, "query"), " ")
		asked := []string{}
		wordsIn(query, func(w string) { asked = append(asked, w) })
		want, most := map[who.Item]float32{}, 1
		for p := range c.All {
			n := 0
			for _, w := range asked {
				has := false
				wordsIn(p.Title+" "+p.Category+" "+p.Brand, func(own string) { has = has || strings.HasPrefix(own, w) })
				if has {
					n++
				}
			}
			if n > most {
				most = n
				clear(want)
			}
			if n == most {
				want[p.Item] = float32(n) / float32(len(asked))
			}
		}
		got := map[who.Item]float32{}
		c.words.match(query, func(item who.Item, share float32) {
			if _, twice := got[item]; twice {
				t.Fatalf("%d is told twice", item)
			}
			got[item] = share
		})
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%q: got %v, want %v", query, got, want)
		}
	})
}

func FuzzWords(f *testing.F) {
	names := who.NewNames()
	c := NewCatalogue(names, []Product{{ID: "a", Title: "Oat milk 1 l"}, {ID: "b", Title: "Käse", Brand: "Ünal"}, {ID: "c", Category: "dairy/milk"}})
	f.Add("oat milk")
	f.Add("KÄSE \xff 😀 ǅ")
	f.Fuzz(func(t *testing.T, query string) {
		var items []who.Item
		c.words.match(query, func(item who.Item, share float32) {
			if share <= 0 || share > 1 || slices.Contains(items, item) {
				t.Fatalf("item %d with share %v", item, share)
			}
			items = append(items, item)
		})
	})
}
