package store

import (
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"satnav/context/who"
)

// wishesDocument is what a shopper said about the use of their data, as it is stored. Few said anything.
type wishesDocument struct {
	Neutral  bool            `bson:"neutral,omitempty"`
	Quiet    bool            `bson:"quiet,omitempty"`
	Paused   time.Time       `bson:"paused,omitempty"`
	Pauses   []pauseDocument `bson:"pauses,omitempty"`
	NotForMe []string        `bson:"not_for_me,omitempty"`
	Less     []string        `bson:"less,omitempty"`
	Muted    []string        `bson:"muted,omitempty"`
}

type pauseDocument struct {
	From  time.Time `bson:"from"`
	Until time.Time `bson:"until"`
}

func appendPreferences(b []byte, p *who.Preferences) ([]byte, error) {
	d := wishesDocument{Neutral: p.Neutral, Quiet: p.Quiet, Paused: p.Paused, NotForMe: p.NotForMe, Less: p.Less, Muted: p.Muted}
	for _, pause := range p.Pauses {
		d.Pauses = append(d.Pauses, pauseDocument(pause))
	}
	body, err := bson.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("preferences: %w", err)
	}
	return append(b, body...), nil
}

func readPreferences(body []byte) (*who.Preferences, error) {
	var d wishesDocument
	if err := bson.Unmarshal(body, &d); err != nil {
		return nil, err
	}
	p := &who.Preferences{Neutral: d.Neutral, Quiet: d.Quiet, NotForMe: d.NotForMe, Less: d.Less, Muted: d.Muted}
	if !d.Paused.IsZero() {
		p.Paused = d.Paused.UTC()
	}
	for _, pause := range d.Pauses {
		p.Pauses = append(p.Pauses, who.Pause{From: pause.From.UTC(), Until: pause.Until.UTC()})
	}
	return p, nil
}
