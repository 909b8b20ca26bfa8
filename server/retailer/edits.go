package retailer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"satnav/geo"
	"satnav/server/sensitive"
	"satnav/server/store"
)

// Editor is who makes an edit. It is kept with each version.
type Editor struct {
	Role    string
	Subject string
	// Stores, when not nil, are the only stores whose geofences the editor may touch.
	Stores []string
	// Rehearse checks edits and says what they would change, and stores nothing.
	Rehearse bool
	// Call, when not empty, is the store.Call by which the edit is made.
	Call string
}

func (e Editor) String() string { return e.Role + " " + e.Subject }

// Change is one wanted edit of a thing that a retailer configures.
type Change[T any] struct {
	ID     string // empty: one is made
	Value  T      // ignored when Delete is set
	Delete bool
	Expect *int64 // the version that it must have, 0 for a new one; nil: whatever is there
}

// Saved is what became of a Change.
type Saved struct {
	ID        string
	Version   int64
	At        time.Time
	Unchanged bool
	Created   bool
	Changed   []string // members that differ from what there was, of a rehearsed change
	Body      []byte   // JSON, as it is kept now
	// Err is *Invalid, *geo.Fault, ErrForbidden, store.ErrConflict or store.ErrNotFound; nil: it is durable and live.
	Err error
}

// Entry is what is kept now.
func (s Saved) Entry() store.Entry {
	return store.Entry{ID: s.ID, Version: s.Version, At: s.At, Body: s.Body}
}

// Get returns one entry of a retailer, or store.ErrNotFound.
func (r *Retailers) Get(ctx context.Context, retailer string, kind store.EntryKind, id string) (store.Entry, error) {
	return r.entries.Get(ctx, retailer, kind, id)
}

// Settings returns the retailer's settings as they are kept.
func (r *Retailers) Settings(ctx context.Context, retailer string) (store.Entry, error) {
	return r.entries.Get(ctx, retailer, store.RetailerEntry, SettingsID)
}

// List returns up to limit entries with an id after the given one, and whether more follow.
func (r *Retailers) List(ctx context.Context, retailer string, kind store.EntryKind, after string, limit int) ([]store.Entry, bool, error) {
	return r.entries.List(ctx, retailer, kind, after, limit)
}

// ErrForbidden says that the editor may not touch this geofence: it is not linked to one of their stores.
var ErrForbidden = errors.New("geofence is not linked to a store of yours")

// SaveSettings changes the retailer's settings.
func (r *Retailers) SaveSettings(ctx context.Context, retailer string, by Editor, change Change[Settings]) (Saved, error) {
	change.ID = SettingsID
	p, err := r.picture(ctx, retailer)
	if err != nil {
		return Saved{}, err
	}
	p.pricing.Lock()
	defer p.pricing.Unlock()
	saved, err := save(ctx, r, retailer, store.RetailerEntry, by, []Change[Settings]{change}, func(c *Change[Settings]) ([]byte, error) {
		c.Value = c.Value.Complete()
		if faults := c.Value.Check(); len(faults) > 0 {
			return nil, invalid(faults)
		}
		if err := p.repriced(c.Value); err != nil {
			return nil, err
		}
		if err := r.pinned(ctx, retailer, c.Value.Region); err != nil {
			return nil, err
		}
		return json.Marshal(c.Value)
	})
	if err != nil {
		return Saved{}, err
	}
	return saved[0], nil
}

// Stand sets the region of this deployment, and who tells whether anything of a retailer's shoppers is kept here. Call it before the first edit.
func (r *Retailers) Stand(region string, anybody func(ctx context.Context, retailer string) (bool, error)) {
	r.region, r.anybody = region, anybody
}

// Within tells whether a deployment serves and keeps who is pinned to a region: it is the deployment's own or a part of it ("DE-BY" of "DE"). Nobody is pinned
// with an empty one, and a deployment without one is the only one there is.
func Within(pinned, deployment string) bool {
	return pinned == "" || deployment == "" || pinned == deployment || strings.HasPrefix(pinned, deployment+"-")
}

// pinned refuses to pin a retailer elsewhere while something is kept of their shoppers here.
func (r *Retailers) pinned(ctx context.Context, retailer, region string) error {
	if Within(region, r.region) {
		return nil
	}
	kept, err := r.anybody(ctx, retailer)
	if err == nil && kept {
		err = invalid([]Fault{{"/region", fmt.Sprintf("got %q: what is known of the retailer's shoppers is kept in %q; take it there and erase it here first", region, r.region)}})
	}
	return err
}

