package retailer

import (
	"fmt"
	"time"

	"satnav/context/where"
	"satnav/geo"
	"satnav/server/sensitive"
)

// Store is a shop as its retailer describes it: what the API takes and gives, and what is kept.
type Store struct {
	ID     string  `json:"id"`
	Name   string  `json:"name"`
	Lat    float64 `json:"lat"`
	Lng    float64 `json:"lng"`
	Zone   string  `json:"zone"`   // IANA name; empty: looked up from the position
	Hours  string  `json:"hours"`  // in the notation of geo.ParseHours; empty: not known
	Region string  `json:"region"` // begins with the country's ISO 3166 code; decides its holidays
	// Sensitive is the category that who was there would tell of themselves; empty: none. What happens there is not kept.
	Sensitive string `json:"sensitive,omitempty"`
}

// Complete fills what was left out: the name is the id, the zone that of the position.
func (s Store) Complete() (Store, error) {
	if s.Name == "" {
		s.Name = s.ID
	}
	if s.Zone == "" && (geo.Point{Lat: s.Lat, Lng: s.Lng}).Check() == nil {
		zone, err := ZoneAt(geo.Point{Lat: s.Lat, Lng: s.Lng})
		if err != nil {
			return s, invalid([]Fault{{"/zone", err.Error()}})
		}
		s.Zone = zone
	}
	return s, nil
}

// Build checks the store and makes the value that requests are answered from.
func (s Store) Build() (*where.Store, error) {
	faults := checkID("/id", s.ID)
	point := geo.Point{Lat: s.Lat, Lng: s.Lng}
	if err := point.Check(); err != nil {
		faults = append(faults, Fault{"/lat", err.Error()})
	}
	zone, err := time.LoadLocation(s.Zone)
	if err != nil || s.Zone == "" || s.Zone == "Local" {
		faults = append(faults, Fault{"/zone", fmt.Sprintf("got %.40q, want a time zone of the IANA list such as \"Europe/Lisbon\"", s.Zone)})
		zone = time.UTC
	}
	built := &where.Store{ID: s.ID, Name: s.Name, Point: point, Zone: zone, Region: s.Region, Hidden: sensitive.Of(s.Sensitive) != sensitive.NoCategory}
	if s.Hours != "" {
		hours, err := geo.ParseHours(s.Hours, zone)
		if err != nil {
			faults = append(faults, Fault{"/hours", err.Error()})
		}
		built.Hours = hours
	}
	return built, invalid(faults)
}
