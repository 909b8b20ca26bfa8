package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes. It is written as a whole number with a binary
// unit, such as 4MiB; without a unit it counts bytes.
type Size int64

// units are ordered from large to small, so that String finds the largest that
// divides a size.
var units = []struct {
	name  string
	bytes Size
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// ParseSize reads what String writes. Decimal units (MB) are refused rather than
// guessed at: half of their users mean 1000 and half 1024.
func ParseSize(text string) (Size, error) {
	number, unit := text, Size(1)
	for _, u := range units {
		if before, found := strings.CutSuffix(text, u.name); found {
			number, unit = strings.TrimSpace(before), u.bytes
			break
		}
	}
	n, err := parseInt(number)
	if err != nil || n < 0 || Size(n) > math.MaxInt64/unit {
		return 0, fmt.Errorf("size %q: want a whole number and KiB, MiB, GiB or TiB", text)
	}
	return Size(n) * unit, nil
}

// String writes the size with the largest unit that leaves a whole number.
func (s Size) String() string {
	for _, u := range units {
		if s != 0 && s%u.bytes == 0 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.name
		}
	}
	return "0B"
}

// parseInt reads a decimal integer in which underscores may group digits.
func parseInt(text string) (int, error) {
	if strings.HasPrefix(text, "_") || strings.HasSuffix(text, "_") {
		return 0, strconv.ErrSyntax
	}
	return strconv.Atoi(strings.ReplaceAll(text, "_", ""))
}