// SaveStores changes stores.
func (r *Retailers) SaveStores(ctx context.Context, retailer string, by Editor, changes []Change[Store]) ([]Saved, error) {
	if slices.ContainsFunc(changes, func(c Change[Store]) bool { return c.Value.Zone == "" && !c.Delete }) {
		// Looking up the first zone takes a second, on a busy machine longer than a call may take. It would
		// fail for nothing: who sends it again finds the zones loaded.
		ctx = context.WithoutCancel(ctx)
	}
	return save(ctx, r, retailer, store.StoreEntry, by, changes, func(c *Change[Store]) ([]byte, error) {
		if c.Delete {
			return nil, nil
		}
		c.Value.ID, c.Value.Sensitive = c.ID, string(sensitive.Of(c.Value.Sensitive))
		value, err := c.Value.Complete()
		if err != nil {
			return nil, err
		}
		if _, err := value.Build(); err != nil {
			return nil, err
		}
		return json.Marshal(value)
	})
}

// SaveProducts changes products.
func (r *Retailers) SaveProducts(ctx context.Context, retailer string, by Editor, changes []Change[Product]) ([]Saved, error) {
	snapshot, err := r.Of(ctx, retailer)
	if err != nil {
		return nil, err
	}
	return save(ctx, r, retailer, store.ProductEntry, by, changes, func(c *Change[Product]) ([]byte, error) {
		if c.Delete {
			return nil, nil
		}
		c.Value.Item = c.ID
		if c.Value.Title == "" {
			c.Value.Title = c.ID
		}
		c.Value.Sensitive = string(sensitive.Of(c.Value.Sensitive))
		if _, err := c.Value.Build(snapshot.Names, snapshot.Settings); err != nil {
			return nil, err
		}
		return json.Marshal(c.Value)
	})
}

// SaveStock changes how much stores have.
func (r *Retailers) SaveStock(ctx context.Context, retailer string, by Editor, shelves []Stock) ([]Saved, error) {
	changes := make([]Change[Stock], len(shelves))
	for i, s := range shelves {
		changes[i] = Change[Stock]{ID: s.id(), Value: s}
	}
	return save(ctx, r, retailer, store.StockEntry, by, changes, func(c *Change[Stock]) ([]byte, error) {
		if err := c.Value.Check(); err != nil {
			return nil, err
		}
		return json.Marshal(c.Value)
	})
}

// SaveGeofences changes geofences. The shape of a value was checked when it was read, see geo.ParseFeature.
func (r *Retailers) SaveGeofences(ctx context.Context, retailer string, by Editor, changes []Change[geo.Geofence]) ([]Saved, error) {
	p, err := r.picture(ctx, retailer)
	if err != nil {
		return nil, err
	}
	return save(ctx, r, retailer, store.GeofenceEntry, by, changes, func(c *Change[geo.Geofence]) ([]byte, error) {
		if err := geo.CheckID(c.ID); err != nil {
			return nil, err
		}
		if err := r.reach(ctx, retailer, by, c); err != nil || c.Delete {
			return nil, err
		}
		if by.Stores != nil && !slices.Contains(by.Stores, c.Value.Store) {
			return nil, ErrForbidden
		}
		if err := c.Value.Check(); err != nil {
			return nil, err
		}
		if err := ordinary(c.Value.Tags); err != nil {
			return nil, err
		}
		if at, known := p.snapshot.Load().Scene.Stores.ByID(c.Value.Store); known && at.Hidden {
			return nil, invalid([]Fault{{"/properties/store", fmt.Sprintf("%q is a sensitive place: what happens there is not kept; leave the geofence out", c.Value.Store)}})
		}
		if c.Value.Name == c.Value.ID {
			c.Value.Name = c.ID
		}
		c.Value.ID = c.ID
		if err := r.zoned(p, &c.Value); err != nil {
			return nil, err
		}
		return c.Value.AppendFeature(nil), nil
	})
}

// packed is the form in which a geofence is kept; nil for one whose text does not come back from it to the letter.
func packed(fence *geo.Geofence, text []byte) []byte {
	packed, err := fence.AppendPacked(nil)
	if err != nil {
		return nil
	}
	back, err := geo.UnpackGeofence(packed)
	if err != nil || !bytes.Equal(back.AppendFeature(nil), text) {
		return nil
	}
	return packed
}

