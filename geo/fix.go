package geo

import "time"

// Fix is one position that a device reported.
type Fix struct {
	At time.Time
	Point
	// AccuracyMeters is the radius around Point that holds the true position with a probability of
	// 68 % (what both phone platforms report). 0 means that the device did not say.
	AccuracyMeters float64
	Floor          *int // nil: unknown
	Mocked         bool // the device says that another app made this position up
	// Coarse marks a position that was made coarse on purpose (a cell, or an approximate-location
	// permission). It never enters a geofence smaller than its accuracy.
	Coarse bool
}

// Precision is how much of the device's position may be used.
type Precision uint8

const (
	NoLocation Precision = iota
	Coarse               // about 3 km
	Precise
)
