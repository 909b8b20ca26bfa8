package retailer

import (
	"fmt"
	"strconv"
	"strings"

	"satnav/context/who"
)

// ParseMoney reads a decimal such as "12.50" into minor units of a currency with the given number of
// decimals; "" is unknown. Nothing is rounded: more decimals than the currency has are refused.
func ParseMoney(text string, exponent int) (who.Money, error) {
	if text == "" {
		return who.Money{}, nil
	}
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	fraction = strings.TrimRight(fraction, "0")
	if whole == "" || len(fraction) > exponent || strings.ContainsFunc(whole+fraction, func(r rune) bool { return r < '0' || r > '9' }) {
		return who.Money{}, fmt.Errorf("got %.40q, want a decimal with at most %d digits after the point, such as %q", text, exponent, FormatMoney(who.Money{Minor: 1250, Known: true}, exponent))
	}
	minor, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", exponent-len(fraction)), 10, 64)
	if err != nil {
		return who.Money{}, fmt.Errorf("got %.40q, which is too large", text)
	}
	if negative {
		minor = -minor
	}
	return who.Money{Minor: minor, Known: true}, nil
}

// FormatMoney writes an amount as ParseMoney reads it; "" when it is not known.
func FormatMoney(m who.Money, exponent int) string {
	if !m.Known {
		return ""
	}
	if exponent == 0 {
		return strconv.FormatInt(m.Minor, 10)
	}
	text := fmt.Sprintf("%0*d", exponent+1, max(m.Minor, -m.Minor))
	text = text[:len(text)-exponent] + "." + text[len(text)-exponent:]
	if m.Minor < 0 {
		text = "-" + text
	}
	return text
}
