package recommend_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"satnav/context/who"
	"satnav/recommend"
)

// A catalogue that was edited again and again answers as one that was made at once.
func TestCatalogueEqualsARebuild(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := who.NewNames()
		edited := recommend.NewCatalogue(names, nil)
		rows := map[string]recommend.Product{}
		for range rapid.IntRange(0, 20).Draw(t, "edits") {
			var put []recommend.Product
			for range rapid.IntRange(0, 3).Draw(t, "puts") {
				p := recommend.Product{
					ID:       fmt.Sprint("p", rapid.IntRange(0, 9).Draw(t, "id")),
					Category: rapid.SampledFrom([]string{"", "dairy", "bread"}).Draw(t, "category"),
				}
				put = append(put, p)
			}
			remove := rapid.SliceOfN(rapid.SampledFrom([]string{"p0", "p1", "p2", "never"}), 0, 2).Draw(t, "remove")
			before := edited.Len()
			next := edited.With(put, remove)
			if edited.Len() != before {
				t.Fatal("an edit changed the catalogue that it started from")
			}
			edited = next
			for _, id := range remove {
				delete(rows, id)
			}
			for _, p := range put {
				rows[p.ID] = p
			}
		}
		if edited.Len() != len(rows) {
			t.Fatalf("%d products, want %d", edited.Len(), len(rows))
		}
		seen := 0
		for p := range edited.All {
			want := rows[p.ID]
			want.Item = p.Item
			if names.Items.Name(p.Item) != p.ID || p.Category != want.Category || edited.Product(p.Item) != p {
				t.Fatalf("got %+v, want %+v", p, want)
			}
			seen++
		}
		if seen != len(rows) {
			t.Fatalf("walked over %d products, want %d", seen, len(rows))
		}
	})
}

func TestCatalogueFillsWithTheFirstProducts(t *testing.T) {
	t.Parallel()
	s := newShop()
	for i := range 900 {
		s.products = append(s.products, recommend.Product{ID: fmt.Sprintf("p%03d", (i*7)%900)})
	}
	got, _ := recommend.Recommend(s.snapshot(), asked(nil, loyal, monday))
	want := []string{"p000", "p001", "p002", "p003", "p004", "p005", "p006", "p007", "p008", "p009"}
	if !slices.Equal(items(got), want) {
		t.Errorf("got %v, want %v", items(got), want)
	}
}
