package learn

import (
	"encoding/binary"
	"math/bits"

	"satnav/context/who"
	"satnav/recommend"
)

// Share is what one shopper's history adds to a crowd, packed: about a fifth of the history. A process that is told only that
// a history changed, after somebody else changed it, keeps it to subtract exactly what it had counted. Numbers of items and
// stores are in it, so that it holds in this process only. The empty Share adds nothing.
type Share string

// ShareOf packs what a history adds. Histories that add the same have the same Share.
//
// It holds, as variable-length integers: the baskets whose contents are known (time and store), for each item how often and in
// which of those baskets it was bought and over how many hours, and the visits.
func ShareOf(h *who.History) Share {
	past := recommend.PastBefore(h, 0)
	if empty(past) {
		return ""
	}
	h = past.History
	var buffer [1 << 10]byte
	b := binary.AppendUvarint(buffer[:0], uint64(h.Orders))
	b = binary.AppendUvarint(b, uint64(past.Tail()))
	at := int64(0)
	for k := range past.Tail() {
		basket := past.Basket(k)
		b = binary.AppendVarint(b, at-int64(basket.At))
		b = binary.AppendUvarint(b, uint64(basket.Store))
		at = int64(basket.At)
	}
	b = binary.AppendUvarint(b, uint64(len(h.Items)))
	number := who.Item(0)
	for i := range h.Items {
		item := &h.Items[i]
		b = binary.AppendUvarint(b, uint64(item.Item-number))
		b = binary.AppendUvarint(b, uint64(item.Count))
		b = binary.AppendUvarint(b, item.Recent)
		if item.Count > 1 {
			b = binary.AppendUvarint(b, habitOf(past, item).gapHours)
		}
		number = item.Item
	}
	b = binary.AppendUvarint(b, uint64(len(h.Visits)))
	at = 0
	for _, v := range h.Visits {
		b = binary.AppendVarint(b, int64(v.At)-at)
		b = binary.AppendUvarint(b, uint64(v.Store))
		at = int64(v.At)
	}
	return Share(b)
}

// History unpacks a history that adds the same to a crowd, and has as many baskets and visits: all else in it means nothing.
func (s Share) History() *who.History {
	if s == "" {
		return nil
	}
	b := []byte(s)
	unsigned := func() uint64 {
		n, read := binary.Uvarint(b)
		b = b[read:]
		return n
	}
	signed := func() int64 {
		n, read := binary.Varint(b)
		b = b[read:]
		return n
	}
	h := &who.History{Orders: uint32(unsigned())}
	h.Baskets = make([]who.Basket, unsigned())
	at := int64(0)
	for k := range h.Baskets { // the newest first; a history has it last
		at -= signed()
		h.Baskets[len(h.Baskets)-1-k] = who.Basket{At: uint32(at), Store: who.Item(unsigned())}
	}
	h.Items = make([]who.Bought, unsigned())
	number := who.Item(0)
	for i := range h.Items {
		number += who.Item(unsigned())
		item := who.Bought{Item: number, Count: uint32(unsigned()), Recent: unsigned()}
		if item.Count > 1 {
			over := uint32(unsigned()) * hour
			item.First, item.Last = 0, over
			if item.Recent != 0 {
				item.Last = h.Baskets[len(h.Baskets)-1-bits.TrailingZeros64(item.Recent)].At
				item.First = item.Last - over
			}
		}
		h.Items[i] = item
	}
	h.Visits = make([]who.Visit, unsigned())
	at = 0
	for i := range h.Visits {
		at += signed()
		h.Visits[i] = who.Visit{At: uint32(at), Store: who.Item(unsigned())}
	}
	return h
}