// ordinary refuses a place of which it would tell too much that somebody was there.
func ordinary(tags []string) error {
	var faults []Fault
	for i, tag := range tags {
		if category, known := sensitive.Known(tag); known {
			faults = append(faults, Fault{fmt.Sprintf("/properties/tags/%d", i), fmt.Sprintf(
				"%q makes it a sensitive place (%s): who crosses its edge is not anybody's business, and no purpose that is declared allows it; leave the geofence out", tag, category)})
		}
	}
	return invalid(faults)
}

// zoned gives a schedule that names no zone that of the linked store, else that of the place.
func (r *Retailers) zoned(p *picture, fence *geo.Geofence) error {
	if fence.Schedule == nil || fence.Schedule.HasZone() {
		return nil
	}
	if store, known := p.snapshot.Load().Scene.Stores.ByID(fence.Store); known {
		fence.Schedule = fence.Schedule.WithZone(store.Zone)
		return nil
	}
	name, err := ZoneAt(fence.Shape.Bounds().Center())
	if err != nil {
		return invalid([]Fault{{"/properties/schedule/zone", err.Error()}})
	}
	zone, err := geo.LoadZone(name)
	if err != nil {
		return invalid([]Fault{{"/properties/schedule/zone", err.Error()}})
	}
	fence.Schedule = fence.Schedule.WithZone(zone)
	return nil
}

// reach refuses an editor of some stores who would touch a geofence of another one, and holds the change
// to the version that was checked, so that nobody relinks it in between.
func (r *Retailers) reach(ctx context.Context, retailer string, by Editor, c *Change[geo.Geofence]) error {
	if by.Stores == nil {
		return nil
	}
	entry, err := r.entries.Get(ctx, retailer, store.GeofenceEntry, c.ID)
	if errors.Is(err, store.ErrNotFound) {
		if c.Expect == nil && !c.Delete {
			c.Expect = new(int64)
		}
		return nil
	}
	if err != nil {
		return err
	}
	fence, err := entry.Geofence()
	if err != nil {
		return err
	}
	if !slices.Contains(by.Stores, fence.Store) {
		return ErrForbidden
	}
	if c.Expect == nil {
		c.Expect = &entry.Version
	}
	return nil
}

// save checks each change, keeps those that are right, and puts them into the snapshot before it returns.
func save[T any](ctx context.Context, r *Retailers, retailer string, kind store.EntryKind, by Editor, changes []Change[T], body func(*Change[T]) ([]byte, error)) ([]Saved, error) {
	p, err := r.picture(ctx, retailer)
	if err != nil {
		return nil, err
	}
	saved := make([]Saved, len(changes))
	var edits []store.Edit
	var indexes []int
	for i := range changes {
		c := &changes[i]
		if c.ID == "" {
			c.ID = ulid.Make().String()
		}
		saved[i].ID = c.ID
		edit := store.Edit{ID: c.ID, Delete: c.Delete}
		if faults := checkID("/id", c.ID); len(faults) > 0 {
			saved[i].Err = invalid(faults)
			continue
		}
		if edit.Body, saved[i].Err = body(c); saved[i].Err != nil {
			continue
		}
		if fence, is := any(&c.Value).(*geo.Geofence); is && !c.Delete {
			edit.Packed = packed(fence, edit.Body)
		}
		edit.Expect = c.Expect
		if len(changes) == 1 && kind != store.RuleSetEntry { // of which a call may make several
			edit.Call = by.Call
		}
		edits, indexes = append(edits, edit), append(indexes, i)
	}
	if by.Rehearse {
		return rehearse(ctx, r, retailer, kind, edits, saved, indexes)
	}
	if kind == store.GeofenceEntry {
		p.saving.RLock()
		defer p.saving.RUnlock()
	}
	outcomes, err := r.entries.Apply(ctx, retailer, kind, by.String(), r.now().UTC().Truncate(time.Millisecond), edits)
	var entries []store.Entry
	for n, outcome := range outcomes { // also after an error: what was kept is live
		s := &saved[indexes[n]]
		if outcome.Entry.ID != "" {
			s.ID = outcome.Entry.ID // that which the call made first, if it was carried out before
		}
		s.Version, s.At, s.Body = outcome.Entry.Version, outcome.Entry.At, outcome.Entry.Body
		s.Unchanged, s.Created, s.Err = outcome.Unchanged, outcome.Created, outcome.Err
		if outcome.Err == nil && !outcome.Unchanged {
			entries = append(entries, outcome.Entry)
		}
	}
	for _, problem := range p.apply(entries) {
		r.log.Error("an entry cannot be used", "retailer", retailer, "err", problem)
	}
	if err != nil {
		return nil, fmt.Errorf("save %s entries: %w", kind, err)
	}
	return saved, nil
}
