package retailer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"satnav/context/scene"
	"satnav/context/when"
	"satnav/context/where"
	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
	"satnav/recommend/learn"
	"satnav/recommend/offer"
	"satnav/recommend/rule"
	"satnav/server/store"
)

// picture is what a retailer's snapshots are made of: the entries as they were last seen, and the crowd.
type picture struct {
	retailer string
	names    *who.Names
	shared   bool         // other processes record, too: the crowd follows them, see crowd.go
	gate     sync.RWMutex // alone: held for reading while events are recorded, for writing while another crowd is put in place
	crowd    atomic.Pointer[learn.Crowd]
	counting sync.Mutex // held while a crowd is counted anew
	touched  touched
	learnt   atomic.Bool // the crowd changed since it was published
	debt     debt
	learning sync.Mutex // held while a model is learnt

	following sync.Mutex
	counted   *counted // guarded by following; nil: alone

	priced  atomic.Bool // there are events with prices: the currency stays
	pricing sync.Mutex  // held while settings are saved and while the first price is noted, so that one sees the other

	publishing sync.Mutex
	moved      atomic.Bool // the crowd is to be counted anew: its hours are of another zone, or it may hold what it must not
	snapshot   atomic.Pointer[Snapshot]
	ready      chan struct{} // closed once loading ended
	failed     error         // why it failed; read after ready

	saving     sync.RWMutex       // held for reading while geofences are saved, for writing while their state is named
	keeping    keeping            // of the follower alone
	mu         sync.Mutex         // one change at a time; never held across I/O
	versions   map[entryKey]int64 // of live and draft geofences the indexes know them
	since      []fenceEdit        // edits of geofences while they are laid out anew
	laying     bool
	settings   Settings
	settled    time.Time // when the settings were made
	stores     map[string]*where.Store
	webhooks   map[string]*Webhook
	unhooked   map[string]bool    // webhooks that were deleted
	products   map[string]Product // as described: a change of stock or currency builds them anew
	stock      map[string]map[string]float64
	calendars  map[string]when.Calendar
	storeIndex *where.Stores
	catalogue  *recommend.Catalogue
	live       *geo.Index
	drafts     *geo.Index
	view       *recommend.Crowd
	suggest    *recommend.Snapshot // nil: something that it is made of changed
	model      *recommend.Model
	forgotten  oblivion

	ruleSet     RuleSet // that is live, as it is kept
	ruleVersion int64
	rules       *rule.Set // compiled; nil: none
	planned     atomic.Pointer[Planned]
	experiments map[string]*Experiment // that run, as they are kept
	offering    sync.Mutex             // held while offers are saved and while rules go live
	offers      map[string]*offer.Live
	catalogued  *offer.Catalogue // of offers
	running     []*Running
	edited      Edited
}

type entryKey struct {
	kind store.EntryKind
	id   string
}

func newPicture(retailer string, names *who.Names) *picture {
	return &picture{
		retailer: retailer, names: names, ready: make(chan struct{}),
		versions: map[entryKey]int64{}, settings: Defaults(), webhooks: map[string]*Webhook{}, unhooked: map[string]bool{},
		stores: map[string]*where.Store{}, products: map[string]Product{}, stock: map[string]map[string]float64{},
		calendars: map[string]when.Calendar{}, storeIndex: where.NewStores(nil), catalogue: recommend.NewCatalogue(names, nil),
		live: geo.NewIndex(nil), drafts: geo.NewIndex(nil), experiments: map[string]*Experiment{}, offers: map[string]*offer.Live{},
	}
}

// apply takes in entries, in any order and any number of times, and swaps in a snapshot if anything is
// new. An entry that cannot be used (a later version of Satnav wrote it) is left out and reported.
func (p *picture) apply(entries []store.Entry) (errs []error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var fresh change
	for _, e := range entries {
		key := entryKey{e.Kind, e.ID}
		if e.Version <= p.version(key) {
			continue
		}
		err := p.take(e, &fresh)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %q, version %d: %w", e.Kind, e.ID, e.Version, err))
		}
		p.versions[key] = e.Version
		p.edited.note(e.Kind, e.At)
	}
	if p.rebuild(&fresh, &errs) {
		p.swap()
	}
	for id, fence := range fresh.fences {
		if fence != nil { // from now on the index knows
			delete(p.versions, entryKey{store.GeofenceEntry, id})
		}
	}
	return errs
}

