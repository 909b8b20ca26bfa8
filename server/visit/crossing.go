package visit

import (
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"satnav/geo"
	"satnav/server/store"
)

// storedResolution is the finest H3 resolution in which a position is kept in the diary.
const storedResolution = 9

// crossingDocument is a crossing as it is kept with the shopper, committed together with the presence that
// decided it.
type crossingDocument struct {
	ID       string    `bson:"id"`
	Geofence string    `bson:"geofence"`
	Version  int64     `bson:"version"`
	Kind     string    `bson:"kind"`
	At       time.Time `bson:"at"`
	Decided  time.Time `bson:"decided_at"`
	Told     bool      `bson:"told"`
	Withheld string    `bson:"withheld,omitempty"`
	Reason   string    `bson:"reason,omitempty"`
}

func crossingDocuments(crossings []geo.Crossing) ([]store.Document, error) {
	documents := make([]store.Document, len(crossings))
	for i, c := range crossings {
		body, err := bson.Marshal(crossingDocument{
			ID: c.ID, Geofence: c.Geofence, Version: c.Version, Kind: string(c.Kind), At: c.At, Decided: c.DecidedAt,
			Told: c.Told, Withheld: string(c.Withheld), Reason: string(c.Reason.Rule),
		})
		if err != nil {
			return nil, fmt.Errorf("crossing %s: %w", c.ID, err)
		}
		documents[i] = store.Document{ID: "crossing/" + c.ID, Body: body}
	}
	return documents, nil
}

// fixDocument is a fix that came too late to be put in order.
type fixDocument struct {
	At     time.Time `bson:"at"`
	Place  string    `bson:"place"` // H3 cell
	Reason string    `bson:"reason"`
}

// lateDocuments are the fixes that the presence can no longer put in order, for the diary.
func lateDocuments(presence geo.Presence, fixes []geo.Fix) ([]store.Document, error) {
	var documents []store.Document
	for _, fix := range fixes {
		if !presence.Late(fix) {
			continue
		}
		body, err := bson.Marshal(fixDocument{At: fix.At, Place: geo.CellAt(fix.Point, storedResolution).String(), Reason: "late"})
		if err != nil {
			return nil, fmt.Errorf("late fix: %w", err)
		}
		documents = append(documents, store.Document{ID: fmt.Sprintf("fix/%020d", fix.At.UnixMilli()), Body: body})
	}
	return documents, nil
}
