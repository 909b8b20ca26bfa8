package api

import (
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"satnav/context/who"
	"satnav/sdk-contract/wire"
	"satnav/server/retailer"
)

// GetPurposes tells for what data may be collected.
func (a *API) GetPurposes(c *fiber.Ctx, params wire.GetPurposesParams) error {
	snapshot, err := a.Retailers.Of(c.UserContext(), caller(c).Retailer)
	if err != nil {
		return err
	}
	out := wire.Purposes{Purposes: []wire.Purpose{}}
	for _, d := range snapshot.Purposes.All() {
		n := d.Notice(append([]string{params.Language}, snapshot.Settings.Languages...)...)
		told := wire.Purpose{
			Purpose: string(d.Purpose), Use: d.Use, Title: n.Title, Notice: n.Text, Language: n.Language, NoticeVersion: d.Version, NoticeHash: n.Hash(),
			Basis: string(d.Basis), Categories: texts(d.Categories), Kinds: texts(d.Kinds), Resolution: resolutionFrom(d.Resolution),
			Retention:  retentionFrom(d.Keep),
			Recipients: texts(d.Recipients), Region: snapshot.Settings.Region, Own: d.Own,
			DefaultGranted: slices.Contains(snapshot.Settings.DefaultGrants, d.Purpose),
		}
		out.Purposes = append(out.Purposes, told)
	}
	return encode(c, out)
}

// texts are words as text, never null.
func texts[T ~string](words []T) []string {
	out := make([]string, len(words))
	for i, word := range words {
		out[i] = string(word)
	}
	return out
}

func retentionFrom(k who.Keep) wire.Retention {
	return wire.Retention{KeepDays: int(k.Age / day), WithdrawnDays: int(k.Withdrawn / day), VisitHours: int(k.Visit / time.Hour)}
}

const day = 24 * time.Hour

func resolutionFrom(r who.Resolution) wire.Resolution {
	return wire.Resolution{Suggest: r.Suggest, Stored: r.Stored, Analytics: r.Analytics}
}

func purposeSettings(in []wire.PurposeSetting) []retailer.Purpose {
	var out []retailer.Purpose
	for _, p := range in {
		said := retailer.Purpose{
			Purpose: who.Purpose(p.Purpose), Use: p.Use, Version: p.NoticeVersion, Basis: who.Basis(p.Basis), Categories: p.Categories, Recipients: p.Recipients,
			KeepDays: p.KeepDays, WithdrawnDays: p.WithdrawnDays,
			Resolution: who.Resolution{Suggest: p.Resolution.Suggest, Stored: p.Resolution.Stored, Analytics: p.Resolution.Analytics},
		}
		for _, n := range p.Notices {
			said.Notices = append(said.Notices, who.Notice{Language: n.Language, Title: n.Title, Text: n.Text})
		}
		for _, kind := range p.Kinds {
			said.Kinds = append(said.Kinds, who.EventKind(kind))
		}
		out = append(out, said)
	}
	return out
}

func purposeSettingsFrom(kept []retailer.Purpose) []wire.PurposeSetting {
	var out []wire.PurposeSetting
	for _, p := range kept {
		told := wire.PurposeSetting{
			Purpose: string(p.Purpose), Use: p.Use, NoticeVersion: p.Version, Basis: string(p.Basis), Categories: p.Categories, Recipients: p.Recipients,
			KeepDays: p.KeepDays, WithdrawnDays: p.WithdrawnDays,
			Resolution: resolutionFrom(p.Resolution),
		}
		for _, n := range p.Notices {
			told.Notices = append(told.Notices, wire.Notice{Language: n.Language, Title: n.Title, Text: n.Text})
		}
		for _, kind := range p.Kinds {
			told.Kinds = append(told.Kinds, wire.EventKind(kind))
		}
		out = append(out, told)
	}
	return out
}
