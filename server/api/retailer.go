package api

import (
	"encoding/json"
	"slices"

	"github.com/gofiber/fiber/v2"

	"satnav/context/who"
	"satnav/recommend/rule"
	"satnav/sdk-contract/wire"
	"satnav/server/retailer"
	"satnav/server/store"
)

// GetRetailer reads the retailer's settings.
func (a *API) GetRetailer(c *fiber.Ctx, params wire.GetRetailerParams) error {
	id := caller(c).Retailer
	if _, err := a.Retailers.Of(c.UserContext(), id); err != nil { // makes a retailer who is new
		return err
	}
	entry, err := a.Retailers.Settings(c.UserContext(), id)
	if err != nil {
		return err
	}
	if unchanged(c, params.IfNoneMatch, entry.Version) {
		return nil
	}
	told, err := retailerFrom(entry)
	if err != nil {
		return err
	}
	return encode(c, told)
}

func retailerFrom(e store.Entry) (wire.StoredRetailer, error) {
	var kept retailer.Settings
	if err := json.Unmarshal(e.Body, &kept); err != nil {
		return wire.StoredRetailer{}, err
	}
	kept = kept.Complete()
	told := wire.StoredRetailer{
		Retailer: e.Retailer, Name: kept.Name, Zone: kept.Zone, Currency: kept.Currency, Languages: kept.Languages, Region: kept.Region,
		Jurisdiction: wire.Jurisdiction(kept.Jurisdiction), DefaultGrants: []string{}, Version: e.Version, UpdatedAt: e.At,
	}
	if told.Name == "" {
		told.Name = e.Retailer
	}
	told.FloorMargin, told.InterruptionsDay = kept.FloorMargin, kept.Interruptions()
	told.Purposes, told.Sources = purposeSettingsFrom(kept.Purposes), kept.Sources
	share := kept.HoldoutShare()
	told.Holdout = &share
	if kept.Insights != nil {
		told.Insights = &wire.InsightSetting{Epsilon: kept.Insights.Epsilon, Budget: kept.Insights.Budget}
	}
	for _, class := range kept.Approve {
		told.Approve = append(told.Approve, wire.RuleClass(class))
	}
	for _, purpose := range kept.DefaultGrants {
		told.DefaultGrants = append(told.DefaultGrants, string(purpose))
	}
	return told, nil
}

// PutRetailer replaces the retailer's settings.
func (a *API) PutRetailer(c *fiber.Ctx, params wire.PutRetailerParams) error {
	if err := wholeRetailer(c); err != nil {
		return err
	}
	expect, err := a.expected(c, store.RetailerEntry, retailer.SettingsID, params.IfMatch, "")
	if err != nil {
		return err
	}
	var in wire.Retailer
	if err := a.decode(c, &in); err != nil {
		return err
	}
	id := caller(c).Retailer
	if err := sameID(in.Retailer, id, "/retailer"); err != nil {
		return err
	}
	settings := retailer.Settings{Name: in.Name, Zone: in.Zone, Currency: in.Currency, Languages: in.Languages, Region: in.Region, Jurisdiction: string(in.Jurisdiction)}
	settings.FloorMargin, settings.InterruptionsDay = in.FloorMargin, in.InterruptionsDay
	settings.Holdout = in.Holdout
	if in.Insights != nil {
		settings.Insights = &retailer.InsightNoise{Epsilon: in.Insights.Epsilon, Budget: in.Insights.Budget}
	}
	if in.Approve != nil {
		settings.Approve = []rule.Class{}
		for _, class := range in.Approve {
			settings.Approve = append(settings.Approve, rule.Class(class))
		}
	}
	if in.DefaultGrants != nil {
		settings.DefaultGrants = []who.Purpose{}
		for _, purpose := range in.DefaultGrants {
			settings.DefaultGrants = append(settings.DefaultGrants, who.Purpose(purpose))
		}
	}
	settings.Purposes, settings.Sources = purposeSettings(in.Purposes), in.Sources
	if settings.DefaultGrants == nil { // what is left out never grants more than before
		snapshot, err := a.Retailers.Of(c.UserContext(), id)
		if err != nil {
			return err
		}
		settings.DefaultGrants = slices.DeleteFunc(slices.Clone(snapshot.Settings.DefaultGrants), func(purpose who.Purpose) bool {
			return !slices.Contains(retailer.DefaultGrantsFor(settings.Jurisdiction), purpose)
		})
	}
	saved, err := a.Retailers.SaveSettings(c.UserContext(), id, editor(c), retailer.Change[retailer.Settings]{Value: settings, Expect: expect})
	if err != nil {
		return err
	}
	if saved.Err != nil {
		return editProblem(saved.Err, "", expect != nil)
	}
	entry := saved.Entry()
	entry.Retailer = id
	told, err := retailerFrom(entry)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderETag, etag(saved.Version))
	return encode(c, told)
}
