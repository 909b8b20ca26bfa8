package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"satnav/context/who"
	"satnav/geo"
)

// These are the documents as the reflective codec sees them. They say once more what is stored, so a field
// that is renamed or forgotten by hand is found.
type (
	historyDocument struct {
		Orders  int64            `bson:"orders"`
		Baskets []basketDocument `bson:"baskets"`
		Items   []boughtDocument `bson:"items"`
		Visits  []visitDocument  `bson:"visits"`
		Signals []signalDocument `bson:"signals"`
	}
	basketDocument struct {
		Key   int64     `bson:"key"`
		At    time.Time `bson:"at"`
		Store string    `bson:"store,omitempty"`
		Lines int32     `bson:"lines"`
	}
	boughtDocument struct {
		Item   string    `bson:"item"`
		Count  int64     `bson:"count"`
		First  time.Time `bson:"first"`
		Last   time.Time `bson:"last"`
		Recent int64     `bson:"recent"`
		Older  []float64 `bson:"older,omitempty"`
	}
	visitDocument struct {
		Store string    `bson:"store,omitempty"`
		At    time.Time `bson:"at"`
	}
	signalDocument struct {
		Item  string    `bson:"item"`
		Kind  string    `bson:"kind"`
		Count int32     `bson:"count"`
		Last  time.Time `bson:"last"`
	}
	eventDocument struct {
		ID         string    `bson:"id"`
		Kind       string    `bson:"kind"`
		At         time.Time `bson:"at"`
		Offset     int32     `bson:"offset_s,omitempty"`
		Item       string    `bson:"item,omitempty"`
		Basket     string    `bson:"basket,omitempty"`
		Quantity   float64   `bson:"quantity,omitempty"`
		Price      *int64    `bson:"price_minor,omitempty"`
		Code       string    `bson:"code,omitempty"`
		Store      string    `bson:"store,omitempty"`
		Place      string    `bson:"place,omitempty"`
		Properties string    `bson:"properties,omitempty"`
		Ordinal    int64     `bson:"ordinal,omitempty"`
		Source     string    `bson:"source,omitempty"`
		Purpose    string    `bson:"purpose,omitempty"`
		Reason     string    `bson:"reason,omitempty"`
	}
	grantsDocument struct {
		Grants []grantDocument `bson:"grants"`
	}
	grantDocument struct {
		Purpose  string     `bson:"purpose"`
		Given    bool       `bson:"given"`
		At       *time.Time `bson:"at,omitempty"`
		Source   string     `bson:"source,omitempty"`
		Notice   string     `bson:"notice,omitempty"`
		Language string     `bson:"language,omitempty"`
		Hash     string     `bson:"hash,omitempty"`
		Basis    string     `bson:"basis,omitempty"`
	}
)

func date(stamp uint32) time.Time { return time.Unix(int64(stamp), 0).UTC() }

func mirrorHistory(names *who.Names, h *who.History) historyDocument {
	d := historyDocument{Orders: int64(h.Orders), Baskets: []basketDocument{}, Items: []boughtDocument{}, Visits: []visitDocument{}, Signals: []signalDocument{}}
	for _, b := range h.Baskets {
		d.Baskets = append(d.Baskets, basketDocument{int64(b.Key), date(b.At), names.Stores.Name(b.Store), int32(b.Lines)})
	}
	for i, b := range h.Items {
		item := boughtDocument{Item: names.Items.Name(b.Item), Count: int64(b.Count), First: date(b.First), Last: date(b.Last), Recent: int64(b.Recent)}
		if h.Older != nil && h.Older[i] != [4]float32{} {
			for _, sum := range h.Older[i] {
				item.Older = append(item.Older, float64(sum))
			}
		}
		d.Items = append(d.Items, item)
	}
	for _, v := range h.Visits {
		d.Visits = append(d.Visits, visitDocument{names.Stores.Name(v.Store), date(v.At)})
	}
	for _, s := range h.Signals {
		d.Signals = append(d.Signals, signalDocument{names.Items.Name(s.Item), signalWords[s.Kind], int32(s.Count), date(s.Last)})
	}
	return d
}

