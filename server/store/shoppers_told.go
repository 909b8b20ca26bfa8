package store

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"satnav/context/who"
)

// appendTold appends how often rules acted for a shopper.
func appendTold(b []byte, told who.Told) []byte {
	return document(b, func(b []byte) []byte {
		return array(b, "rules", len(told), func(b []byte, i int) []byte {
			b = bsoncore.AppendStringElement(b, "rule", told[i].Rule)
			b = bsoncore.AppendInt32Element(b, "day", int32(told[i].Day))
			return bsoncore.AppendInt32Element(b, "times", int32(told[i].Times))
		})
	})
}

func readTold(body []byte) (told who.Told, err error) {
	w := walk(body)
	for w.next() {
		if string(w.key) != "rules" {
			continue
		}
		list := w.inside()
		for list.next() {
			var t who.Tell
			one := list.inside()
			for one.next() {
				switch string(one.key) {
				case "rule":
					t.Rule = one.string()
				case "day":
					t.Day = uint32(min(max(one.int(), 0), math.MaxInt32))
				case "times":
					t.Times = uint16(min(max(one.int(), 0), math.MaxUint16))
				}
			}
			list.join(one)
			told = append(told, t)
		}
		w.join(list)
	}
	return told, w.err
}
