package retailer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"satnav/context/who"
	"satnav/recommend"
	"satnav/recommend/offer"
	"satnav/recommend/rule"
	"satnav/server/sensitive"
	"satnav/server/store"
)

// Ids of the entries that rule sets are kept under.
const (
	LiveRules     = "live"
	plannedRules  = "planned"
	approvedRules = "approved"
)

// RuleSet is one version of the live rules of a retailer, as it is kept.
type RuleSet struct {
	Rules []rule.Rule `json:"rules"` // in order of id
	Why   string      `json:"why,omitempty"`
	// Restored is the version that this one brings back; 0: it was published from the drafts.
	Restored int64 `json:"restored,omitempty"`
	// Approved is who approved what needed it; empty: nothing did.
	Approved string `json:"approved,omitempty"`
}

// Bounds of a rule set.
const (
	MaxRules        = 5_000
	maxRuleSetBytes = store.MaxBatchBytes * 2 / 5 // the version before is kept in the same commit
)

// DefaultApprove are the classes that a second person approves unless the retailer says otherwise.
var DefaultApprove = []rule.Class{rule.Pricing, rule.Sensitive}

func (s Settings) approves(c rule.Class) bool {
	if s.Approve == nil {
		return slices.Contains(DefaultApprove, c)
	}
	return slices.Contains(s.Approve, c)
}

func minorPerUnit(exponent int) int64 { return int64(math.Pow10(exponent)) }

// compileRules makes the live set anew. A rule that cannot be used (a later version of Satnav wrote it) is left out and
// reported, never matched. Names are not looked up again: what is deleted matches nothing.
func (p *picture) compileRules(errs *[]error) {
	p.rules = nil
	house := rule.House{FloorMargin: p.settings.FloorMargin, Offers: p.catalogued}
	rules := p.ruleSet.Rules
	for len(rules) > 0 {
		set, err := rule.NewSet("v"+strconv.FormatInt(p.ruleVersion, 10), rules, house)
		if err == nil {
			p.rules = set
			return
		}
		*errs = append(*errs, err)
		wrong := rule.Wrong(err)
		if len(wrong) == 0 {
			return
		}
		rules = slices.DeleteFunc(slices.Clone(rules), func(r rule.Rule) bool { return wrong[r.ID] })
	}
}

// House is what rules of this retailer are checked against.
func (s *Snapshot) House() rule.House {
	return rule.House{
		Catalogue: goods{s.Names, s.Suggest.Catalogue}, Offers: s.Offers, FloorMargin: s.Settings.FloorMargin, Refused: refusedCategories(s.Suggest.Catalogue),
		Tells: func(word string) string {
			category, _ := sensitive.Known(word)
			return string(category)
		},
		Explicit: func(p who.Purpose) bool {
			declared, ok := s.Purposes.Of(p)
			return ok && declared.Basis == who.ExplicitConsent
		},
	}
}

// goods are a catalogue as the checker of rules asks about it.
type goods struct {
	names     *who.Names
	catalogue *recommend.Catalogue
}

func (g goods) Item(id string) (rule.Goods, bool) {
	number, ok := g.names.Items.Lookup(id)
	if !ok {
		return rule.Goods{}, false
	}
	p := g.catalogue.Product(number)
	if p == nil {
		return rule.Goods{}, false
	}
	return rule.Goods{Price: p.Price, Cost: p.Cost, Sensitive: p.Sensitive}, true
}

func (g goods) Category(path string) bool { return g.catalogue.HasCategory(path) }
func (g goods) Brand(name string) bool    { return g.catalogue.HasBrand(name) }
func (g goods) Tag(name string) bool      { return g.catalogue.HasTag(name) }

