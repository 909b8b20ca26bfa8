package visit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"satnav/context/who"
	"satnav/geo"
	"satnav/server/store"
)

// Marks of a presence, by which shoppers are found from whom nothing may ever be heard again.
//
// One mark says when time will decide something (a dwell, a closing, a day of silence); who waits for nothing has
// none. One more for each geofence that the shopper is inside of lets an edit of it find them. A document has room
// for 16: who is inside of more has the last one spent on "more", and every edit of the retailer's geofences looks
// at those few shoppers too, so that nobody is missed.
const (
	dueMark    = "due"
	insideMark = "inside"
)

// Behind is how far a shopper's newest fix may be behind our clock for time to count as ours. Farther behind, the fixes
// are a recording (a phone that delivers yesterday's walk call by call, a simulation): time then goes on as they
// came, or the silence between two calls would end every visit.
const behind = 15 * time.Minute

// Marks far ahead are set early, on the hour: silence is due a day after the newest fix, and its mark would otherwise be
// written anew with every fix of somebody inside. Whoever is found too early is marked again.
const farAhead = 2 * time.Hour

// marks are those of a presence. lag is by how much the shopper's time is behind ours.
func marks(retailer string, p *geo.Presence, now time.Time, lag time.Duration) []store.Mark {
	due, waits := p.Due()
	if !waits {
		return nil // who is inside always waits, for silence at least
	}
	if lag > behind {
		due = due.Add(lag)
	} else if due.Sub(now) > farAhead {
		due = due.Add(-time.Hour / 2).Truncate(time.Hour / 2)
	}
	if due.Before(now) {
		due = now // never before what the worker has read already
	}
	all := []store.Mark{{Kind: dueMark, At: due}}
	for i := range p.Now.Stays {
		stay := &p.Now.Stays[i]
		if !stay.Inside {
			continue
		}
		if len(all) == store.MaxMarks {
			all[len(all)-1] = store.Mark{Kind: insideMark, Key: insideKey(retailer, ""), At: p.Now.Stays[0].Begin}
			break
		}
		all = append(all, store.Mark{Kind: insideMark, Key: insideKey(retailer, stay.Geofence), At: stay.Begin})
	}
	return all
}

// insideKey names a geofence in a mark; the empty one is "more".
func insideKey(retailer, geofence string) string {
	if key := retailer + "/" + geofence; len(key) <= store.MaxName {
		return key
	}
	sum := sha256.Sum256([]byte(geofence)) // 128 letters may be 512 bytes
	return retailer + "/\x01" + hex.EncodeToString(sum[:])
}

// lag is by how much a presence that was found is behind our clock: by as much as its mark was put off.
func lag(p *geo.Presence, found []store.Mark) time.Duration {
	due, waits := p.Due()
	for _, m := range found {
		if waits && m.Kind == dueMark && m.At.Sub(due) > behind {
			return m.At.Sub(due)
		}
	}
	return 0
}

