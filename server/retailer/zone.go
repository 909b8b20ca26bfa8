package retailer

import (
	"fmt"
	"sync"
	"time"

	"github.com/ringsaturn/tzf"

	"satnav/geo"
)

// finder knows the time zone of every place on earth. It takes a second and 30 MB to load, so it is
// loaded when the first store without a zone is saved.
var finder = sync.OnceValues(tzf.NewDefaultFinder)

// ZoneAt looks up the time zone of a position.
func ZoneAt(p geo.Point) (string, error) {
	f, err := finder()
	if err != nil {
		return "", fmt.Errorf("time zones: %w", err)
	}
	name := f.GetTimezoneName(p.Lng, p.Lat)
	if _, err := time.LoadLocation(name); err != nil || name == "" {
		return "", fmt.Errorf("no time zone is known for latitude %v, longitude %v: name one in zone", p.Lat, p.Lng)
	}
	return name, nil
}
