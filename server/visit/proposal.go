package visit

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"satnav/context/scene"
	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
	"satnav/recommend/rule"
	"satnav/server/retailer"
	"satnav/server/store"
)

// Proposal is what a trigger suggests by itself: the suggestion that nobody asked for. It is decided before the commit of its crossing, kept
// in it, and told the same by every retry and every endpoint.
type Proposal struct {
	Rule  string         `json:"rule"`
	Kind  recommend.Kind `json:"kind,omitempty"`
	Item  string         `json:"item,omitempty"`
	Title string         `json:"title,omitempty"`
	// Text is what the rule says, by language tag; empty: it leaves the wording to the app.
	Text       map[string]string  `json:"text,omitempty"`
	Reasons    []recommend.Reason `json:"reasons,omitempty"`
	Price      who.Money          `json:"price,omitzero"`
	Offer      *rule.Offer        `json:"offer,omitempty"`
	Was        who.Money          `json:"was,omitzero"`
	Personal   bool               `json:"personal,omitempty"`
	ValidUntil time.Time          `json:"valid_until"`
	RemindAt   time.Time          `json:"remind_at,omitzero"` // when to say it; zero: now
	// Held is why nothing is suggested although the rule matched: the shopper is not interrupted. Only the shopper's own record tells it.
	Held rule.Hold `json:"held,omitempty"`
}

// keptProposals is how many are kept for retries: as many as fixes are.
const keptProposals = 16

// proposeAll decides what the triggers of a call suggest, and puts it into the commit of their crossings. guard is nil where no rules
// are live.
func (v *Visits) proposeAll(ctx context.Context, snapshot *retailer.Snapshot, s *Signal, now *scene.Scene, change *store.Change, triggers []Trigger, guard *guard, sides *sides) error {
	if len(triggers) == 0 || change == nil {
		return nil
	}
	view, ok := who.Access(who.Location, now.Shopper)
	if !ok {
		return nil
	}
	p := &proposer{snapshot: snapshot, sides: sides, guard: guard, kept: view.Proposals(), after: change.Presence, screen: s.Screen, arrived: s.Arrived}
	p.open = func(c *geo.Crossing) (scene.Scene, error) {
		return scene.Open(ctx, v.shoppers, &snapshot.Scene, scene.Call{Key: s.Key, Device: s.Device, At: c.DecidedAt, Fix: &geo.Fix{At: c.At, Point: c.Point}})
	}
	return p.all(triggers, change)
}

// proposeSettled is proposeAll for what no call brought.
func (v *Visits) proposeSettled(ctx context.Context, snapshot *retailer.Snapshot, shopper *who.Shopper, change *store.Change, triggers []Trigger) error {
	if len(triggers) == 0 {
		return nil
	}
	device := who.Permissions{Location: geo.Precise}
	subject := who.NewSubject(shopper, device)
	view, ok := who.Access(who.Location, subject)
	if !ok {
		return nil
	}
	sides := sidesOf(snapshot, subject)
	if !sides.suggest(snapshot).Rules.Waits(rule.OnCrossing) {
		return nil
	}
	p := &proposer{snapshot: snapshot, sides: &sides, guard: v.newGuard(snapshot, subject), kept: view.Proposals(), after: change.Presence, arrived: change.At}
	p.guard.sides = &sides
	p.open = func(c *geo.Crossing) (scene.Scene, error) {
		return scene.Open(ctx, v.shoppers, &snapshot.Scene, scene.Call{Key: shopper.Key(), Device: device, At: c.DecidedAt, Fix: &geo.Fix{At: c.At, Point: c.Point}})
	}
	if err := p.all(triggers, change); err != nil {
		return err
	}
	if p.guard != nil && p.guard.counted {
		change.Told = &p.guard.told
	}
	if len(sides.fresh) > 0 {
		exposures := sides.all(snapshot)
		change.Exposures = &exposures
	}
	return nil
}

// proposer decides what the triggers of one call suggest.
type proposer struct {
	snapshot *retailer.Snapshot
	sides    *sides
	guard    *guard // nil: no rules are live
	kept     []who.Proposal
	fresh    []who.Proposal
	after    *geo.Presence
	screen   string
	arrived  time.Time
	open     func(*geo.Crossing) (scene.Scene, error) // the scene of a crossing
}

func (p *proposer) all(triggers []Trigger, change *store.Change) error {
	if !p.sides.suggest(p.snapshot).Rules.Waits(rule.OnCrossing) {
		p.guard = nil
	}
	if p.guard == nil && len(p.kept) == 0 {
		return nil
	}
	if p.guard != nil {
		p.guard.interruptions = p.sides.interruptions(p.snapshot.Settings.Interruptions())
	}
	for i := range triggers {
		if err := p.propose(&triggers[i], crossingOf(change.Crossings, &triggers[i])); err != nil {
			return err
		}
	}
	if len(p.fresh) > 0 {
		kept := slices.Concat(p.kept, p.fresh)
		kept = kept[max(0, len(kept)-keptProposals):]
		change.Proposals = &kept
	}
	return nil
}

