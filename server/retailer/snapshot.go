package retailer

import (
	"time"

	"satnav/context/scene"
	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
	"satnav/recommend/offer"
	"satnav/server/store"
)

// Snapshot is all that requests of one retailer are answered from: an immutable picture in memory.
// A change makes a new one, which is swapped in whole, so an answer is never made of two.
type Snapshot struct {
	Retailer string
	Settings Settings
	Purposes who.Registry // all that data may be collected for
	Kept     int          // H3 resolution in which places are kept for who.Location, at most
	Names    *who.Names   // shared by all snapshots of the retailer
	Scene    scene.Retailer
	Keeps    map[who.Purpose]who.Keep // how long data is kept
	Fences   *geo.Index               // live geofences
	Drafts   *geo.Index               // drafts, for replays
	Suggest  *recommend.Snapshot
	// Experiments are those that run; none where no rules are live and nothing was started.
	Experiments []*Running
	Offers      *offer.Catalogue
	Edited      Edited
	Webhooks    []*Webhook // in order of their ids
	Unhooked    []string   // webhooks that were deleted: nobody is to be told what still waits for them
}

// Edited names the state of a configuration by the newest edit that is in it, by the clock of who made it. Every edit is
// kept with its time, so what held can be found again.
type Edited struct{ Stores, Catalogue, Geofences time.Time }

// note takes in an edit.
func (e *Edited) note(kind store.EntryKind, at time.Time) {
	switch {
	case kind == store.StoreEntry && at.After(e.Stores):
		e.Stores = at
	case (kind == store.ProductEntry || kind == store.StockEntry) && at.After(e.Catalogue):
		e.Catalogue = at
	case kind == store.GeofenceEntry && at.After(e.Geofences):
		e.Geofences = at
	}
}

// ZoneOf is the time zone of a store; the retailer's where the store is not known.
func (s *Snapshot) ZoneOf(store string) *time.Location {
	if store != "" {
		if known, ok := s.Scene.Stores.ByID(store); ok {
			return known.Zone
		}
	}
	return s.Scene.Zone
}

// Knows tells whether an item is in the catalogue.
func (s *Snapshot) Knows(item string) bool {
	number, ok := s.Names.Items.Lookup(item)
	return ok && s.Suggest.Catalogue.Product(number) != nil
}