// histories draws histories with every field in use, over these vocabularies.
func histories(names *who.Names) *rapid.Generator[*who.History] {
	stamp := rapid.Uint32()
	store := rapid.Custom(func(t *rapid.T) who.Item {
		return names.Stores.Number(rapid.SampledFrom([]string{"", "opera", "naïve store", "s3"}).Draw(t, "store"))
	})
	item := rapid.Custom(func(t *rapid.T) who.Item {
		return names.Items.Number(fmt.Sprint("item ", rapid.IntRange(0, 300).Draw(t, "item")))
	})
	return rapid.Custom(func(t *rapid.T) *who.History {
		h := &who.History{Orders: stamp.Draw(t, "orders")}
		h.Baskets = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) who.Basket {
			return who.Basket{Key: rapid.Uint64().Draw(t, "key"), At: stamp.Draw(t, "at"), Store: store.Draw(t, "store"), Lines: rapid.Uint16().Draw(t, "lines")}
		}), 0, 20).Draw(t, "baskets")
		numbers := rapid.SliceOfNDistinct(item, 0, 70, func(n who.Item) who.Item { return n }).Draw(t, "items")
		slices.Sort(numbers)
		older := rapid.Bool().Draw(t, "older")
		for _, n := range numbers {
			h.Items = append(h.Items, who.Bought{Recent: rapid.Uint64().Draw(t, "recent"), Item: n, Count: stamp.Draw(t, "count"), First: stamp.Draw(t, "first"), Last: stamp.Draw(t, "last")})
			if older {
				h.Older = append(h.Older, [4]float32{rapid.Float32Range(0, 9).Draw(t, "older"), 0, rapid.Float32Range(0, 9).Draw(t, "older"), 1})
			}
		}
		h.Visits = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) who.Visit {
			return who.Visit{Store: store.Draw(t, "store"), At: stamp.Draw(t, "at")}
		}), 0, 5).Draw(t, "visits")
		for _, n := range numbers[:len(numbers)/2] {
			for kind := who.SignalView; kind <= who.SignalReturn; kind += who.SignalKind(1 + rapid.IntRange(0, 7).Draw(t, "skip")) {
				h.Signals = append(h.Signals, who.Signal{Item: n, Kind: kind, Last: stamp.Draw(t, "last"), Count: rapid.Uint16().Draw(t, "count")})
			}
		}
		return h
	})
}

// TestHistoryCodec holds the hand-written codec to the reflective one, in both directions, and reads with
// vocabularies that number everything differently.
func TestHistoryCodec(t *testing.T) {
	t.Parallel()
	names := who.NewNames()
	rapid.Check(t, func(t *rapid.T) {
		h := histories(names).Draw(t, "history")
		mirror := mirrorHistory(names, h)
		want, err := bson.Marshal(mirror)
		if err != nil {
			t.Fatal(err)
		}
		got := appendHistory([]byte("kept"), names, h)[4:]
		if !bytes.Equal(got, want) {
			t.Fatalf("got  %v\nwant %v", bson.Raw(got), bson.Raw(want))
		}
		back, err := readHistory(got, names)
		if err != nil {
			t.Fatal(err)
		}
		if again := mirrorHistory(names, back); !reflect.DeepEqual(again, mirror) {
			t.Fatalf("read back: got %+v\nwant %+v", again, mirror)
		}
		// Another process saw the items in another order.
		others := who.NewNames()
		for _, i := range rapid.Permutation(mirror.Items).Draw(t, "order") {
			others.Items.Number(i.Item)
		}
		moved, err := readHistory(got, others)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.IsSortedFunc(moved.Items, func(a, b who.Bought) int { return int(a.Item) - int(b.Item) }) {
			t.Fatalf("items are not in the order of their numbers: %v", moved.Items)
		}
		again := mirrorHistory(others, moved)
		byName := func(a, b boughtDocument) int { return bytes.Compare([]byte(a.Item), []byte(b.Item)) }
		slices.SortFunc(again.Items, byName)
		slices.SortFunc(mirror.Items, byName)
		bySignal := func(a, b signalDocument) int {
			return bytes.Compare([]byte(a.Item+a.Kind), []byte(b.Item+b.Kind))
		}
		slices.SortFunc(again.Signals, bySignal)
		slices.SortFunc(mirror.Signals, bySignal)
		if !reflect.DeepEqual(again, mirror) {
			t.Fatalf("read with other numbers: got %+v\nwant %+v", again, mirror)
		}
		for _, s := range moved.Signals {
			if found, ok := moved.Signal(s.Item, s.Kind); !ok || found != s {
				t.Fatalf("signal %+v is not found again", s)
			}
		}
	})
}

