// Package app joins the parts into one program: the binary and every end-to-end test open it the same way.
//
// It exists so that nothing is wired twice. Decided against: a container that builds parts by
// reflection. Reading one function from top to bottom tells how Satnav is put together.
package app

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"satnav/config"
	"satnav/context/who"
	"satnav/server/api"
	"satnav/server/decision"
	"satnav/server/deliver"
	"satnav/server/diary"
	"satnav/server/importer"
	"satnav/server/insight"
	"satnav/server/keyring"
	"satnav/server/observe"
	"satnav/server/outcome"
	"satnav/server/privacy"
	"satnav/server/redemption"
	"satnav/server/retailer"
	"satnav/server/store"
	"satnav/server/store/audit"
	"satnav/server/store/embedded"
	"satnav/server/visit"
)

// App is Satnav, ready to serve or to import.
type App struct {
	Config      config.Config
	Documents   store.Documents
	Shoppers    *store.Shoppers
	Retailers   *retailer.Retailers
	Diary       *diary.Diary
	Decisions   *decision.Book
	Visits      *visit.Visits
	Permissions *privacy.Permissions
	Deliverer   *deliver.Deliverer
	Desk        *deliver.Desk
	Erasures    *privacy.Erasures
	Audit       *audit.Log
	Files       *privacy.Files
	Appeals     *privacy.Appeals
	Outcomes    *outcome.Outcomes
	Insights    *insight.Insights
	Retention   *privacy.Retention
	Codes       *store.Codes
	Redemptions *redemption.Desk
	Sources     *privacy.Sources

	pageKey []byte
	now     func() time.Time
	log     *slog.Logger
	quotas  *store.Quotas
	calls   *store.Calls
	outbox  *deliver.Outbox
	metrics *observe.Metrics
	health  *observe.Health

	checkpoint func(ctx context.Context, folder string) error // copies the store while it serves; nil: it cannot

	background context.Context    // of all that runs until Close
	stop       context.CancelFunc // ends it
	running    sync.WaitGroup
	following  sync.WaitGroup // who keeps the index of geofences before all else ends
}

// Options are what an App cannot know by itself.
type Options struct {
	Config config.Config
	Log    *slog.Logger
	Now    func() time.Time // nil: time.Now
	Store  embedded.Options // what the configuration does not say of the embedded store; tests fill its disk

	// Between, when not nil, is put between the store and all that uses it: tests let it hang.
	Between func(store.Documents) store.Documents
}

