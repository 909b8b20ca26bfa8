// Package money reads and writes amounts as people write them.
//
// It exists so that files, calls and stored entries agree, to the cent, on what "12.50" is: an amount that one
// side reads in yen and the other writes in cents is wrong by a power of ten, and nothing fails.
package money

import (
	"fmt"
	"strconv"
	"strings"

	"satnav/context/who"
)

// Exponent is the number of decimals of a currency (ISO 4217): two, but for the exceptions. Empty or unknown
// codes have two.
func Exponent(currency string) int {
	switch strings.ToUpper(currency) {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	case "CLF", "UYW":
		return 4
	}
	return 2
}

// Wanted says what an amount with so many decimals looks like.
func Wanted(exponent int) string {
	return fmt.Sprintf("a plain decimal such as %s, with at most %d digits after the point", Format(who.Money{Minor: 1250, Known: true}, exponent), exponent)
}

// Parse reads a plain decimal such as "12.50" into minor units of a currency with so many decimals; "" is
// unknown, which is not zero. Nothing is rounded: more decimals than the currency has are refused, unless they
// are zeros. The error says what was found and what is wanted.
func Parse(text string, exponent int) (who.Money, error) {
	if text == "" {
		return who.Money{}, nil
	}
	unsigned := text
	if text[0] == '-' || text[0] == '+' {
		unsigned = text[1:]
	}
	whole, fraction, point := strings.Cut(unsigned, ".")
	digits := func(s string) bool {
		return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	}
	if !digits(whole) || point && !digits(fraction) {
		return who.Money{}, fmt.Errorf("got %.60q, want %s", text, Wanted(exponent))
	}
	if fraction = strings.TrimRight(fraction, "0"); len(fraction) > exponent {
		return who.Money{}, fmt.Errorf("got %.60q, want %s", text, Wanted(exponent))
	}
	minor, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", exponent-len(fraction)), 10, 64)
	if err != nil {
		return who.Money{}, fmt.Errorf("got %.60q, which is too large", text)
	}
	if text[0] == '-' {
		minor = -minor
	}
	return who.Money{Minor: minor, Known: true}, nil
}

// Format writes an amount as Parse reads it; "" when it is not known.
func Format(m who.Money, exponent int) string {
	if !m.Known {
		return ""
	}
	text := fmt.Sprintf("%0*d", exponent+1, max(m.Minor, -m.Minor))
	if exponent > 0 {
		text = text[:len(text)-exponent] + "." + text[len(text)-exponent:]
	}
	if m.Minor < 0 {
		return "-" + text
	}
	return text
}
