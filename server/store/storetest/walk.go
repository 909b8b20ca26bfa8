package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"satnav/server/store"
)

// twin does what the port promises, slowly and plainly, in memory.
type twin struct {
	partitions map[string]*twinPartition
	highest    map[string]store.Revision // ever told, erasures or not
}

type twinPartition struct {
	revision  store.Revision
	documents map[string]store.Document
}

func (w *twin) scan(partition, from, to string) []store.Document {
	var found []store.Document
	if p := w.partitions[partition]; p != nil {
		for _, id := range slices.Sorted(maps.Keys(p.documents)) {
			if id >= from && (to == "" || id < to) {
				found = append(found, p.documents[id])
			}
		}
	}
	return found
}

func (w *twin) revision(partition string) store.Revision {
	if p := w.partitions[partition]; p != nil {
		return p.revision
	}
	return 0
}

func (w *twin) marked(kind, key string, after store.Position, to time.Time) []store.Marked {
	var found []store.Marked
	for _, p := range w.partitions {
		for _, d := range p.documents {
			for _, m := range d.Marks {
				if m.Kind == kind && m.Key == key && (to.IsZero() || m.At.Before(to)) && order(store.Position{At: m.At, Partition: d.Partition, ID: d.ID}, after) > 0 {
					found = append(found, store.Marked{At: m.At, Document: d})
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b store.Marked) int { return order(a.Position(), b.Position()) })
	return found
}

func order(a, b store.Position) int {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.ID, b.ID))
}

