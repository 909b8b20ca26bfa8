package mongodb

import (
	"strconv"
	"time"

	"satnav/server/store"
)

// All keys (_id) of the collection, in one place. Names hold no NUL (the port sees to it), so a NUL ends a name, sorts before
// all that could follow in a longer one, and the order of keys, which is that of their bytes, is the order of the tuples.
//
//	partition NUL                                     head
//	partition NUL id                                  document, or its tombstone
//	NUL partition NUL id NUL kind NUL key NUL time    hint; time: milliseconds, decimal
//
// A head sorts just before the documents of its partition. Hints stand apart, so that a scan never meets them. Nobody has to
// take a key apart: the parts stand in fields of their own.
const nul = "\x00"

func headKey(partition string) string { return partition + nul }

func documentKey(partition, id string) string { return partition + nul + id }

// endKey is the first key after the documents of a partition.
func endKey(partition string) string { return partition + "\x01" }

func hintKey(partition, id string, m mark) string {
	return nul + partition + nul + id + nul + m.Kind + nul + m.Key + nul + strconv.FormatInt(int64(m.At), 10)
}

// hintRange holds all hints of a partition, those of it alone.
func hintRange(partition string) (from, to string) {
	return nul + partition + nul, nul + partition + "\x01"
}

// millisFrom returns the first whole millisecond that does not lie before t.
func millisFrom(t time.Time) int64 {
	millis := t.UnixMilli()
	if t.Nanosecond()%int(time.Millisecond) != 0 {
		millis++
	}
	return millis
}

// place orders marks as the port lists them.
type place struct {
	at            int64 // milliseconds
	partition, id string
}

func placeOf(m store.Marked) place { return place{m.At.UnixMilli(), m.Partition, m.ID} }