// version is the one of an entry that the picture has taken in; 0: none.
func (p *picture) version(key entryKey) int64 {
	version := p.versions[key]
	if key.kind == store.GeofenceEntry {
		for _, fences := range []*geo.Index{p.live, p.drafts} {
			if n, known := fences.Lookup(key.id); known {
				version = max(version, fences.Fence(n).Version)
			}
		}
	}
	return version
}

// change collects what a batch of entries touches, so that each index is built once.
type change struct {
	settings bool
	webhooks bool
	stores   bool
	model    bool
	rules    bool
	arms     bool
	offers   bool
	products map[string]bool          // items to build anew
	fences   map[string]*geo.Geofence // by id, the last that is known of each; nil: it was deleted
}

func (c *change) touch(item string) {
	if c.products == nil {
		c.products = map[string]bool{}
	}
	c.products[item] = true
}

// fence notes what became of a geofence, in place of what was noted before.
func (c *change) fence(id string, now *geo.Geofence) {
	if c.fences == nil {
		c.fences = map[string]*geo.Geofence{}
	}
	c.fences[id] = now
}

func (p *picture) take(e store.Entry, fresh *change) error {
	switch e.Kind {
	case store.RetailerEntry:
		var settings Settings
		if err := json.Unmarshal(e.Body, &settings); err != nil {
			return err
		}
		settings = settings.Complete()
		if settings.Zone != p.settings.Zone {
			p.moved.Store(true)
		}
		p.settings, p.settled, fresh.settings = settings, e.At, true
	case store.StoreEntry:
		fresh.stores = true
		if e.Deleted {
			delete(p.stores, e.ID)
			return nil
		}
		var described Store
		if err := json.Unmarshal(e.Body, &described); err != nil {
			return err
		}
		built, err := described.Build()
		if err != nil {
			return err
		}
		p.stores[e.ID] = built
	case store.ProductEntry:
		fresh.touch(e.ID)
		if e.Deleted {
			delete(p.products, e.ID)
			return nil
		}
		var described Product
		if err := json.Unmarshal(e.Body, &described); err != nil {
			return err
		}
		p.products[e.ID] = described
	case store.StockEntry:
		var shelf Stock
		if err := json.Unmarshal(e.Body, &shelf); err != nil {
			return err
		}
		fresh.touch(shelf.Item)
		if p.stock[shelf.Item] == nil {
			p.stock[shelf.Item] = map[string]float64{}
		}
		p.stock[shelf.Item][shelf.Store] = shelf.Stock
	case store.WebhookEntry:
		fresh.webhooks = true
		return p.takeWebhook(e)
	case store.PricesEntry:
		p.priced.Store(true)
	case store.ModelEntry:
		if e.ID == forgottenID {
			return json.Unmarshal(e.Body, &p.forgotten)
		}
		model := new(recommend.Model)
		if err := json.Unmarshal(e.Body, model); err != nil {
			return err
		}
		if err := model.Check(); err != nil {
			return err
		}
		p.model, fresh.model = model, true
		if p.shared { // whoever learnt it
			p.debt.paid(model)
		}
	case store.RuleSetEntry:
		if e.ID == plannedRules {
			planned := new(Planned)
			if err := json.Unmarshal(e.Body, planned); err != nil {
				return err
			}
			p.planned.Store(planned)
		}
		if e.ID != LiveRules {
			return nil
		}
		var set RuleSet
		if err := json.Unmarshal(e.Body, &set); err != nil {
			return err
		}
		p.ruleSet, p.ruleVersion, fresh.rules = set, e.Version, true
	case store.ExperimentEntry:
		fresh.arms = true
		return p.takeExperiment(e)
	case store.OfferEntry:
		fresh.offers = true
		return p.takeOffer(e)
	case store.GeofenceEntry:
		if e.Deleted {
			fresh.fence(e.ID, nil)
			return nil
		}
		fence, err := e.Geofence()
		if err != nil {
			return err
		}
		fresh.fence(e.ID, &fence)
	}
	return nil
}

