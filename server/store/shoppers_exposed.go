package store

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"satnav/context/who"
)

// exposedMark is on the exposures of a shopper, one for each experiment: its readings find by it who is in.
const exposedMark = "exposed"

func exposedKey(retailer, experiment string) string {
	return string(append(appendRetailer(nil, retailer), experiment...))
}

func exposureMarks(retailer string, exposures []who.Exposure) []Mark {
	marks := make([]Mark, len(exposures))
	for i, e := range exposures {
		marks[i] = Mark{Kind: exposedMark, Key: exposedKey(retailer, e.Experiment), At: e.At}
	}
	return marks
}

// appendExposures appends the experiments that made a difference for a shopper.
func appendExposures(b []byte, exposures []who.Exposure) []byte {
	return document(b, func(b []byte) []byte {
		return array(b, "experiments", len(exposures), func(b []byte, i int) []byte {
			b = bsoncore.AppendStringElement(b, "experiment", exposures[i].Experiment)
			b = bsoncore.AppendStringElement(b, "arm", exposures[i].Arm)
			return bsoncore.AppendDateTimeElement(b, "at", exposures[i].At.UnixMilli())
		})
	})
}

func readExposures(body []byte) (exposures []who.Exposure, err error) {
	w := walk(body)
	for w.next() {
		if string(w.key) != "experiments" {
			continue
		}
		list := w.inside()
		for list.next() {
			var e who.Exposure
			one := list.inside()
			for one.next() {
				switch string(one.key) {
				case "experiment":
					e.Experiment = one.string()
				case "arm":
					e.Arm = one.string()
				case "at":
					e.At = one.time()
				}
			}
			list.join(one)
			exposures = append(exposures, e)
		}
		w.join(list)
	}
	return exposures, w.err
}

// EachExposed calls fn with every shopper for whom an experiment made a difference since an instant, in order of when it first
// did, until fn returns an error. One that was erased meanwhile is left out.
func (s *Shoppers) EachExposed(ctx context.Context, retailer, experiment string, since, until time.Time, fn func(who.Key) error) error {
	after := Position{At: since.Add(-time.Millisecond)}
	for {
		page, more, err := s.documents.Marked(ctx, exposedMark, exposedKey(retailer, experiment), after, until, 0)
		if err != nil {
			return err
		}
		for _, m := range page {
			key, err := s.KeyOf(ctx, m.Partition)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err == nil {
				err = fn(key)
			}
			if err != nil {
				return err
			}
		}
		if !more || len(page) == 0 {
			return nil
		}
		after = page[len(page)-1].Position()
	}
}
