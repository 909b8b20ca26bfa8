package deliver

import (
	"encoding/json"
	"time"

	"satnav/server/store"
)

// Message is a letter as a receiver sees it.
type Message struct {
	Retailer string
	ID       string // the same at each try and for each endpoint
	Type     string
	Body     []byte // JSON of a CloudEvent
}

// event is a CloudEvent 1.0 in JSON, with the extensions for the order of events: those of one partitionkey are sent
// in the order of their sequence, which is compared as text.
type event struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	Time            time.Time       `json:"time"`
	PartitionKey    string          `json:"partitionkey"`
	Sequence        string          `json:"sequence"`
	DataContentType string          `json:"datacontenttype"`
	Data            json.RawMessage `json:"data"`
}

const contentType = "application/cloudevents+json; charset=utf-8"

// messageOf is a letter as it is sent.
func messageOf(retailer string, l *store.WaitingLetter) (*Message, error) {
	_, pseudonym := cut(l.Partition)
	body, err := json.Marshal(event{
		SpecVersion: "1.0", ID: l.Message, Source: "/satnav/" + retailer, Type: l.Type, Time: l.At,
		PartitionKey: store.NoticePseudonym(pseudonym), Sequence: l.Sequence, DataContentType: "application/json", Data: json.RawMessage(l.Data),
	})
	if err != nil {
		return nil, err
	}
	return &Message{Retailer: retailer, ID: l.Message, Type: l.Type, Body: body}, nil
}