// refusedCategories are the categories of sensitive products, which no rule may name.
func refusedCategories(c *recommend.Catalogue) []string {
	found := map[string]bool{}
	for p := range c.All {
		if p.Sensitive && p.Category != "" {
			found[p.Category] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// CheckRule tells everything that is wrong with a rule of a retailer.
func (r *Retailers) CheckRule(ctx context.Context, retailer string, draft *rule.Rule) ([]rule.Problem, error) {
	snapshot, err := r.Of(ctx, retailer)
	if err != nil {
		return nil, err
	}
	house := snapshot.House()
	problems := rule.Check(draft, &house)
	if t := draft.Trigger.Geofence; t != "" {
		_, live := snapshot.Fences.Lookup(t)
		_, drafted := snapshot.Drafts.Lookup(t)
		if !live && !drafted {
			problems = append(problems, rule.Problem{Field: "trigger.geofence", Text: fmt.Sprintf("there is no geofence %q", t), Mend: "write the id of a geofence, or leave it out for any"})
		}
	}
	return problems, nil
}

// reservedRules are ids under which the API says something else.
var reservedRules = []string{"live", "versions", "plan", "check", "simulate", "approve", "publish", "rollback", "conflicts", "estimate", "templates"}

// SaveRules changes drafts. Saved.Err is *rule.Invalid where a rule is wrong.
func (r *Retailers) SaveRules(ctx context.Context, retailer string, by Editor, changes []Change[rule.Rule]) ([]Saved, error) {
	return save(ctx, r, retailer, store.RuleEntry, by, changes, func(c *Change[rule.Rule]) ([]byte, error) {
		if c.Delete {
			return nil, nil
		}
		if slices.Contains(reservedRules, c.ID) {
			return nil, invalid([]Fault{{"/id", fmt.Sprintf("got %q, which is a page of its own: want another id", c.ID)}})
		}
		c.Value.ID = c.ID
		problems, err := r.CheckRule(ctx, retailer, &c.Value)
		if err != nil {
			return nil, err
		}
		if len(problems) > 0 {
			return nil, &rule.Invalid{Rule: c.ID, Problems: problems}
		}
		return json.Marshal(c.Value)
	})
}

// Drafts are the draft rules of a retailer, in order of id.
func (r *Retailers) Drafts(ctx context.Context, retailer string) (rules []rule.Rule, entries []store.Entry, err error) {
	err = r.entries.Each(ctx, retailer, store.RuleEntry, func(e store.Entry) error {
		var draft rule.Rule
		if err := json.Unmarshal(e.Body, &draft); err != nil {
			return fmt.Errorf("rule %q: %w", e.ID, err)
		}
		rules, entries = append(rules, draft), append(entries, e)
		return nil
	})
	return rules, entries, err
}

// Live is the live rule set of a retailer and its version; 0: nothing was published yet.
func (r *Retailers) Live(ctx context.Context, retailer string) (RuleSet, store.Entry, error) {
	var set RuleSet
	e, err := r.entries.Get(ctx, retailer, store.RuleSetEntry, LiveRules)
	if errors.Is(err, store.ErrNotFound) {
		return set, store.Entry{}, nil
	}
	if err == nil {
		err = json.Unmarshal(e.Body, &set)
	}
	return set, e, err
}

// RuleChange is how one rule of a set differs from what it was.
type RuleChange struct {
	ID      string
	What    string   // "added", "removed", "changed"
	Members []string // that differ, where it changed
	Classes []rule.Class
}

// Differences tells how the rules of one set differ from those of another, in order of id.
func Differences(before, after []rule.Rule) []RuleChange {
	was, is := map[string]*rule.Rule{}, map[string]*rule.Rule{}
	ids := map[string]bool{}
	for i := range before {
		was[before[i].ID], ids[before[i].ID] = &before[i], true
	}
	for i := range after {
		is[after[i].ID], ids[after[i].ID] = &after[i], true
	}
	var changes []RuleChange
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		old, now := was[id], is[id]
		switch {
		case old == nil:
			changes = append(changes, RuleChange{ID: id, What: "added", Classes: now.Classes()})
		case now == nil:
			changes = append(changes, RuleChange{ID: id, What: "removed", Classes: old.Classes()})
		default:
			a, b := mustJSON(old), mustJSON(now)
			if !bytes.Equal(a, b) {
				classes := slices.Concat(old.Classes(), now.Classes()) // taking the price out of a rule is about prices, too
				slices.Sort(classes)
				changes = append(changes, RuleChange{ID: id, What: "changed", Members: differing(a, b), Classes: slices.Compact(classes)})
			}
		}
	}
	return changes
}

// mustJSON writes a value that always can be: rules hold no functions, channels or odd numbers, which their check saw to.
func mustJSON(value any) []byte {
	body, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", value, err))
	}
	return body
}

// Approval says that a second person agreed to publish the drafts as they were.
type Approval struct {
	Digest string    `json:"digest"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Why    string    `json:"why,omitempty"`
}

type approvals struct {
	Approvals []Approval `json:"approvals"` // the newest last
}

const keptApprovals = 100

// Plan is what publishing the drafts would do, and what it needs.
type Plan struct {
	Version int64        // of the live set that the drafts are compared with
	Digest  string       // of the drafts and of all that they depend on: an approval holds for it alone
	Changes []RuleChange // from the live set
	Needs   []rule.Class // classes that need an approval
	Authors []string     // who edited the drafts since they were published last
	Given   []Approval   // approvals of this digest by somebody who is no author
	Wrong   error        // why they may not be published as they are, of the drafts that something they name was taken from; several joined
	rules   []rule.Rule
}

// Approved tells whether the plan may be published.
func (p *Plan) Approved() bool { return len(p.Needs) == 0 || len(p.Given) > 0 }

// Plan tells what publishing the drafts would do.
func (r *Retailers) Plan(ctx context.Context, retailer string) (*Plan, error) {
	snapshot, err := r.Of(ctx, retailer)
	if err != nil {
		return nil, err
	}
	drafts, _, err := r.Drafts(ctx, retailer)
	if err != nil {
		return nil, err
	}
	live, current, err := r.Live(ctx, retailer)
	if err != nil {
		return nil, err
	}
	p := &Plan{Version: current.Version, Changes: Differences(live.Rules, drafts), rules: drafts}
	for _, c := range p.Changes {
		for _, class := range c.Classes {
			if snapshot.Settings.approves(class) && !slices.Contains(p.Needs, class) {
				p.Needs = append(p.Needs, class)
			}
		}
	}
	if p.Authors, err = r.authors(ctx, retailer, p.Changes, drafts, current.At); err != nil {
		return nil, err
	}
	p.Digest = digest(snapshot, p)
	if len(drafts) > 0 {
		_, p.Wrong = rule.NewSet("", drafts, snapshot.House())
	}
	var given approvals
	if err := r.read(ctx, retailer, approvedRules, &given); err != nil {
		return nil, err
	}
	for _, a := range given.Approvals {
		if a.Digest == p.Digest && !slices.ContainsFunc(p.Authors, func(author string) bool { return person(author) == person(a.By) }) {
			p.Given = append(p.Given, a)
		}
	}
	return p, nil
}

// authors are who changed the drafts that differ from the live set, or the offers that these name, since it was published.
func (r *Retailers) authors(ctx context.Context, retailer string, changes []RuleChange, drafts []rule.Rule, since time.Time) (all []string, err error) {
	add := func(kind store.EntryKind, id string) error {
		versions, err := r.entries.Versions(ctx, retailer, kind, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		for n, v := range versions {
			// The newest counts even if it is older: the set may have been rolled back since.
			if (n == 0 || v.At.After(since)) && !slices.Contains(all, v.By) {
				all = append(all, v.By)
			}
		}
		return nil
	}
	for _, c := range changes {
		if err := add(store.RuleEntry, c.ID); err != nil {
			return nil, err
		}
		for i := range drafts {
			if drafts[i].ID != c.ID {
				continue
			}
			for _, id := range drafts[i].Names() {
				if err := add(store.OfferEntry, id); err != nil {
					return nil, err
				}
			}
		}
	}
	slices.Sort(all)
	return all, nil
}

// person is who an edit is by, whatever the role: nobody becomes a second person with another token.
func person(by string) string {
	_, subject, _ := strings.Cut(by, " ")
	return subject
}

// digest names the drafts and all that decides what they will do: a change of any of it takes an approval back.
func digest(s *Snapshot, p *Plan) string {
	type dependency struct {
		Kind, ID, Value string
	}
	var on []dependency
	for i := range p.rules {
		for _, d := range p.rules[i].Depends() {
			on = append(on, dependency{d.Kind, d.ID, s.state(d)})
		}
	}
	hash := sha256.Sum256(mustJSON(struct {
		Live                   int64
		Rules                  []rule.Rule
		On                     []dependency
		Currency, Jurisdiction string
		FloorMargin            float64
	}{p.Version, p.rules, on, s.Settings.Currency, s.Settings.Jurisdiction, s.Settings.FloorMargin}))
	return hex.EncodeToString(hash[:16])
}

// state is what a thing that a rule depends on is now, in a text.
func (s *Snapshot) state(d rule.Dependency) string {
	switch d.Kind {
	case rule.OnItem:
		if number, ok := s.Names.Items.Lookup(d.ID); ok {
			if p := s.Suggest.Catalogue.Product(number); p != nil {
				return fmt.Sprint(p.Category, p.Brand, p.Price, p.ListPrice, p.Cost, p.Sensitive, p.Withdrawn)
			}
		}
	case rule.OnGeofence:
		if n, ok := s.Fences.Lookup(d.ID); ok {
			return fmt.Sprint(s.Fences.Fence(n).Version)
		}
	case rule.OnStore:
		if store, ok := s.Scene.Stores.ByID(d.ID); ok {
			return fmt.Sprint(store.Point, store.Zone, store.Region)
		}
	case rule.OnOffer:
		if o := s.Offers.Of(d.ID); o != nil { // its condition joins that of the rule, and what it is on decides what the price is
			behind := rule.Rule{When: o.When, Uses: o.Uses, Then: []rule.Action{{Kind: rule.Include, Items: o.Items}}}
			on := behind.Depends()
			for _, id := range o.Stores {
				on = append(on, rule.Dependency{Kind: rule.OnStore, ID: id})
			}
			state := string(mustJSON(o.Offer))
			for _, d := range on {
				state += fmt.Sprintf("\n%s %q %s", d.Kind, d.ID, s.state(d))
			}
			return state
		}
	case rule.OnPurpose:
		if declared, ok := s.Purposes.Of(who.Purpose(d.ID)); ok {
			return declared.Version
		}
	}
	return ""
}

// Errors of publishing, with what to do in their texts.
var (
	ErrNotApproved = errors.New("a second person has to approve these rules first")
	ErrOwnRules    = errors.New("whoever edited the drafts cannot approve them")
	ErrMoved       = errors.New("the drafts, or something that they depend on, are not what was asked about")
	ErrNothing     = errors.New("the drafts are what is live already")
)

// ApproveRules notes that somebody who is no author agrees to publish the drafts with this digest.
func (r *Retailers) ApproveRules(ctx context.Context, retailer string, by Editor, digest, why string) (*Plan, error) {
	p, err := r.Plan(ctx, retailer)
	if err != nil {
		return nil, err
	}
	switch {
	case p.Digest != digest:
		return p, fmt.Errorf("%w: got digest %q, now it is %q", ErrMoved, digest, p.Digest)
	case slices.ContainsFunc(p.Authors, func(author string) bool { return person(author) == by.Subject }):
		return p, ErrOwnRules
	}
	given := Approval{Digest: digest, By: by.String(), At: r.now().UTC().Truncate(time.Millisecond), Why: why}
	err = r.amend(ctx, retailer, by, approvedRules, func(body []byte) (any, error) {
		var all approvals
		if body != nil {
			if err := json.Unmarshal(body, &all); err != nil {
				return nil, err
			}
		}
		all.Approvals = append(all.Approvals, given)
		all.Approvals = all.Approvals[max(0, len(all.Approvals)-keptApprovals):]
		return all, nil
	})
	if err != nil {
		return p, err
	}
	p.Given = append(p.Given, given)
	return p, nil
}

// Publication is a wish to make the drafts live.
type Publication struct {
	Why    string
	Digest string    // what is published; empty: the drafts as they are now
	At     time.Time // when; zero, or past: now
}

// PublishRules makes the drafts live in one step, on this process before it returns and on all others within their poll. What
// is planned for later takes the place of what was planned before.
func (r *Retailers) PublishRules(ctx context.Context, retailer string, by Editor, wish Publication) (RuleSet, store.Entry, error) {
	plan, err := r.Plan(ctx, retailer)
	if err != nil {
		return RuleSet{}, store.Entry{}, err
	}
	switch {
	case wish.Digest != "" && wish.Digest != plan.Digest:
		return RuleSet{}, store.Entry{}, fmt.Errorf("%w: got digest %q, now it is %q", ErrMoved, wish.Digest, plan.Digest)
	case len(plan.Changes) == 0:
		return RuleSet{}, store.Entry{}, ErrNothing
	case !plan.Approved():
		return RuleSet{}, store.Entry{}, fmt.Errorf("%w (digest %s): they are of the classes %v", ErrNotApproved, plan.Digest, plan.Needs)
	}
	set := RuleSet{Rules: plan.rules, Why: wish.Why}
	if len(plan.Needs) > 0 {
		set.Approved = plan.Given[0].By
	}
	if wish.At.After(r.now()) {
		return set, store.Entry{}, r.amend(ctx, retailer, by, plannedRules, func([]byte) (any, error) {
			return Planned{Digest: plan.Digest, At: wish.At.UTC(), Why: wish.Why, By: by.String()}, nil
		})
	}
	entry, err := r.makeLive(ctx, retailer, by, set, plan.Version, plan.Digest)
	return set, entry, err
}

// Planned is a publication that waits for its time.
type Planned struct {
	Digest string    `json:"digest,omitempty"` // empty: nothing is planned
	At     time.Time `json:"at,omitzero"`
	Why    string    `json:"why,omitempty"`
	By     string    `json:"by,omitempty"`
	// Failed is why it did not come to pass; empty: it waits.
	Failed string `json:"failed,omitempty"`
}

// Planned tells what waits to be published; the zero Planned: nothing.
func (r *Retailers) Planned(ctx context.Context, retailer string) (Planned, error) {
	var p Planned
	return p, r.read(ctx, retailer, plannedRules, &p)
}

// Unplan takes back what waits to be published.
func (r *Retailers) Unplan(ctx context.Context, retailer string, by Editor) error {
	return r.amend(ctx, retailer, by, plannedRules, func([]byte) (any, error) { return Planned{}, nil })
}

// publishPlanned publishes what is due, for every retailer that is loaded. Drafts that moved since stay drafts, and the plan
// says so.
func (r *Retailers) publishPlanned(ctx context.Context) {
	for _, p := range r.loaded() {
		due := p.planned.Load()
		if due == nil || due.Digest == "" || due.Failed != "" || r.now().Before(due.At) {
			continue
		}
		by := Editor{Role: "plan", Subject: due.By}
		_, _, err := r.PublishRules(ctx, p.retailer, by, Publication{Why: due.Why, Digest: due.Digest})
		if ctx.Err() != nil || errors.Is(err, store.ErrUnavailable) {
			return // the next round tries again
		}
		done := Planned{}
		if err != nil && !errors.Is(err, ErrNothing) {
			done = *due
			done.Failed = err.Error()
			r.log.Error("planned rules are not published", "retailer", p.retailer, "err", err)
		}
		if err := r.amend(ctx, p.retailer, by, plannedRules, func([]byte) (any, error) { return done, nil }); err != nil {
			r.log.Error("a plan cannot be closed", "retailer", p.retailer, "err", err)
		}
	}
}

// RestoreRules makes an earlier version of the live set live again, as a new version; 0 stands for no rules at all. It
// asks for no approval: it was live, and taking back must be one step. So it is refused where an offer that it names became
// another one since, and prices need a second person.
func (r *Retailers) RestoreRules(ctx context.Context, retailer string, by Editor, version int64, why string) (RuleSet, store.Entry, error) {
	set, current, err := r.Live(ctx, retailer)
	if err != nil {
		return RuleSet{}, store.Entry{}, err
	}
	set = RuleSet{Rules: []rule.Rule{}}
	if version > 0 {
		var was store.Entry
		if set, was, err = r.RuleVersion(ctx, retailer, version); err != nil {
			return RuleSet{}, store.Entry{}, err
		}
		if id, err := r.otherOffer(ctx, retailer, set.Rules, was.At); err != nil {
			return RuleSet{}, store.Entry{}, err
		} else if id != "" {
			return RuleSet{}, store.Entry{}, fmt.Errorf("%w: offer %q is not what it was when v%d went live: put it back, or publish the drafts", ErrNotApproved, id, version)
		}
	}
	set.Why, set.Restored, set.Approved = why, version, ""
	entry, err := r.makeLive(ctx, retailer, by, set, current.Version, "")
	return set, entry, err
}

// otherOffer is an offer that rules name and that is not what it was at an instant, beyond what may change without a second person;
// empty: there is none, or nobody has to agree to prices. One that is gone changes no price.
func (r *Retailers) otherOffer(ctx context.Context, retailer string, rules []rule.Rule, at time.Time) (string, error) {
	snapshot, err := r.Of(ctx, retailer)
	if err != nil || !snapshot.Settings.approves(rule.Pricing) {
		return "", err
	}
	for i := range rules {
		for _, id := range rules[i].Names() {
			now := snapshot.Offers.Of(id)
			if now == nil {
				continue
			}
			versions, err := r.entries.Versions(ctx, retailer, store.OfferEntry, id)
			if err != nil {
				return "", err
			}
			then := slices.IndexFunc(versions, func(e store.Entry) bool { return !e.At.After(at) })
			if then < 0 || versions[then].Deleted {
				return id, nil
			}
			var was offer.Offer
			if err := json.Unmarshal(versions[then].Body, &was); err != nil {
				return "", fmt.Errorf("offer %q: %w", id, err)
			}
			if !tamer(&was, &now.Offer) {
				return id, nil
			}
		}
	}
	return "", nil
}

// RuleVersion is one version of the live set, or store.ErrNotFound.
func (r *Retailers) RuleVersion(ctx context.Context, retailer string, version int64) (RuleSet, store.Entry, error) {
	versions, err := r.entries.Versions(ctx, retailer, store.RuleSetEntry, LiveRules)
	if err != nil {
		return RuleSet{}, store.Entry{}, err
	}
	for _, e := range versions {
		if e.Version == version {
			var set RuleSet
			err := json.Unmarshal(e.Body, &set)
			return set, e, err
		}
	}
	return RuleSet{}, store.Entry{}, store.ErrNotFound
}

// makeLive checks a set whole and keeps it, if the live version is still the expected one, and the drafts and what they depend on
// still have the digest that was asked about; empty: it is a version that was live.
func (r *Retailers) makeLive(ctx context.Context, retailer string, by Editor, set RuleSet, expect int64, digest string) (store.Entry, error) {
	p, err := r.picture(ctx, retailer)
	if err != nil {
		return store.Entry{}, err
	}
	p.offering.Lock()
	defer p.offering.Unlock()
	if digest != "" { // an offer may have changed until the lock was taken
		plan, err := r.Plan(ctx, retailer)
		if err != nil {
			return store.Entry{}, err
		}
		if plan.Digest != digest {
			return store.Entry{}, fmt.Errorf("%w: got digest %q, now it is %q", ErrMoved, digest, plan.Digest)
		}
	}
	snapshot := p.snapshot.Load()
	if digest != "" {
		// What was live may name what is gone by now; what is new must be right.
		if _, err := rule.NewSet("", set.Rules, snapshot.House()); err != nil {
			return store.Entry{}, err
		}
	}
	body := mustJSON(set)
	if len(set.Rules) > MaxRules || len(body) > maxRuleSetBytes {
		return store.Entry{}, invalid([]Fault{{"", fmt.Sprintf("the set has %d rules in %d bytes, want at most %d in %d: delete those that are not needed", len(set.Rules), len(body), MaxRules, maxRuleSetBytes)}})
	}
	saved, err := save(ctx, r, retailer, store.RuleSetEntry, by, []Change[RuleSet]{{ID: LiveRules, Expect: &expect}}, func(*Change[RuleSet]) ([]byte, error) { return body, nil })
	if err == nil {
		err = saved[0].Err
	}
	if err != nil {
		return store.Entry{}, fmt.Errorf("publish rules: %w", err)
	}
	entry := saved[0].Entry()
	entry.By = by.String()
	return entry, nil
}

// read reads an entry beside the live set; one that is not there leaves the value as it is.
func (r *Retailers) read(ctx context.Context, retailer, id string, value any) error {
	e, err := r.entries.Get(ctx, retailer, store.RuleSetEntry, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(e.Body, value)
}

// amendTries bounds how often an entry is read again because somebody else changed it.
const amendTries = 5

// amend changes an entry beside the live set; change is given what there is, nil for nothing.
func (r *Retailers) amend(ctx context.Context, retailer string, by Editor, id string, change func(body []byte) (any, error)) error {
	for try := 0; ; try++ {
		e, err := r.entries.Get(ctx, retailer, store.RuleSetEntry, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		value, err := change(e.Body)
		if err != nil {
			return err
		}
		saved, err := save(ctx, r, retailer, store.RuleSetEntry, by, []Change[any]{{ID: id, Expect: &e.Version}}, func(*Change[any]) ([]byte, error) { return json.Marshal(value) })
		if err == nil {
			err = saved[0].Err
		}
		if !errors.Is(err, store.ErrConflict) || try == amendTries {
			return err
		}
	}
}

// Compile makes a set of rules to be tried. The error is *rule.Invalid, or several joined.
func (r *Retailers) Compile(ctx context.Context, retailer string, rules []rule.Rule) (*rule.Set, error) {
	snapshot, err := r.Of(ctx, retailer)
	if err != nil || len(rules) == 0 {
		return nil, err
	}
	return rule.NewSet("trial", rules, rule.House{FloorMargin: snapshot.Settings.FloorMargin, Offers: snapshot.Offers})
}

// RulesNamed is a set of rules by what it is called: "drafts", "live", "none", or a version such as "v41". It returns
// store.ErrNotFound for a version that is not there; nil is the set without rules.
func (r *Retailers) RulesNamed(ctx context.Context, retailer, name string) (*rule.Set, error) {
	switch name {
	case "none":
		return nil, nil
	case "live":
		snapshot, err := r.Of(ctx, retailer)
		if err != nil {
			return nil, err
		}
		return snapshot.Suggest.Rules, nil
	case "drafts":
		drafts, _, err := r.Drafts(ctx, retailer)
		if err != nil {
			return nil, err
		}
		return r.Compile(ctx, retailer, drafts)
	}
	version, err := strconv.ParseInt(strings.TrimPrefix(name, "v"), 10, 64)
	if err != nil {
		return nil, invalid([]Fault{{"", fmt.Sprintf("got %q, want drafts, live, none or a version such as v41", name)}})
	}
	set, _, err := r.RuleVersion(ctx, retailer, version)
	if err != nil {
		return nil, err
	}
	return r.Compile(ctx, retailer, set.Rules)
}
