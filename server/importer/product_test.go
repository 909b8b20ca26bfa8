package importer

import (
	"strings"
	"testing"
)

// TestProductCurrency holds that an amount is never read by another currency's decimals than it is kept by.
func TestProductCurrency(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, retailer, rows string
		stored               int
		reason               string
	}{
		{"the retailer's", "EUR", "a,1.50,EUR\nb,2,eur\nc,3,\n", 3, ""},
		{"another, with other decimals", "EUR", "a,150,JPY\nb,2,\n", 1, "want EUR, the retailer's currency"},
		{"another, with more decimals", "JPY", "a,1.500,KWD\n", 0, "want JPY, the retailer's currency"},
		{"no currency", "", "a,1.50,\n", 1, ""},
		{"the first one named", "", "a,1.50,EUR\nb,2.50,EUR\nc,2.50,\n", 3, ""},
		{"a second one named", "", "a,1.50,EUR\nb,2.50,USD\n", 1, "want EUR, as in the rows before"},
		{"one without decimals where none is set", "", "a,150,JPY\n", 0, "set the retailer's currency first"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var sink memory
			got, err := Run(t.Context(), KindProducts, strings.NewReader("item,price,currency\n"+test.rows), &sink, Options{Currency: test.retailer})
			if err != nil || got.Stored != test.stored {
				t.Fatalf("got %+v, %v", got, err)
			}
			if test.reason == "" {
				if got.Refused != 0 {
					t.Errorf("got %+v", got.First)
				}
				return
			}
			if got.Refused != 1 || got.First[0].Column != "currency" || got.First[0].Line < 2 || !strings.Contains(got.First[0].Reason, test.reason) {
				t.Errorf("got %+v, want …%s", got.First, test.reason)
			}
		})
	}
}
