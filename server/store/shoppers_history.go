package store

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"satnav/context/who"
)

// signalWords are the stored names of signals; they never change.
var signalWords = [...]string{
	who.SignalView: "view", who.SignalAdd: "add", who.SignalRemove: "remove", who.SignalRedeem: "redeem",
	who.SignalShare: "share", who.SignalLike: "like", who.SignalDismiss: "dismiss", who.SignalReturn: "return",
}

func signalKind(word []byte) (who.SignalKind, bool) {
	for kind, known := range signalWords {
		if known != "" && known == string(word) {
			return who.SignalKind(kind), true
		}
	}
	return 0, false
}

// appendHistory appends a history as a document. Item and store numbers hold in this process only, so ids
// are written.
func appendHistory(b []byte, names *who.Names, h *who.History) []byte {
	start, b := bsoncore.AppendDocumentStart(b)
	b = bsoncore.AppendInt64Element(b, "orders", int64(h.Orders))
	b = array(b, "baskets", len(h.Baskets), func(b []byte, i int) []byte {
		basket := &h.Baskets[i]
		b = bsoncore.AppendInt64Element(b, "key", int64(basket.Key))
		b = appendStamp(b, "at", basket.At)
		b = appendText(b, "store", names.Stores.Name(basket.Store))
		return bsoncore.AppendInt32Element(b, "lines", int32(basket.Lines))
	})
	b = array(b, "items", len(h.Items), func(b []byte, i int) []byte {
		item := &h.Items[i]
		b = bsoncore.AppendStringElement(b, "item", names.Items.Name(item.Item))
		b = bsoncore.AppendInt64Element(b, "count", int64(item.Count))
		b = appendStamp(b, "first", item.First)
		b = appendStamp(b, "last", item.Last)
		b = bsoncore.AppendInt64Element(b, "recent", int64(item.Recent))
		if h.Older == nil || h.Older[i] == [4]float32{} {
			return b
		}
		var at int32
		at, b = bsoncore.AppendArrayElementStart(b, "older")
		for k, sum := range h.Older[i] {
			b = bsoncore.AppendDoubleElement(b, index(k), float64(sum))
		}
		b, _ = bsoncore.AppendArrayEnd(b, at)
		return b
	})
	b = array(b, "visits", len(h.Visits), func(b []byte, i int) []byte {
		b = appendText(b, "store", names.Stores.Name(h.Visits[i].Store))
		return appendStamp(b, "at", h.Visits[i].At)
	})
	b = array(b, "signals", len(h.Signals), func(b []byte, i int) []byte {
		signal := &h.Signals[i]
		b = bsoncore.AppendStringElement(b, "item", names.Items.Name(signal.Item))
		b = bsoncore.AppendStringElement(b, "kind", signalWords[signal.Kind])
		b = bsoncore.AppendInt32Element(b, "count", int32(signal.Count))
		return appendStamp(b, "last", signal.Last)
	})
	b, _ = bsoncore.AppendDocumentEnd(b, start)
	return b
}

// readHistory reads what appendHistory wrote, perhaps in another process with other numbers.
func readHistory(body []byte, names *who.Names) (*who.History, error) {
	h := &who.History{}
	w := walk(body)
	for w.next() {
		switch string(w.key) {
		case "orders":
			h.Orders = uint32(w.int())
		case "baskets":
			h.Baskets = make([]who.Basket, 0, w.count())
			list := w.inside()
			for list.next() {
				h.Baskets = append(h.Baskets, readBasket(&list, names))
			}
			w.join(list)
		case "items":
			h.Items = make([]who.Bought, 0, w.count())
			list := w.inside()
			for list.next() {
				readBought(&list, names, h)
			}
			w.join(list)
		case "visits":
			h.Visits = make([]who.Visit, 0, w.count())
			list := w.inside()
			for list.next() {
				h.Visits = append(h.Visits, readVisit(&list, names))
			}
			w.join(list)
		case "signals":
			h.Signals = make([]who.Signal, 0, w.count())
			list := w.inside()
			for list.next() {
				h.Signals = append(h.Signals, readSignal(&list, names))
			}
			w.join(list)
		}
	}
	sortByNumber(h)
	return h, w.err
}

func readBasket(list *walker, names *who.Names) (basket who.Basket) {
	w := list.inside()
	for w.next() {
		switch string(w.key) {
		case "key":
			basket.Key = uint64(w.int())
		case "at":
			basket.At = w.stamp()
		case "store":
			basket.Store = names.Stores.NumberBytes(w.text())
		case "lines":
			basket.Lines = uint16(w.int())
		}
	}
	list.join(w)
	return basket
}

// readBought appends to Items, and to Older once there is one.
func readBought(list *walker, names *who.Names, h *who.History) {
	var item who.Bought
	var older [4]float32
	w := list.inside()
	for w.next() {
		switch string(w.key) {
		case "item":
			item.Item = names.Items.NumberBytes(w.text())
		case "count":
			item.Count = uint32(w.int())
		case "first":
			item.First = w.stamp()
		case "last":
			item.Last = w.stamp()
		case "recent":
			item.Recent = uint64(w.int())
		case "older":
			sums := w.inside()
			for k := 0; sums.next() && k < len(older); k++ {
				older[k] = float32(sums.float())
			}
			w.join(sums)
		}
	}
	list.join(w)
	if older != [4]float32{} && h.Older == nil {
		h.Older = make([][4]float32, len(h.Items), cap(h.Items))
	}
	h.Items = append(h.Items, item)
	if h.Older != nil {
		h.Older = append(h.Older, older)
	}
}

func readVisit(list *walker, names *who.Names) (visit who.Visit) {
	w := list.inside()
	for w.next() {
		switch string(w.key) {
		case "store":
			visit.Store = names.Stores.NumberBytes(w.text())
		case "at":
			visit.At = w.stamp()
		}
	}
	list.join(w)
	return visit
}

func readSignal(list *walker, names *who.Names) (signal who.Signal) {
	w := list.inside()
	for w.next() {
		switch string(w.key) {
		case "item":
			signal.Item = names.Items.NumberBytes(w.text())
		case "kind":
			kind, ok := signalKind(w.text())
			if !ok {
				w.fail("a kind of signal")
			}
			signal.Kind = kind
		case "count":
			signal.Count = uint16(w.int())
		case "last":
			signal.Last = w.stamp()
		}
	}
	list.join(w)
	return signal
}

// sortByNumber puts a history that was written under other numbers into the order of these.
func sortByNumber(h *who.History) {
	byItem := func(a, b who.Bought) int { return int(int64(a.Item) - int64(b.Item)) }
	if !slices.IsSortedFunc(h.Items, byItem) {
		if h.Older == nil {
			slices.SortFunc(h.Items, byItem)
		} else {
			sortWithOlder(h)
		}
	}
	slices.SortFunc(h.Signals, func(a, b who.Signal) int {
		if a.Item != b.Item {
			return int(int64(a.Item) - int64(b.Item))
		}
		return int(a.Kind) - int(b.Kind)
	})
}

func sortWithOlder(h *who.History) {
	order := make([]int, len(h.Items))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return int(int64(h.Items[a].Item) - int64(h.Items[b].Item)) })
	items, older := make([]who.Bought, len(order)), make([][4]float32, len(order))
	for to, from := range order {
		items[to], older[to] = h.Items[from], h.Older[from]
	}
	h.Items, h.Older = items, older
}
