package retailer

import (
	"context"
	"fmt"
	"slices"

	"satnav/context/who"
	"satnav/recommend/rule"
	"satnav/recommend/rule/conflict"
)

// Conflict is what is found about a rule.
type Conflict = conflict.Conflict

// Report is all that is found about the rules of a retailer.
type Report = conflict.Report

// maxGoods bounds the catalogue over which conflicts are looked for; of a larger one nothing is concluded, rules conflict then over
// whatever there might be.
const maxGoods = 20_000

// Bounds of looking for conflicts: of all rules, and of those that a plan changes, which somebody waits for.
const (
	conflictSteps = conflict.DefaultSteps
	warningSteps  = conflict.DefaultSteps / 10
	maxWarnings   = 50
)

// Conflicts looks for rules that get in each other's way, among the drafts, the live rules or a version; see RulesNamed.
func (r *Retailers) Conflicts(ctx context.Context, retailer, name string) (*Report, error) {
	snapshot, err := r.Of(ctx, retailer)
	if err != nil {
		return nil, err
	}
	set, err := r.RulesNamed(ctx, retailer, name)
	if err != nil {
		return nil, err
	}
	var rules []rule.Rule
	if set != nil {
		for _, one := range set.Rules() {
			rules = append(rules, *one)
		}
	}
	report, err := conflict.Find(ctx, rules, r.hunting(snapshot, conflictSteps))
	if err != nil {
		return nil, fmt.Errorf("conflicts of the %s: %w", name, err)
	}
	return report, nil
}

// Warnings are the conflicts of those rules that a plan adds or changes.
func (r *Retailers) Warnings(ctx context.Context, retailer string, p *Plan) (*Report, error) {
	snapshot, err := r.Of(ctx, retailer)
	if err != nil {
		return nil, err
	}
	options := r.hunting(snapshot, warningSteps)
	options.Most, options.Only = maxWarnings, map[string]bool{}
	for _, change := range p.Changes {
		if change.What != "removed" {
			options.Only[change.ID] = true
		}
	}
	if len(options.Only) == 0 {
		return &Report{}, nil
	}
	rules := p.rules
	if wrong := rule.Wrong(p.Wrong); len(wrong) > 0 { // nothing can be told of a rule that names what is gone
		rules = slices.DeleteFunc(slices.Clone(rules), func(r rule.Rule) bool { return wrong[r.ID] })
	}
	return conflict.Find(ctx, rules, options)
}

// hunting is what conflicts are looked for in: what this retailer can suggest.
func (r *Retailers) hunting(s *Snapshot, steps int) conflict.Options {
	options := conflict.Options{House: rule.House{FloorMargin: s.Settings.FloorMargin, Offers: s.Offers, Declared: func(who.Purpose) bool { return true }},
		Now: r.now(), MinorPerUnit: s.Suggest.MinorPerUnit, Steps: steps}
	for p := range s.Suggest.Catalogue.All {
		if p.Withdrawn || p.Sensitive {
			continue
		}
		c := rule.Candidate{Kind: "product", Item: p.ID, Category: p.Category, Brand: p.Brand, Tags: p.Tags, Price: p.Price, ListPrice: p.ListPrice, Cost: p.Cost}
		if p.Stock != nil {
			c.Stock = rule.Known(int64(*p.Stock))
		}
		if options.Goods = append(options.Goods, c); len(options.Goods) > maxGoods {
			options.Goods = nil
			return options
		}
	}
	if len(options.Goods) > 0 {
		for _, store := range s.Scene.Stores.All() {
			options.Goods = append(options.Goods, rule.Candidate{Kind: "store", Item: store.ID})
		}
		options.Goods = append(options.Goods, rule.Candidate{Kind: "offer"})
	}
	return options
}
