// Package scene puts who, where and when together into the one value that everything above works on.
//
// It exists so that the three stay strangers to each other: it is the only code that calls all three.
package scene

import (
	"satnav/context/when"
	"satnav/context/where"
	"satnav/context/who"
)

// Scene is one shopper at one place at one moment. It belongs to one call.
type Scene struct {
	Shopper *who.Subject
	Place   where.Place
	Moment  when.Moment
}
