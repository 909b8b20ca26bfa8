package importer

import (
	"time"

	"satnav/geo"
	"satnav/server/sensitive"
)

// Store is one row of stores.csv.
type Store struct {
	ID        string
	Name      string // the id, if the file names none
	Position  geo.Point
	Zone      *time.Location // nil: look it up from the position
	Hours     string         // as geo.ParseHours reads it, checked; empty: not known
	Region    string
	Sensitive string // the sensitive category of the place; empty: none
}

var storeColumns = []column{{"store", true}, {"name", false}, {"lat", true}, {"lng", true}, {"zone", false}, {"hours", false}, {"region", false}, {"sensitive", false}}

const (
	storeID = iota
	storeName
	storeLat
	storeLng
	storeZone
	storeHours
	storeRegion
	storeSensitive
)

func decodeStore(c *cells) Store {
	s := Store{
		ID:        c.id(storeID),
		Name:      c.text(storeName),
		Position:  geo.Point{Lat: c.degrees(storeLat, 90), Lng: c.degrees(storeLng, 180)},
		Hours:     c.values[storeHours],
		Region:    c.text(storeRegion),
		Sensitive: string(sensitive.Of(c.text(storeSensitive))),
	}
	if s.Name == "" {
		s.Name = s.ID
	}
	if name := c.values[storeZone]; name != "" {
		zone, err := geo.LoadZone(name)
		if err != nil {
			c.refuse("zone", err.Error())
		}
		s.Zone = zone
	}
	if _, err := geo.ParseHours(s.Hours, s.Zone); err != nil {
		c.refuse("hours", err.Error())
	}
	return s
}
