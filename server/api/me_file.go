package api

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"satnav/context/who"
	"satnav/recommend"
	"satnav/recommend/rule"
	"satnav/sdk-contract/wire"
	"satnav/server/decision"
	"satnav/server/privacy"
	"satnav/server/retailer"
	"satnav/server/store"
)

// GetMe tells what is known of the shopper.
func (a *API) GetMe(c *fiber.Ctx) error {
	file, err := a.Files.Of(c.UserContext(), me(c))
	if err != nil {
		return err
	}
	private(c)
	return encode(c, wire.Me{Shopper: me(c).Shopper, Since: file.Since, Facts: factsFrom(file.Facts), Card: cardFrom(file.Card)})
}

// DeleteMe erases all that is known of the shopper.
func (a *API) DeleteMe(c *fiber.Ctx, _ wire.DeleteMeParams) error {
	receipt, err := a.Erasures.Erase(c.UserContext(), me(c), actor(c), "")
	if err != nil {
		return err
	}
	return encodePrivate(c, erasureFrom(receipt.Proof, receipt.Secret))
}

// private keeps an answer out of caches between the server and the shopper.
func private(c *fiber.Ctx) { c.Set(fiber.HeaderCacheControl, "private, no-store") }

func factsFrom(facts []privacy.Fact) []wire.Fact {
	out := make([]wire.Fact, len(facts))
	for i, f := range facts {
		out[i] = wire.Fact{
			What: f.What, Text: factText(f.What), Purpose: string(f.Purpose), Used: f.Used, Sources: f.Sources, Inferred: f.Inferred,
			Count: f.Count, Newest: f.Newest, Item: f.Item, EveryDays: f.EveryDays, Until: f.Until, Ends: factEnd(f.What),
		}
		if f.Sources == nil {
			out[i].Sources = []string{}
		}
	}
	return out
}

// factTexts say in plain words what a fact is about, and factEnds when it goes.
var (
	factTexts = map[string]string{
		string(who.Viewed): "Things that you looked at", string(who.Added): "Things that you put into a basket", string(who.Removed): "Things that you took out of a basket",
		string(who.Purchased): "Things that you bought", string(who.Visited): "Shops that you visited", string(who.Redeemed): "Offers that you used",
		string(who.Shared): "Things that you shared", string(who.Liked): "Things that you liked", string(who.Dismissed): "Things that are not for you",
		privacy.FactCrossing: "Places of the shop that you entered or left", privacy.FactFix: "Positions that came too late", privacy.FactGrant: "What you allowed and what you took back",
		privacy.FactPlace: "Where you were last", privacy.FactAnswer: "What we suggested to you, and why", privacy.FactRhythm: "How often you buy something",
		privacy.FactDoubt: "Things that may not be true, and count for nothing",
		privacy.FactTrial: "Trials of the shop that you are in, and which side of each you see",
		privacy.FactCard:  "What the shop's loyalty programme says of you: your tier, your points and the groups that it sees you in",
	}
	factEnds = map[string]string{
		privacy.FactGrant: "when you delete everything: until then it proves what you allowed", privacy.FactPlace: "when you take back the permission",
		privacy.FactAnswer: "by itself after some days, or when you take back the permission", privacy.FactRhythm: "when you delete what it was worked out from",
		privacy.FactTrial: "when you take back the permission", privacy.FactDoubt: "with the entry that it is about; see /v1/me/doubts to have somebody look at it",
		privacy.FactCard: "some time after you take back the permission, or when you leave the programme",
	}
)

func factText(what string) string { return cmp.Or(factTexts[what], "Something else: "+what) }
func factEnd(what string) string  { return cmp.Or(factEnds[what], "when you delete it") }

const defaultUses = 100

// GetMyUses tells what the shopper's data was used for.
func (a *API) GetMyUses(c *fiber.Ctx, params wire.GetMyUsesParams) error {
	records, err := a.Decisions.Records(c.UserContext(), me(c))
	if err != nil {
		return err
	}
	gaps, err := a.gaps(c, params.From, params.Until)
	if err != nil {
		return err
	}
	out := wire.Uses{KeptDays: a.Decisions.Keep.Hours() / 24, Uses: []wire.Use{}, Gaps: gapsFrom(gaps)}
	for i := range records {
		r := &records[i]
		if !params.From.IsZero() && r.Arrived.Before(params.From) || !params.Until.IsZero() && !r.Arrived.Before(params.Until) {
			continue
		}
		if out.Uses = append(out.Uses, useFrom(r)); len(out.Uses) == cmp.Or(params.Limit, defaultUses) {
			break
		}
	}
	private(c)
	return encode(c, out)
}

func gapsFrom(gaps []decision.Gap) []wire.Gap {
	out := make([]wire.Gap, len(gaps))
	for i, g := range gaps {
		out[i] = wire.Gap{From: g.From, Until: g.Until, Why: g.Why}
	}
	return out
}

