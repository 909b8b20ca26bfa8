package retailer

import (
	"time"

	"satnav/context/scene"
	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
)

// Snapshot is all that requests of one retailer are answered from: an immutable picture in memory.
// A change makes a new one, which is swapped in whole, so an answer is never made of two.
type Snapshot struct {
	Retailer string
	Settings Settings
	Names    *who.Names // shared by all snapshots of the retailer
	Scene    scene.Retailer
	Fences   *geo.Index // live geofences
	Drafts   *geo.Index // drafts, for replays
	Suggest  *recommend.Snapshot
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
