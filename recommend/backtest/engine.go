package backtest

import (
	"math"
	"sync"
	"time"

	"satnav/context/who"
	"satnav/recommend"
)

// engine asks the engine what it would have said.
type engine struct {
	name       string
	snapshot   *recommend.Snapshot
	past       []*who.History
	shoppers   []Shopper
	rehearsals *sync.Pool
}

// Engine makes the method. past[i] is the history of shoppers[i], see Split.
func Engine(name string, snapshot *recommend.Snapshot, past []*who.History, shoppers []Shopper) Method {
	return engine{name, snapshot, past, shoppers, &sync.Pool{New: func() any { return new(recommend.Rehearsal) }}}
}

func (e engine) Name() string { return e.name }

func (e engine) Rank(shopper int, to []who.Item) []who.Item {
	r := e.rehearsals.Get().(*recommend.Rehearsal)
	defer e.rehearsals.Put(r)
	at := time.Unix(int64(math.Round(e.shoppers[shopper].Now*secondsADay)), 0)
	return r.Rank(e.snapshot, recommend.PastBefore(e.past[shopper], 0), at, Length, to)
}

// lists are made elsewhere.
type lists struct {
	name string
	of   [][]who.Item
}

// Lists is a method whose lists are known: of[i] is that of the shopper with the place i.
func Lists(name string, of [][]who.Item) Method { return lists{name, of} }

func (l lists) Name() string { return l.name }

func (l lists) Rank(shopper int, to []who.Item) []who.Item {
	return append(to, l.of[shopper][:min(len(l.of[shopper]), Length)]...)
}
