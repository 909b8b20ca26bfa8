package importer

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"satnav/context/who"
	"satnav/server/money"
)

// The longest texts that are taken.
const (
	maxIDRunes   = 128
	maxTextRunes = 500
)

// cells are the values of one row by column number, and the first fault found in them. A decoder reads
// on after a fault: what it makes is then thrown away.
type cells struct {
	columns []column
	opts    *Options
	values  []string
	line    int

	fault  string // column of the first fault
	reason string // what is wrong there; empty: nothing so far

	day     string // the date of the last instant, parsed already: files are mostly in order
	dayTime time.Time
}

func (c *cells) reset(line int) {
	clear(c.values)
	c.line, c.fault, c.reason = line, "", ""
}

// refuse notes a fault, unless an earlier one is known.
func (c *cells) refuse(column, reason string) {
	if c.reason == "" {
		c.fault, c.reason = column, reason
	}
}

// wrong notes that column i holds something else than wanted.
func (c *cells) wrong(i int, want string) {
	if c.values[i] == "" {
		c.refuse(c.columns[i].name, "empty, want "+want)
		return
	}
	c.refuse(c.columns[i].name, fmt.Sprintf("got %q, want %s", cut(c.values[i], 60), want))
}

// id is an identifier that must be there: 1 to 128 characters, none of them a control character.
func (c *cells) id(i int) string {
	if c.values[i] == "" {
		c.wrong(i, "an id of 1 to 128 characters")
	}
	return c.optionalID(i)
}

// source reads who told a row: a partner, or nobody but the retailer.
func (c *cells) source(i int) string {
	if s := c.values[i]; s != "" && !who.ValidPartner(s) {
		c.wrong(i, who.PartnerWanted+", or nothing for the retailer's own data")
	}
	return c.values[i]
}

func (c *cells) optionalID(i int) string {
	s := c.values[i]
	if len(s) > maxIDRunes && utf8.RuneCountInString(s) > maxIDRunes {
		c.wrong(i, fmt.Sprintf("at most %d characters, not %d", maxIDRunes, utf8.RuneCountInString(s)))
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f || r >= 0x80 && unicode.IsControl(r) {
			c.wrong(i, "no control characters")
			break
		}
	}
	return s
}

// text is free text: at most 500 characters, line breaks allowed, no NUL.
func (c *cells) text(i int) string {
	s := c.values[i]
	if len(s) > maxTextRunes && utf8.RuneCountInString(s) > maxTextRunes {
		c.wrong(i, fmt.Sprintf("at most %d characters, not %d", maxTextRunes, utf8.RuneCountInString(s)))
	}
	if strings.IndexByte(s, 0) >= 0 {
		c.wrong(i, "no NUL bytes")
	}
	return s
}

// degrees is a latitude or longitude, between -most and most.
func (c *cells) degrees(i int, most float64) float64 {
	v, err := strconv.ParseFloat(c.values[i], 64)
	if err != nil || math.IsNaN(v) || v < -most || v > most {
		c.wrong(i, fmt.Sprintf("degrees from %v to %v", -most, most))
	}
	return v
}

// quantity is how many or how much (pieces, or kilograms and the like), negative when it was brought
// back; empty means 1.
func (c *cells) quantity(i int) float64 {
	if c.values[i] == "" {
		return 1
	}
	v, err := strconv.ParseFloat(c.values[i], 64)
	if err != nil || math.IsNaN(v) || v == 0 || v < -100_000 || v > 100_000 {
		c.wrong(i, "a number from -100000 to 100000, not 0")
	}
	return v
}

const amountWanted = "a number from 0 to 1000000000"

// amount is a stock of something; known is false when the cell is empty.
func (c *cells) amount(i int) (v float64, known bool) {
	if c.values[i] == "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(c.values[i], 64)
	if err != nil || math.IsNaN(v) || v < 0 || v > 1e9 {
		c.wrong(i, amountWanted)
	}
	return v, true
}

// Money is an amount in the smallest unit of the retailer's currency.
type Money = who.Money

// money is an amount; empty is not known.
func (c *cells) money(i int) Money {
	m, err := money.Parse(c.values[i], money.Exponent(c.opts.Currency))
	if err != nil {
		c.refuse(c.columns[i].name, err.Error())
	}
	return m
}

// cost is money that cannot be negative.
func (c *cells) cost(i int) Money {
	m := c.money(i)
	if m.Minor < 0 {
		c.wrong(i, "0 or more")
	}
	return m
}

// instant is an RFC 3339 time, or a date, which means noon in zone. The year is 1970 to 2200: anything
// else is a mistake of the file.
func (c *cells) instant(i int, zone func() *time.Location) (at time.Time, dateOnly bool) {
	const want = "an RFC 3339 time such as 2026-11-22T09:14:03Z, or a date such as 2026-11-22"
	s := c.values[i]
	var err error
	if len(s) == len(time.DateOnly) {
		if s != c.day {
			if c.dayTime, err = time.Parse(time.DateOnly, s); err != nil {
				c.day = ""
				c.wrong(i, want)
				return time.Time{}, true
			}
			c.day = strings.Clone(s)
		}
		year, month, day := c.dayTime.Date()
		at, dateOnly = time.Date(year, month, day, 12, 0, 0, 0, zone()), true
	} else if at, err = time.Parse(time.RFC3339, s); err != nil {
		c.wrong(i, want)
		return time.Time{}, false
	}
	if year := at.Year(); year < 1970 || year > 2200 {
		c.wrong(i, "a year from 1970 to 2200")
	}
	return at, dateOnly
}

// object is a JSON object as it came, or nil when the cell is empty.
func (c *cells) object(i int) json.RawMessage {
	s := c.values[i]
	if s == "" {
		return nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(s), &members); err != nil || members == nil {
		c.wrong(i, `a JSON object such as {"colour": "red"}`)
		return nil
	}
	return json.RawMessage(s)
}

// zone is the time zone of a store, or of the retailer.
func (c *cells) zone(store string) *time.Location {
	if c.opts.Zone != nil {
		if zone := c.opts.Zone(store); zone != nil {
			return zone
		}
	}
	return time.UTC
}
