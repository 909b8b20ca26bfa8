package importer

import "context"

// Nowhere is a Sink that stores nothing: for a dry run and for checking files.
type Nowhere struct{}

var _ Sink = Nowhere{}

// PutStores stores nothing.
func (Nowhere) PutStores(context.Context, []Store) ([]Result, error) { return nil, nil }

// PutGeofences stores nothing.
func (Nowhere) PutGeofences(context.Context, []Geofence) ([]Result, error) { return nil, nil }

// PutProducts stores nothing.
func (Nowhere) PutProducts(context.Context, []Product) ([]Result, error) { return nil, nil }

// PutStock stores nothing.
func (Nowhere) PutStock(context.Context, []Stock) ([]Result, error) { return nil, nil }

// PutPurchases stores nothing.
func (Nowhere) PutPurchases(context.Context, []Purchase) ([]Result, error) { return nil, nil }

// PutEvents stores nothing.
func (Nowhere) PutEvents(context.Context, []Event) ([]Result, error) { return nil, nil }