// rebuild makes what the change touches anew and reports whether anything is.
func (p *picture) rebuild(fresh *change, errs *[]error) bool {
	if fresh.settings {
		for item := range p.products { // the currency may have more or fewer decimals now
			fresh.touch(item)
		}
		p.addCalendar("", p.settings.Region)
	}
	if fresh.stores {
		all := make([]*where.Store, 0, len(p.stores))
		for _, id := range slices.Sorted(maps.Keys(p.stores)) { // in order: their numbers decide between equals
			all = append(all, p.stores[id])
			p.addCalendar(p.stores[id].Region, p.stores[id].Region)
		}
		p.storeIndex = where.NewStores(all)
	}
	if len(fresh.products) > 0 {
		var put []recommend.Product
		var remove []string
		for _, item := range slices.Sorted(maps.Keys(fresh.products)) {
			described, ok := p.products[item]
			if !ok {
				remove = append(remove, item)
				continue
			}
			built, err := described.Build(p.names, p.settings)
			if err != nil {
				*errs = append(*errs, fmt.Errorf("product %q: %w", item, err))
				remove = append(remove, item)
				continue
			}
			if shelves, counted := p.stock[item]; counted {
				built.Stock = pieces(total(shelves))
				built.SoldOut = soldOut(p.names, shelves)
			}
			put = append(put, built)
		}
		p.catalogue = p.catalogue.With(put, remove)
	}
	p.editFences(fresh)
	if fresh.offers {
		p.catalogued = offer.NewCatalogue(p.offers)
	}
	if fresh.rules || fresh.settings || fresh.offers {
		p.compileRules(errs)
	}
	if fresh.rules || fresh.settings || fresh.offers || fresh.arms {
		p.compileExperiments(errs)
	}
	if fresh.stores || fresh.model || len(fresh.products) > 0 || fresh.settings {
		p.suggest = nil
	}
	return fresh.settings || fresh.webhooks || fresh.stores || fresh.model || fresh.rules || fresh.arms || fresh.offers || len(fresh.products) > 0 || len(fresh.fences) > 0
}

// editFences moves each geofence to the index of its status, live or drafts.
func (p *picture) editFences(fresh *change) {
	if len(fresh.fences) == 0 {
		return
	}
	var edit fenceEdit
	for _, id := range slices.Sorted(maps.Keys(fresh.fences)) {
		if fence := fresh.fences[id]; fence == nil {
			edit.remove(id)
		} else {
			edit.put(*fence)
		}
	}
	p.live, p.drafts = edit.apply(p.live, p.drafts)
	if p.laying {
		p.since = append(p.since, edit)
	}
}

// hold puts in place the indexes that were loaded, and the versions of what is in neither.
func (p *picture) hold(live, drafts *geo.Index, versions map[string]int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, version := range versions {
		p.versions[entryKey{store.GeofenceEntry, id}] = version
	}
	p.live, p.drafts = live, drafts
	p.swap()
}

// put moves a geofence to the index of its status.
func (e *fenceEdit) put(fence geo.Geofence) {
	if fence.Status == geo.Draft {
		e.drafts, e.notLive = append(e.drafts, fence), append(e.notLive, fence.ID)
	} else {
		e.live, e.notDraft = append(e.live, fence), append(e.notDraft, fence.ID)
	}
}

func (e *fenceEdit) remove(id string) {
	e.notLive, e.notDraft = append(e.notLive, id), append(e.notDraft, id)
}

// fenceEdit is one edit of both indexes.
type fenceEdit struct {
	live, drafts      []geo.Geofence
	notLive, notDraft []string
}

// apply leaves an index that is not touched as it is.
func (e *fenceEdit) apply(live, drafts *geo.Index) (nextLive, nextDrafts *geo.Index) {
	known := func(x *geo.Index, id string) bool { _, ok := x.Lookup(id); return ok }
	if len(e.live) > 0 || slices.ContainsFunc(e.notLive, func(id string) bool { return known(live, id) }) {
		live = live.Edit(e.live, e.notLive)
	}
	if len(e.drafts) > 0 || slices.ContainsFunc(e.notDraft, func(id string) bool { return known(drafts, id) }) {
		drafts = drafts.Edit(e.drafts, e.notDraft)
	}
	return live, drafts
}

