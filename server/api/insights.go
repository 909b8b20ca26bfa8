package api

import (
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"satnav/geo"
	"satnav/sdk-contract/wire"
	"satnav/server/insight"
	"satnav/server/store"
)

// ListInsights tells which tables there are.
func (a *API) ListInsights(c *fiber.Ctx) error {
	id := caller(c).Retailer
	made, err := a.Insights.Made(c.UserContext(), id)
	if err != nil {
		return err
	}
	budgets, err := a.Insights.Budgets(c.UserContext(), id)
	if err != nil {
		return err
	}
	snapshot, err := a.Retailers.Of(c.UserContext(), id)
	if err != nil {
		return err
	}
	out := wire.InsightList{Tables: make([]wire.InsightTable, len(made))}
	for i, m := range made {
		out.Tables[i] = wire.InsightTable{
			Measure: wire.InsightMeasure(m.Measure), Window: m.Window, MadeAt: m.Made, Groups: m.Groups, Epsilon: m.Epsilon, Withheld: m.Withheld,
		}
	}
	for _, b := range budgets {
		told := wire.InsightBudget{Month: b.Period, Spent: b.Spent, Tables: b.Tables}
		if noise := snapshot.Settings.Insights; noise != nil {
			told.Limit = noise.Budget
		}
		out.Budgets = append(out.Budgets, told)
	}
	return encode(c, out)
}

// GetInsight tells what was counted in one week.
func (a *API) GetInsight(c *fiber.Ctx, measure wire.InsightMeasure, params wire.GetInsightParams) error {
	m := insight.MeasureOf(string(measure))
	if m == nil {
		return problem(notFound, "there is no measure %s", quote(string(measure)))
	}
	if _, ok := insight.ParseWindow(params.Window); params.Window != "" && !ok {
		return parameterProblem(invalidRequest, "window", codeBadFormat, "got %s, want an ISO week such as 2026-W47", quote(params.Window))
	}
	mine, err := a.ownGroups(c, m)
	if err != nil {
		return err
	}
	table, err := a.Insights.Table(c.UserContext(), caller(c).Retailer, m.Name, strings.Clone(params.Window))
	if errors.Is(err, insight.ErrNotYet) {
		return problem(notFound, "nothing is told of %s: a week is counted a day after its end, and only if at least %d shoppers did something who allow it; GET /v1/insights lists what there is", m.Name, insight.Least)
	}
	if err != nil {
		return err
	}
	out := wire.Insight{
		Measure: measure, Window: table.Window, From: table.From, Until: table.To, MadeAt: table.Made, Least: insight.Least, Withheld: table.Withheld,
		Groups: []wire.InsightGroup{},
	}
	out.Measure = wire.InsightMeasure(m.Name)
	if table.Epsilon > 0 {
		out.Noise = &wire.InsightNoise{Epsilon: table.Epsilon, Delta: table.Delta}
	}
	lift := lifts(m, table.Groups)
	for i := range table.Groups {
		if g := &table.Groups[i]; mine(g) {
			out.Groups = append(out.Groups, insightGroupFrom(m, g, lift(g)))
		}
	}
	return encode(c, out)
}

// ownGroups are the groups of a measure that the caller may see: whoever is responsible for some stores sees what is of these alone.
func (a *API) ownGroups(c *fiber.Ctx, m *insight.Measure) (func(*store.InsightGroup) bool, error) {
	claims := caller(c)
	if claims.WholeRetailer() {
		return func(*store.InsightGroup) bool { return true }, nil
	}
	own := func(name string) bool {
		id, is := strings.CutPrefix(name, insight.StoreName)
		return is && slices.Contains(claims.Stores, id)
	}
	switch m.Name {
	case insight.Demand:
		return func(g *store.InsightGroup) bool { return slices.Contains(claims.Stores, g.Keys[0]) }, nil
	case insight.Flows:
		return func(g *store.InsightGroup) bool { return own(g.Keys[0]) && (g.Keys[1] == "" || own(g.Keys[1])) }, nil
	case insight.Visits:
		snapshot, err := a.Retailers.Of(c.UserContext(), claims.Retailer)
		if err != nil {
			return nil, err
		}
		return func(g *store.InsightGroup) bool {
			cell, err := geo.ParseCell(g.Keys[0])
			return err == nil && !g.Rest && slices.ContainsFunc(claims.Stores, func(id string) bool {
				s, ok := snapshot.Scene.Stores.ByID(id)
				return ok && geo.CellAt(s.Point, cell.Resolution()) == cell
			})
		}, nil
	}
	return nil, problem(forbidden, "%s is of the whole retailer: a manager of some stores sees visits, flows and demand of these", m.Name)
}

// lifts tells how much more often than by chance two products are in one basket. It is worked out from the numbers that are told, so it tells no more
// than they do.
func lifts(m *insight.Measure, groups []store.InsightGroup) func(*store.InsightGroup) float64 {
	if m.Name != insight.Affinity {
		return func(*store.InsightGroup) float64 { return 0 }
	}
	all, of := 0.0, map[string]float64{}
	for i := range groups {
		if g := &groups[i]; !g.Rest {
			all += float64(g.Count)
			of[g.Keys[0]] += float64(g.Count)
			of[g.Keys[1]] += float64(g.Count)
		}
	}
	return func(g *store.InsightGroup) float64 {
		a, b := of[g.Keys[0]], of[g.Keys[1]]
		if g.Rest || a == 0 || b == 0 {
			return 0
		}
		return math.Round(200*float64(g.Count)*all/(a*b)) / 100 // each pair counts at both of its products, so all of them are 2·all
	}
}

func insightGroupFrom(m *insight.Measure, g *store.InsightGroup, lift float64) wire.InsightGroup {
	told := wire.InsightGroup{Rest: g.Rest, Shoppers: g.Shoppers, Lift: lift}
	if len(m.Steps) == 0 {
		told.Count = g.Count
	}
	for i, field := range m.Parts {
		*map[string]*string{
			insight.PartCell: &told.Cell, insight.PartHour: &told.Hour, insight.PartFrom: &told.From, insight.PartTo: &told.To,
			insight.PartCategory: &told.Category, insight.PartWithCategory: &told.WithCategory, insight.PartItem: &told.Item, insight.PartWithItem: &told.WithItem,
			insight.PartStore: &told.Store, insight.PartDaypart: &told.Daypart, insight.PartCohort: &told.Cohort,
		}[field] = g.Keys[i]
	}
	for i, n := range g.Steps {
		*[]*int64{&told.Viewed, &told.Added, &told.Purchased}[i] = n
	}
	return told
}