// walk does random things to a store and its twin and compares all that both tell.
func walk(t *testing.T, open Open) {
	partition := rapid.SampledFrom(traps[:5])
	id := rapid.OneOf(rapid.SampledFrom(traps), rapid.StringMatching(`[a-c/é]{1,3}`))
	bound := rapid.OneOf(rapid.Just(""), id)
	when := rapid.Map(rapid.IntRange(-3, 3), func(n int) time.Time { return time.UnixMilli(int64(n)).UTC() })
	kind := rapid.SampledFrom([]string{"a", "a/b", "b"})
	key := rapid.SampledFrom([]string{"", "a", "b", "/b"})
	mark := rapid.Custom(func(t *rapid.T) store.Mark {
		return store.Mark{Kind: kind.Draw(t, "kind"), Key: key.Draw(t, "key"), At: when.Draw(t, "at")}
	})
	marks := rapid.SliceOfNDistinct(mark, 0, 4, func(m store.Mark) string { return m.Kind + "\x00" + m.Key })

	root, places := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		places++
		place := fmt.Sprintf("%s/%d", root, places)
		d := open(t, place)
		defer func() { d.Close() }()
		w := twin{partitions: map[string]*twinPartition{}, highest: map[string]store.Revision{}}
		n := 0 // makes each body another one

		rt.Repeat(map[string]func(*rapid.T){
			"commit": func(rt *rapid.T) {
				b := store.Batch{Partition: partition.Draw(rt, "partition"), Lazy: rapid.Bool().Draw(rt, "lazy")}
				ids := rapid.SliceOfNDistinct(id, 0, 5, rapid.ID[string]).Draw(rt, "ids")
				deletes := rapid.IntRange(0, len(ids)).Draw(rt, "deletes")
				b.Delete = ids[:deletes]
				for _, id := range ids[deletes:] {
					n++
					b.Put = append(b.Put, store.Document{Partition: b.Partition, ID: id, Body: Body(n), Marks: marks.Draw(rt, "marks")})
				}
				current := w.revision(b.Partition)
				switch rapid.IntRange(0, 3).Draw(rt, "expect") {
				case 0:
				case 1:
					wrong := current + store.Revision(rapid.SampledFrom([]int{-1, 1}).Draw(rt, "off by"))
					b.Expect = &wrong
				default:
					b.Expect = &current
				}
				revision, err := d.Commit(t.Context(), b)
				if b.Expect != nil && *b.Expect != current {
					if !errors.Is(err, store.ErrConflict) {
						rt.Fatalf("got error %v, want a conflict", err)
					}
					return
				}
				if err != nil {
					rt.Fatalf("commit: %v", err)
				}
				if revision <= w.highest[b.Partition] {
					rt.Fatalf("revision %d after %d", revision, w.highest[b.Partition])
				}
				p := w.partitions[b.Partition]
				if p == nil {
					p = &twinPartition{documents: map[string]store.Document{}}
					w.partitions[b.Partition] = p
				}
				p.revision, w.highest[b.Partition] = revision, revision
				for _, id := range b.Delete {
					delete(p.documents, id)
				}
				for _, doc := range b.Put {
					doc.Marks = slices.Clone(doc.Marks)
					slices.SortFunc(doc.Marks, func(a, b store.Mark) int {
						return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
					})
					p.documents[doc.ID] = doc
				}
			},
			"erase": func(rt *rapid.T) {
				name := partition.Draw(rt, "partition")
				if left, err := d.Erase(t.Context(), name); left || err != nil {
					rt.Fatalf("erase: left %v, %v", left, err)
				}
				delete(w.partitions, name)
			},
			"get": func(rt *rapid.T) {
				name, id := partition.Draw(rt, "partition"), id.Draw(rt, "id")
				got, err := d.Get(t.Context(), name, id)
				want := w.scan(name, id, id+"\x01")
				if len(want) == 0 || want[0].ID != id {
					if !errors.Is(err, store.ErrNotFound) {
						rt.Fatalf("got error %v, want not found", err)
					}
					return
				}
				if err != nil {
					rt.Fatalf("get: %v", err)
				}
				same(rt, []store.Document{got}, want[:1])
			},
			"scan": func(rt *rapid.T) {
				name, from, to := partition.Draw(rt, "partition"), bound.Draw(rt, "from"), bound.Draw(rt, "to")
				got, revision := scan(t, d, name, from, to, rapid.IntRange(0, 4).Draw(rt, "limit"))
				same(rt, got, w.scan(name, from, to))
				if revision != w.revision(name) {
					rt.Fatalf("scan tells revision %d, want %d", revision, w.revision(name))
				}
			},
			"marked": func(rt *rapid.T) {
				kind, key := kind.Draw(rt, "kind"), key.Draw(rt, "key")
				var after store.Position
				var to time.Time
				if rapid.Bool().Draw(rt, "from a place") {
					after = store.Position{At: when.Draw(rt, "at"), Partition: partition.Draw(rt, "partition"), ID: id.Draw(rt, "id")}
				}
				if rapid.Bool().Draw(rt, "to a time") {
					to = when.Draw(rt, "to")
				}
				got := marked(t, d, kind, key, after, to, rapid.IntRange(0, 3).Draw(rt, "limit"))
				want := w.marked(kind, key, after, to)
				if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
					rt.Fatalf("marked %q %q after %v to %v: got\n%s, want\n%s", kind, key, after, to, g, w)
				}
			},
			"partitions": func(rt *rapid.T) {
				names, next, err := d.Partitions(t.Context(), "", "", 0)
				if want := slices.Sorted(maps.Keys(w.partitions)); err != nil || next != "" || !slices.Equal(names, want) {
					rt.Fatalf("partitions are %q, %q, %v, want %q", names, next, err, want)
				}
			},
			"open again": func(rt *rapid.T) {
				if rapid.IntRange(0, 9).Draw(rt, "really, when 0") > 0 {
					return // opening is too slow to be done each time
				}
				if err := d.Close(); err != nil {
					rt.Fatalf("close: %v", err)
				}
				d = open(t, place)
			},
			"": func(rt *rapid.T) {
				for _, name := range traps[:5] {
					if got, err := d.Revision(t.Context(), name); got != w.revision(name) || err != nil {
						rt.Fatalf("revision of %q is %d, %v, want %d", name, got, err, w.revision(name))
					}
				}
			},
		})
	})
}

func same(t *rapid.T, got, want []store.Document) {
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Fatalf("got\n%s, want\n%s", g, w)
	}
}
