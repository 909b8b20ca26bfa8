package store

import (
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"satnav/context/who"
)

// appendProposals appends what crossings suggested.
func appendProposals(b []byte, proposals []who.Proposal) []byte {
	return document(b, func(b []byte) []byte {
		return array(b, "proposals", len(proposals), func(b []byte, i int) []byte {
			b = bsoncore.AppendStringElement(b, "crossing", proposals[i].Crossing)
			return bsoncore.AppendStringElement(b, "json", string(proposals[i].Body))
		})
	})
}

func readProposals(body []byte) (proposals []who.Proposal, err error) {
	w := walk(body)
	for w.next() {
		if string(w.key) != "proposals" {
			continue
		}
		list := w.inside()
		for list.next() {
			var p who.Proposal
			one := list.inside()
			for one.next() {
				switch string(one.key) {
				case "crossing":
					p.Crossing = one.string()
				case "json":
					p.Body = []byte(one.string())
				}
			}
			list.join(one)
			proposals = append(proposals, p)
		}
		w.join(list)
	}
	return proposals, w.err
}
