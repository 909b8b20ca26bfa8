package embedded

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"satnav/server/store"
)

// All keys of a folder, in one place. Names hold no NUL (the port sees to it), so a NUL ends a name, sorts before all that
// could follow in a longer one, and the order of keys is the order of the tuples that they are made of.
//
//	d partition NUL                                 head of a partition: its revision, 8 bytes, big endian
//	d partition NUL id                              document: its marks, then its BSON (value.go)
//	m kind NUL key NUL time partition NUL id        mark; no value. time: milliseconds, 8 bytes, big endian, sign flipped
//	s format                                        format of the folder (format.go)
//	s floor lane                                    highest revision forgotten by an erasure in a lane, 8 bytes; lane: 2 bytes
//
// The head sorts before the documents of its partition: one seek reads a whole shopper. The prefix of a key, which is what
// the bloom filters know, ends with the NUL after the partition, or after the key of a mark: whether a table holds
// anything of a shopper or of a feed is known without reading it.
const (
	spaceDocuments = 'd'
	spaceMarks     = 'm'
	spaceStore     = 's'
)

var formatKey = []byte{spaceStore, 'f', 'o', 'r', 'm', 'a', 't'}

// comparer orders keys by their bytes and tells Pebble their prefixes.
var comparer = func() *pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name = "satnav.1"
	c.Split = split
	c.ImmediateSuccessor = appendNextPrefix
	return &c
}()

// split returns the length of a key's prefix. It is also asked about shortened keys, which may lack any part.
func split(key []byte) int {
	if len(key) == 0 {
		return 0
	}
	end := 0
	switch key[0] {
	case spaceDocuments:
		end = bytes.IndexByte(key, 0) + 1
	case spaceMarks:
		if kind := bytes.IndexByte(key, 0) + 1; kind > 0 {
			if n := bytes.IndexByte(key[kind:], 0) + 1; n > 0 {
				end = kind + n
			}
		}
	}
	if end == 0 {
		return len(key)
	}
	return end
}

// appendNextPrefix appends the smallest prefix that sorts after a prefix. No prefix continues one that is complete.
func appendNextPrefix(dst, prefix []byte) []byte {
	dst = append(dst, prefix...)
	if complete := split(append(bytes.Clone(prefix), 1)) == len(prefix); complete {
		dst[len(dst)-1] = 1
		return dst
	}
	return append(dst, 0)
}

// appendHeadKey appends the key of a partition's head, which is also the prefix of its documents.
func appendHeadKey(dst []byte, partition string) []byte {
	dst = append(dst, spaceDocuments)
	dst = append(dst, partition...)
	return append(dst, 0)
}

func appendDocumentKey(dst []byte, partition, id string) []byte {
	return append(appendHeadKey(dst, partition), id...)
}

// appendMarkPrefix appends the prefix of all keys of one mark.
func appendMarkPrefix(dst []byte, kind, key string) []byte {
	dst = append(dst, spaceMarks)
	dst = append(dst, kind...)
	dst = append(dst, 0)
	dst = append(dst, key...)
	return append(dst, 0)
}

func appendMarkKey(dst []byte, kind, key string, millis int64, partition, id string) []byte {
	dst = appendMarkPrefix(dst, kind, key)
	dst = appendMillis(dst, millis)
	dst = append(dst, partition...)
	dst = append(dst, 0)
	return append(dst, id...)
}

// appendMillis appends a time such that earlier times, those before 1970 too, have smaller bytes.
func appendMillis(dst []byte, millis int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(millis)^1<<63)
}

func floorKey(lane int) []byte {
	return binary.BigEndian.AppendUint16([]byte{spaceStore, 'f', 'l', 'o', 'o', 'r'}, uint16(lane))
}

// parseDocumentKey takes a key of a head (then id is empty) or a document apart. The parts share the key's memory.
func parseDocumentKey(key []byte) (partition, id []byte, ok bool) {
	if len(key) == 0 || key[0] != spaceDocuments {
		return nil, nil, false
	}
	end := bytes.IndexByte(key, 0)
	if end < 0 {
		return nil, nil, false
	}
	return key[1:end], key[end+1:], true
}

// parseMarkKey takes what follows the prefix of a mark's key apart. The parts share the key's memory.
func parseMarkKey(rest []byte) (millis int64, partition, id []byte, ok bool) {
	if len(rest) < 8 {
		return 0, nil, nil, false
	}
	millis = int64(binary.BigEndian.Uint64(rest) ^ 1<<63)
	partition, id, ok = bytes.Cut(rest[8:], []byte{0})
	return millis, partition, id, ok
}

// millisFrom returns the first whole millisecond that does not lie before t.
func millisFrom(t time.Time) int64 {
	millis := t.UnixMilli()
	if t.Nanosecond()%int(time.Millisecond) != 0 {
		millis++
	}
	return millis
}

// appendPositionKey appends the smallest key of a mark that stands after a position of its listing.
func appendPositionKey(dst []byte, kind, key string, p store.Position) []byte {
	millis := p.At.UnixMilli()
	if from := millisFrom(p.At); from != millis || p.Partition == "" {
		return appendMillis(appendMarkPrefix(dst, kind, key), from)
	}
	return append(appendMarkKey(dst, kind, key, millis, p.Partition, p.ID), 0)
}
