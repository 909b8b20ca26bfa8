package api

import (
	"github.com/gofiber/fiber/v2"

	"satnav/sdk-contract/wire"
)

// GetModels tells what was learnt and how good it is.
func (a *API) GetModels(c *fiber.Ctx) error {
	lesson, err := a.Retailers.Lesson(c.UserContext(), caller(c).Retailer)
	if err != nil {
		return err
	}
	model := lesson.Model
	out := wire.Models{Learning: lesson.Learning, Current: wire.Model{
		Version: model.Version, LearnedAt: model.Learned,
		Shoppers: int64(model.Shoppers), Baskets: model.Baskets, Lines: model.Lines, Visits: model.Visits,
		Discovery: model.Discovery, Variety: model.Variety, Figures: make([]wire.ModelFigures, len(model.Figures)),
	}}
	for i, f := range model.Figures {
		out.Current.Figures[i] = wire.ModelFigures{
			Method: f.Method, Shoppers: int64(f.Shoppers),
			Recall10: f.Recall10, Recall20: f.Recall20, Ndcg10: f.NDCG10, Ndcg20: f.NDCG20,
			Hit10: f.Hit10, Repeat10: f.Repeat10, New10: f.New10, Variety10: f.Variety10,
		}
	}
	sided := a.Visits.OneSided(caller(c).Retailer)
	out.OneSided = wire.OneSided{Suggestions: sided.Suggestions, By: sided.By}
	return encode(c, out)
}
