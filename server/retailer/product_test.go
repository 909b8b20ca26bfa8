package retailer

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"satnav/context/who"
)

func TestProductBuild(t *testing.T) {
	t.Parallel()
	euro, none := Settings{Currency: "EUR"}, Settings{}
	half := 0.5
	for _, tc := range []struct {
		name     string
		settings Settings
		give     Product
		want     string // pointer and a part of what is said of the first fault; empty: it is right
	}{
		{"the id alone", none, Product{Item: "p"}, ""},
		{"all of it", euro, Product{Item: "p", Title: "Milk", Price: "1.79", Currency: "eur", Stock: &half, Attributes: json.RawMessage(`{"size":1}`), Status: "draft"}, ""},
		{"no id", euro, Product{Title: "Milk"}, "/item missing"},
		{"an id that breaks a line", euro, Product{Item: "p\n"}, "/item control character"},
		{"a price in words", euro, Product{Item: "p", Price: "cheap"}, "/price cheap"},
		{"a price with too many decimals", Settings{Currency: "JPY"}, Product{Item: "p", Price: "1.5"}, "/price 1.5"},
		{"a price below nothing", euro, Product{Item: "p", ListPrice: "-1"}, "/list_price no less than 0"},
		{"another currency", euro, Product{Item: "p", Currency: "USD"}, `/currency "EUR"`},
		{"a currency that the retailer could not read", none, Product{Item: "p", Currency: "JPY"}, "/currency set the retailer's currency first"},
		{"attributes that are a list", euro, Product{Item: "p", Attributes: json.RawMessage(`[1]`)}, "/attributes object"},
		{"a state that is none", euro, Product{Item: "p", Status: "gone"}, "/status active, draft, withdrawn"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := tc.give.Build(who.NewNames(), tc.settings)
			var invalid *Invalid
			if tc.want == "" {
				if err != nil || got.ID != tc.give.Item || got.Title == "" {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			pointer, text, _ := strings.Cut(tc.want, " ")
			if !errors.As(err, &invalid) || invalid.Faults[0].Pointer != pointer || !strings.Contains(invalid.Faults[0].Problem, text) {
				t.Errorf("got %v, want %s: …%s…", err, pointer, text)
			}
		})
	}
}

// TestUnknownItemsGetNoNumber holds that a product that is refused leaves nothing behind: numbers are never given back.
func TestUnknownItemsGetNoNumber(t *testing.T) {
	t.Parallel()
	names := who.NewNames()
	if _, err := (Product{Item: "p", Price: "cheap"}).Build(names, Settings{}); err == nil {
		t.Fatal("it was not refused")
	}
	if number, ok := names.Items.Lookup("p"); ok {
		t.Errorf("a refused product has the number %d", number)
	}
}

func TestPieces(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		give float64
		want int
	}{{"none", 0, 0}, {"half a kilogram is something", 0.5, 1}, {"whole", 12, 12}, {"more than fits", 1e300, math.MaxInt32}} {
		if got := pieces(&tc.give); *got != tc.want {
			t.Errorf("%s: got %d, want %d", tc.name, *got, tc.want)
		}
	}
	if pieces(nil) != nil {
		t.Error("what is not known is not none")
	}
}

// TestStockIDs holds that two shelves never share an entry, whatever their ids are made of.
func TestStockIDs(t *testing.T) {
	t.Parallel()
	id := rapid.StringOfN(rapid.RuneFrom([]rune("1:a0")), 0, 5, -1)
	rapid.Check(t, func(t *rapid.T) {
		a := Stock{Item: id.Draw(t, "item"), Store: id.Draw(t, "store")}
		b := Stock{Item: id.Draw(t, "other item"), Store: id.Draw(t, "other store")}
		if (a.id() == b.id()) != (a == b) {
			t.Fatalf("%+v and %+v are kept as %q and %q", a, b, a.id(), b.id())
		}
	})
}

func TestStockCheck(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		give Stock
		want string // part of the error; empty: it is right
	}{
		{"some", Stock{"p", "s", 1.5}, ""},
		{"none", Stock{"p", "s", 0}, ""},
		{"in no store", Stock{"p", "", 3}, ""},
		{"no item", Stock{"", "s", 3}, "item"},
		{"less than none", Stock{"p", "s", -1}, "no less than 0"},
		{"not a number", Stock{"p", "s", math.NaN()}, "no less than 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if err := tc.give.Check(); (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
