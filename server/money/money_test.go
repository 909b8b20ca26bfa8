package money

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"satnav/context/who"
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
		{"half a cent", "1.005", "EUR", 0, "at most 2 digits after the point"},
		{"sen", "1.5", "JPY", 0, "such as 1250, with at most 0"},
		{"comma", "1,50", "EUR", 0, "a plain decimal such as 12.50"},
		{"thousands", "1,250.00", "EUR", 0, "a plain decimal"},
		{"exponent", "1e3", "EUR", 0, "a plain decimal"},
		{"nothing before the point", ".5", "EUR", 0, "a plain decimal"},
		{"nothing behind the point", "5.", "EUR", 0, "a plain decimal"},
		{"sign alone", "-", "EUR", 0, "a plain decimal"},
		{"other digits", "１２", "EUR", 0, "a plain decimal"},
		{"too large", "92233720368547758.08", "EUR", 0, "too large"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse(test.give, Exponent(test.currency))
			if test.err == "" && (err != nil || got != who.Money{Minor: test.want, Known: true}) {
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
		m := who.Money{Minor: rapid.Int64Range(-math.MaxInt64/100, math.MaxInt64/100).Draw(t, "minor"), Known: true}
		exponent := Exponent(rapid.SampledFrom([]string{"EUR", "JPY", "KWD", "CLF", ""}).Draw(t, "currency"))
		if got, err := Parse(Format(m, exponent), exponent); err != nil || got != m {
			t.Errorf("%+v becomes %q, read back as %+v, %v", m, Format(m, exponent), got, err)
		}
	})
	if got, err := Parse(Format(who.Money{}, 2), 2); err != nil || got.Known {
		t.Errorf("unknown: got %+v, %v", got, err)
	}
}