// settle decides for one shopper what time has decided by now. When a call of the shopper came between it returns nil:
// the call has decided the same, and the next round looks again.
func (v *Visits) settle(ctx context.Context, m store.MarkedShopper, now time.Time) error {
	snapshot, err := v.retailers.Of(ctx, m.Key.Retailer)
	if err != nil {
		return err
	}
	shopper, err := v.shoppers.Shopper(ctx, m.Key)
	if errors.Is(err, who.ErrUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	change := store.Change{At: now, Lazy: true}
	if view, ok := who.Access(who.Location, who.NewSubject(shopper, who.Permissions{Location: geo.Precise})); ok {
		before := view.Presence()
		late := lag(&before, m.Marks)
		until := now.Add(-late)
		after, crossings := geo.Settle(snapshot.Fences, before, until)
		drafted(snapshot.Drafts, &after, crossings)
		change.Presence, change.Crossings = &after, fresh(before, crossings)
		told := triggers(snapshot.Fences, change.Crossings)
		if err := v.proposeSettled(ctx, snapshot, shopper, &change, told); err != nil {
			return err
		}
		change.Letters = v.letters(snapshot, m.Key, told, change.Crossings, now)
		change.Lazy = !after.Changed && len(change.Crossings) == 0
		change.Marks = marks(m.Key.Retailer, &after, now, late)
		if due, waits := after.Due(); waits && !due.After(until) {
			change.Marks[0].At = now.Add(time.Hour) // only a fix can settle it
		}
	} else {
		change.Presence, change.Lazy = &geo.Presence{}, false // the permission was withdrawn: forget where they were
	}
	_, err = v.shoppers.Commit(ctx, m.Key, shopper.Revision(), change)
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	if err == nil && len(change.Letters) > 0 {
		v.outbox.Posted(m.Key.Retailer)
	}
	return err
}

// drafted says of an exit that its geofence went back to draft, where it did: among the live ones it is as gone as a
// deleted one. Both crossings and what the presence keeps of them are put right.
func drafted(drafts *geo.Index, p *geo.Presence, crossings []geo.Crossing) {
	copied := false
	for i := range crossings {
		c := &crossings[i]
		if _, draft := drafts.Lookup(c.Geofence); c.Reason.Rule != geo.RuleDeleted || !draft {
			continue
		}
		c.Reason.Rule = geo.RuleDraft
		if !copied {
			p.Recent, copied = slices.Clone(p.Recent), true
		}
		for j := range p.Recent {
			if p.Recent[j].ID == c.ID {
				p.Recent[j].Reason.Rule = geo.RuleDraft
			}
		}
	}
}

// settlers is how many shoppers are settled at once: their commits share one write to the disk.
const settlers = 16

// settleMarked settles every shopper with a mark between from and to.
func (v *Visits) settleMarked(ctx context.Context, kind, key string, from, to, now time.Time) error {
	position := store.Position{At: from}
	for {
		found, more, err := v.shoppers.Marked(ctx, kind, key, position, to)
		if err != nil {
			return fmt.Errorf("marks %q: %w", kind, err)
		}
		var mu sync.Mutex
		var failed []error
		var group errgroup.Group
		group.SetLimit(settlers)
		for _, m := range found {
			group.Go(func() error {
				if err := v.settle(ctx, m, now); err != nil {
					mu.Lock()
					defer mu.Unlock()
					failed = append(failed, fmt.Errorf("settle shopper %s: %w", v.shoppers.Pseudonym(m.Key), err))
				}
				return nil
			})
		}
		_ = group.Wait() // failures are collected: one shopper must not hold up the others
		if len(failed) > 0 {
			return errors.Join(failed[:min(len(failed), 3)]...)
		}
		if !more || len(found) == 0 {
			return nil
		}
		position = found[len(found)-1].Position
	}
}

// Settler settles what no fix will: it looks for shoppers for whom something is due, and for those inside of geofences
// that were edited or deleted. Any number may run over one store. It is for one goroutine.
type Settler struct {
	visits  *Visits
	entries *store.Entries
	notes   store.Notes
	now     func() time.Time
	log     *slog.Logger

	due    time.Time // nothing with a mark before this is left
	whole  time.Time // when all marks were last looked at
	edited time.Time // edits before this are dealt with
	noted  time.Time // the edited that is on disk
}

// NewSettler makes a settler; Run must be called.
func NewSettler(visits *Visits, entries *store.Entries, notes store.Notes, now func() time.Time, log *slog.Logger) *Settler {
	return &Settler{visits: visits, entries: entries, notes: notes, now: now, log: log}
}

const (
	settleEvery      = time.Second
	settleEditsEvery = 10 * time.Second
	// settleWholeEvery is how often all marks are looked at: between, only those that came due since the round before
	// and a little earlier, so that the store need not walk over what was settled today.
	settleWholeEvery = time.Minute
	settleOverlap    = 10 * time.Second
	editedNote       = "settled-edits"
)

// Run settles until the context ends. Trouble is said when it begins and when it is over.
func (s *Settler) Run(ctx context.Context) {
	due, edits := time.NewTicker(settleEvery), time.NewTicker(settleEditsEvery)
	defer due.Stop()
	defer edits.Stop()
	said := map[string]bool{}
	tell := func(what string, err error) {
		if ctx.Err() != nil || said[what] == (err != nil) {
			return
		}
		said[what] = err != nil
		if err != nil {
			s.log.Error("visits cannot be settled", "what", what, "err", err)
		} else {
			s.log.Info("visits are settled again", "what", what)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-due.C:
			tell("due", s.Due(ctx))
		case <-edits.C:
			tell("edited geofences", s.Edits(ctx))
		}
	}
}

// Due settles every shopper for whom something is due. After an error the next call looks at all of them again.
func (s *Settler) Due(ctx context.Context) error {
	now := s.now()
	from := s.due
	if now.Sub(s.whole) >= settleWholeEvery {
		from = time.Time{}
	}
	if err := s.visits.settleMarked(ctx, dueMark, "", from, now.Add(time.Millisecond), now); err != nil {
		s.whole = time.Time{}
		return err
	}
	if from.IsZero() {
		s.whole = now
	}
	s.due = now.Add(-settleOverlap)
	return nil
}

// Edits settles every shopper inside of a geofence that was edited or deleted since the last call, in any process. How
// far it came is noted, so that edits just before a restart are not missed.
func (s *Settler) Edits(ctx context.Context) error {
	now := s.now()
	if s.edited.IsZero() {
		if err := s.recall(ctx, now); err != nil {
			return err
		}
	}
	changed, next, err := s.entries.Changes(ctx, s.edited)
	if err != nil {
		return err
	}
	retailers := map[string]bool{}
	seen := map[string]bool{}
	for _, e := range changed {
		if e.Kind != store.GeofenceEntry || e.Version < 2 {
			continue // nobody can be inside of a new one
		}
		snapshot, err := s.visits.retailers.Of(ctx, e.Retailer)
		if err != nil {
			return err
		}
		if n, live := snapshot.Fences.Lookup(e.ID); live && snapshot.Fences.Fence(n).Version < e.Version {
			return fmt.Errorf("retailer %q: geofence %q: version %d is not live yet", e.Retailer, e.ID, e.Version) // the next round
		}
		key := insideKey(e.Retailer, e.ID)
		if seen[key] {
			continue
		}
		seen[key], retailers[e.Retailer] = true, true
		if err := s.visits.settleMarked(ctx, insideMark, key, time.Time{}, time.Time{}, now); err != nil {
			return err
		}
	}
	for retailer := range retailers {
		if err := s.visits.settleMarked(ctx, insideMark, insideKey(retailer, ""), time.Time{}, time.Time{}, now); err != nil {
			return err
		}
	}
	s.edited = next
	if s.edited.Sub(s.noted) < settleWholeEvery {
		return nil
	}
	text, err := json.Marshal(s.edited)
	if err == nil {
		err = s.notes.Put(ctx, editedNote, text)
	}
	if err == nil {
		s.noted = s.edited
	}
	return err
}

// recall finds how far the edits were dealt with when a process last ran; now, when none did.
func (s *Settler) recall(ctx context.Context, now time.Time) error {
	text, err := s.notes.Get(ctx, editedNote)
	if errors.Is(err, store.ErrNotFound) {
		s.edited = now.Add(-settleOverlap)
		return nil
	}
	if err != nil {
		return err
	}
	err = json.Unmarshal(text, &s.edited)
	s.noted = s.edited
	return err
}
