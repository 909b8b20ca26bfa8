package embedded

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"satnav/server/store"
)

// The order of keys is the order of the tuples they are made of, and keys come apart into what they were made of.
func FuzzKeyOrder(f *testing.F) {
	names := []string{"a", "a/", "a/b", "ab", "a\x01", "é", "b"}
	for i, a := range names {
		b := names[(i+3)%len(names)]
		f.Add(a, b, int64(i), b, a, int64(-i))
		f.Add(a, b, int64(5), a, b, int64(5))
	}
	f.Fuzz(func(t *testing.T, a1, a2 string, aMillis int64, b1, b2 string, bMillis int64) {
		for _, name := range []string{a1, a2, b1, b2} {
			if store.CheckName("name", name) != nil {
				return
			}
		}
		a, b := appendDocumentKey(nil, a1, a2), appendDocumentKey(nil, b1, b2)
		if got, want := comparer.Compare(a, b), cmp.Or(cmp.Compare(a1, b1), cmp.Compare(a2, b2)); got != want {
			t.Fatalf("documents (%q %q) and (%q %q) compare as %d, want %d", a1, a2, b1, b2, got, want)
		}
		if partition, id, ok := parseDocumentKey(a); !ok || string(partition) != a1 || string(id) != a2 {
			t.Fatalf("document (%q %q) came apart as (%q %q)", a1, a2, partition, id)
		}
		if same := bytes.Equal(a[:split(a)], b[:split(b)]); same != (a1 == b1) {
			t.Fatalf("documents of %q and %q have one prefix: %v", a1, b1, same)
		}
		// All six parts take a turn in the places of a mark's key.
		a, b = appendMarkKey(nil, a1, a2, aMillis, b2, b1), appendMarkKey(nil, b1, b2, bMillis, a2, a1)
		want := cmp.Or(cmp.Compare(a1, b1), cmp.Compare(a2, b2), cmp.Compare(aMillis, bMillis), cmp.Compare(b2, a2), cmp.Compare(b1, a1))
		if got := comparer.Compare(a, b); got != want {
			t.Fatalf("marks (%q %q %d %q %q) and (%q %q %d %q %q) compare as %d, want %d", a1, a2, aMillis, b2, b1, b1, b2, bMillis, a2, a1, got, want)
		}
		prefix := appendMarkPrefix(nil, a1, a2)
		millis, partition, id, ok := parseMarkKey(a[len(prefix):])
		if !ok || !bytes.HasPrefix(a, prefix) || split(a) != len(prefix) || millis != aMillis || string(partition) != b2 || string(id) != b1 {
			t.Fatalf("mark (%q %q %d %q %q) came apart as (%d %q %q), prefix %d of %d", a1, a2, aMillis, b2, b1, millis, partition, id, split(a), len(prefix))
		}
	})
}

// What Pebble asks of a comparer, for keys whole and shortened.
func TestComparer(t *testing.T) {
	key := rapid.Custom(func(t *rapid.T) []byte {
		space := rapid.SampledFrom([]string{"d", "m", "s", "x", ""}).Draw(t, "space")
		return append([]byte(space), rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 'b', 0xff}), 0, 8).Draw(t, "rest")...)
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := key.Draw(t, "a"), key.Draw(t, "b")
		prefixA, prefixB := comparer.Split.Prefix(a), comparer.Split.Prefix(b)
		if order, prefixes := comparer.Compare(a, b), comparer.Compare(prefixA, prefixB); prefixes != 0 && order != prefixes {
			t.Fatalf("%q and %q compare as %d, their prefixes as %d", a, b, order, prefixes)
		}
		if split(prefixA) != len(prefixA) {
			t.Fatalf("the prefix %q of %q has a prefix %q", prefixA, a, prefixA[:split(prefixA)])
		}
		if len(a) == 0 || len(b) == 0 {
			return
		}
		next := comparer.ImmediateSuccessor(nil, prefixA)
		if split(next) != len(next) || comparer.Compare(next, prefixA) <= 0 {
			t.Fatalf("after prefix %q comes %q", prefixA, next)
		}
		if comparer.Compare(prefixB, prefixA) > 0 && comparer.Compare(prefixB, next) < 0 {
			t.Fatalf("prefix %q stands between %q and its successor %q", prefixB, prefixA, next)
		}
		if comparer.Compare(prefixA, prefixB) == 0 && comparer.Compare(a, next) >= 0 {
			t.Fatalf("key %q is not before %q, the prefix after its own", a, next)
		}
	})
}

func TestLanesStay(t *testing.T) {
	// Floors lie on disk by lane: other numbers here mean another format.
	for partition, want := range map[string]int{"a": 192, "demo/u1": 658, "größe": 708} {
		if got := laneOf(partition); got != want {
			t.Errorf("partition %q is in lane %d, want %d", partition, got, want)
		}
	}
}

func FuzzParseDocument(f *testing.F) {
	f.Add([]byte{0, 5, 0, 0, 0, 0})
	f.Add([]byte{1, 1, 'k', 0, 128, 0, 0, 0, 0, 0, 0, 1, 5, 0, 0, 0, 0})
	f.Add([]byte{2, 1, 'k'})
	f.Add([]byte{1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, value []byte) {
		marks, body, err := parseDocument(value)
		if err != nil {
			return
		}
		if len(marks) > store.MaxMarks {
			t.Fatalf("%d marks", len(marks))
		}
		again, bodyAgain, err := parseDocument(appendDocument(nil, &store.Document{Body: body, Marks: marks}))
		if err != nil || !bytes.Equal(body, bodyAgain) {
			t.Fatalf("written again: %v, body %x, want %x", err, bodyAgain, body)
		}
		for _, m := range again {
			if !slices.Contains(marks, m) {
				t.Fatalf("written again: mark %v is new", m)
			}
		}
	})
}

func TestDocumentValue(t *testing.T) {
	name := rapid.Map(rapid.StringN(1, 20, 60), func(s string) string { return strings.ReplaceAll(s, "\x00", "0") })
	mark := rapid.Custom(func(t *rapid.T) store.Mark {
		return store.Mark{Kind: name.Draw(t, "kind"), Key: rapid.OneOf(rapid.Just(""), name).Draw(t, "key"), At: time.UnixMilli(rapid.Int64Range(-1<<45, 1<<47).Draw(t, "at")).UTC()}
	})
	rapid.Check(t, func(t *rapid.T) {
		want := store.Document{Body: rapid.SliceOf(rapid.Byte()).Draw(t, "body"), Marks: rapid.SliceOfN(mark, 0, store.MaxMarks).Draw(t, "marks")}
		given := slices.Clone(want.Marks)
		value := appendDocument(nil, &want)
		marks, body, err := parseDocument(value)
		if err != nil || !bytes.Equal(body, want.Body) {
			t.Fatalf("%v, body %x, want %x", err, body, want.Body)
		}
		if !slices.Equal(marks, sorted(want.Marks)) {
			t.Fatalf("got marks %v, want %v", marks, sorted(want.Marks))
		}
		if !slices.Equal(given, want.Marks) {
			t.Fatal("the given marks were reordered")
		}
		for cut := range len(value) - len(body) { // a value that ends within its marks is damaged, whatever is left of it
			if _, _, err := parseDocument(value[:cut]); err == nil {
				t.Fatalf("%d of %d bytes pass for a document", cut, len(value))
			}
		}
	})
}
