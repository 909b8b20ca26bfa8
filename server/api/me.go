package api

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"satnav/context/who"
	"satnav/sdk-contract/wire"
	"satnav/server/decision"
	"satnav/server/money"
	"satnav/server/retailer"
	"satnav/server/store"
)

func me(c *fiber.Ctx) who.Key {
	claims := caller(c)
	return who.Key{Retailer: claims.Retailer, Shopper: claims.Subject}
}

// GetMyPermissions tells what the shopper allowed, for what.
func (a *API) GetMyPermissions(c *fiber.Ctx) error {
	snapshot, err := a.Retailers.Of(c.UserContext(), caller(c).Retailer)
	if err != nil {
		return err
	}
	grants, err := a.Permissions.Grants(c.UserContext(), me(c))
	if err != nil {
		return err
	}
	return encode(c, permissionsFrom(grants, snapshot))
}

// PutMyPermissions grants or withdraws purposes.
func (a *API) PutMyPermissions(c *fiber.Ctx, _ wire.PutMyPermissionsParams) error {
	var in wire.PermissionsRequest
	if err := a.decode(c, &in); err != nil {
		return err
	}
	snapshot, err := a.Retailers.Of(c.UserContext(), caller(c).Retailer)
	if err != nil {
		return err
	}
	decisions := map[who.Purpose]bool{}
	var faults Faults
	for name, given := range in.Grants {
		purpose := who.Purpose(name)
		if _, ok := snapshot.Purposes.Of(purpose); !ok {
			faults = append(faults, wire.ProblemError{Pointer: pointerTo("grants", name), Code: codeUnknownValue, Detail: "the purpose is not declared, want one of " + snapshot.Purposes.Names()})
		}
		decisions[purpose] = given
	}
	if len(faults) > 0 {
		slices.SortFunc(faults, func(a, b wire.ProblemError) int { return strings.Compare(a.Pointer, b.Pointer) })
		return refused(faults)
	}
	grants, err := a.Permissions.Decide(c.UserContext(), me(c), decisions, in.Language, a.Now())
	if err != nil {
		return err
	}
	return encode(c, permissionsFrom(grants, snapshot))
}

// GetMyConsentRecords gives the shopper the records of their decisions.
func (a *API) GetMyConsentRecords(c *fiber.Ctx, params wire.GetMyConsentRecordsParams) error {
	records, err := a.Permissions.Receipt27560(c.UserContext(), me(c), who.Purpose(params.Purpose), a.Now())
	if err != nil {
		return err
	}
	private(c)
	return encodeAs(c, "application/ld+json", records)
}

func permissionsFrom(grants who.Grants, snapshot *retailer.Snapshot) wire.Permissions {
	out := wire.Permissions{Grants: []wire.Grant{}}
	for _, d := range snapshot.Purposes.All() {
		n := d.Notice(snapshot.Settings.Languages...)
		told := wire.Grant{Purpose: string(d.Purpose), Title: n.Title, Notice: n.Text, NoticeVersion: d.Version, NoticeLanguage: n.Language, NoticeHash: n.Hash()}
		for _, g := range grants {
			if g.Purpose == d.Purpose {
				told.Granted, told.At, told.Source, told.NoticeVersion, told.Basis = g.Given, g.At, string(g.Source), g.Notice, g.Basis
				told.NoticeLanguage, told.NoticeHash = g.Language, g.Hash
			}
		}
		out.Grants = append(out.Grants, told)
	}
	return out
}

const defaultDiaryPage = 100

