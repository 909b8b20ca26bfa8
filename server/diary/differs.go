package diary

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"satnav/context/who"
	"satnav/server/money"
)

// Differs is the code of an event whose id is stored already with something else. What is stored does not
// change; that somebody says otherwise must not pass for a repetition.
const Differs = "differs"

// compare tells of events that are stored already whether they are duplicates, or only have the id of one: events[n] for n in twice,
// whose result is results[indexes[n]]. A shopper who does not allow their diary to be read is not read for this either.
func (d *intake) compare(ctx context.Context, key who.Key, entries []Entry, events []who.Event, indexes, twice []int, results []Result) error {
	shopper, err := d.shoppers.Shopper(ctx, key)
	if errors.Is(err, who.ErrUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	if !shopper.Grants().Holds(who.Loyalty) {
		return nil
	}
	ids := make([]string, len(twice))
	for i, n := range twice {
		ids[i] = events[n].ID
	}
	stored, err := d.shoppers.Stored(ctx, key, ids)
	if err != nil {
		return err
	}
	for i, n := range twice {
		if stored[i] == nil {
			continue
		}
		given := events[n]
		results[indexes[n]] = Result{Status: Duplicate, Code: string(stored[i].Doubt())}
		if stored[i].Reason == Corrected { // by its shopper, of whom whoever sends it again knows nothing
			continue
		}
		if !d.timed {
			given.At = stored[i].At
		}
		if field, problem := d.difference(&given, stored[i], entries[indexes[n]].DateOnly); field != "" {
			results[indexes[n]] = Result{Status: Refused, Code: Differs, Field: field, Problem: problem}
		}
	}
	return nil
}

// difference names the first field in which an event is not what is stored, and both values; "" when there is none.
func (d *intake) difference(given, stored *who.Event, dateOnly bool) (field, problem string) {
	exponent := d.snapshot.Settings.Exponent()
	for _, f := range []struct{ field, got, have string }{
		{"kind", string(given.Kind), string(stored.Kind)},
		{"item", given.Item, stored.Item},
		{"code", given.Code, stored.Code},
		{"at", moment(given.At, dateOnly), moment(stored.At, dateOnly)},
		{"basket", given.Basket, stored.Basket},
		{"quantity", fmt.Sprint(cmp.Or(given.Quantity, 1)), fmt.Sprint(cmp.Or(stored.Quantity, 1))}, // 1 is meant when none is given
		{"price", money.Format(given.Price, exponent), money.Format(stored.Price, exponent)},
		{"store", given.Store, stored.Store},
		{"place", given.Place, stored.Place},
		{"properties", canonical(given.Properties), canonical(stored.Properties)},
	} {
		if f.got != f.have {
			return f.field, fmt.Sprintf("got %s, but it is stored with %s", shown(f.got), shown(f.have))
		}
	}
	return "", ""
}

// moment is a time for comparing: to the millisecond, which is what is stored, or its day. The noon that a date stands
// for moves when the zone of a store becomes known.
func moment(t time.Time, dateOnly bool) string {
	if dateOnly {
		return t.Format(time.DateOnly)
	}
	return t.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano)
}

// canonical is JSON without the liberties of spacing and order; "" for none.
func canonical(text json.RawMessage) string {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return string(text)
	}
	if members, ok := value.(map[string]any); ok && len(members) == 0 {
		return ""
	}
	out, err := json.Marshal(value)
	if err != nil {
		return string(text)
	}
	return string(out)
}

// shown is a value as people are told it.
func shown(value string) string {
	const most = 80
	if value == "" {
		return "nothing"
	}
	if runes := []rune(value); len(runes) > most {
		value = string(runes[:most]) + "…"
	}
	return fmt.Sprintf("%q", value)
}
