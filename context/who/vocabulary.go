package who

import "sync"

// Item is the number that a Vocabulary gave to an item's id. It holds in this process only and is
// never stored.
type Item uint32

// Vocabulary numbers ids in the order in which they are first seen, so that a history holds four bytes
// for an item instead of a string, and a score table is an array. It grows by what the retailer's
// catalogue and events name, and never shrinks. It is safe for concurrent use.
type Vocabulary struct {
	mu      sync.RWMutex
	numbers map[string]Item
	names   []string
}

// NewVocabulary makes an empty vocabulary.
func NewVocabulary() *Vocabulary { return &Vocabulary{numbers: map[string]Item{}} }

// Number returns the id's number and gives it one if it has none.
func (v *Vocabulary) Number(id string) Item {
	if n, ok := v.Lookup(id); ok {
		return n
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	n, ok := v.numbers[id]
	if !ok {
		n = Item(len(v.names))
		v.names = append(v.names, id)
		v.numbers[id] = n
	}
	return n
}

// NumberBytes is Number for an id that still lies in a reader's buffer: it makes a string only of one
// that is new.
func (v *Vocabulary) NumberBytes(id []byte) Item {
	v.mu.RLock()
	n, ok := v.numbers[string(id)]
	v.mu.RUnlock()
	if ok {
		return n
	}
	return v.Number(string(id))
}

// Lookup returns the id's number if it has one.
func (v *Vocabulary) Lookup(id string) (Item, bool) {
	v.mu.RLock()
	n, ok := v.numbers[id]
	v.mu.RUnlock()
	return n, ok
}

// Name is the id behind a number that this vocabulary gave.
func (v *Vocabulary) Name(n Item) string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.names[n]
}

// Len is how many ids are numbered.
func (v *Vocabulary) Len() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.names)
}

// Names are the vocabularies of one retailer.
type Names struct {
	Items  *Vocabulary
	Stores *Vocabulary // number 0 is "", no store
}

// NewNames makes the empty vocabularies of a retailer.
func NewNames() *Names {
	n := &Names{Items: NewVocabulary(), Stores: NewVocabulary()}
	n.Stores.Number("")
	return n
}
