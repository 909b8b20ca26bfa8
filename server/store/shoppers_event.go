package store

import (
	"encoding/json"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"satnav/context/who"
)

// appendEvent appends one diary entry as a document. The time keeps its milliseconds and its offset from UTC:
// what day it was for the shopper is part of the event.
func appendEvent(b []byte, e *who.Event) []byte {
	start, b := bsoncore.AppendDocumentStart(b)
	b = bsoncore.AppendStringElement(b, "id", e.ID)
	b = bsoncore.AppendStringElement(b, "kind", string(e.Kind))
	b = bsoncore.AppendDateTimeElement(b, "at", e.At.UnixMilli())
	if _, offset := e.At.Zone(); offset != 0 {
		b = bsoncore.AppendInt32Element(b, "offset_s", int32(offset))
	}
	b = appendText(b, "item", e.Item)
	b = appendText(b, "basket", e.Basket)
	b = appendFloat(b, "quantity", e.Quantity)
	if e.Price.Known {
		b = bsoncore.AppendInt64Element(b, "price_minor", e.Price.Minor)
	}
	b = appendText(b, "code", e.Code)
	b = appendText(b, "store", e.Store)
	b = appendText(b, "place", e.Place)
	b = appendText(b, "properties", string(e.Properties))
	b = appendInt(b, "ordinal", int64(e.Ordinal))
	b = appendText(b, "source", e.Source)
	b = appendText(b, "purpose", string(e.Purpose))
	b = appendText(b, "reason", e.Reason)
	b, _ = bsoncore.AppendDocumentEnd(b, start)
	return b
}

func readEvent(body []byte) (e who.Event, err error) {
	offset := 0
	w := walk(body)
	for w.next() {
		switch string(w.key) {
		case "id":
			e.ID = w.string()
		case "kind":
			e.Kind = who.EventKind(w.string())
		case "at":
			e.At = w.time()
		case "offset_s":
			offset = int(w.int())
		case "item":
			e.Item = w.string()
		case "basket":
			e.Basket = w.string()
		case "quantity":
			e.Quantity = w.float()
		case "price_minor":
			e.Price = who.Money{Minor: w.int(), Known: true}
		case "code":
			e.Code = w.string()
		case "store":
			e.Store = w.string()
		case "place":
			e.Place = w.string()
		case "properties":
			e.Properties = json.RawMessage(w.string())
		case "ordinal":
			e.Ordinal = int(w.int())
		case "source":
			e.Source = w.string()
		case "purpose":
			e.Purpose = who.Purpose(w.string())
		case "reason":
			e.Reason = w.string()
		}
	}
	if offset != 0 {
		e.At = e.At.In(time.FixedZone("", offset))
	}
	return e, w.err
}
