// Package visit answers "what would help this shopper, here and now, and what just happened?".
//
// It exists so that the order of things is written once: scene, crossings, suggestions, one commit. It is
// the only code that runs them together. Decided against: a lock for each shopper. Two calls of one
// shopper at once are put in order by the revision of the shopper's partition; who comes second starts over.
package visit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"satnav/context/scene"
	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
	"satnav/recommend/rule"
	"satnav/server/decision"
	"satnav/server/retailer"
	"satnav/server/store"
)

// Visits answers calls. It is safe for concurrent use.
type Visits struct {
	shoppers  *store.Shoppers
	retailers *retailer.Retailers
	quotas    *store.Quotas
	book      *decision.Book
	outbox    Outbox // nil: nobody wants to be told
	explore   float64
	hides     func(retailer string, n int)                               // nil: nobody counts
	timed     func(retailer, experiment, arm string, took time.Duration) // nil: nobody wants to know
	sided     oneSided
	flag      func(sign string) // nil: nobody wants to know
}

// New makes visits, which leave their records in the book. Without quotas (nil) rules with a limit over shoppers do not act.
func New(shoppers *store.Shoppers, retailers *retailer.Retailers, quotas *store.Quotas, book *decision.Book) *Visits {
	return &Visits{shoppers: shoppers, retailers: retailers, quotas: quotas, book: book}
}

// Tell sets who writes down what endpoints are to be told. Call it before the first answer.
func (v *Visits) Tell(outbox Outbox) { v.outbox = outbox }

// Time sets who is told how long an answer took to a shopper on an arm. Call it before the first answer.
func (v *Visits) Time(timed func(retailer, experiment, arm string, took time.Duration)) {
	v.timed = timed
}

// Hides sets who is told how many positions of a call were at sensitive places. Call it before the first answer.
func (v *Visits) Hides(tell func(retailer string, n int)) { v.hides = tell }

// Explore sets how often, from 0 to 1, the last place of an answer's list is left to chance. Call it before the first answer.
func (v *Visits) Explore(often float64) { v.explore = often }

// checkAgain is when a phone that knows no better should call again.
const checkAgain = 5 * time.Minute

// ErrCrowded says that other calls of the same shopper came first each time. Nothing was kept: call again.
var ErrCrowded = errors.New("the call was overtaken")

// answerTries bounds how often a call starts over because another call of the same shopper came first.
const answerTries = 3

// Answer answers one call. Crossings that it tells are durable before it returns. It returns *SkewError,
// an error of the store, or the context's.
func (v *Visits) Answer(ctx context.Context, s Signal) (Answer, error) {
	began := time.Now()
	s, skew, err := s.timed()
	if err != nil {
		return Answer{}, err
	}
	snapshot, err := v.retailers.Of(ctx, s.Key.Retailer)
	if err != nil {
		return Answer{}, err
	}
	for try := 0; ; try++ {
		answer, err := v.answer(ctx, snapshot, &s, try == answerTries)
		if errors.Is(err, store.ErrConflict) {
			if try < answerTries {
				continue
			}
			return answer, fmt.Errorf("%w: many calls of one shopper at once", ErrCrowded)
		}
		if s.Limit > 0 && away(ctx, err) { // who delivers fixes alone must know that they are not taken in
			answer, err = v.degraded(ctx, snapshot, &s)
		}
		answer.Used.Skew = skew
		if v.timed != nil && err == nil {
			for _, arm := range answer.Used.Arms {
				v.timed(s.Key.Retailer, arm.Experiment, arm.Arm, time.Since(began))
			}
		}
		return answer, err
	}
}