func TestEventCodec(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 20, 60)
		offset := rapid.IntRange(-14*60, 14*60).Draw(t, "offset") * 60
		e := who.Event{
			ID: text.Draw(t, "id"), Kind: rapid.SampledFrom(who.EventKinds).Draw(t, "kind"),
			At:   time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "at")).In(time.FixedZone("somewhere", offset)),
			Item: text.Draw(t, "item"), Basket: text.Draw(t, "basket"), Quantity: rapid.Float64().Draw(t, "quantity"),
			Price: who.Money{Minor: rapid.Int64().Draw(t, "price"), Known: true}, Store: text.Draw(t, "store"), Code: text.Draw(t, "code"), Place: text.Draw(t, "place"),
			Ordinal: rapid.IntRange(0, 1<<30).Draw(t, "ordinal"), Source: text.Draw(t, "source"), Purpose: who.Purpose(text.Draw(t, "purpose")), Reason: text.Draw(t, "reason"),
		}
		if rapid.Bool().Draw(t, "price unknown") {
			e.Price = who.Money{}
		}
		if rapid.Bool().Draw(t, "with properties") {
			e.Properties = json.RawMessage(`{"aisle": 4}`)
		}
		mirror := eventDocument{
			ID: e.ID, Kind: string(e.Kind), At: e.At, Offset: int32(offset), Item: e.Item, Basket: e.Basket, Quantity: e.Quantity,
			Store: e.Store, Code: e.Code, Place: e.Place, Properties: string(e.Properties), Ordinal: int64(e.Ordinal), Source: e.Source, Purpose: string(e.Purpose), Reason: e.Reason,
		}
		if e.Price.Known {
			mirror.Price = &e.Price.Minor
		}
		want, err := bson.Marshal(mirror)
		if err != nil {
			t.Fatal(err)
		}
		got := appendEvent(nil, &e)
		if !bytes.Equal(got, want) {
			t.Fatalf("got  %v\nwant %v", bson.Raw(got), bson.Raw(want))
		}
		back, err := readEvent(got)
		if err != nil {
			t.Fatal(err)
		}
		if !back.At.Equal(e.At) || back.At.Format(time.DateTime) != e.At.Format(time.DateTime) {
			t.Fatalf("at: got %s, want %s", back.At, e.At)
		}
		back.At = e.At
		if !reflect.DeepEqual(back, e) {
			t.Fatalf("got %+v, want %+v", back, e)
		}
	})
}

