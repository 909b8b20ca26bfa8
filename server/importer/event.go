package importer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"
)

// Event is one row of events.csv or events.ndjson: something that a shopper did.
type Event struct {
	Shopper string
	// ID identifies the event for its shopper. When the file gives none it is derived from what the row
	// says and its ordinal among equal rows, so that importing it again finds it.
	ID         string
	Kind       string // view, add, purchase, visit, redeem, share, dismiss, like, …
	Item       string
	At         time.Time
	DateOnly   bool // the file gave a date; At is noon of it in the store's zone
	Basket     string
	Quantity   float64 // if the file does not say, 1 of a purchase, else 0: there is none
	Price      Money   // of the whole line
	Store      string
	Place      string
	Properties json.RawMessage // an object; nil: none
	Source     string          // who told it, a partner; empty: the retailer
}

var eventColumns = []column{
	{"shopper", true}, {"id", false}, {"kind", true}, {"item", false}, {"at", true}, {"basket", false},
	{"quantity", false}, {"price", false}, {"store", false}, {"place", false}, {"properties", false}, {"source", false},
}

const (
	eventShopper = iota
	eventID
	eventKind
	eventItem
	eventAt
	eventBasket
	eventQuantity
	eventPrice
	eventStore
	eventPlace
	eventProperties
	eventSource
)

// eventDecoder remembers the rows before, which the id of a row without one needs.
type eventDecoder struct{ seen ordinals }

func (d *eventDecoder) decode(c *cells) Event {
	e := Event{
		Shopper:    c.id(eventShopper),
		ID:         c.optionalID(eventID),
		Kind:       c.id(eventKind),
		Item:       c.optionalID(eventItem),
		Basket:     c.optionalID(eventBasket),
		Quantity:   c.quantity(eventQuantity),
		Price:      c.money(eventPrice),
		Store:      c.optionalID(eventStore),
		Place:      c.optionalID(eventPlace),
		Properties: c.object(eventProperties),
		Source:     c.source(eventSource),
	}
	if c.values[eventQuantity] == "" && e.Kind != "purchase" {
		e.Quantity = 0
	}
	e.At, e.DateOnly = c.instant(eventAt, func() *time.Location { return c.zone(e.Store) })
	if c.reason == "" && e.ID == "" {
		e.ID = d.derive(c)
	}
	return e
}

// derive makes the id of a row that has none: "i" and 128 bits of a hash over its cells.
func (d *eventDecoder) derive(c *cells) string {
	h := sha256.New()
	for _, value := range c.values[:eventSource] { // ids of rows from before there were sources stay
		h.Write(strconv.AppendInt(nil, int64(len(value)), 10))
		h.Write([]byte{':'})
		h.Write([]byte(value))
	}
	sum := h.Sum(nil)
	n := d.seen.next(string(sum))
	if n > 0 {
		h.Write(strconv.AppendInt(nil, int64(n), 10))
		sum = h.Sum(nil)
	}
	return "i" + hex.EncodeToString(sum[:16])
}
