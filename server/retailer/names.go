package retailer

import (
	"sync"

	"satnav/context/who"
)

// Names holds the vocabularies of each retailer: the store, which decodes histories with them, and the
// snapshots share the same ones. It is safe for concurrent use.
type Names struct {
	mu sync.RWMutex
	of map[string]*who.Names
}

// NewNames makes names of no retailer yet.
func NewNames() *Names { return &Names{of: map[string]*who.Names{}} }

// Of returns a retailer's vocabularies, always the same ones.
func (n *Names) Of(retailer string) *who.Names {
	n.mu.RLock()
	names, ok := n.of[retailer]
	n.mu.RUnlock()
	if ok {
		return names
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if names, ok = n.of[retailer]; !ok {
		names = who.NewNames()
		n.of[retailer] = names
	}
	return names
}
