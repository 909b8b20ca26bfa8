package app

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"satnav/context/who"
	"satnav/geo"
	"satnav/server/diary"
	"satnav/server/importer"
	"satnav/server/money"
	"satnav/server/retailer"
	"satnav/server/store"
)

// Sink stores the rows of an import for one retailer. Every importer ends here: the command line, the
// HTTP import and the demo city.
type Sink struct {
	Retailer string
	By       retailer.Editor
	Basis    string // legal basis of events and purchases; empty: none was named
	// DryRun checks as an import would, says what would change, and stores nothing.
	DryRun    bool
	retailers *retailer.Retailers
	diary     *diary.Diary
	now       func() time.Time
}

var _ importer.Sink = (*Sink)(nil)

// Sink makes the sink of one retailer's imports.
func (a *App) Sink(retailerID string, by retailer.Editor, basis string) *Sink {
	return &Sink{Retailer: retailerID, By: by, Basis: basis, retailers: a.Retailers, diary: a.Diary, now: a.now}
}

// ImportOptions are what the readers must know of the retailer.
func (a *App) ImportOptions(ctx context.Context, retailerID string) (importer.Options, error) {
	snapshot, err := a.Retailers.Of(ctx, retailerID)
	if err != nil {
		return importer.Options{}, err
	}
	return importer.Options{Currency: snapshot.Settings.Currency, Zone: snapshot.ZoneOf}, nil
}

// editor is who edits, or who only wants to know.
func (s *Sink) editor() retailer.Editor {
	by := s.By
	by.Rehearse = s.DryRun
	return by
}

// PutStores stores shops.
func (s *Sink) PutStores(ctx context.Context, rows []importer.Store) ([]importer.Result, error) {
	changes := make([]retailer.Change[retailer.Store], len(rows))
	for i, row := range rows {
		zone := ""
		if row.Zone != nil {
			zone = row.Zone.String()
		}
		changes[i] = retailer.Change[retailer.Store]{ID: row.ID, Value: retailer.Store{
			Name: row.Name, Lat: row.Position.Lat, Lng: row.Position.Lng, Zone: zone, Hours: row.Hours, Region: row.Region, Sensitive: row.Sensitive,
		}}
	}
	return results(s.retailers.SaveStores(ctx, s.Retailer, s.editor(), changes))
}

// PutProducts stores articles.
func (s *Sink) PutProducts(ctx context.Context, rows []importer.Product) ([]importer.Result, error) {
	snapshot, err := s.retailers.Of(ctx, s.Retailer)
	if err != nil {
		return nil, err
	}
	exponent := snapshot.Settings.Exponent()
	changes := make([]retailer.Change[retailer.Product], len(rows))
	for i, row := range rows {
		p := retailer.Product{
			Title: row.Title, Category: row.Category, Brand: row.Brand, Currency: row.Currency, Attributes: row.Attributes,
			Price: text(row.Price, exponent), ListPrice: text(row.ListPrice, exponent), Cost: text(row.Cost, exponent),
			VariantOf: row.VariantOf, Sensitive: row.Sensitive, Status: string(row.Status),
		}
		if row.StockKnown {
			p.Stock = &row.Stock
		}
		changes[i] = retailer.Change[retailer.Product]{ID: row.Item, Value: p}
	}
	return results(s.retailers.SaveProducts(ctx, s.Retailer, s.editor(), changes))
}

func text(m importer.Money, exponent int) string {
	return money.Format(m, exponent)
}

// PutStock stores what stores have.
func (s *Sink) PutStock(ctx context.Context, rows []importer.Stock) ([]importer.Result, error) {
	shelves := make([]retailer.Stock, len(rows))
	for i, row := range rows {
		shelves[i] = retailer.Stock{Item: row.Item, Store: row.Store, Stock: row.Amount}
	}
	return results(s.retailers.SaveStock(ctx, s.Retailer, s.editor(), shelves))
}

// PutGeofences stores geofences.
func (s *Sink) PutGeofences(ctx context.Context, rows []importer.Geofence) ([]importer.Result, error) {
	changes := make([]retailer.Change[geo.Geofence], len(rows))
	for i, row := range rows {
		changes[i] = retailer.Change[geo.Geofence]{ID: row.ID, Value: row.Geofence}
	}
	out, err := results(s.retailers.SaveGeofences(ctx, s.Retailer, s.editor(), changes))
	for i := range out {
		if out[i].Outcome == importer.Stored && len(rows[i].Mended) > 0 {
			out[i].Reason = mended(rows[i].Mended)
		}
	}
	return out, err
}

