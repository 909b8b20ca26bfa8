package demo

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"satnav/server/importer"
)

// seedBatch is how many rows go to the sink at once.
const seedBatch = 4096

// Seeded is what a seeding did so far.
type Seeded struct {
	Kind              importer.Kind // under way
	Rows              int           // of all kinds
	Stored, Unchanged int
}

// Seed puts the whole city into a sink, kind by kind in import order, without a detour through files.
// progress is called after each batch; nil: silence. A seeding that was stopped is started again: the
// sink knows what it has. A refused row is an error, since the city is good by construction.
func (c *City) Seed(ctx context.Context, sink importer.Sink, progress func(Seeded)) (Seeded, error) {
	var seeded Seeded
	if progress == nil {
		progress = func(Seeded) {}
	}
	if err := put(ctx, &seeded, importer.KindStores, slices.Values(c.Stores()), sink.PutStores, progress); err != nil {
		return seeded, err
	}
	if err := put(ctx, &seeded, importer.KindGeofences, slices.Values(c.Geofences()), sink.PutGeofences, progress); err != nil {
		return seeded, err
	}
	if err := put(ctx, &seeded, importer.KindProducts, slices.Values(c.Products()), sink.PutProducts, progress); err != nil {
		return seeded, err
	}
	if err := put(ctx, &seeded, importer.KindStock, slices.Values(c.Stock()), sink.PutStock, progress); err != nil {
		return seeded, err
	}
	if err := put(ctx, &seeded, importer.KindPurchases, c.Purchases(), sink.PutPurchases, progress); err != nil {
		return seeded, err
	}
	if err := put(ctx, &seeded, importer.KindEvents, c.Events(), sink.PutEvents, progress); err != nil {
		return seeded, err
	}
	return seeded, nil
}

// put makes batches in a goroutine of its own while the sink stores the one before.
func put[T any](ctx context.Context, seeded *Seeded, kind importer.Kind, rows iter.Seq[T], store func(context.Context, []T) ([]importer.Result, error), progress func(Seeded)) error {
	seeded.Kind = kind
	batches := make(chan []T, 1)
	stop, done := make(chan struct{}), make(chan struct{})
	defer func() { close(stop); <-done }()
	go func() {
		defer close(done)
		defer close(batches)
		for batch := range chunks(rows) {
			select {
			case batches <- batch:
			case <-stop:
				return
			}
		}
	}()
	for batch := range batches {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		results, err := store(ctx, batch)
		if err != nil {
			return fmt.Errorf("seed %s: %w", kind, err)
		}
		seeded.Rows += len(batch)
		seeded.Stored += len(batch)
		for i, result := range results {
			switch result.Outcome {
			case importer.Unchanged:
				seeded.Stored--
				seeded.Unchanged++
			case importer.Refused:
				return fmt.Errorf("seed %s: %+v was refused: %s: %s", kind, batch[i], result.Column, result.Reason)
			}
		}
		progress(*seeded)
	}
	return nil
}

// chunks cuts a stream into slices of seedBatch rows.
func chunks[T any](rows iter.Seq[T]) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		batch := make([]T, 0, seedBatch)
		for row := range rows {
			if batch = append(batch, row); len(batch) == seedBatch {
				if !yield(batch) {
					return
				}
				batch = make([]T, 0, seedBatch)
			}
		}
		if len(batch) > 0 {
			yield(batch)
		}
	}
}