// answer is one try. The last one does without keeping a fix on which nothing was decided, when another call came first.
func (v *Visits) answer(ctx context.Context, snapshot *retailer.Snapshot, s *Signal, last bool) (Answer, error) {
	var shoppers who.Shoppers = v.shoppers
	if s.degraded {
		shoppers = nobodys{}
	}
	now, err := scene.Open(ctx, shoppers, &snapshot.Scene, scene.Call{
		Key: s.Key, Device: s.Device, At: s.At, Fix: s.Fix, Cell: s.Cell, Trail: s.Trail,
	})
	if err != nil {
		return Answer{}, fmt.Errorf("open the scene: %w", err)
	}
	answer := Answer{Place: now.Place, Moment: now.Moment, Next: Next{CheckAgain: checkAgain}}
	if now.Place.Store != nil {
		answer.Open = now.Place.Store.OpenAt(now.Moment.Instant)
	}
	change, quiet := v.advance(snapshot, s, &now, &answer)
	sides := sidesOf(snapshot, now.Shopper)
	suggest := sides.suggest(snapshot)
	var guard *guard
	if snapshot.Suggest.Rules != nil || suggest.Rules != nil {
		guard = v.newGuard(snapshot, now.Shopper)
		guard.sides, guard.quiet = &sides, guard.quiet || s.degraded // what the shopper wished cannot be read
		guard.silent = !s.Device.Notifications
	}
	if err := v.proposeAll(ctx, snapshot, s, &now, change, answer.Triggers, guard, &sides); err != nil {
		return Answer{}, err
	}
	var made recommend.Record
	_, known := who.Access(who.Loyalty, now.Shopper) // what a stranger was shown is not remembered
	if s.Limit > 0 {
		request := recommend.Request{
			Scene: now, Kinds: s.Kinds, Limit: s.Limit, Varied: s.Explore,
			Basket: numbers(snapshot.Names.Items, s.Basket), List: numbers(snapshot.Names.Items, s.List), Query: s.Query, Screen: s.Screen,
		}
		if guard != nil {
			request.Guard, request.Inside = guard, inside(snapshot, suggest.Rules, &now, change)
		}
		if known && s.Explore {
			request.Shown = v.book.Shown(s.Key, now.Moment.Instant)
			request.Explore = v.explore // what is left to chance is written down, so only where something may be
		}
		asked := request
		sides.set(&asked)
		answer.Suggestions, made = recommend.Recommend(suggest, &asked)
		answer.Says = made.Says
		if len(sides.in) > 0 && s.At.Sub(s.Arrived).Abs() < exposedWithin {
			sides.expose(snapshot, &request, &made, guard, s.Arrived)
		}
	}
	answer.Used = used(&now, made, answer.Used.Distrust)
	answer.Used.Arms = sides.arms()
	if len(sides.fresh) > 0 {
		if change == nil {
			change = &store.Change{At: s.Arrived, Defaults: snapshot.Scene.Defaults, Lazy: true}
		}
		exposures := sides.all(snapshot)
		change.Exposures, quiet = &exposures, false
	}
	if guard != nil {
		if guard.settle(made.Acted, false); guard.counted { // what limits is never lazy
			if change == nil {
				change = &store.Change{At: s.Arrived, Defaults: snapshot.Scene.Defaults}
			}
			change.Told, change.Lazy, quiet = &guard.told, false, false
		}
	}
	if s.degraded {
		change = nil // only exposures can be in it
	}
	if change != nil && !(quiet && v.shoppers.Remember(s.Key, now.Shopper.Shopper().Revision(), change.Presence)) {
		change.Letters = v.letters(snapshot, s.Key, answer.Triggers, change.Crossings, s.Arrived)
		_, err := v.shoppers.Commit(ctx, s.Key, now.Shopper.Shopper().Revision(), *change)
		if err != nil && !(last && change.Lazy && errors.Is(err, store.ErrConflict)) {
			if guard != nil {
				guard.undo()
			}
			return Answer{}, fmt.Errorf("keep the visit: %w", err)
		}
		if len(change.Letters) > 0 {
			v.outbox.Posted(s.Key.Retailer)
		}
	}
	if now.Hidden > 0 && v.hides != nil {
		v.hides(s.Key.Retailer, now.Hidden)
	}
	v.sided.count(s.Key.Retailer, answer.Suggestions, v.flag)
	v.note(snapshot, s, &now, &answer, &made, known)
	return answer, nil
}

// exposedWithin is how far from now an answer may speak of and still count for an experiment: who asks for tomorrow is only looking.
const exposedWithin = 24 * time.Hour

