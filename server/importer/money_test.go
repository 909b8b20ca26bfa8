package importer

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseMoney(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, give, currency string
		want                 int64
		err                  string
	}{
		{"cents", "12.34", "EUR", 1234, ""},
		{"no decimals", "12", "EUR", 1200, ""},
		{"one decimal", "12.5", "EUR", 1250, ""},
		{"zeros beyond the cents", "12.5000", "EUR", 1250, ""},
		{"what a float would lose", "0.29", "EUR", 29, ""},
		{"large", "90071992547409.93", "EUR", 9007199254740993, ""},
		{"yen", "1200", "JPY", 1200, ""},
		{"yen with a zero", "1200.0", "JPY", 1200, ""},
		{"dinar", "1.234", "KWD", 1234, ""},
		{"no currency yet", "1.20", "", 120, ""},
		{"negative", "-0.05", "EUR", -5, ""},
		{"plus", "+7", "EUR", 700, ""},
		{"half a cent", "1.005", "EUR", 0, "EUR has 2 decimals"},
		{"sen", "1.5", "JPY", 0, "12 (JPY has 0 decimals)"},
		{"comma", "1,50", "EUR", 0, "a plain decimal such as 12.00"},
		{"thousands", "1,250.00", "EUR", 0, "a plain decimal"},
		{"exponent", "1e3", "EUR", 0, "a plain decimal"},
		{"nothing before the point", ".5", "EUR", 0, "a plain decimal"},
		{"nothing behind the point", "5.", "EUR", 0, "a plain decimal"},
		{"sign alone", "-", "EUR", 0, "a plain decimal"},
		{"empty", "", "EUR", 0, "a plain decimal"},
		{"other digits", "１２", "EUR", 0, "a plain decimal"},
		{"too large", "92233720368547758.08", "EUR", 0, "a plain decimal"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseMoney(test.give, test.currency)
			if test.err == "" && (err != nil || got != Money{test.want, true}) {
				t.Errorf("got %+v, %v, want %d", got, err, test.want)
			}
			if test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("got %+v, %v, want …%s", got, err, test.err)
			}
		})
	}
}

func TestMoneyIsReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := Money{Minor: rapid.Int64Range(-math.MaxInt64/100, math.MaxInt64/100).Draw(t, "minor"), Known: true}
		currency := rapid.SampledFrom([]string{"EUR", "JPY", "KWD", "CLF", ""}).Draw(t, "currency")
		if got, err := ParseMoney(m.Format(currency), currency); err != nil || got != m {
			t.Errorf("%+v becomes %q, read back as %+v, %v", m, m.Format(currency), got, err)
		}
	})
	if got := (Money{}).Format("EUR"); got != "" {
		t.Errorf("unknown: got %q", got)
	}
}
