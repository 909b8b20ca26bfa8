package importer

import (
	"fmt"
	"math"
	"strings"
)

// Money is an amount in the smallest unit of its currency (cents for EUR, yen for JPY). Unknown is not zero.
type Money struct {
	Minor int64
	Known bool
}

// Decimals is the number of decimal places of a currency (ISO 4217): two, but for the exceptions.
// Empty or unknown codes have two.
func Decimals(currency string) int {
	switch currency {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	case "CLF", "UYW":
		return 4
	}
	return 2
}

// ParseMoney reads a plain decimal such as "12.50" exactly, without rounding: more decimals than the
// currency has are an error, unless they are zeros. The error says what is wanted.
func ParseMoney(s, currency string) (Money, error) {
	decimals := Decimals(currency)
	want := func() error {
		example := "12" + strings.TrimSuffix("."+strings.Repeat("0", decimals), ".")
		if currency == "" {
			return fmt.Errorf("a plain decimal such as %s", example)
		}
		return fmt.Errorf("a plain decimal such as %s (%s has %d decimals)", example, currency, decimals)
	}
	digits, negative := s, false
	if digits != "" && (digits[0] == '-' || digits[0] == '+') {
		negative, digits = digits[0] == '-', digits[1:]
	}
	whole, part, dot := strings.Cut(digits, ".")
	if whole == "" || dot && part == "" {
		return Money{}, want()
	}
	for len(part) > decimals && part[len(part)-1] == '0' {
		part = part[:len(part)-1]
	}
	if len(part) > decimals {
		return Money{}, want()
	}
	var minor int64
	shift := func(c byte) bool {
		if c < '0' || c > '9' || minor > (math.MaxInt64-9)/10 {
			return false
		}
		minor = minor*10 + int64(c-'0')
		return true
	}
	for i := range len(whole) {
		if !shift(whole[i]) {
			return Money{}, want()
		}
	}
	for i := range decimals {
		c := byte('0')
		if i < len(part) {
			c = part[i]
		}
		if !shift(c) {
			return Money{}, want()
		}
	}
	if negative {
		minor = -minor
	}
	return Money{Minor: minor, Known: true}, nil
}

// Format writes m as a plain decimal of the currency, and nothing when it is not known. ParseMoney
// reads it back.
func (m Money) Format(currency string) string {
	if !m.Known {
		return ""
	}
	decimals := Decimals(currency)
	s := fmt.Sprintf("%0*d", decimals+1, max(m.Minor, -m.Minor))
	if decimals > 0 {
		s = s[:len(s)-decimals] + "." + s[len(s)-decimals:]
	}
	if m.Minor < 0 {
		return "-" + s
	}
	return s
}
