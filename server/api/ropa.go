package api

import (
	"github.com/gofiber/fiber/v2"

	"satnav/sdk-contract/wire"
	"satnav/server/privacy"
)

// GetRopa tells what is processed, for what, and how it is protected.
func (a *API) GetRopa(c *fiber.Ctx, params wire.GetRopaParams) error {
	snapshot, err := a.Retailers.Of(c.UserContext(), caller(c).Retailer)
	if err != nil {
		return err
	}
	r := privacy.RopaOf(snapshot, a.Streams, a.Now())
	if params.Format == wire.GetRopaParamsFormatMarkdown {
		c.Response().Header.SetContentType("text/markdown; charset=utf-8")
		c.Response().SetBodyString(r.Markdown())
		return nil
	}
	out := wire.Ropa{
		Retailer: r.Retailer, Name: r.Name, Jurisdiction: wire.Jurisdiction(r.Jurisdiction), Region: r.Region, MadeAt: r.Made, Subjects: r.Subjects, Sources: r.Sources,
		Recipients: []wire.RopaRecipient{}, Measures: make([]wire.RopaMeasure, len(r.Measures)),
	}
	for i := range r.Activities {
		d := &r.Activities[i]
		out.Activities = append(out.Activities, wire.RopaActivity{
			Purpose: string(d.Purpose), Title: d.Title, Use: d.Use, Basis: string(d.Basis), Categories: texts(d.Categories), Kinds: texts(d.Kinds), Recipients: texts(d.Recipients),
			Resolution: resolutionFrom(d.Resolution), Retention: retentionFrom(d.Keep), Goes: d.Goes, DefaultGranted: d.Default, Own: d.Own,
		})
	}
	for _, told := range r.Recipients {
		out.Recipients = append(out.Recipients, wire.RopaRecipient{Kind: told.Kind, Name: told.Name, Gets: told.Gets})
	}
	for i, m := range r.Measures {
		out.Measures[i] = wire.RopaMeasure{Promise: m.Promise}
		for _, t := range m.Tests {
			out.Measures[i].Tests = append(out.Measures[i].Tests, t.String())
		}
	}
	return encode(c, out)
}