// GetMyDiary lists what is known of the shopper, newest first.
func (a *API) GetMyDiary(c *fiber.Ctx, params wire.GetMyDiaryParams) error {
	limit := params.Limit
	if limit == 0 {
		limit = defaultDiaryPage
	}
	from := params.Cursor
	if from == "" && !params.Until.IsZero() {
		from = store.DiaryFrom(params.Until.Add(-time.Nanosecond)) // before, so not at it
	}
	snapshot, err := a.Retailers.Of(c.UserContext(), caller(c).Retailer)
	if err != nil {
		return err
	}
	entries, next, err := a.Shoppers.Diary(c.UserContext(), me(c), from, limit)
	if errors.Is(err, store.ErrInvalid) {
		return parameterProblem(invalidRequest, "cursor", codeBadFormat, "got %s, want what next said", quote(params.Cursor))
	}
	if err != nil {
		return err
	}
	out := wire.Diary{Entries: []wire.DiaryEntry{}, Next: next}
	for _, e := range entries {
		if !params.From.IsZero() && e.At().Before(params.From) {
			out.Next = "" // all that follow are older
			break
		}
		out.Entries = append(out.Entries, diaryEntryFrom(e, snapshot.Settings.Exponent()))
	}
	wishes, _, err := a.Permissions.Preferences(c.UserContext(), me(c))
	if err != nil {
		return err
	}
	gaps, err := a.gaps(c, time.Time{}, time.Time{})
	if err != nil {
		return err
	}
	out.Entries = append(out.Entries, gapEntries(params, out.Next, pausesOf(wishes), gaps)...)
	slices.SortStableFunc(out.Entries, func(a, b wire.DiaryEntry) int { return b.At.Compare(a.At) })
	out.Entries = slices.DeleteFunc(out.Entries, func(e wire.DiaryEntry) bool {
		return params.Type != "" && e.Type != params.Type || params.Kind != "" && e.Kind != params.Kind
	})
	private(c)
	return encode(c, out)
}

// gaps are the times of which decision records of the caller may be missing: none of them before the caller was first seen.
func (a *API) gaps(c *fiber.Ctx, from, until time.Time) ([]decision.Gap, error) {
	shopper, err := a.Shoppers.Shopper(c.UserContext(), me(c))
	if errors.Is(err, who.ErrUnknown) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(a.Decisions.Gaps(from, until), func(g decision.Gap) bool { return g.Until.Before(shopper.Since()) }), nil
}

// gapEntries are the gaps, and the pauses, that begin within a page of the diary: pages follow each other without one between.
func gapEntries(params wire.GetMyDiaryParams, next string, pauses []who.Pause, gaps []decision.Gap) (entries []wire.DiaryEntry) {
	within := func(at time.Time) bool {
		newest, continued := store.DiaryTime(params.Cursor)
		oldest, continues := store.DiaryTime(next)
		switch ms := at.UnixMilli(); {
		case continued && ms > newest, continues && ms <= oldest:
			return false
		case !params.From.IsZero() && at.Before(params.From), !continued && !params.Until.IsZero() && !at.Before(params.Until):
			return false
		}
		return true
	}
	for _, p := range pauses {
		if within(p.From) {
			entries = append(entries, wire.DiaryEntry{Type: "gap", ID: "pause-" + strconv.FormatInt(p.From.UnixMilli(), 10), At: p.From, Until: p.Until, Reason: "paused"})
		}
	}
	for _, g := range gaps {
		if within(g.From) {
			entries = append(entries, wire.DiaryEntry{Type: "gap", ID: "gap-" + strconv.FormatInt(g.From.UnixMilli(), 10), At: g.From, Until: g.Until, Reason: g.Why})
		}
	}
	return entries
}

func diaryEntryFrom(e store.DiaryEntry, exponent int) wire.DiaryEntry {
	switch {
	case e.Crossing != nil:
		c := e.Crossing
		return wire.DiaryEntry{Type: "crossing", ID: c.ID, Kind: c.Kind, At: c.At, Geofence: c.Geofence, Reason: cmp.Or(c.Withheld, c.Rule)}
	case e.Late != nil:
		return wire.DiaryEntry{Type: "fix", ID: "fix-" + strconv.FormatInt(e.Late.At.UnixMilli(), 10), At: e.Late.At, Place: e.Late.Place, Reason: e.Late.Reason}
	case e.Grant != nil:
		g := e.Grant
		return wire.DiaryEntry{
			Type: "grant", ID: "grant-" + string(g.Purpose) + "-" + strconv.FormatInt(g.At.UnixMilli(), 10), At: g.At,
			Purpose: string(g.Purpose), Granted: &g.Given, Source: string(g.Source), Reason: g.Basis,
		}
	}
	return eventEntryFrom(e.Event, exponent)
}

func eventEntryFrom(e *who.Event, exponent int) wire.DiaryEntry {
	told := wire.DiaryEntry{
		Type: "event", ID: e.ID, Kind: string(e.Kind), At: e.At, Item: e.Item, Basket: e.Basket,
		Price: money.Format(e.Price, exponent), Store: e.Store, Place: e.Place, Code: e.Code, Properties: e.Properties, Source: e.Source, Reason: e.Reason,
		Purpose: string(e.Purpose),
	}
	if e.Quantity != 0 { // a view has none
		told.Quantity = &e.Quantity
	}
	return told
}
