package store

import (
	"time"
	"unique"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"satnav/context/who"
)

// appendGrants appends a list of decisions as a document: those in force, or those of one entry of the log.
func appendGrants(b []byte, grants []who.Grant) []byte {
	return document(b, func(b []byte) []byte {
		return array(b, "grants", len(grants), func(b []byte, i int) []byte {
			g := &grants[i]
			b = bsoncore.AppendStringElement(b, "purpose", string(g.Purpose))
			b = bsoncore.AppendBooleanElement(b, "given", g.Given)
			b = appendTime(b, "at", g.At)
			b = appendText(b, "source", string(g.Source))
			b = appendText(b, "notice", g.Notice)
			b = appendText(b, "language", g.Language)
			b = appendText(b, "hash", g.Hash)
			return appendText(b, "basis", g.Basis)
		})
	})
}

func readGrants(body []byte) (grants who.Grants, err error) {
	w := walk(body)
	for w.next() {
		if string(w.key) != "grants" {
			continue
		}
		list := w.inside()
		for list.next() {
			grants = append(grants, readGrant(&list))
		}
		w.join(list)
	}
	return grants, w.err
}

func readGrant(list *walker) (g who.Grant) {
	w := list.inside()
	for w.next() {
		switch string(w.key) {
		case "purpose":
			g.Purpose = who.Purpose(w.string())
		case "given":
			g.Given = w.bool()
		case "at":
			g.At = w.time()
		case "source":
			g.Source = who.Source(w.string())
		case "notice":
			g.Notice = w.string()
		case "language":
			g.Language = unique.Make(w.string()).Value() // few, shared by all shoppers
		case "hash":
			g.Hash = unique.Make(w.string()).Value()
		case "basis":
			g.Basis = w.string()
		}
	}
	list.join(w)
	return g
}

// appendProfile appends who the shopper is. It is the one document that holds the shopper's own id.
func appendProfile(b []byte, shopper string, since time.Time) []byte {
	return document(b, func(b []byte) []byte {
		b = bsoncore.AppendStringElement(b, "shopper", shopper)
		return appendTime(b, "since", since)
	})
}

func readProfile(body []byte) (shopper string, since time.Time, err error) {
	w := walk(body)
	for w.next() {
		switch string(w.key) {
		case "shopper":
			shopper = w.string()
		case "since":
			since = w.time()
		}
	}
	return shopper, since, w.err
}