func useFrom(r *store.DecisionRecord) wire.Use {
	use := wire.Use{
		ID: r.ID, At: r.Arrived, Purposes: []string{}, Permissions: []string{}, Location: r.Used.Location, History: r.Used.History, Cell: r.Scene.Spelt, Store: r.Scene.Store,
		Model: r.Versions.Model, Distrust: r.Used.Distrust, Suggestions: len(r.Suggestions), Triggers: len(r.Triggers),
	}
	for _, p := range r.Used.Purposes {
		use.Purposes = append(use.Purposes, string(p))
	}
	use.Permissions = append(use.Permissions, r.Used.Permissions...)
	for _, t := range r.Rules {
		if t.Outcome == rule.Matched {
			use.Rules = append(use.Rules, t.Rule)
		}
	}
	for _, arm := range r.Arms {
		if use.Arms == nil {
			use.Arms = map[string]string{}
		}
		use.Arms[arm.Experiment] = arm.Arm
	}
	return use
}

// GetMyWhy tells why something was suggested.
func (a *API) GetMyWhy(c *fiber.Ctx, id string, params wire.GetMyWhyParams) error {
	answer, ok := recommend.AnswerOf(id)
	if !ok {
		return problem(notFound, "no suggestion has the id %s", quote(id))
	}
	snapshot, err := a.Retailers.Of(c.UserContext(), caller(c).Retailer)
	if err != nil {
		return err
	}
	records, err := a.Decisions.Records(c.UserContext(), me(c))
	if err != nil {
		return err
	}
	for i := range records {
		for n := range records[i].Suggestions {
			if s := &records[i].Suggestions[n]; records[i].ID == answer && recommend.SuggestionID(answer, s.Kind, s.Item) == id {
				private(c)
				return encode(c, whyFrom(&records[i], n, id, wordsFor(params.Language, snapshot), snapshot))
			}
		}
	}
	return problem(notFound, "nothing is kept of the suggestion %s: it was made for somebody else, it is older than %s, or the permission that it was made for was withdrawn", quote(id), a.Decisions.Keep)
}

func whyFrom(r *store.DecisionRecord, n int, id string, words words, snapshot *retailer.Snapshot) wire.Why {
	s := &r.Suggestions[n]
	out := wire.Why{
		Suggestion: id, Kind: string(s.Kind), Item: s.Item, Title: titleOf(snapshot, s, words), Position: n + 1, Score: s.Score, Probability: s.Propensity, OneSided: s.OneSided,
		Candidates: r.Candidates, Reasons: make([]wire.Reason, len(s.Reasons)), Use: useFrom(r), Rules: []wire.WhyRule{},
		Versions: wire.WhyVersions{Model: r.Versions.Model, Crowd: r.Versions.Crowd, Rules: r.Versions.Rules, Catalogue: r.Versions.Catalogue, Geofences: r.Versions.Geofences, Stores: r.Versions.Stores},
	}
	for i := range s.Reasons {
		out.Reasons[i] = words.reason(&s.Reasons[i])
	}
	for _, t := range r.Rules {
		out.Rules = append(out.Rules, wire.WhyRule{Rule: t.Rule, Outcome: string(t.Outcome), Here: slices.Contains(s.Rules, t.Rule), Text: ruleText(t), Part: t.Part, Hold: string(t.Hold)})
	}
	return out
}

// titleOf is what a suggested thing is called now.
func titleOf(snapshot *retailer.Snapshot, s *store.Suggested, words words) string {
	if s.Kind == recommend.KindStore {
		if known, ok := snapshot.Scene.Stores.ByID(s.Item); ok {
			return known.Name
		}
		return ""
	}
	if s.Kind == recommend.KindOffer {
		if o := snapshot.Offers.Of(s.Item); o != nil {
			return words.pick(o.Title)
		}
		return ""
	}
	if number, ok := snapshot.Names.Items.Lookup(s.Item); ok {
		if p := snapshot.Suggest.Catalogue.Product(number); p != nil {
			return p.Title
		}
	}
	return ""
}

// ruleText says in plain words what a rule came to.
func ruleText(t store.RuleTrace) string {
	switch t.Outcome {
	case rule.Matched:
		return "It acted on this answer"
	case rule.NotNow:
		return "It was not its time"
	case rule.NotTrue:
		return "It is for other occasions: it asks for " + askedFor(t.Part)
	case rule.NotKnown:
		return "It asks for something that is not known: " + askedFor(t.Part)
	case rule.Faulted:
		return "Its condition could not be worked out, so it did nothing"
	case rule.HeldBack:
		return "It was held back: " + strings.ReplaceAll(string(t.Hold), "_", " ")
	case rule.NoCandidate:
		if t.Part != "" {
			return "Nothing that could be suggested was what it is for: it asks for " + askedFor(t.Part)
		}
	}
	return "It found nothing to act on"
}