func TestGrantsAndProfileCodec(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 20, 60)
		at := rapid.Custom(func(t *rapid.T) time.Time { return time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "at")).UTC() })
		var grants who.Grants
		mirror := grantsDocument{Grants: []grantDocument{}}
		for range rapid.IntRange(0, 4).Draw(t, "grants") {
			g := who.Grant{Purpose: who.Purpose(text.Draw(t, "purpose")), Given: rapid.Bool().Draw(t, "given"), At: at.Draw(t, "at"), Source: who.Source(text.Draw(t, "source")), Notice: text.Draw(t, "notice"), Language: text.Draw(t, "language"), Hash: text.Draw(t, "hash"), Basis: text.Draw(t, "basis")}
			grants = append(grants, g)
			mirror.Grants = append(mirror.Grants, grantDocument{string(g.Purpose), g.Given, &g.At, string(g.Source), g.Notice, g.Language, g.Hash, g.Basis})
		}
		want, err := bson.Marshal(mirror)
		if err != nil {
			t.Fatal(err)
		}
		got := appendGrants(nil, grants)
		if !bytes.Equal(got, want) {
			t.Fatalf("got  %v\nwant %v", bson.Raw(got), bson.Raw(want))
		}
		if back, err := readGrants(got); err != nil || !reflect.DeepEqual(back, grants) {
			t.Fatalf("got %+v, %v, want %+v", back, err, grants)
		}
		id, since := text.Draw(t, "shopper"), at.Draw(t, "since")
		if gotID, gotSince, err := readProfile(appendProfile(nil, id, since)); err != nil || gotID != id || gotSince != since {
			t.Fatalf("profile: got %q, %s, %v, want %q, %s", gotID, gotSince, err, id, since)
		}
	})
}

// fill sets every field below v, to values that differ. What it does not know how to fill fails the test.
func fill(t testing.TB, v reflect.Value, random *rand.Rand) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.UnixMilli(1 + random.Int64N(4e12)).UTC()))
		return
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), random)
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), random)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+random.IntN(3), 4))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), random)
		}
	case reflect.String:
		v.SetString(fmt.Sprint("text ", random.Uint32()))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1 + random.Int64N(1e12))
	case reflect.Uint8:
		v.SetUint(1 + random.Uint64N(255))
	case reflect.Float64:
		v.SetFloat(random.NormFloat64() * 1e3)
	default:
		t.Fatalf("a %v is new to this test, and perhaps to the codec", v.Type())
	}
}

// empty sets some fields below v to their zero value again.
func empty(v reflect.Value, random *rand.Rand) {
	if random.IntN(3) == 0 {
		v.SetZero()
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() != reflect.TypeFor[time.Time]() {
			for i := range v.NumField() {
				empty(v.Field(i), random)
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			empty(v.Elem(), random)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			empty(v.Index(i), random)
		}
	}
}

// difference is the path to the first field in which two values of one type differ.
func difference(a, b reflect.Value) (path string, differs bool) {
	if reflect.DeepEqual(a.Interface(), b.Interface()) {
		return "", false
	}
	switch {
	case a.Kind() == reflect.Struct && a.Type() != reflect.TypeFor[time.Time]():
		for i := range a.NumField() {
			if path, differs := difference(a.Field(i), b.Field(i)); differs {
				return "." + a.Type().Field(i).Name + path, true
			}
		}
	case a.Kind() == reflect.Pointer && !a.IsNil() && !b.IsNil():
		return difference(a.Elem(), b.Elem())
	case (a.Kind() == reflect.Slice || a.Kind() == reflect.Array) && a.Len() == b.Len():
		for i := range a.Len() {
			if path, differs := difference(a.Index(i), b.Index(i)); differs {
				return fmt.Sprintf("[%d]%s", i, path), true
			}
		}
	}
	return fmt.Sprintf(" (got %v, want %v)", a, b), true
}

// TestPresenceCodec writes and reads presences in which every field is set, so that one that geo adds and the
// codec forgets is found, and presences with holes. The reflective codec reads the same bytes.
func TestPresenceCodec(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		var want geo.Presence
		fill(t, reflect.ValueOf(&want).Elem(), random)
		if seed > 0 {
			empty(reflect.ValueOf(&want).Elem(), random)
		}
		want.Changed, want.Odd = false, nil // they are not stored
		body := appendPresence(nil, &want)
		got, err := readPresence(body)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if field, differs := difference(reflect.ValueOf(got), reflect.ValueOf(want)); differs {
			t.Fatalf("seed %d: %s is not read as it was written", seed, field)
		}
		var reflective bson.D
		if err := bson.Unmarshal(body, &reflective); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if again, err := bson.Marshal(reflective); err != nil || !bytes.Equal(again, body) {
			t.Fatalf("seed %d: the reflective codec writes it otherwise: %v, %v", seed, bson.Raw(again), err)
		}
	}
}

