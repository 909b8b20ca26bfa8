package retailer

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"satnav/context/who"
	"satnav/recommend"
	"satnav/server/store"
	"satnav/server/store/embedded/embeddedtest"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// process is what one of several processes on one store has.
type process struct {
	shoppers  *store.Shoppers
	retailers *Retailers
}

func newProcess(documents store.Documents, alone bool) process {
	names := NewNames()
	shoppers := store.NewShoppers(documents, store.ShoppersConfig{Secret: []byte("test"), Names: names.Of, CacheBytes: 1 << 20, Alone: alone})
	return process{shoppers, New(store.NewEntries(documents), shoppers, names, func() time.Time { return noon }, slog.New(slog.DiscardHandler))}
}

// end is what the end of a process does.
func (p process) end() {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	p.retailers.Follow(ended, time.Hour)
}

// told is what a crowd says, with ids in place of a process's own numbers.
type told struct {
	Shoppers               int
	Baskets, Lines, Visits uint64
	Rebuy, Again           float32
	Items                  map[string]toldItem
	Stores                 map[string]recommend.StoreStats
}

type toldItem struct {
	recommend.ItemStats
	With map[string]uint32
}

func crowdOf(t fatal, p process, retailer string) told {
	if _, err := p.retailers.Of(context.Background(), retailer); err != nil {
		t.Fatal(err)
	}
	loaded, err := p.retailers.picture(context.Background(), retailer)
	if err != nil {
		t.Fatal(err)
	}
	loaded.publish()
	snapshot := loaded.snapshot.Load()
	c := snapshot.Suggest.Crowd
	all := told{c.Shoppers, c.Baskets, c.Lines, c.Visits, c.Rebuy, c.Again, map[string]toldItem{}, map[string]recommend.StoreStats{}}
	for n, stats := range c.Items {
		item := toldItem{stats, map[string]uint32{}}
		for _, with := range stats.Neighbours {
			item.With[snapshot.Names.Items.Name(with.Item)] = with.Count
		}
		item.Neighbours = nil
		if stats.Lines+stats.Buyers > 0 {
			all.Items[snapshot.Names.Items.Name(who.Item(n))] = item
		}
	}
	for n, stats := range c.Stores {
		stats.Popular, stats.Next = nil, nil
		if stats.Lines > 0 || stats.Visits > 0 {
			all.Stores[snapshot.Names.Stores.Name(who.Item(n))] = stats
		}
	}
	return all
}

type fatal interface{ Fatal(args ...any) }

