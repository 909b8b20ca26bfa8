package importer

import "github.com/cespare/xxhash/v2"

// ordinals tells how often a key came before in the same file, in bounded memory.
//
// Two lines of a file that say the same may be two bottles, not a repetition, so their ordinal is part
// of what identifies them. Only the file can tell: a store that holds one such line cannot know whether
// the next is the second bottle or the first one imported again. The lines of a basket need not stand
// together, so every key of the file would have to be remembered. It is not: keys are held as 64-bit
// hashes in two generations of ordinalKeys each; when the younger is full, the elder is forgotten.
// Therefore:
//   - files of up to ordinalKeys lines are counted exactly, in whatever order; in longer ones, equal
//     keys that are at most ordinalKeys lines apart. Farther apart, the later line has the ordinal of
//     the former, and the Sink takes it for the same line.
//   - the same file always gets the same ordinals, so it can be imported again.
//   - two keys with one hash lose nothing: the later one's ordinal is higher than it need be.
type ordinals struct {
	young, old map[uint64]uint32
	limit      int    // keys of a generation; 0: ordinalKeys
	buf        []byte // the key as bytes, reused
}

// ordinalKeys bounds a generation: two of a million entries take about 40 MB.
const ordinalKeys = 1 << 20

func (o *ordinals) next(key ...string) int {
	o.buf = o.buf[:0]
	for _, part := range key {
		o.buf = append(append(o.buf, part...), 0) // parts hold no control characters
	}
	hash := xxhash.Sum64(o.buf)
	n, seen := o.young[hash]
	if !seen {
		n = o.old[hash]
	}
	if o.limit == 0 {
		o.limit = ordinalKeys
	}
	if !seen && len(o.young) >= o.limit {
		o.old, o.young = o.young, make(map[uint64]uint32, o.limit)
	}
	if o.young == nil {
		o.young = map[uint64]uint32{}
	}
	o.young[hash] = n + 1
	return int(n)
}