// inside are the geofences that hold the shopper after the call, where a rule asks for them and they may be known.
func inside(snapshot *retailer.Snapshot, rules *rule.Set, now *scene.Scene, change *store.Change) (stays []recommend.Stay) {
	if !rules.Reads("place.geofences") && !rules.Reads("place.geofence_tags") && !rules.Reads("place.dwell_s") {
		return nil
	}
	view, ok := who.Access(who.Location, now.Shopper)
	if !ok {
		return nil
	}
	presence := view.Presence()
	if change != nil {
		presence = *change.Presence
	}
	return staysOf(snapshot, &presence)
}

// staysOf are the live geofences that hold the shopper.
func staysOf(snapshot *retailer.Snapshot, presence *geo.Presence) (stays []recommend.Stay) {
	for i := range presence.Now.Stays {
		stay := &presence.Now.Stays[i]
		if n, live := snapshot.Fences.Lookup(stay.Geofence); stay.Inside && live {
			stays = append(stays, recommend.Stay{Geofence: stay.Geofence, Tags: snapshot.Fences.Fence(n).Tags, Since: stay.Begin})
		}
	}
	return stays
}

// advance lets the crossing machine see the call's fixes, and returns what must be kept of it; nil: nothing. It is quiet when
// nothing was decided and no time is waited for, neither before nor after: then memory is good enough.
func (v *Visits) advance(snapshot *retailer.Snapshot, s *Signal, now *scene.Scene, answer *Answer) (change *store.Change, quiet bool) {
	view, ok := who.Access(who.Location, now.Shopper)
	fixes, odd := inTime(now.Fixes, s.Arrived)
	answer.Used.Distrust = append(answer.Used.Distrust, odd...)
	if !ok || len(fixes) == 0 {
		return nil, false
	}
	before := view.Presence()
	if astray(before, fixes, s.Arrived) {
		before = geo.Presence{Shopper: before.Shopper}
	}
	if before.Shopper == "" {
		before.Shopper = v.shoppers.Pseudonym(s.Key)
	}
	after, crossings := geo.AdvanceAll(snapshot.Fences, before, fixes)
	drafted(snapshot.Drafts, &after, crossings)
	for _, odd := range after.Odd {
		answer.Used.Distrust = append(answer.Used.Distrust, string(odd))
	}
	after, settled := handOver(before, after, fixes[len(fixes)-1])
	answer.Triggers = triggers(snapshot.Fences, append(settled, crossings...))
	if now.Place.Precision == geo.Precise {
		plan := geo.Plan(snapshot.Fences, after, s.At, s.Regions)
		answer.Next = Next{SafeRadiusMeters: plan.SafeRadiusMeters, CheckAgain: plan.CheckAgain, At: plan.At, Watch: plan.Watch}
		if !s.Device.Background {
			answer.Next.At, answer.Next.Watch = geo.Point{}, nil // the phone may not look while the app is closed
		}
	}
	change = &store.Change{
		At: s.Arrived, Defaults: snapshot.Scene.Defaults, Presence: &after,
		Marks:     marks(s.Key.Retailer, &after, s.Arrived, s.Arrived.Sub(after.Now.Seen)),
		Crossings: fresh(before, crossings), Late: late(before, fixes), Coarse: snapshot.Kept,
	}
	change.Lazy = !after.Changed && len(change.Crossings) == 0 && len(change.Late) == 0
	_, waited := before.Due()
	return change, change.Lazy && !waited && len(change.Marks) == 0 && len(settled) == 0
}

// handOver finds the crossings that were settled since the last call, which the phone has not been told of yet. They
// count as brought by the fix that asks now, so that its retry is told of them again and no later call is.
func handOver(before, after geo.Presence, asking geo.Fix) (geo.Presence, []geo.Crossing) {
	var settled []geo.Crossing
	for _, c := range before.Recent {
		if c.Asked.IsZero() {
			settled = append(settled, c)
		}
	}
	if len(settled) == 0 {
		return after, nil
	}
	asked := asking.At.UTC().Truncate(time.Millisecond)
	after.Recent = slices.Clone(after.Recent)
	for i := range after.Recent {
		if after.Recent[i].Asked.IsZero() {
			after.Recent[i].Asked = asked
		}
	}
	return after, settled
}

// What is said of fixes whose time cannot be: later than our clock, or from before there were phones that tell their position, as of
// one whose clock is not set.
const (
	distrustFuture = "future"
	distrustPast   = "past"
)

