package scene

import (
	"satnav/context/who"
	"satnav/geo"
)

// Imagine makes the scene of somebody who does not exist: with these grants, on a phone that allows what the call needs, after these
// events, with this loyalty card, nil for none. It is for trying rules; nothing of it is kept.
func Imagine(retailer *Retailer, names *who.Names, call Call, grants []who.Purpose, events []who.Event, card *who.Card) Scene {
	if call.Fix != nil || call.Cell != 0 {
		call.Device.Location = geo.Precise
	}
	return of(who.Imagined(call.Key, who.Defaults(grants, call.At), names, events, card), retailer, call)
}