// TestCardCodec writes and reads loyalty cards, likewise.
func TestCardCodec(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 2))
		var want who.Card
		fill(t, reflect.ValueOf(&want).Elem(), random)
		if seed > 0 {
			empty(reflect.ValueOf(&want).Elem(), random)
		}
		for i := range want.Segments { // each has a name
			want.Segments[i] = fmt.Sprint("segment ", i)
		}
		body := appendCard(nil, &want)
		got, err := readCard(body)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if field, differs := difference(reflect.ValueOf(*got), reflect.ValueOf(want)); differs {
			t.Fatalf("seed %d: %s is not read as it was written", seed, field)
		}
		var reflective bson.D
		if err := bson.Unmarshal(body, &reflective); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if again, err := bson.Marshal(reflective); err != nil || !bytes.Equal(again, body) {
			t.Fatalf("seed %d: the reflective codec writes it otherwise: %v, %v", seed, bson.Raw(again), err)
		}
	}
}

// TestUnknownFieldsAreLeftAlone: a newer version of Satnav may have written more.
func TestUnknownFieldsAreLeftAlone(t *testing.T) {
	t.Parallel()
	body, err := bson.Marshal(bson.D{
		{Key: "later", Value: bson.D{{Key: "deep", Value: bson.A{1, "two", nil}}}},
		{Key: "id", Value: "e1"}, {Key: "kind", Value: "view"}, {Key: "ordinal", Value: int32(3)}, {Key: "more", Value: 1.5},
	})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := readEvent(body); err != nil || e.ID != "e1" || e.Kind != who.Viewed || e.Ordinal != 3 {
		t.Errorf("got %+v, %v", e, err)
	}
}

func TestDamagedDocumentsAreNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		give bson.D
		read func([]byte) error
		want string
	}{
		{"an event's time is a string", bson.D{{Key: "id", Value: "e1"}, {Key: "at", Value: "noon"}},
			func(b []byte) error { _, err := readEvent(b); return err }, `field "at": got string, want a date: damaged document`},
		{"a history's item is a number", bson.D{{Key: "items", Value: bson.A{bson.D{{Key: "item", Value: 1}}}}},
			func(b []byte) error { _, err := readHistory(b, who.NewNames()); return err }, `items.0.field "item": got 32-bit integer, want a string: damaged document`},
		{"a signal of no kind", bson.D{{Key: "signals", Value: bson.A{bson.D{{Key: "kind", Value: "stare"}}}}},
			func(b []byte) error { _, err := readHistory(b, who.NewNames()); return err }, `signals.0.field "kind": got string, want a kind of signal: damaged document`},
		{"grants are one grant", bson.D{{Key: "grants", Value: true}},
			func(b []byte) error { _, err := readGrants(b); return err }, `field "grants": got boolean, want a document or array: damaged document`},
		{"a presence's fix is no document", bson.D{{Key: "tail", Value: bson.A{3}}},
			func(b []byte) error { _, err := readPresence(b); return err }, `tail.field "0": got 32-bit integer, want a document or array: damaged document`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			body, err := bson.Marshal(c.give)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.read(body); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// FuzzReadShopperDocuments feeds every reader with what a damaged disk may hold. None may fall over, and
// what one reads of a document it must read again of its own writing.
func FuzzReadShopperDocuments(f *testing.F) {
	names := who.NewNames()
	f.Add([]byte{})
	f.Add(appendEvent(nil, &who.Event{ID: "e1", Kind: who.Viewed, At: time.UnixMilli(1).UTC(), Item: "milk", Price: who.Money{Known: true}}))
	f.Add(appendGrants(nil, who.Defaults([]who.Purpose{who.Loyalty}, time.UnixMilli(1))))
	f.Add(appendProfile(nil, "anna", time.UnixMilli(1)))
	f.Add(appendHistory(nil, names, (*who.History)(nil).With(names,
		who.Event{Kind: who.Purchased, Item: "milk", Store: "s1", Quantity: 1, At: time.Unix(1e9, 0)},
		who.Event{Kind: who.Viewed, Item: "soap", At: time.Unix(1e9, 0)},
		who.Event{Kind: who.Visited, Store: "s1", At: time.Unix(1e9, 0)})))
	var p geo.Presence
	fill(f, reflect.ValueOf(&p).Elem(), rand.New(rand.NewPCG(1, 1)))
	f.Add(appendPresence(nil, &p))
	var card who.Card
	fill(f, reflect.ValueOf(&card).Elem(), rand.New(rand.NewPCG(1, 2)))
	f.Add(appendCard(nil, &card))
	f.Fuzz(func(t *testing.T, body []byte) {
		if e, err := readEvent(body); err == nil {
			if again, err := readEvent(appendEvent(nil, &e)); err != nil || !bytes.Equal(appendEvent(nil, &e), appendEvent(nil, &again)) {
				t.Errorf("event %+v is read again as %+v, %v", e, again, err)
			}
		}
		if g, err := readGrants(body); err == nil {
			if again, err := readGrants(appendGrants(nil, g)); err != nil || len(again) != len(g) {
				t.Errorf("grants %+v are read again as %+v, %v", g, again, err)
			}
		}
		if p, err := readPresence(body); err == nil {
			if again, err := readPresence(appendPresence(nil, &p)); err != nil || !bytes.Equal(appendPresence(nil, &p), appendPresence(nil, &again)) {
				t.Errorf("presence %+v is read again as %+v, %v", p, again, err)
			}
		}
		if c, err := readCard(body); err == nil {
			if again, err := readCard(appendCard(nil, c)); err != nil || !bytes.Equal(appendCard(nil, c), appendCard(nil, again)) {
				t.Errorf("card %+v is read again as %+v, %v", c, again, err)
			}
		}
		_, _, _ = readProfile(body)
		if h, err := readHistory(body, who.NewNames()); err == nil && h.Older != nil && len(h.Older) != len(h.Items) {
			t.Errorf("%d older sums for %d items", len(h.Older), len(h.Items))
		}
	})
}

// BenchmarkHistory pays for the history of a regular shopper: 60 items in 16 baskets.
func BenchmarkHistory(b *testing.B) {
	names := who.NewNames()
	var events []who.Event
	for basket := range 16 {
		for line := range 8 {
			events = append(events, who.Event{Kind: who.Purchased, Quantity: 1, Item: fmt.Sprint("item ", (basket*5+line*7)%60), Basket: fmt.Sprint(basket),
				Store: fmt.Sprint("store ", basket%3), At: time.Unix(int64(1e9+basket*86_400), 0)})
		}
	}
	h := (*who.History)(nil).With(names, events...)
	body := appendHistory(nil, names, h)
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := readHistory(body, names); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(body)), "bytes")
	})
	b.Run("read reflective", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var d historyDocument
			if err := bson.Unmarshal(body, &d); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		var buffer []byte
		for b.Loop() {
			buffer = appendHistory(buffer[:0], names, h)
		}
	})
	b.Run("fold 8", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.With(names, events[:8]...)
		}
	})
}