// Open opens the store and everything on top of it, and loads every retailer. The folder is made when it
// is missing. Close the App when done.
func Open(ctx context.Context, o Options) (*App, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	c := o.Config
	if c.Region != "" {
		o.Log = o.Log.With("region", c.Region)
	}
	a := &App{Config: c, now: o.Now, log: o.Log, metrics: observe.NewMetrics(), health: new(observe.Health)}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.background, a.stop = background, stop
	err := a.openStore(ctx, o)
	if err == nil {
		err = a.join(ctx)
	}
	if err == nil {
		err = a.Retailers.LoadAll(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	a.following.Go(func() { a.Retailers.Follow(background, c.Poll) })
	a.running.Go(func() { a.quotas.Run(background) })
	a.running.Go(func() { a.Outcomes.Count(background) })
	a.Decisions.Open(ctx)
	a.running.Go(func() { a.Decisions.Run(background) })
	return a, nil
}

// join makes the parts in the order of the house, from the store up.
func (a *App) join(ctx context.Context) error {
	key, err := store.PseudonymKey(ctx, a.Documents)
	if err != nil {
		return err
	}
	page := hmac.New(sha256.New, key)
	page.Write([]byte("the shopper's own page"))
	a.pageKey = page.Sum(nil)
	names := retailer.NewNames()
	documents := store.NewBrake(a.Documents) // for calls; what runs in the background has all the time that it needs
	a.Shoppers = store.NewShoppers(documents, store.ShoppersConfig{
		Secret: key, Names: names.Of, Keep: func(retailer string, p who.Purpose) who.Keep { return a.Retailers.Keep(retailer, p) }, CacheBytes: uint64(a.Config.Cache.Shoppers),
		Alone: a.Config.Store == config.Embedded, // a database is shared by replicas
	})
	a.Retailers = retailer.New(store.NewEntries(documents), a.Shoppers, names, a.now, a.log)
	a.Retailers.Stand(a.Config.Region, func(ctx context.Context, retailer string) (kept bool, err error) {
		err = a.Shoppers.Sample(ctx, retailer, func(who.Key) (bool, error) { kept = true; return false, nil })
		return kept, err
	})
	if a.Config.Store == config.Embedded {
		a.Retailers.KeepFences(filepath.Join(a.Config.Data, "cache")) // the embedded store belongs to one process
	}
	a.metrics.Registry.MustRegister(&modelWatch{a.Retailers, observe.NewLabel(watchedRetailers)})
	a.Diary = diary.New(a.Shoppers, a.Retailers, a.metrics.UnknownItem)
	a.calls = store.NewCalls(documents, key, a.Config.Store == config.Embedded)
	a.quotas = store.NewQuotas(a.Documents, a.log)
	a.Codes = store.NewCodes(a.Documents, a.Shoppers, a.now)
	a.Redemptions = redemption.New(a.Shoppers, a.quotas, a.Codes, a.now, a.log)
	a.Diary.Redeem(a.Redemptions)
	a.Decisions = decision.New(a.Shoppers, a.Retailers, store.NewNotes(a.Documents), decision.Config{
		Keep: a.Config.Decisions.Keep, Room: a.Config.Decisions.Queue, Alone: a.Config.Store == config.Embedded, Now: a.now, Log: a.log,
	})
	a.metrics.Registry.MustRegister(decisionWatch{a.Decisions})
	a.Outcomes = outcome.New(a.Shoppers, a.Retailers, store.NewTallies(a.Documents), a.now, a.log)
	a.Insights = insight.New(a.Shoppers, a.Retailers, store.NewInsights(a.Documents), a.now, a.log)
	a.Visits = visit.New(a.Shoppers, a.Retailers, a.quotas, a.Decisions)
	a.Visits.Explore(a.Config.Suggestions.Explore)
	a.Visits.Time(a.Outcomes.Answered)
	a.Visits.Flag(a.metrics.OneSided)
	a.Visits.Hides(a.metrics.HiddenFixes)
	a.Diary.Hides(a.metrics.HiddenEvent)
	if err := a.deliveries(); err != nil {
		return err
	}
	return a.joinPrivacy()
}

// joinPrivacy makes what shoppers' rights need.
func (a *App) joinPrivacy() error {
	signing, err := audit.Key(a.Config.KeyFolder())
	if err != nil {
		return err
	}
	a.Audit = audit.New(a.Documents, signing, a.now)
	a.Permissions = privacy.NewPermissions(a.Shoppers, a.Retailers, a.Audit)
	a.Permissions.Leaving(a.Outcomes.OptedOut)
	scrubber, _ := a.Documents.(privacy.Scrubber) // a database cleans its disks itself
	a.Erasures = privacy.NewErasures(privacy.Erasing{
		Shoppers: a.Shoppers, Retailers: a.Retailers, Erasures: store.NewErasures(a.Documents), Audit: a.Audit,
		Answers: a.calls, Scrubber: scrubber, Shredder: keyring.New(a.Config.KeyFolder()), Now: a.now, Log: a.log,
	})
	a.Retention = privacy.NewRetention(a.Shoppers, a.Retailers, store.NewErasures(a.Documents), store.NewNotes(a.Documents), a.now, a.log)
	a.metrics.Registry.MustRegister(retentionWatch{a.Retention})
	a.Sources = privacy.NewSources(a.Shoppers, store.NewDrops(a.Documents), a.Audit, a.Diary.Remove, a.now)
	a.Erasures.First(a.Permissions.PayFor)
	a.Erasures.Forget(a.Decisions.Forget)
	a.Erasures.Tell(func(ctx context.Context, retailer, pseudonym string, proof store.Proof) error {
		snapshot, err := a.Retailers.Of(ctx, retailer)
		if err != nil {
			return err
		}
		return a.outbox.Erased(ctx, snapshot, a.Shoppers, pseudonym, proof)
	})
	a.Erasures.Forget(a.Diary.Forget)
	a.Permissions.Forget(a.Diary.Forget)
	a.Files = privacy.NewFiles(a.Shoppers, a.Retailers, a.Decisions)
	a.Appeals = privacy.NewAppeals(a.Shoppers, a.Retailers, a.Decisions, a.Audit, a.now)
	return nil
}

// AuditKeys are the keys by which the audit log of this installation is verified.
func (a *App) AuditKeys() []ed25519.PublicKey { return []ed25519.PublicKey{a.Audit.Key()} }

// watchedRetailers bounds the retailers whose models are among the metrics.
const watchedRetailers = 200

// Import reads a file that came through the API, see importer.Run.
func (a *App) Import(ctx context.Context, upload api.Upload) (importer.Summary, error) {
	options, err := a.ImportOptions(ctx, upload.Retailer)
	if err != nil {
		return importer.Summary{}, err
	}
	options.Rejected, options.FirstLine, options.MaxBytes = upload.Rejected, upload.FirstLine, int64(a.Config.Limits.Import)
	options.Change = upload.Change
	if err := a.Kept(ctx, upload.Retailer); err != nil {
		return importer.Summary{}, err
	}
	sink := a.Sink(upload.Retailer, upload.By, upload.Basis)
	sink.DryRun = upload.DryRun
	if !upload.DryRun && (upload.Kind == importer.KindPurchases || upload.Kind == importer.KindEvents) {
		done, err := a.Retailers.Importing(ctx, upload.Retailer)
		if err != nil {
			return importer.Summary{}, err
		}
		defer done()
	}
	return importer.Run(ctx, upload.Kind, upload.File, sink, options)
}

// What closing may take, beside the calls under way.
const (
	backgroundGrace = 1500 * time.Millisecond // learning is not cut short, and not waited for either: it is learnt again
	flushGrace      = 2 * time.Second
	keepGrace       = 8 * time.Second // for a million geofences that were not kept yet; nothing else takes long
)

// Close stops what runs in the background, writes what was only remembered, and closes the store.
func (a *App) Close() error {
	a.stop()
	ended := make(chan struct{})
	go func() { a.running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(backgroundGrace):
	}
	kept := make(chan struct{})
	go func() { a.following.Wait(); close(kept) }()
	select {
	case <-kept:
	case <-time.After(keepGrace):
		a.log.Warn("the index of geofences is not kept: the next start will be slower")
	}
	if a.Shoppers != nil {
		ctx, cancel := context.WithTimeout(context.Background(), flushGrace)
		defer cancel()
		if a.Decisions != nil {
			if err := a.Decisions.Close(ctx); err != nil {
				a.log.Warn("some decision records are not kept", "err", err)
			}
		}
		if err := a.Shoppers.Flush(ctx); err != nil {
			a.log.Warn("some positions on which nothing was decided are not kept", "err", err)
		}
		if a.quotas != nil {
			a.quotas.Release(ctx)
		}
	}
	if a.Audit != nil {
		a.Audit.Close()
	}
	if a.Documents == nil {
		return nil
	}
	return a.Documents.Close()
}