// TestCrowdsOfProcessesAgree lets two or three processes on one store record, correct, remove, withdraw, erase, end and count anew in
// any order. Once each has looked, the crowds of all of them are the one that is counted of what is left, and what was erased
// counts as gone then, and not before.
func TestCrowdsOfProcessesAgree(t *testing.T) {
	t.Parallel()
	documents := embeddedtest.Open(t)
	ctx := context.Background()
	erasures := store.NewErasures(documents)
	checks := 0
	rapid.Check(t, func(t *rapid.T) {
		checks++
		retailer := fmt.Sprint("shop", checks)
		processes := make([]process, rapid.IntRange(2, 3).Draw(t, "processes"))
		for i := range processes {
			processes[i] = newProcess(documents, false)
			crowdOf(t, processes[i], retailer)
		}
		defer func() {
			for _, p := range processes {
				p.end()
			}
		}()
		events := map[string][]string{}
		number := 0
		no := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			i := rapid.IntRange(0, len(processes)-1).Draw(t, "process")
			p := processes[i]
			key := who.Key{Retailer: retailer, Shopper: fmt.Sprint("s", rapid.IntRange(0, 3).Draw(t, "shopper"))}
			grants := who.Defaults([]who.Purpose{who.Loyalty}, noon)
			record := func(write func() (*store.Step, error)) {
				no(p.retailers.Record(ctx, retailer, func() ([]store.Step, error) {
					step, err := write()
					if err != nil || step == nil {
						return nil, err
					}
					return []store.Step{*step}, nil
				}))
			}
			switch rapid.IntRange(0, 11).Draw(t, "what") {
			default:
				number++
				event := who.Event{ID: fmt.Sprint("e", number), Kind: who.Purchased, At: noon.Add(-time.Duration(rapid.IntRange(1, 2000).Draw(t, "hours")) * time.Hour), Quantity: 1,
					Item: fmt.Sprint("item-", rapid.IntRange(0, 4).Draw(t, "item")), Store: fmt.Sprint("store-", rapid.IntRange(0, 1).Draw(t, "store"))}
				if number%5 == 0 {
					event.Kind, event.Item, event.Quantity = who.Visited, "", 0
				}
				if shopper, err := p.shoppers.Shopper(ctx, key); err == nil && !shopper.Grants().Holds(who.Loyalty) {
					continue
				}
				no(p.retailers.Record(ctx, retailer, func() ([]store.Step, error) {
					recorded, err := p.shoppers.Record(ctx, key, noon, grants, []who.Event{event})
					return recorded.Steps, err
				}))
				events[key.Shopper] = append(events[key.Shopper], event.ID)
			case 0:
				if ids := events[key.Shopper]; len(ids) > 0 {
					record(func() (*store.Step, error) {
						return p.shoppers.Correct(ctx, key, ids[number%len(ids)], func(e who.Event) (who.Event, error) {
							if e.Item != "" {
								e.Item = "item-1"
							}
							return e, nil
						})
					})
				}
			case 1:
				if ids := events[key.Shopper]; len(ids) > 0 {
					record(func() (*store.Step, error) {
						_, step, err := p.shoppers.Remove(ctx, key, func(e store.DiaryEntry) bool { return e.Event != nil && e.Event.ID == ids[0] })
						return step, err
					})
					events[key.Shopper] = ids[1:]
				}
			case 2, 3: // erased, as package privacy does it
				erasure := store.Erasure{Retailer: retailer, Partition: p.shoppers.Partition(key), Proof: store.Proof{ID: fmt.Sprint(retailer, "-", number, key.Shopper), Asked: noon}}
				no(erasures.Put(ctx, erasure))
				record(func() (*store.Step, error) {
					removed, err := p.shoppers.Erase(ctx, key, noon)
					return &store.Step{Partition: erasure.Partition, Before: who.Counted(removed.Shopper)}, err
				})
				delete(events, key.Shopper)
				forgotten, err := p.retailers.Forgotten(ctx, retailer, noon)
				no(err)
				for n, other := range processes {
					gone, err := other.retailers.Uncounted(ctx, forgotten.Epoch)
					no(err)
					if gone != (n == len(processes)-1) {
						t.Fatalf("after %d of %d processes have looked it counts as gone: %v", n+1, len(processes), gone)
					}
				}
				erasure.Partition, erasure.Proof.Completed = "", noon
				no(erasures.Put(ctx, erasure))
			case 4:
				if shopper, err := p.shoppers.Shopper(ctx, key); err == nil {
					given := !shopper.Grants().Holds(who.Loyalty)
					_, err := p.shoppers.Commit(ctx, key, shopper.Revision(), store.Change{At: noon, Grants: []who.Grant{{Purpose: who.Loyalty, Given: given, At: noon}}})
					no(err)
				}
			case 5:
				no(p.retailers.Heed(ctx))
			case 6:
				p.end()
				processes[i] = newProcess(documents, false)
				crowdOf(t, processes[i], retailer)
			case 7: // the others thought it dead
				no(p.retailers.beside.crowds.Leave(ctx, p.retailers.beside.process))
				no(p.retailers.Heed(ctx))
				loaded, err := p.retailers.picture(ctx, retailer)
				no(err)
				if !loaded.moved.Load() {
					t.Fatal("a process that was lost trusts what it had counted")
				}
				no(p.retailers.count(ctx, loaded))
			}
		}
		rebuilt := newProcess(documents, false)
		defer rebuilt.end()
		want := crowdOf(t, rebuilt, retailer)
		for i, p := range processes {
			no(p.retailers.Heed(ctx))
			if got := crowdOf(t, p, retailer); !reflect.DeepEqual(got, want) {
				t.Fatalf("process %d: got\n%+v, want\n%+v", i, got, want)
			}
		}
		if lesson, err := rebuilt.retailers.Lesson(ctx, retailer); err != nil || lesson.Model == nil {
			t.Fatalf("lesson: %+v, %v", lesson, err)
		}
	})
}

// TestCountingAnewMissesNothing counts a crowd anew again and again while shoppers are recorded, in a process that is alone and in one
// that is not: in the end it is the crowd of what is stored.
func TestCountingAnewMissesNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		alone bool
	}{{"alone", true}, {"beside others", false}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			documents := embeddedtest.Open(t)
			ctx := t.Context()
			p := newProcess(documents, tt.alone)
			crowdOf(t, p, "shop")
			loaded, err := p.retailers.picture(ctx, "shop")
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() {
				ended <- func() error {
					for n := range 300 {
						key := who.Key{Retailer: "shop", Shopper: fmt.Sprint("s", n%20)}
						err := p.retailers.Record(ctx, "shop", func() ([]store.Step, error) {
							r, err := p.shoppers.Record(ctx, key, noon, who.Defaults([]who.Purpose{who.Loyalty}, noon), []who.Event{{
								ID: fmt.Sprint("e", n), Kind: who.Purchased, Item: fmt.Sprint("item-", n%7), Quantity: 1, At: noon.Add(-time.Duration(n) * time.Hour),
							}})
							return r.Steps, err
						})
						if err != nil {
							return err
						}
					}
					return nil
				}()
			}()
			for recording := true; recording; {
				if err := p.retailers.count(ctx, loaded); err != nil {
					t.Fatal(err)
				}
				select {
				case err := <-ended:
					if recording = false; err != nil {
						t.Fatal(err)
					}
				default:
				}
			}
			if err := p.retailers.Heed(ctx); err != nil {
				t.Fatal(err)
			}
			want := crowdOf(t, newProcess(documents, tt.alone), "shop")
			if got := crowdOf(t, p, "shop"); !reflect.DeepEqual(got, want) || got.Shoppers != 20 {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
		})
	}
}
