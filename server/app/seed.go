package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"satnav/server/demo"
	"satnav/server/importer"
	"satnav/server/retailer"
	"satnav/server/store"
)

const demoSeed = 1

// seeding is the note of how far the demo city got. A seeding that was killed starts over with the same
// city: what is stored already counts as unchanged.
type seeding struct {
	Until time.Time `json:"until"`
	Done  bool      `json:"done"`
}

const seedingNote = "demo"

// SeedDemo puts the demo city into the store, unless it is there, and returns it. said is told each part as
// it begins.
func (a *App) SeedDemo(ctx context.Context, scale demo.Scale, said func(part string)) (*demo.City, error) {
	notes := store.NewNotes(a.Documents)
	note := seeding{Until: a.now().UTC()}
	text, err := notes.Get(ctx, seedingNote)
	switch {
	case errors.Is(err, store.ErrNotFound):
		err = a.noteSeeding(ctx, notes, note)
	case err == nil:
		err = json.Unmarshal(text, &note)
	}
	if err != nil {
		return nil, fmt.Errorf("demo city: %w", err)
	}
	city := demo.New(demoSeed, scale, note.Until)
	if note.Done {
		return city, nil
	}
	if err := a.seed(ctx, city, said); err != nil {
		return nil, fmt.Errorf("demo city: %w", err)
	}
	note.Done = true
	return city, a.noteSeeding(ctx, notes, note)
}

func (a *App) noteSeeding(ctx context.Context, notes store.Notes, note seeding) error {
	text, err := json.Marshal(note)
	if err != nil {
		return err
	}
	return notes.Put(ctx, seedingNote, text)
}

func (a *App) seed(ctx context.Context, city *demo.City, said func(part string)) error {
	by := retailer.Editor{Role: "admin", Subject: "satnav demo"}
	settings := retailer.Settings{Name: "Demo City", Zone: city.Zone().String(), Currency: demo.Currency, Languages: []string{"en"}, Region: "PT", Jurisdiction: "other"}
	saved, err := a.Retailers.SaveSettings(ctx, demo.Retailer, by, retailer.Change[retailer.Settings]{Value: settings})
	if err := errors.Join(err, saved.Err); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	sink := a.Sink(demo.Retailer, by, "")
	said("stores, products and geofences")
	if _, err := put(ctx, slices.Values(city.Stores()), sink.PutStores); err != nil {
		return fmt.Errorf("stores: %w", err)
	}
	if _, err := put(ctx, slices.Values(city.Products()), sink.PutProducts); err != nil {
		return fmt.Errorf("products: %w", err)
	}
	if _, err := put(ctx, slices.Values(city.Stock()), sink.PutStock); err != nil {
		return fmt.Errorf("stock: %w", err)
	}
	if _, err := put(ctx, slices.Values(city.Geofences()), sink.PutGeofences); err != nil {
		return fmt.Errorf("geofences: %w", err)
	}
	said(fmt.Sprintf("purchases and events of %d shoppers", city.Len()))
	if _, err := put(ctx, city.Purchases(), sink.PutPurchases); err != nil {
		return fmt.Errorf("purchases: %w", err)
	}
	if _, err := put(ctx, city.Events(), sink.PutEvents); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	return nil
}

// seedBatch is how many rows are stored at once.
const seedBatch = 8192

// put stores rows in batches; the next batch is made while one is stored. The demo city makes no row that
// is refused, so a refusal is an error.
func put[T any](ctx context.Context, rows iter.Seq[T], store func(context.Context, []T) ([]importer.Result, error)) (stored int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan []T, 1)
	go func() {
		defer close(batches)
		batch := make([]T, 0, seedBatch)
		send := func() bool {
			select {
			case batches <- batch:
				batch = make([]T, 0, seedBatch)
				return true
			case <-ctx.Done():
				return false
			}
		}
		for row := range rows {
			if batch = append(batch, row); len(batch) == seedBatch && !send() {
				return
			}
		}
		if len(batch) > 0 {
			send()
		}
	}()
	for batch := range batches {
		results, err := store(ctx, batch)
		if err != nil {
			return stored, err
		}
		for i, result := range results {
			if result.Outcome == importer.Refused {
				row, _ := json.Marshal(batch[i])
				return stored, fmt.Errorf("row %s: %s: %s", row, result.Column, result.Reason)
			}
		}
		stored += len(batch)
	}
	return stored, ctx.Err()
}
