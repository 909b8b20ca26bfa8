package who

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestEventCheck(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", MaxName) // characters, not bytes
	for _, c := range []struct {
		name   string
		change func(*Event)
		want   string // the faults, one a line
	}{
		{"a purchase", func(*Event) {}, ""},
		{"a return", func(e *Event) { e.Quantity = -1; e.Price = Money{-250, true} }, ""},
		{"the longest names", func(e *Event) { e.ID, e.Item, e.Basket, e.Store = long, long, long, long }, ""},
		{"the longest properties", func(e *Event) { e.Properties = []byte(`"` + strings.Repeat("a", MaxProperties-2) + `"`) }, ""},
		{"long ago", func(e *Event) { e.At = time.Date(1998, 5, 1, 0, 0, 0, 0, time.UTC) }, ""},
		{"a day ahead", func(e *Event) { e.At = noon.Add(24 * time.Hour) }, ""},
		{"a visit", func(e *Event) { *e = Event{ID: "1", Kind: Visited, At: noon, Store: "s1"} }, ""},
		{"a visit of a cell", func(e *Event) { *e = Event{ID: "1", Kind: Visited, At: noon, Place: "8a195da49d47fff"} }, ""},
		{"shared, not said what", func(e *Event) { e.Kind, e.Item = Shared, "" }, ""},

		{"no id", func(e *Event) { e.ID = "" }, "id: it is missing, want 1 to 128 characters"},
		{"a long id", func(e *Event) { e.ID = long + "e" }, "id: got 129 characters, want at most 128"},
		{"an id with NUL", func(e *Event) { e.ID = "a\x00b" }, "id: it holds the control character U+0000"},
		{"an id that is not text", func(e *Event) { e.ID = "a\xff" }, "id: it is not valid UTF-8"},
		{"no kind", func(e *Event) { e.Kind = "" }, `kind: got "", want one of view, add, remove, purchase, visit, redeem, share, like, dismiss`},
		{"an unknown kind", func(e *Event) { e.Kind = "purchased" }, `kind: got "purchased", want one of view, add, remove, purchase, visit, redeem, share, like, dismiss`},
		{"a clock that was never set", func(e *Event) { e.At = time.Unix(0, 0).UTC() },
			"at: got 1970-01-01T00:00:00Z, want a time from 1980 to a day from now (2026-11-22T12:00:00Z)"},
		{"no time", func(e *Event) { e.At = time.Time{} },
			"at: got 0001-01-01T00:00:00Z, want a time from 1980 to a day from now (2026-11-22T12:00:00Z)"},
		{"more than a day ahead", func(e *Event) { e.At = noon.Add(24*time.Hour + time.Second) },
			"at: got 2026-11-23T12:00:01Z, want a time from 1980 to a day from now (2026-11-22T12:00:00Z)"},
		{"a purchase of nothing", func(e *Event) { e.Item = "" }, "item: it is missing, want 1 to 128 characters"},
		{"a visit of nowhere", func(e *Event) { *e = Event{ID: "1", Kind: Visited, At: noon} }, "store: it is missing, want 1 to 128 characters"},
		{"a long item", func(e *Event) { e.Item = long + "e" }, "item: got 129 characters, want at most 128"},
		{"a basket of two lines", func(e *Event) { e.Basket = "a\nb" }, "basket: it holds the control character U+000A"},
		{"a long store", func(e *Event) { e.Store = long + "e" }, "store: got 129 characters, want at most 128"},
		{"quantity is no number", func(e *Event) { e.Quantity = math.NaN() }, "quantity: got NaN, want -1000000 to 1000000"},
		{"quantity without end", func(e *Event) { e.Quantity = math.Inf(-1) }, "quantity: got -Inf, want -1000000 to 1000000"},
		{"too many", func(e *Event) { e.Quantity = 1e9 }, "quantity: got 1e+09, want -1000000 to 1000000"},
		{"too dear", func(e *Event) { e.Price.Minor = math.MaxInt64 },
			"price: got 9223372036854775807 minor units, want -1000000000000000 to 1000000000000000"},
		{"too cheap", func(e *Event) { e.Price.Minor = math.MinInt64 },
			"price: got -9223372036854775808 minor units, want -1000000000000000 to 1000000000000000"},
		{"a place that is no cell", func(e *Event) { e.Place = "here" }, `place: cell "here": want an H3 index of 15 hexadecimal digits, such as "8a195da49d47fff"`},
		{"large properties", func(e *Event) { e.Properties = []byte(`"` + strings.Repeat("a", MaxProperties-1) + `"`) }, "properties: got 8193 bytes, want at most 8192"},
		{"properties that are no JSON", func(e *Event) { e.Properties = []byte("{") }, "properties: it is not JSON"},
		{"properties that are not text", func(e *Event) { e.Properties = []byte("\"\xff\"") }, "properties: it is not valid UTF-8"},
		{"a line before the first", func(e *Event) { e.Ordinal = -1 }, "ordinal: got -1, want 0 or more"},
		{"two faults", func(e *Event) { e.ID, e.Item = "", "a\tb" }, "id: it is missing, want 1 to 128 characters\nitem: it holds the control character U+0009"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := Event{ID: "e1", Kind: Purchased, At: noon, Item: "milk", Basket: "b1", Quantity: 2, Price: Money{250, true}, Store: "s1",
				Place: "8a195da49d47fff", Properties: []byte(`{"aisle": 4}`), Source: "app"}
			c.change(&e)
			var lines []string
			for _, fault := range e.Check(noon) {
				lines = append(lines, fault.String())
			}
			if got := strings.Join(lines, "\n"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}
