package scene

import (
	"satnav/context/who"
	"satnav/geo"
)

// Imagine makes the scene of somebody who does not exist: with these grants, on a phone that allows what the call needs, after these
// events. It is for trying rules; nothing of it is kept.
func Imagine(retailer *Retailer, names *who.Names, call Call, grants []who.Purpose, events []who.Event) Scene {
	if call.Fix != nil || call.Cell != 0 {
		call.Device.Location = geo.Precise
	}
	return of(who.Imagined(call.Key, who.Defaults(grants, call.At), names, events), retailer, call)
}
