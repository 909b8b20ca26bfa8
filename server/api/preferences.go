package api

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"satnav/context/who"
	"satnav/sdk-contract/wire"
	"satnav/server/diary"
	"satnav/server/money"
)

// GetMyPreferences tells what the shopper said about the use of their data.
func (a *API) GetMyPreferences(c *fiber.Ctx) error {
	wishes, restricted, err := a.Permissions.Preferences(c.UserContext(), me(c))
	if err != nil {
		return err
	}
	return encodePrivate(c, preferencesFrom(wishes, restricted))
}

func preferencesFrom(p *who.Preferences, restricted bool) wire.Preferences {
	return wire.Preferences{
		Personal: !p.Neutral, Messages: !p.Quiet, Paused: !p.Paused.IsZero(), PausedSince: p.Paused, Restricted: restricted,
		MutedCategories: texts(p.Muted), NotForMe: texts(p.NotForMe), Less: texts(p.Less),
	}
}

// pausesOf are the times in which nothing was kept; one that lasts has no end.
func pausesOf(p *who.Preferences) []who.Pause {
	if p.Paused.IsZero() {
		return p.Pauses
	}
	return append(slices.Clone(p.Pauses), who.Pause{From: p.Paused})
}

// PutMyPreferences keeps what the shopper says about the use of their data.
func (a *API) PutMyPreferences(c *fiber.Ctx, _ wire.PutMyPreferencesParams) error {
	var in wire.PreferencesRequest
	if err := a.decode(c, &in); err != nil {
		return err
	}
	if faults := (&who.Preferences{Muted: in.MutedCategories, NotForMe: in.NotForMe, Less: in.Less}).Check(); len(faults) > 0 {
		told := make(Faults, len(faults))
		for i, f := range faults {
			told[i] = wire.ProblemError{Pointer: "/" + f.Field, Code: codeBadFormat, Detail: f.Problem}
		}
		return refused(told)
	}
	if err := a.prefer(c, &in); err != nil {
		return err
	}
	return a.GetMyPreferences(c)
}

// prefer keeps what is named.
func (a *API) prefer(c *fiber.Ctx, in *wire.PreferencesRequest) error {
	ctx, now := c.UserContext(), a.Now()
	_, err := a.Permissions.Prefer(ctx, me(c), now, func(p who.Preferences) who.Preferences {
		if in.Personal != nil {
			p.Neutral = !*in.Personal
		}
		if in.Messages != nil {
			p.Quiet = !*in.Messages
		}
		if in.Paused != nil {
			p = p.Pause(*in.Paused, now.UTC())
		}
		for _, list := range []struct {
			said []string
			kept *[]string
		}{{in.MutedCategories, &p.Muted}, {in.NotForMe, &p.NotForMe}, {in.Less, &p.Less}} {
			if list.said != nil {
				*list.kept = list.said
			}
		}
		return p
	})
	if err != nil || in.Restricted == nil {
		return err
	}
	return a.Permissions.RestrictFor(ctx, me(c), *in.Restricted, now)
}

// PutMyDiaryEntry puts an event of the diary right.
func (a *API) PutMyDiaryEntry(c *fiber.Ctx, id string, _ wire.PutMyDiaryEntryParams) error {
	var in wire.Correction
	if err := a.decode(c, &in); err != nil {
		return err
	}
	snapshot, err := a.Retailers.Of(c.UserContext(), caller(c).Retailer)
	if err != nil {
		return err
	}
	price, err := money.Parse(in.Price, snapshot.Settings.Exponent())
	if err != nil {
		return refused(Faults{{Pointer: "/price", Code: codeBadFormat, Detail: err.Error()}})
	}
	if in.Quantity != nil && *in.Quantity == 0 { // it would be taken for absent, which is 1
		return refused(Faults{{Pointer: "/quantity", Code: codeOutOfRange, Detail: "got 0, want another number; what was not bought at all is deleted"}})
	}
	err = a.correct(c, id, func(e *who.Event) {
		if in.Item != "" {
			e.Item = in.Item
		}
		if !in.At.IsZero() {
			e.At = in.At
		}
		if in.Quantity != nil {
			e.Quantity = *in.Quantity
		}
		if price.Known {
			e.Price = price
		}
		if in.Store != "" {
			e.Store = in.Store
		}
	})
	if err != nil {
		return err
	}
	private(c)
	return c.SendStatus(fiber.StatusNoContent)
}

func (a *API) correct(c *fiber.Ctx, id string, correct func(*who.Event)) error {
	if err := a.Diary.Correct(c.UserContext(), me(c), a.Now(), id, correct); err != nil {
		return err
	}
	return a.Permissions.Exercised(c.UserContext(), me(c), "correction")
}

// preferOnPage does what a form of the page says of a wish.
func (a *API) preferOnPage(c *fiber.Ctx, form url.Values) error {
	on := form.Get("on") == "yes"
	off := !on
	category := form.Get("category")
	switch what := form.Get("what"); what {
	case "personal":
		return a.prefer(c, &wire.PreferencesRequest{Personal: &on})
	case "messages":
		return a.prefer(c, &wire.PreferencesRequest{Messages: &on})
	case "running":
		return a.prefer(c, &wire.PreferencesRequest{Paused: &off})
	case "unrestricted":
		return a.prefer(c, &wire.PreferencesRequest{Restricted: &off})
	case "mute", "unmute":
		wishes, _, err := a.Permissions.Preferences(c.UserContext(), me(c))
		if err != nil {
			return err
		}
		muted := slices.DeleteFunc(texts(wishes.Muted), func(m string) bool { return m == category })
		if what == "mute" {
			muted = append(muted, category)
		}
		if faults := (&who.Preferences{Muted: muted}).Check(); len(faults) > 0 {
			return problem(invalidRequest, "the category %s: %s", quote(category), faults[0].Problem)
		}
		return a.prefer(c, &wire.PreferencesRequest{MutedCategories: muted})
	default:
		return problem(invalidRequest, "got %s, want personal, messages, running, unrestricted, mute or unmute", quote(what))
	}
}

// correctOnPage puts an event right as a form of the page says.
func (a *API) correctOnPage(c *fiber.Ctx, form url.Values) error {
	quantity, err := strconv.ParseFloat(strings.ReplaceAll(form.Get("quantity"), ",", "."), 64)
	if form.Has("quantity") && (err != nil || quantity == 0) {
		return &diary.Problem{Field: "quantity", Text: "it is no number of things"}
	}
	return a.correct(c, form.Get("id"), func(e *who.Event) {
		if form.Has("item") {
			e.Item = form.Get("item")
		}
		if form.Has("quantity") {
			e.Quantity = quantity
		}
	})
}

// wish is one switch of the page.
type wish struct {
	Secret, What, Title, Yes, No, Stop, Start string
	On                                        bool
}

func wishOf(p sheet, what string, on bool, title, yes, no, stop, start string) wish {
	return wish{p.Secret, what, title, yes, no, stop, start, on}
}

func numberText(n *float64) string { return strconv.FormatFloat(*n, 'f', -1, 64) }
