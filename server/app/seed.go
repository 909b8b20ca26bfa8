package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"satnav/context/who"
	"satnav/recommend/offer"
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
	settings := retailer.Settings{Name: "Demo City", Zone: city.Zone().String(), Currency: demo.Currency, Languages: []string{"en"}, Region: cmp.Or(a.Config.Region, "PT"), Jurisdiction: "other",
		DefaultGrants: []who.Purpose{who.Loyalty, who.Location, who.Analytics}} // nobody lives there: the demo shows what is counted of many
	saved, err := a.Retailers.SaveSettings(ctx, demo.Retailer, by, retailer.Change[retailer.Settings]{Value: settings})
	if err := errors.Join(err, saved.Err); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	kind := importer.Kind("")
	_, err = city.Seed(ctx, a.Sink(demo.Retailer, by, ""), func(seeded demo.Seeded) {
		if seeded.Kind != kind {
			kind = seeded.Kind
			said(string(kind))
		}
	})
	if err != nil {
		return err
	}
	return a.seedOffers(ctx, city, by)
}

func (a *App) seedOffers(ctx context.Context, city *demo.City, by retailer.Editor) error {
	var changes []retailer.Change[offer.Offer]
	for _, o := range city.Offers() {
		changes = append(changes, retailer.Change[offer.Offer]{ID: o.ID, Value: o})
	}
	saved, err := a.Retailers.SaveOffers(ctx, demo.Retailer, by, changes)
	if err != nil {
		return fmt.Errorf("offers: %w", err)
	}
	for i := range saved {
		if saved[i].Err != nil {
			return fmt.Errorf("offer %q: %w", saved[i].ID, saved[i].Err)
		}
	}
	return nil
}
