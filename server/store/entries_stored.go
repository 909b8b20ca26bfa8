package store

import (
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"satnav/geo"
)

// The stored form of an Entry is a document of named fields: retailer, kind, id, version, at, by, deleted, then what it says.
//
// That is "json" for most kinds: the text that came, to the letter. A geofence has "packed" instead, a fifth of the bytes and a
// twentieth of the work at a start with a million of them, with the name, the kind of shape and the middle beside it for those who look with ordinary
// tools. Its text comes back from it; one whose text would not is kept as text, as all were once.
func encodeEntry(e Entry) bson.Raw {
	size := len(e.Packed)
	if size == 0 {
		size = len(e.Body)
	}
	at, dst := bsoncore.AppendDocumentStart(make([]byte, 0, 256+size))
	dst = bsoncore.AppendStringElement(dst, "retailer", e.Retailer)
	dst = bsoncore.AppendStringElement(dst, "kind", string(e.Kind))
	dst = bsoncore.AppendStringElement(dst, "id", e.ID)
	dst = bsoncore.AppendInt64Element(dst, "version", e.Version)
	dst = bsoncore.AppendDateTimeElement(dst, "at", e.At.UnixMilli())
	dst = bsoncore.AppendStringElement(dst, "by", e.By)
	if e.Deleted {
		dst = bsoncore.AppendBooleanElement(dst, "deleted", true)
	}
	if fence, err := geo.UnpackGeofence(e.Packed); len(e.Packed) > 0 && err == nil {
		middle := fence.Shape.Bounds().Center()
		if fence.Name != e.ID {
			dst = bsoncore.AppendStringElement(dst, "name", fence.Name)
		}
		dst = bsoncore.AppendStringElement(dst, "shape", geo.KindOf(fence.Shape))
		dst = bsoncore.AppendDoubleElement(dst, "lat", middle.Lat)
		dst = bsoncore.AppendDoubleElement(dst, "lng", middle.Lng)
		dst = bsoncore.AppendBinaryElement(dst, "packed", bson.TypeBinaryGeneric, e.Packed)
	} else {
		dst = bsoncore.AppendStringElement(dst, "json", string(e.Body))
	}
	dst, err := bsoncore.AppendDocumentEnd(dst, at)
	if err != nil {
		panic(fmt.Sprintf("store: entry %q does not encode: %v", e.ID, err)) // it ends where it began
	}
	return bson.Raw(dst)
}

// storedEntry is an entry of which the text was not made yet. Its texts and bytes are those of the document.
type storedEntry struct {
	retailer, kind, id, by []byte
	version, at            int64
	deleted                bool
	text, packed           []byte
}

// read looks at every field once and copies none: reflection would cost a start with a million entries most of its time.
func (e *storedEntry) read(raw bson.Raw) error {
	*e = storedEntry{}
	_, rest, ok := bsoncore.ReadLength(bsoncore.Document(raw))
	for ok && len(rest) > 1 {
		var element bsoncore.Element
		if element, rest, ok = bsoncore.ReadElement(rest); !ok {
			break
		}
		key, right := element.KeyBytes(), true
		value := element.Value()
		switch string(key) {
		case "retailer":
			e.retailer, right = textOf(value)
		case "kind":
			e.kind, right = textOf(value)
		case "id":
			e.id, right = textOf(value)
		case "version":
			e.version, right = value.AsInt64OK()
		case "at":
			e.at, right = value.DateTimeOK()
		case "by":
			e.by, right = textOf(value)
		case "deleted":
			e.deleted, right = value.BooleanOK()
		case "json":
			e.text, right = textOf(value)
		case "packed":
			_, e.packed, right = value.BinaryOK()
		}
		if !right {
			return fmt.Errorf("field %q has the type %v: %w", key, value.Type, ErrInvalid)
		}
	}
	if !ok || e.id == nil || e.version == 0 {
		return fmt.Errorf("no entry: %w", ErrInvalid)
	}
	return nil
}

// textOf is a string of BSON without a copy.
func textOf(value bsoncore.Value) ([]byte, bool) {
	n, _, ok := bsoncore.ReadLength(value.Data)
	if value.Type != bsoncore.TypeString || !ok || n < 1 || int(n)+4 != len(value.Data) {
		return nil, false
	}
	return value.Data[4 : 4+n-1 : 4+n-1], true
}

// decodeEntry reads what encodeEntry wrote. Retailer and kind are given by callers who know them.
func decodeEntry(retailer string, kind EntryKind, raw bson.Raw) (Entry, error) {
	var stored storedEntry
	if err := stored.read(raw); err != nil {
		return Entry{}, err
	}
	if retailer == "" {
		retailer, kind = string(stored.retailer), EntryKind(stored.kind)
	}
	e := Entry{Retailer: retailer, Kind: kind, ID: string(stored.id), Version: stored.version, At: time.UnixMilli(stored.at).UTC(),
		By: string(stored.by), Deleted: stored.deleted, Body: append([]byte{}, stored.text...)}
	if stored.packed != nil {
		fence, err := geo.UnpackGeofence(stored.packed)
		if err != nil {
			return e, fmt.Errorf("packed: %w", err)
		}
		e.Packed, e.Body = append([]byte{}, stored.packed...), fence.AppendFeature(nil)
	}
	return e, nil
}

// Geofence is the geofence of an entry that is one, with the version of the entry.
func (e *Entry) Geofence() (geo.Geofence, error) {
	var fence geo.Geofence
	var err error
	if len(e.Packed) > 0 {
		fence, err = geo.UnpackGeofence(e.Packed)
	} else {
		fence, _, err = geo.ParseFeature(e.Body)
	}
	fence.Version = e.Version
	return fence, err
}
