package importer

import (
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// An id stands once in a file: the later row is refused, and told where the first one stands.
func TestRunRefusesIdsThatStandTwice(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		kind   Kind
		give   string
		column string
		reason string
	}{
		{"stores", KindStores, "store,lat,lng\ns1,1,1\ns2,1,1\ns1,2,2\n", "store", `"s1" stands on line 2 already`},
		{"products", KindProducts, "item,title\np1,Milk\np2,Bread\np1,Milk\n", "item", `"p1" stands on line 2 already`},
		{"stock", KindStock, "item,store,stock\np1,s1,4\np1,s2,4\np1,s1,5\n", "", `"p1 in s1" stands on line 2 already`},
		{"geofences", KindGeofences, "\n" + circle("1") + "\n" + strings.Replace(circle("x"), `"x"`, "1", 1) + "\n" + circle("2") + "\n", "id", `"1" stands on line 2 already`},
		{"a refused row holds no id", KindStores, "store,lat,lng\ns1,100,1\ns1,1,1\ns2,1,1\n", "lat", "want degrees"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Run(t.Context(), test.kind, strings.NewReader(test.give), &memory{}, Options{})
			if err != nil || got.Read != 3 || got.Stored != 2 || got.Refused != 1 {
				t.Fatalf("got %+v, %v", got, err)
			}
			if first := got.First[0]; first.Column != test.column || !strings.Contains(first.Reason, test.reason) {
				t.Errorf("got %v, want %s: …%s", first, test.column, test.reason)
			}
		})
	}
}

// Within a generation, noting with forgetting equals noting without.
func TestFirstLinesAgreeWithFullMemory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 8).Draw(t, "limit")
		bounded, full := firstLines{limit: limit}, map[string]int{}
		last := map[string]int{}
		for i, n := range rapid.SliceOfN(rapid.IntRange(0, 12), 0, 200).Draw(t, "ids") {
			id := strconv.Itoa(n)
			first, known := bounded.note(id, i)
			want, before := full[id]
			switch {
			case before && i-last[id] <= limit && (!known || first != want):
				t.Fatalf("id %s, line %d: got %d, %v, want line %d", id, i, first, known, want)
			case !before && known:
				t.Fatalf("id %s, line %d: known from line %d, though it is new", id, i, first)
			case !known:
				full[id] = i
			}
			last[id] = i
		}
		if len(bounded.young) > limit || len(bounded.old) > limit {
			t.Fatalf("holds %d and %d ids, want at most %d each", len(bounded.young), len(bounded.old), limit)
		}
	})
}
