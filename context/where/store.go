package where

import (
	"time"

	"satnav/geo"
)

// Store is one shop of a retailer. It is immutable.
type Store struct {
	ID     string
	Name   string
	Point  geo.Point
	Zone   *time.Location
	Hours  *geo.Schedule // nil: not known, taken as open
	Region string
	Hidden bool // who was there says something sensitive about themselves: it is found by id only, and what happens there is not kept
}

// OpenAt tells whether the store is open; a store without hours is.
func (s *Store) OpenAt(t time.Time) bool { return s.Hours == nil || s.Hours.Open(t) }