// worthLaying is how many edits an index of so many geofences bears before it is laid out anew.
func worthLaying(x *geo.Index) bool { return x.Loose() > 1_000+x.Len()/20 }

// layOut lays out anew, beside requests and edits, indexes that many edits have made loose, and tells whether it did. There is
// one caller at a time.
func (p *picture) layOut() bool {
	p.mu.Lock()
	live, drafts := p.live, p.drafts
	if !worthLaying(live) && !worthLaying(drafts) {
		p.mu.Unlock()
		return false
	}
	p.laying = true
	p.mu.Unlock()
	live, drafts = live.Rebuilt(), drafts.Rebuilt()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.since { // the numbers come out the same: they are given in order
		live, drafts = p.since[i].apply(live, drafts)
	}
	p.live, p.drafts, p.since, p.laying = live, drafts, nil, false
	p.swap()
	return true
}

// payday is when most people of any place are paid; retailers cannot say otherwise yet.
var payday = []when.Payday{when.LastWorkingDay}

func (p *picture) addCalendar(name, region string) {
	p.calendars[name] = when.Calendar{Holidays: HolidaysIn(region), Paydays: payday}
}

func total(shelves map[string]float64) *float64 {
	sum := 0.0
	for _, stock := range shelves {
		sum += stock
	}
	return &sum
}

// soldOut are the stores that counted an item and have none, in order. A store that said nothing is taken to have it.
func soldOut(names *who.Names, shelves map[string]float64) (stores []who.Item) {
	for id, stock := range shelves {
		if id != "" && stock <= 0 {
			stores = append(stores, names.Stores.Number(id))
		}
	}
	slices.Sort(stores)
	return stores
}

// zone is the retailer's time zone.
func (p *picture) zone() *time.Location {
	zone, err := time.LoadLocation(p.settings.Zone)
	if err != nil { // it was known to the machine that saved it
		return time.UTC
	}
	return zone
}

// newCrowd makes an empty crowd that counts in the retailer's hours.
func (p *picture) newCrowd() *learn.Crowd {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moved.Store(false)
	return learn.NewCrowd(p.zone())
}

// publish swaps in a snapshot with what the crowd has learnt by now.
func (p *picture) publish() {
	p.publishing.Lock() // or an older view might follow a newer one
	defer p.publishing.Unlock()
	view := p.crowd.Load().View()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.view, p.suggest = view, nil
	p.swap()
}

// swap makes a snapshot of all parts and puts it in place of the one before. The caller holds mu.
func (p *picture) swap() {
	if p.suggest == nil { // an edit of a geofence does not touch it
		p.suggest = recommend.NewSnapshot(p.names, p.catalogue, p.storeIndex.All(), p.view, p.model)
	}
	suggest := p.suggest.WithRules(p.rules)
	suggest.MinorPerUnit = minorPerUnit(p.settings.Exponent())
	suggest.Offers = p.catalogued
	purposes := p.settings.Registry()
	places := places(purposes)
	p.snapshot.Store(&Snapshot{
		Retailer: p.retailer,
		Settings: p.settings,
		Purposes: purposes,
		Kept:     places.Stored,
		Names:    p.names,
		Scene: scene.Retailer{
			Stores:    p.storeIndex,
			Zone:      p.zone(),
			Calendars: maps.Clone(p.calendars),
			Defaults:  purposes.Defaults(p.settings.DefaultGrants, p.settled, p.settings.Languages...),
			Finest:    places.Suggest,
			Shared:    purposes.Shared(),
		},
		Keeps:   purposes.Keeps(),
		Fences:  p.live,
		Drafts:  p.drafts,
		Suggest: suggest,

		Experiments: p.withModels(suggest),
		Offers:      p.catalogued,

		Edited: p.edited,

		Webhooks: p.hooks(),
		Unhooked: slices.Sorted(maps.Keys(p.unhooked)),
	})
}
