package importer

import (
	"strings"
	"testing"
	"time"
)

var setNow = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func TestConvertBaskets(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		give string
		want string
	}{
		{"days are counted back from now", "user,basket,day,item\n7,0,-55,milk\n7,0,-55,milk\n7,1,-2,rice\n9,0,0,tea\n",
			"7,2026-09-28T12:00:00Z,0,milk\n7,2026-09-28T12:00:00Z,0,milk\n7,2026-11-20T12:00:01Z,1,rice\n9,2026-11-22T12:00:00Z,0,tea\n"},
		{"two baskets of one day keep their order", "user,basket,day,item\n7,1,-2,rice\n7,0,-2,milk\n",
			"7,2026-11-20T12:00:00Z,0,milk\n7,2026-11-20T12:00:01Z,1,rice\n"},
		{"without days, the order gives them", "user,basket,day,item\n7,0,,milk\n7,1,,rice\n9,0,,tea\n",
			"7,2026-11-08T12:00:00Z,0,milk\n7,2026-11-15T12:00:01Z,1,rice\n9,2026-11-15T12:00:00Z,0,tea\n"},
		{"gzip, columns in another order", zipped("item,user,basket,day,price\nmilk,7,0,-1,2\n"), "7,2026-11-21T12:00:00Z,0,milk\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got strings.Builder
			if _, err := ConvertBaskets(strings.NewReader(test.give), &got, BasketOptions{Now: setNow}); err != nil {
				t.Fatal(err)
			}
			if want := "shopper,at,basket,item\n" + test.want; got.String() != want {
				t.Errorf("got\n%swant\n%s", got.String(), want)
			}
		})
	}
}

// What comes out goes in: the converted file is one that Run reads to its last line.
func TestConvertBasketsFeedsRun(t *testing.T) {
	t.Parallel()
	give := "user,basket,day,item\n7,0,-55,milk\n7,0,-55,milk\n7,1,-2,rice\n10,0,-4,tea\n"
	var purchases, products strings.Builder
	got, err := ConvertBaskets(strings.NewReader(give), &purchases, BasketOptions{Now: setNow, Products: &products})
	if err != nil || got != (BasketSummary{Shoppers: 2, Baskets: 3, Lines: 4, Items: 3}) {
		t.Fatalf("got %+v, %v", got, err)
	}
	var sink memory
	for kind, file := range map[Kind]string{KindPurchases: purchases.String(), KindProducts: products.String()} {
		if got, err := Run(t.Context(), kind, strings.NewReader(file), &sink, Options{}); err != nil || got.Refused != 0 {
			t.Errorf("%s: got %+v, %v", kind, got, err)
		}
	}
	if len(sink.purchases) != 4 || sink.purchases[1].Ordinal != 1 || len(sink.products) != 3 {
		t.Errorf("got %d lines and %d products", len(sink.purchases), len(sink.products))
	}
}

func TestConvertBasketsRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, give, want string }{
		{"empty", "", "the file is empty"},
		{"column missing", "user,basket,item\n", "line 1: missing column day"},
		{"a day to come", "user,basket,day,item\n7,0,3,milk\n", `line 2, day: got "3"`},
		{"basket without number", "user,basket,day,item\n7,x,,milk\n", `line 2, basket: got "x"`},
		{"empty item", "user,basket,day,item\n7,0,,\n", "line 2: user and item must not be empty"},
		{"user apart", "user,basket,day,item\n7,0,,a\n8,0,,a\n7,1,,a\n", `user "7" stood further up already`},
		{"cut off", zipped("user,basket,day,item\n7,0,,a\n")[:30], "cut off"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := ConvertBaskets(strings.NewReader(test.give), new(strings.Builder), BasketOptions{Now: setNow}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want …%s", err, test.want)
			}
		})
	}
}