// TestToldCodec holds that counts of rules come back as they were.
func TestToldCodec(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		told := who.Told(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) who.Tell {
			return who.Tell{Rule: rapid.StringMatching(`[a-zé ]{0,12}`).Draw(t, "rule"), Day: rapid.Uint32Range(0, 99_991_231).Draw(t, "day"), Times: rapid.Uint16().Draw(t, "times")}
		}), 1, 5).Draw(t, "told"))
		body := appendTold(nil, told)
		if err := bson.Raw(body).Validate(); err != nil {
			t.Fatal(err)
		}
		if got, err := readTold(body); err != nil || !reflect.DeepEqual(got, told) {
			t.Fatalf("got %v, %v, want %v", got, err, told)
		}
	})
	proposals := []who.Proposal{{Crossing: "c1", Body: []byte(`{"rule":"a"}`)}, {Crossing: "c2", Body: []byte(`{}`)}}
	if got, err := readProposals(appendProposals(nil, proposals)); err != nil || !reflect.DeepEqual(got, proposals) {
		t.Errorf("proposals: got %v, %v", got, err)
	}
	exposures := []who.Exposure{{Experiment: "payday", Arm: "with", At: time.UnixMilli(1_800_000_000_123).UTC()}, {Experiment: "holdout", Arm: "served", At: time.UnixMilli(1).UTC()}}
	if got, err := readExposures(appendExposures(nil, exposures)); err != nil || !reflect.DeepEqual(got, exposures) {
		t.Errorf("exposures: got %v, %v", got, err)
	}
	if got, err := readTold(appendTold(nil, nil)); err != nil || len(got) > 0 {
		t.Errorf("of nothing: got %v, %v", got, err)
	}
}

// TestPreferencesCodec holds that what a shopper wishes comes back as it was said.
func TestPreferencesCodec(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.Custom(func(t *rapid.T) time.Time { return time.UnixMilli(rapid.Int64Range(1, 1<<42).Draw(t, "ms")).UTC() })
		words := func(name string) []string {
			return rapid.SliceOfN(rapid.StringMatching(`[a-zé/ ]{1,12}`), 1, 4).Draw(t, name)
		}
		give := who.Preferences{Neutral: rapid.Bool().Draw(t, "neutral"), Quiet: rapid.Bool().Draw(t, "quiet"), NotForMe: words("not"), Less: words("less"), Muted: words("muted"), Paused: at.Draw(t, "paused")}
		for range rapid.IntRange(0, 3).Draw(t, "pauses") {
			give.Pauses = append(give.Pauses, who.Pause{From: at.Draw(t, "from"), Until: at.Draw(t, "until")})
		}
		body, err := appendPreferences(nil, &give)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := readPreferences(body); err != nil || !reflect.DeepEqual(got, &give) {
			t.Fatalf("got %+v, %v, want %+v", got, err, give)
		}
	})
	body, err := appendPreferences(nil, &who.Preferences{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readPreferences(body); err != nil || !reflect.DeepEqual(got, &who.Preferences{}) {
		t.Errorf("of none: got %+v, %v", got, err)
	}
}

// TestCodecsKnowEveryField counts the fields that the codecs above were written for. Whoever adds one writes it there,
// draws it in these tests, and counts again.
func TestCodecsKnowEveryField(t *testing.T) {
	t.Parallel()
	for give, want := range map[reflect.Type]int{
		reflect.TypeFor[who.History](): 6, reflect.TypeFor[who.Basket](): 4, reflect.TypeFor[who.Bought](): 5,
		reflect.TypeFor[who.Visit](): 2, reflect.TypeFor[who.Signal](): 4, reflect.TypeFor[who.Event](): 15,
		reflect.TypeFor[who.Grant](): 8, reflect.TypeFor[who.Record](): 11, reflect.TypeFor[who.Card](): 8, reflect.TypeFor[who.Spent](): 2, reflect.TypeFor[who.Exposure](): 3, reflect.TypeFor[who.Preferences](): 7, reflect.TypeFor[who.Pause](): 2, reflect.TypeFor[who.Tell](): 3, reflect.TypeFor[who.Proposal](): 2,
	} {
		if got := give.NumField(); got != want {
			t.Errorf("%v has %d fields, its codec knows %d", give, got, want)
		}
	}
	for _, kind := range []who.SignalKind{who.SignalView, who.SignalReturn} {
		if signalWords[kind] == "" {
			t.Errorf("signal %d has no stored name", kind)
		}
	}
	if len(signalWords) != int(who.SignalReturn)+1 {
		t.Errorf("%d signals have stored names", len(signalWords)-1)
	}
}