// propose fills in what a trigger suggests; crossing is the one that it tells of, nil where it was told before.
func (p *proposer) propose(t *Trigger, crossing *geo.Crossing) error {
	if crossing == nil {
		if i := slices.IndexFunc(p.kept, func(kept who.Proposal) bool { return kept.Crossing == t.ID }); i >= 0 {
			t.Proposal = new(Proposal)
			if err := json.Unmarshal(p.kept[i].Body, t.Proposal); err != nil {
				return fmt.Errorf("what crossing %q suggested: %w", t.ID, err)
			}
		}
		return nil
	}
	if p.guard == nil || t.Reason != "" { // what the shopper did not do is no occasion
		return nil
	}
	now, err := p.open(crossing)
	if err != nil {
		return fmt.Errorf("open the scene of a crossing: %w", err)
	}
	happened := rule.Happening{Kind: rule.OnCrossing, Crossing: string(t.Kind), Geofence: t.Geofence}
	if n, ok := p.snapshot.Fences.Lookup(t.Geofence); ok {
		happened.GeofenceTags = p.snapshot.Fences.Fence(n).Tags
	}
	for i := range p.after.Now.Stays {
		if stay := &p.after.Now.Stays[i]; stay.Geofence == t.Geofence && !stay.Begin.IsZero() {
			happened.DwellSeconds = rule.Known(max(0, int64(crossing.At.Sub(stay.Begin).Seconds())))
		}
	}
	request := recommend.Request{Scene: now, Limit: 1, Trigger: happened, Inside: staysOf(p.snapshot, p.after), Screen: p.screen, Guard: p.guard}
	list, made := recommend.Recommend(p.sides.suggest(p.snapshot), &request)
	p.sides.expose(p.snapshot, &request, &made, p.guard, p.arrived)
	proposal := proposalOf(list, &made)
	interrupts := proposal != nil && proposal.Held == rule.Free
	acted := made.Acted
	if !interrupts {
		acted = nil
	}
	p.guard.settle(acted, interrupts)
	if proposal == nil {
		return nil
	}
	t.Proposal = proposal
	body, err := json.Marshal(proposal)
	if err != nil {
		return fmt.Errorf("what crossing %q suggests: %w", t.ID, err)
	}
	p.fresh = append(p.fresh, who.Proposal{Crossing: t.ID, Body: body})
	return nil
}

// proposalOf is what an answer of rules on a crossing comes to; nil: no rule wants anything.
func proposalOf(list []recommend.Suggestion, made *recommend.Record) *Proposal {
	by := wants(list)
	if len(made.Says) == 0 && by == nil {
		for traced := range made.Rules.All { // the first that would have spoken
			if traced.Outcome == rule.HeldBack {
				return &Proposal{Rule: traced.Rule.ID, Held: traced.Hold}
			}
		}
		return nil
	}
	p := new(Proposal)
	if by != nil {
		p.Rule = by.ID
	}
	if len(list) > 0 {
		s := &list[0]
		p.Kind, p.Item, p.Title, p.Reasons, p.Price, p.ValidUntil = s.Kind, s.Item, s.Title, s.Reasons, s.Price, s.ValidUntil
		if r := s.Ruled; r != nil {
			p.Offer, p.Was, p.Personal = r.Offer, r.Was, r.Personal
			if r.Said != nil {
				p.Rule, p.Text, p.RemindAt = r.Said.Rule.ID, r.Said.Text, r.Said.At
			}
		}
		if o := s.Offered; o != nil {
			p.Rule, p.Text = s.Ruled.Matched[0].ID, o.Title
		}
	}
	if len(made.Says) > 0 && (p.Text == nil || p.Kind == recommend.KindOffer) { // what the rule says of the occasion, before the offer's own title
		p.Rule, p.Text, p.RemindAt = made.Says[0].Rule.ID, made.Says[0].Text, made.Says[0].At
	}
	return p
}

// wants is the rule that wants the first suggestion told; nil: none. To keep other things out of the list, or to put them further down, is no wish to
// tell what is left.
func wants(list []recommend.Suggestion) *rule.Rule {
	if len(list) == 0 || list[0].Ruled == nil {
		return nil
	}
	r := list[0].Ruled
	if list[0].Offered == nil && r.Offer == nil && r.Said == nil && r.Pin == 0 && !r.Include && r.Factor <= 1 {
		return nil
	}
	wish := func(a rule.Action) bool { return a.Kind != rule.Exclude && a.Kind != rule.Cap && a.Kind != rule.Bury }
	for _, matched := range r.Matched {
		if slices.ContainsFunc(matched.Then, wish) {
			return matched
		}
	}
	return nil
}

// crossingOf is the crossing that a trigger tells of, among those made now; nil: it was made before.
func crossingOf(made []geo.Crossing, t *Trigger) *geo.Crossing {
	for i := range made {
		if made[i].ID == t.ID {
			return &made[i]
		}
	}
	return nil
}