// PutPurchases stores purchases. A line's event id is derived from its basket, item and ordinal, so that
// the same line is found again whichever file it comes in.
func (s *Sink) PutPurchases(ctx context.Context, rows []importer.Purchase) ([]importer.Result, error) {
	entries := make([]diary.Entry, len(rows))
	for i, row := range rows {
		entries[i] = diary.Entry{Shopper: row.Shopper, DateOnly: row.DateOnly, Event: who.Event{
			ID: lineID(row.BasketOrDay(), row.Item, row.Ordinal), Kind: who.Purchased, At: row.At, Item: row.Item, Basket: row.Basket,
			Quantity: row.Quantity, Price: row.Price, Store: row.Store, Ordinal: row.Ordinal, Source: cmp.Or(row.Source, "import"),
		}}
	}
	return s.record(ctx, entries, "a stored line does not change: if this is another purchase, name its basket")
}

func lineID(basket, item string, ordinal int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s%d:%s%d", len(basket), basket, len(item), item, ordinal))
	return "line-" + hex.EncodeToString(sum[:16])
}

// PutEvents stores events.
func (s *Sink) PutEvents(ctx context.Context, rows []importer.Event) ([]importer.Result, error) {
	entries := make([]diary.Entry, len(rows))
	for i, row := range rows {
		entries[i] = diary.Entry{Shopper: row.Shopper, DateOnly: row.DateOnly, Event: who.Event{
			ID: row.ID, Kind: who.EventKind(row.Kind), At: row.At, Item: row.Item, Basket: row.Basket, Quantity: row.Quantity,
			Price: row.Price, Store: row.Store, Place: row.Place, Properties: row.Properties, Source: cmp.Or(row.Source, "import"),
		}}
	}
	return s.record(ctx, entries, "a stored event does not change: if this is another one, give it an id of its own")
}

// record stores entries; mend is what to do about one that is stored with something else.
func (s *Sink) record(ctx context.Context, entries []diary.Entry, mend string) ([]importer.Result, error) {
	take := s.diary.Import
	if s.DryRun {
		take = s.diary.Rehearse
	}
	recorded, err := take(ctx, s.Retailer, s.now(), s.Basis, entries)
	if err != nil {
		return nil, err
	}
	out := make([]importer.Result, len(recorded))
	for i, r := range recorded {
		switch r.Status {
		case diary.Duplicate:
			out[i].Outcome = importer.Unchanged
		case diary.Refused:
			out[i] = importer.Result{Outcome: importer.Refused, Column: r.Field, Reason: r.Problem}
			switch r.Code {
			case diary.NoGrant:
				out[i].Reason = s.noGrant(r.Problem)
			case diary.Differs:
				out[i].Reason += "; " + mend
			}
		}
	}
	return out, nil
}

// noGrant words the refusal of a row whose shopper allowed nothing.
func (s *Sink) noGrant(problem string) string {
	if s.Basis == "" {
		return diary.NoGrant + ": " + problem + "; if there is a legal basis to keep the row all the same, name it (basis, such as contract)"
	}
	return diary.NoGrant + ": " + problem
}

// results tells an import what became of its rows.
func results(saved []retailer.Saved, err error) ([]importer.Result, error) {
	if err != nil {
		return nil, err
	}
	out := make([]importer.Result, len(saved))
	for i, s := range saved {
		var invalid *retailer.Invalid
		var fault *geo.Fault
		switch {
		case errors.As(s.Err, &invalid):
			out[i] = importer.Result{Outcome: importer.Refused, Column: strings.TrimPrefix(invalid.Faults[0].Pointer, "/"), Reason: invalid.Error()}
		case errors.As(s.Err, &fault):
			out[i] = importer.Result{Outcome: importer.Refused, Reason: fault.Error()}
		case errors.Is(s.Err, store.ErrConflict):
			out[i] = importer.Result{Outcome: importer.Refused, Reason: "somebody else edited it at the same moment: import it again"}
		case s.Err != nil:
			out[i] = importer.Result{Outcome: importer.Refused, Reason: s.Err.Error()}
		case s.Unchanged:
			out[i].Outcome = importer.Unchanged
		default:
			out[i] = importer.Result{ID: s.ID, Created: s.Created, Changed: s.Changed}
		}
	}
	return out, nil
}

func mended(all []geo.Mending) string {
	texts := make([]string, len(all))
	for i, m := range all {
		texts[i] = m.At + ": " + m.What
	}
	return strings.Join(texts, "; ")
}