// askedFor says what a part of a condition asks for, in the words of the attributes' descriptions: "tier of the loyalty card".
func askedFor(part string) string {
	var words []string
	for _, a := range rule.Asks(part) {
		doc, _, _ := strings.Cut(a.Doc, ";")
		doc, _, _ = strings.Cut(doc, ":")
		doc, _, _ = strings.Cut(strings.TrimSuffix(strings.TrimSpace(doc), "."), ". ")
		words = append(words, strings.ToLower(doc[:1])+doc[1:])
	}
	if len(words) == 0 {
		return "something else" // the record is of an attribute that is no more
	}
	return strings.Join(words, ", ")
}

// GetMyExport gives the shopper all that is known of them as a file.
func (a *API) GetMyExport(c *fiber.Ctx, params wire.GetMyExportParams) error {
	key := me(c)
	snapshot, err := a.Retailers.Of(c.UserContext(), key.Retailer)
	if err != nil {
		return err
	}
	out := wire.MyExport{Shopper: key.Shopper, ExportedAt: a.Now(), Events: []wire.Event{}, Others: []wire.DiaryEntry{}, Uses: []wire.Use{}}
	err = a.Shoppers.EachEntry(c.UserContext(), key, func(e store.DiaryEntry) bool {
		told := diaryEntryFrom(e, snapshot.Settings.Exponent())
		if e.Event == nil {
			out.Others = append(out.Others, told)
			return true
		}
		out.Events = append(out.Events, wire.Event{
			ID: told.ID, Kind: wire.EventKind(told.Kind), At: told.At, Item: told.Item, Basket: told.Basket, Quantity: told.Quantity, Price: told.Price,
			Store: told.Store, Place: told.Place, Code: told.Code, Properties: e.Event.Properties, Shopper: key.Shopper,
			Purpose: told.Purpose,
		})
		return true
	})
	if err != nil {
		return err
	}
	private(c)
	c.Set(fiber.HeaderContentDisposition, fmt.Sprintf("attachment; filename=\"my-data.%s\"", cmp.Or(string(params.Format), "json")))
	if params.Format == wire.GetMyExportParamsFormatCsv {
		return encodeEvents(c, out.Events)
	}
	grants, err := a.Permissions.Grants(c.UserContext(), key)
	if err != nil {
		return err
	}
	file, err := a.Files.Of(c.UserContext(), key)
	if err != nil {
		return err
	}
	records, err := a.Decisions.Records(c.UserContext(), key)
	if err != nil {
		return err
	}
	for i := range records {
		out.Uses = append(out.Uses, useFrom(&records[i]))
	}
	out.Grants, out.Facts = permissionsFrom(grants, snapshot).Grants, factsFrom(file.Facts)
	out.Card = cardFrom(file.Card)
	return encode(c, out)
}

// eventColumns are those that satnav import events reads.
var eventColumns = []string{"shopper", "id", "kind", "item", "at", "basket", "quantity", "price", "store", "place", "properties"}

// encodeEvents writes events as CSV.
func encodeEvents(c *fiber.Ctx, events []wire.Event) error {
	var file strings.Builder
	w := csv.NewWriter(&file)
	rows := [][]string{eventColumns}
	for i := range events {
		e := &events[i]
		quantity := ""
		if e.Quantity != nil {
			quantity = strconv.FormatFloat(*e.Quantity, 'f', -1, 64)
		}
		rows = append(rows, []string{e.Shopper, e.ID, string(e.Kind), e.Item, e.At.Format(time.RFC3339Nano), e.Basket, quantity, e.Price, e.Store, e.Place, string(e.Properties)})
	}
	if err := w.WriteAll(rows); err != nil {
		return fmt.Errorf("encode events: %w", err)
	}
	c.Response().Header.SetContentType("text/csv; charset=utf-8")
	c.Response().SetBodyString(file.String())
	return nil
}

// DeleteMyDiaryEntry deletes what stands in the diary under an id.
func (a *API) DeleteMyDiaryEntry(c *fiber.Ctx, id string, _ wire.DeleteMyDiaryEntryParams) error {
	removed, proof, err := a.removeEntry(c, id)
	switch {
	case err != nil:
		return err
	case removed == 0 && proof:
		return problem(conflict, "what you allowed and took back is kept as its proof; it goes when all that is known of you is deleted")
	case removed == 0:
		return problem(notFound, "no entry of your diary has the id %s", quote(id))
	}
	private(c)
	return c.SendStatus(fiber.StatusNoContent)
}

// removeEntry deletes what stands in the diary under an id. proof: it is a decision, which stays.
func (a *API) removeEntry(c *fiber.Ctx, id string) (removed int, proof bool, err error) {
	removed, err = a.Diary.Remove(c.UserContext(), me(c), func(e store.DiaryEntry) bool {
		if diaryEntryFrom(e, 0).ID != id {
			return false
		}
		proof = proof || e.Grant != nil
		return e.Grant == nil
	})
	return removed, proof, err
}