// earliest is the first instant at which somebody may have been somewhere.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// inTime are the fixes whose time can be, and what is odd about the others. Suggestions may be asked for any instant, but what a
// geofence saw is durable, and nobody was anywhere tomorrow.
func inTime(fixes []geo.Fix, arrived time.Time) (kept []geo.Fix, odd []string) {
	ahead, behind := 0, 0
	for i := range fixes {
		switch at := fixes[i].At; {
		case at.After(arrived.Add(skewIgnored)):
			ahead++
		case at.Before(earliest):
			behind++
		}
	}
	if ahead+behind == 0 {
		return fixes, nil
	}
	for _, fix := range fixes {
		if !fix.At.After(arrived.Add(skewIgnored)) && !fix.At.Before(earliest) {
			kept = append(kept, fix)
		}
	}
	if ahead > 0 {
		odd = append(odd, distrustFuture)
	}
	if behind > 0 {
		odd = append(odd, distrustPast)
	}
	return kept, odd
}

// astray tells whether a presence was led into the future by a wrong clock, so that all that the phone tells
// now would be late for ever. Such a presence is begun anew.
func astray(before geo.Presence, fixes []geo.Fix, arrived time.Time) bool {
	return before.Now.Seen.After(arrived.Add(skewIgnored)) &&
		!slices.ContainsFunc(fixes, func(fix geo.Fix) bool { return !before.Late(fix) })
}

// late are the fixes that the presence can no longer put in order.
func late(before geo.Presence, fixes []geo.Fix) []geo.Fix {
	var found []geo.Fix
	for _, fix := range fixes {
		if before.Late(fix) {
			found = append(found, fix)
		}
	}
	return found
}

// fresh are the crossings that were not returned before: a retried fix brings those it made once more.
func fresh(before geo.Presence, crossings []geo.Crossing) []geo.Crossing {
	var made []geo.Crossing
	for _, c := range crossings {
		if !slices.ContainsFunc(before.Recent, func(known geo.Crossing) bool { return known.ID == c.ID }) {
			made = append(made, c)
		}
	}
	return made
}

// numbers are the vocabulary's numbers of those ids that it knows: of others nothing can be said.
func numbers(vocabulary *who.Vocabulary, ids []string) []who.Item {
	if len(ids) == 0 {
		return nil
	}
	items := make([]who.Item, 0, len(ids))
	for _, id := range ids {
		if item, ok := vocabulary.Lookup(id); ok {
			items = append(items, item)
		}
	}
	return items
}

// notMoved are the rules by which a crossing was decided although the shopper did not move.
var notMoved = []geo.Rule{geo.RuleClosed, geo.RuleEnded, geo.RuleDeleted, geo.RuleEdited, geo.RuleDraft, geo.RuleSilence}

// triggers are the crossings that their geofences want told.
func triggers(fences *geo.Index, crossings []geo.Crossing) []Trigger {
	var told []Trigger
	for _, c := range crossings {
		if !c.Told {
			continue
		}
		t := Trigger{ID: c.ID, Geofence: c.Geofence, Kind: c.Kind, At: c.At, DecidedAt: c.DecidedAt}
		if slices.Contains(notMoved, c.Reason.Rule) {
			t.Reason = string(c.Reason.Rule)
		}
		if n, ok := fences.Lookup(c.Geofence); ok {
			t.Payload = fences.Fence(n).Payload
		}
		told = append(told, t)
	}
	return told
}

// used is the receipt: what was read of the shopper, and how precisely positions were used.
func used(now *scene.Scene, made recommend.Record, distrust []string) Used {
	purposes, _ := now.Shopper.Used()
	u := Used{Purposes: purposes, History: made.History, Location: now.Place.Used(), Model: made.Model, Rules: made.Rules.Version(), Distrust: distrust}
	if now.Place.Known || len(now.Fixes) > 0 {
		u.Permissions = append(u.Permissions, "location")
	}
	if !now.Place.Known && len(now.Fixes) > 0 {
		u.Location = "trail"
	}
	if d := now.Place.Distrust; d != "" && !slices.Contains(u.Distrust, string(d)) {
		u.Distrust = append(u.Distrust, string(d))
	}
	return u
}
