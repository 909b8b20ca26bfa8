package api

import (
	"cmp"
	"errors"
	"strings"

	"github.com/gofiber/fiber/v2"

	"satnav/context/who"
	"satnav/geo"
	"satnav/sdk-contract/wire"
	"satnav/server/privacy"
	"satnav/server/store"
)

// maxAppeal bounds the text of an appeal, in characters.
const maxAppeal = 2_000

// GetMyDoubts tells what is doubted of the shopper.
func (a *API) GetMyDoubts(c *fiber.Ctx) error {
	doubts, err := a.Appeals.Of(c.UserContext(), me(c))
	if err != nil {
		return err
	}
	private(c)
	return encode(c, doubtsFrom(&doubts))
}

// PutMyAppeal has somebody look at what is doubted.
func (a *API) PutMyAppeal(c *fiber.Ctx, _ wire.PutMyAppealParams) error {
	var in wire.AppealRequest
	if err := a.decode(c, &in); err != nil {
		return err
	}
	err := a.Appeals.Ask(c.UserContext(), me(c), strings.Clone(in.Text))
	if errors.Is(err, who.ErrUnknown) {
		return problem(notFound, "nothing is kept of you, and nothing is doubted")
	}
	if err != nil {
		return err
	}
	return a.GetMyDoubts(c)
}

// ListAppeals lists the appeals that wait.
func (a *API) ListAppeals(c *fiber.Ctx) error {
	waiting, err := a.Appeals.Open(c.UserContext(), caller(c).Retailer, maxAppeals)
	if err != nil {
		return err
	}
	out := wire.Appeals{Appeals: make([]wire.WaitingAppeal, len(waiting))}
	for i := range waiting {
		told := doubtsFrom(&waiting[i].Doubts)
		out.Appeals[i] = wire.WaitingAppeal{ID: waiting[i].ID, At: waiting[i].At, Text: waiting[i].Text, Score: told.Score, Doubts: told.Doubts}
	}
	return encodePrivate(c, out)
}

// maxAppeals bounds a list of appeals.
const maxAppeals = 100

// DecideAppeal answers an appeal.
func (a *API) DecideAppeal(c *fiber.Ctx, id wire.ID, _ wire.DecideAppealParams) error {
	var in wire.AppealDecision
	if err := a.decode(c, &in); err != nil {
		return err
	}
	err := a.Appeals.Decide(c.UserContext(), caller(c).Retailer, strings.Clone(id), actor(c), in.Accept, strings.Clone(in.Answer))
	if errors.Is(err, store.ErrNotFound) {
		return problem(notFound, "no appeal %s waits: GET /v1/admin/appeals lists those that do", quote(id))
	}
	if err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

// doubtTexts say in plain words what is doubted.
var doubtTexts = map[string]string{
	string(who.Farmed):           "More happened in a minute than anybody does by hand",
	string(who.Replayed):         "The very same was told again and again",
	string(who.Redeeming):        "Offers were used faster than anybody shops",
	string(who.Travelled):        "Something happened in two shops, faster than anybody travels",
	string(geo.DistrustMocked):   "The phone said that its position was made up",
	string(geo.DistrustAccuracy): "A position claimed to be more exact than phones are",
	string(geo.DistrustJump):     "A position was farther away than anybody moves",
	"future":                     "A position was of a time that has not come yet",
	"past":                       "A position was of a time before phones told theirs",
}

func doubtsFrom(d *privacy.Doubts) wire.Doubts {
	out := wire.Doubts{Score: d.Score, Doubts: make([]wire.Doubt, len(d.All))}
	for i, one := range d.All {
		out.Doubts[i] = wire.Doubt{
			Kind: one.Kind, Text: cmp.Or(doubtTexts[one.Kind], "Something else: "+one.Kind), Count: one.Count, Newest: one.Newest,
			About: map[bool]string{true: "position", false: "event"}[one.Position],
		}
	}
	if said := d.Appeal; said != nil {
		out.Appeal = &wire.Appeal{At: said.At, Text: said.Text, State: string(said.State), Answer: said.Answer, DecidedAt: said.Decided}
	}
	return out
}
