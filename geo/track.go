package geo

import "time"

// Track estimates where a shopper is from all fixes so far.
type Track struct {
	At time.Time
}
