package store_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"satnav/geo"
	"satnav/server/store"
	"satnav/server/store/embedded"
)

func openEntries(t *testing.T) *store.Entries {
	t.Helper()
	documents, err := embedded.Open(t.TempDir(), embedded.Options{ReserveBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := documents.Close(); err != nil {
			t.Error(err)
		}
	})
	return store.NewEntries(documents)
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func version(n int64) *int64 { return &n }

// TestApply follows one geofence through its edits.
func TestApply(t *testing.T) {
	t.Parallel()
	entries := openEntries(t)
	for _, step := range []struct {
		name      string
		give      store.Edit
		version   int64
		created   bool
		unchanged bool
		err       error
	}{
		{"deletion of what is not there", store.Edit{ID: "g", Delete: true}, 0, false, false, store.ErrNotFound},
		{"an edit of a version that is not there", store.Edit{ID: "g", Body: []byte(`1`), Expect: version(1)}, 0, false, false, store.ErrConflict},
		{"creation", store.Edit{ID: "g", Body: []byte(`1`), Expect: version(0)}, 1, true, false, nil},
		{"creation of what is there", store.Edit{ID: "g", Body: []byte(`1`), Expect: version(0)}, 1, false, false, store.ErrConflict},
		{"the same again", store.Edit{ID: "g", Body: []byte(`1`)}, 1, false, true, nil},
		{"a new body", store.Edit{ID: "g", Body: []byte(`2`), Expect: version(1)}, 2, false, false, nil},
		{"based on an old version", store.Edit{ID: "g", Body: []byte(`3`), Expect: version(1)}, 2, false, false, store.ErrConflict},
		{"deletion based on an old version", store.Edit{ID: "g", Delete: true, Expect: version(1)}, 2, false, false, store.ErrConflict},
		{"deletion", store.Edit{ID: "g", Delete: true, Expect: version(2)}, 3, false, false, nil},
		{"deletion once more", store.Edit{ID: "g", Delete: true}, 0, false, false, store.ErrNotFound},
		{"creation after deletion, with the same body", store.Edit{ID: "g", Body: []byte(`2`), Expect: version(0)}, 4, true, false, nil},
	} {
		outcomes, err := entries.Apply(t.Context(), "r", store.GeofenceEntry, "admin a", noon, []store.Edit{step.give})
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		got := outcomes[0]
		if !errors.Is(got.Err, step.err) || got.Entry.Version != step.version || got.Created != step.created || got.Unchanged != step.unchanged {
			t.Errorf("%s: got %+v, want version %d, created %v, unchanged %v, error %v", step.name, got, step.version, step.created, step.unchanged, step.err)
		}
	}
	versions, err := entries.Versions(t.Context(), "r", store.GeofenceEntry, "g")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, v := range versions {
		told = append(told, fmt.Sprint(v.Version, " ", string(v.Body), " ", v.Deleted))
	}
	if want := []string{"4 2 false", "3 2 true", "2 2 false", "1 1 false"}; !slices.Equal(told, want) {
		t.Errorf("versions: got %q, want %q", told, want)
	}
}

// TestApplyMany holds that a file of edits, larger than one commit and with an id twice, ends as its later
// lines say, and that kinds and retailers do not meet.
func TestApplyMany(t *testing.T) {
	t.Parallel()
	entries := openEntries(t)
	const n = 1300
	var edits []store.Edit
	for i := range n {
		edits = append(edits, store.Edit{ID: fmt.Sprintf("p%04d", i), Body: fmt.Appendf(nil, "%d", i)})
	}
	edits = append(edits, store.Edit{ID: "p0007", Body: []byte(`"last"`)})
	outcomes, err := entries.Apply(t.Context(), "r", store.ProductEntry, "admin a", noon, edits)
	if err != nil || len(outcomes) != len(edits) {
		t.Fatalf("got %d outcomes, %v", len(outcomes), err)
	}
	for _, other := range []struct {
		retailer string
		kind     store.EntryKind
	}{{"r", store.StoreEntry}, {"r2", store.ProductEntry}} {
		if _, err := entries.Get(t.Context(), other.retailer, other.kind, "p0001"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s %s: got %v, want not found", other.retailer, other.kind, err)
		}
	}
	count := 0
	err = entries.Each(t.Context(), "r", store.ProductEntry, func(e store.Entry) error {
		count++
		if want := map[bool]string{true: `"last"`, false: string(edits[min(count-1, n-1)].Body)}[e.ID == "p0007"]; string(e.Body) != want {
			t.Errorf("%s: got %s, want %s", e.ID, e.Body, want)
		}
		return nil
	})
	if err != nil || count != n {
		t.Errorf("got %d entries, %v, want %d", count, err, n)
	}
}

// TestList holds that pages of any size show every entry that is not deleted once, in order of id, also where
// one id begins with another.
func TestList(t *testing.T) {
	t.Parallel()
	entries := openEntries(t)
	want := []string{"a", "a b", "a/b", "aa", "b", "b ", "c", "ü", "ü0"}
	var edits []store.Edit
	for _, id := range want {
		edits = append(edits, store.Edit{ID: id, Body: []byte(`1`)}, store.Edit{ID: id + "-gone", Body: []byte(`1`)})
	}
	for _, id := range want {
		edits = append(edits, store.Edit{ID: id + "-gone", Delete: true})
	}
	if _, err := entries.Apply(t.Context(), "r", store.StoreEntry, "admin a", noon, edits); err != nil {
		t.Fatal(err)
	}
	for size := 1; size <= len(want)+1; size++ {
		var got []string
		for after, more := "", true; more; {
			var page []store.Entry
			var err error
			if page, more, err = entries.List(t.Context(), "r", store.StoreEntry, after, size); err != nil {
				t.Fatal(err)
			}
			if len(page) > size || more && len(page) < size {
				t.Fatalf("pages of %d: got %d entries, more %v", size, len(page), more)
			}
			for _, e := range page {
				got, after = append(got, e.ID), e.ID
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: got %q, want %q", size, got, want)
		}
	}
}

// TestEditorsAtOnce holds that of edits based on one version exactly one is made, and that edits of different
// entries do not disturb each other.
func TestEditorsAtOnce(t *testing.T) {
	t.Parallel()
	entries := openEntries(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 8 {
		all.Go(func() {
			edits := []store.Edit{{ID: "shared", Body: fmt.Append(nil, i), Expect: version(0)}, {ID: fmt.Sprint("own", i), Body: []byte(`1`)}}
			outcomes, err := entries.Apply(context.Background(), "r", store.StoreEntry, "admin a", noon, edits)
			if err != nil {
				t.Error(err)
				return
			}
			if outcomes[1].Err != nil {
				t.Errorf("own%d: %v", i, outcomes[1].Err)
			}
			if outcomes[0].Err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if won != 1 {
		t.Errorf("%d editors were told that they made version 1, want one", won)
	}
}

// TestChanges holds that a reader who goes on from where it was told sees every edit of every retailer,
// deletions too.
func TestChanges(t *testing.T) {
	t.Parallel()
	entries := openEntries(t)
	apply := func(retailer, id string, at time.Time, remove bool) {
		t.Helper()
		if _, err := entries.Apply(t.Context(), retailer, store.StoreEntry, "admin a", at, []store.Edit{{ID: id, Body: []byte(`1`), Delete: remove}}); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]int64{}
	since := noon
	read := func() (fresh []string) {
		t.Helper()
		changed, next, err := entries.Changes(t.Context(), since)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range changed {
			if name := e.Retailer + "/" + e.ID; e.Version > seen[name] {
				seen[name] = e.Version
				fresh = append(fresh, fmt.Sprint(name, " ", e.Version, " ", e.Deleted))
			}
		}
		since = next
		return fresh
	}
	apply("a", "old", noon.Add(-time.Hour), false)
	apply("a", "s", noon.Add(time.Minute), false)
	apply("b", "s", noon.Add(time.Minute), false)
	if got, want := read(), []string{"a/s 1 false", "b/s 1 false"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	apply("a", "s", noon.Add(time.Minute+time.Second), true)
	apply("c", "late", noon.Add(time.Minute-time.Second), false) // its commit became visible after others
	got := read()
	slices.Sort(got)
	if want := []string{"a/s 2 true", "c/late 1 false"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := read(); len(got) > 0 {
		t.Errorf("got %q once more", got)
	}
}

// TestRetailers holds that every retailer with settings is found, once.
func TestRetailers(t *testing.T) {
	t.Parallel()
	entries := openEntries(t)
	for i := range 3 {
		for _, retailer := range []string{"b", "a", "c"} {
			if _, err := entries.Apply(t.Context(), retailer, store.RetailerEntry, "satnav", noon, []store.Edit{{ID: "settings", Body: fmt.Append(nil, i)}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := entries.Retailers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if want := []string{"a", "b", "c"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPages holds that readers side by side see every entry once, tombstones included, whatever the ids look like.
func TestPages(t *testing.T) {
	t.Parallel()
	numbered := func(form string, from, to int) (ids []string) {
		for i := from; i < to; i++ {
			ids = append(ids, fmt.Sprintf(form, i))
		}
		return ids
	}
	for _, test := range []struct {
		name string
		ids  []string
	}{
		{"none", nil},
		{"one", []string{"a"}},
		{"of one length", numbered("fence-%06d", 0, 4_000)},
		{"of any length", numbered("%d", 0, 4_000)},
		{"some alone, most together", append(numbered("a%d", 0, 3), numbered("fence/of/the/north/%05d", 0, 3_500)...)},
		{"one the beginning of the next", strings.Fields(strings.Repeat("a", 300) + " " + strings.Join(numbered(strings.Repeat("a", 200)+"%d", 0, 1_500), " "))},
		{"beyond ASCII", append(numbered("äöü%d", 0, 2_500), numbered("z%d", 0, 10)...)},
	} {
		for _, readers := range []int{1, 2, 5} {
			t.Run(fmt.Sprintf("%s, %d", test.name, readers), func(t *testing.T) {
				t.Parallel()
				entries := openEntries(t)
				edits := make([]store.Edit, len(test.ids))
				for i, id := range test.ids {
					edits[i] = store.Edit{ID: id, Body: fmt.Appendf(nil, `{"n":%d}`, i)}
				}
				if _, err := entries.Apply(t.Context(), "shop", store.GeofenceEntry, "me", noon, edits); err != nil {
					t.Fatal(err)
				}
				if len(test.ids) > 7 {
					if _, err := entries.Apply(t.Context(), "shop", store.GeofenceEntry, "me", noon, []store.Edit{{ID: test.ids[7], Delete: true}}); err != nil {
						t.Fatal(err)
					}
				}
				want, got := map[string]store.Entry{}, map[string]store.Entry{}
				if err := entries.Each(t.Context(), "shop", store.GeofenceEntry, func(e store.Entry) error { want[e.ID] = e; return nil }); err != nil {
					t.Fatal(err)
				}
				gone := 0
				var mu sync.Mutex
				err := entries.Pages(t.Context(), "shop", store.GeofenceEntry, readers, func(_ int, page []store.RawEntry) error {
					mu.Lock()
					defer mu.Unlock()
					for i := range page {
						e, err := page[i].Entry()
						if err != nil {
							return err
						}
						if page[i].ID != e.ID || page[i].Version != e.Version || page[i].Deleted != e.Deleted {
							t.Errorf("the raw one says %q, version %d, deleted %v; the whole %+v", page[i].ID, page[i].Version, page[i].Deleted, e)
						}
						if e.Deleted {
							gone++
							continue
						}
						if _, twice := got[e.ID]; twice {
							t.Errorf("%s comes twice", e.ID)
						}
						got[e.ID] = e
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("got %d entries, want %d, or not the same", len(got), len(want))
				}
				if (gone == 1) != (len(test.ids) > 7) {
					t.Errorf("got %d tombstones of %d", gone, len(test.ids))
				}
				stop := errors.New("stop")
				if err := entries.Pages(t.Context(), "shop", store.GeofenceEntry, readers, func(int, []store.RawEntry) error { return stop }); len(test.ids) > 0 && !errors.Is(err, stop) {
					t.Errorf("got %v of a caller who stops, want %v", err, stop)
				}
			})
		}
	}
}

// TestPackedEntry keeps a geofence in its packed form, and finds its text, to the letter, in every way to read it.
func TestPackedEntry(t *testing.T) {
	t.Parallel()
	entries := openEntries(t)
	text := func(radius int) []byte {
		return fmt.Appendf(nil, `{"type":"Feature","id":"a","geometry":{"type":"Point","coordinates":[11.5,48.1]},"properties":{"name":"Bakery","radius_m":%d,"hue":"red"}}`, radius)
	}
	edit := func(radius int) store.Edit {
		fence, _, err := geo.ParseFeature(text(radius))
		if err != nil {
			t.Fatal(err)
		}
		packed, err := fence.AppendPacked(nil)
		if err != nil {
			t.Fatal(err)
		}
		return store.Edit{ID: "a", Body: text(radius), Packed: packed}
	}
	apply := func(edit store.Edit) store.Outcome {
		t.Helper()
		outcomes, err := entries.Apply(t.Context(), "shop", store.GeofenceEntry, "me", noon, []store.Edit{edit})
		if err != nil || outcomes[0].Err != nil {
			t.Fatal(err, outcomes)
		}
		return outcomes[0]
	}
	apply(store.Edit{ID: "a", Body: text(50)}) // as an older version kept it
	if o := apply(edit(50)); !o.Unchanged {
		t.Errorf("the same geofence, packed: got %+v, want it unchanged", o)
	}
	apply(edit(60))
	if o := apply(store.Edit{ID: "a", Body: text(60)}); !o.Unchanged {
		t.Errorf("the same geofence as text: got %+v, want it unchanged", o)
	}
	apply(edit(70))
	apply(store.Edit{ID: "a", Delete: true})
	apply(edit(80))
	versions, err := entries.Versions(t.Context(), "shop", store.GeofenceEntry, "a")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range versions {
		fence, err := e.Geofence()
		if err != nil {
			t.Fatal(err)
		}
		if string(fence.AppendFeature(nil)) != string(e.Body) || fence.Version != e.Version {
			t.Errorf("version %d is %s, its text %s", e.Version, fence.AppendFeature(nil), e.Body)
		}
		got = append(got, fmt.Sprintf("%d %v %v", e.Version, fence.Shape.(*geo.Circle).RadiusMeters(), e.Deleted))
	}
	if want := []string{"5 80 false", "4 70 true", "3 70 false", "2 60 false", "1 50 false"}; !slices.Equal(got, want) {
		t.Errorf("got versions %q, want %q", got, want)
	}
	current, err := entries.Get(t.Context(), "shop", store.GeofenceEntry, "a")
	if err != nil || string(current.Body) != string(text(80)) || current.Packed == nil {
		t.Errorf("got %s, %v, want %s", current.Body, err, text(80))
	}
	changed, _, err := entries.Changes(t.Context(), noon.Add(-time.Minute))
	if err != nil || len(changed) != 1 || string(changed[0].Body) != string(text(80)) {
		t.Errorf("got the changes %+v, %v", changed, err)
	}
}
