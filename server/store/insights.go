package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// InsightTable is what was counted of many shoppers together in one window: it holds nothing of any one of them.
type InsightTable struct {
	Measure  string    `bson:"measure"`
	Window   string    `bson:"window"`
	From     time.Time `bson:"from"`
	To       time.Time `bson:"to"`
	Made     time.Time `bson:"made"`
	Epsilon  float64   `bson:"epsilon,omitempty"` // of the noise in it; 0: there is none
	Delta    float64   `bson:"delta,omitempty"`
	Withheld string    `bson:"withheld,omitempty"` // why it has no groups although there may be some: "budget"
	// Groups are in the order of their keys; each shopper's acts are counted in one of them only.
	Groups []InsightGroup `bson:"groups,omitempty"`
}

// InsightGroup is what was counted of one group.
type InsightGroup struct {
	Keys     []string `bson:"keys"`           // the parts that name it; empty ones are not told apart
	Rest     bool     `bson:"rest,omitempty"` // it holds what was too little to be told apart
	Shoppers int64    `bson:"shoppers"`
	Count    int64    `bson:"count"`
	Steps    []int64  `bson:"steps,omitempty"` // shoppers who got so far; shorter where the next step would tell of too few
}

// InsightBudget is how much noise budget a retailer used up in one period.
type InsightBudget struct {
	Period string  `bson:"period"`
	Spent  float64 `bson:"spent"` // the sum of the epsilons
	Tables int     `bson:"tables"`
}

// InsightMade says of a table that it is there.
type InsightMade struct {
	Measure  string    `bson:"measure"`
	Window   string    `bson:"window"`
	Made     time.Time `bson:"made"`
	Groups   int       `bson:"groups"`
	Epsilon  float64   `bson:"epsilon,omitempty"`
	Withheld string    `bson:"withheld,omitempty"`
}

// Insights keeps tables of what many shoppers did together. It is safe for concurrent use.
type Insights struct{ documents Documents }

// NewInsights keeps tables in the documents.
func NewInsights(documents Documents) *Insights { return &Insights{documents} }

const (
	insightMade    = "made/"   // then window and measure: what there is, without its numbers
	insightMadeEnd = "made0"   //
	insightTable   = "table/"  // likewise, with them
	insightBudget  = "budget/" // then the period
	insightLast    = "budget0"
)

func insightPartition(retailer string) string {
	return string(appendRetailer(nil, retailer)) + "~insight"
}

func insightName(window, measure string) string { return window + "/" + measure }

// insightTries bounds how often a table is put again because another one was put at the same time.
const insightTries = 20

// Publish keeps a table for good: one that is there already stays as it is, and published is false. Where the table has noise its epsilon is
// taken off the budget of the period in the same commit; where not enough is left the table is kept without its groups, and Withheld.
func (i *Insights) Publish(ctx context.Context, retailer string, table InsightTable, period string, budget float64) (published bool, err error) {
	partition, name := insightPartition(retailer), insightName(table.Window, table.Measure)
	for try := 0; ; try++ {
		revision, err := i.documents.Revision(ctx, partition)
		if err != nil {
			return false, err
		}
		if _, err := i.documents.Get(ctx, partition, insightMade+name); err == nil {
			return false, nil
		} else if !errors.Is(err, ErrNotFound) {
			return false, err
		}
		batch := Batch{Partition: partition, Expect: &revision}
		kept := table
		if table.Epsilon > 0 {
			spent, err := i.budget(ctx, partition, period)
			if err != nil {
				return false, err
			}
			if spent.Spent+table.Epsilon > budget*(1+1e-9) {
				kept.Groups, kept.Epsilon, kept.Delta, kept.Withheld = nil, 0, 0, "budget"
			} else if err := batch.put(insightBudget+period, InsightBudget{period, spent.Spent + table.Epsilon, spent.Tables + 1}); err != nil {
				return false, err
			}
		}
		if err := batch.put(insightTable+name, kept); err != nil {
			return false, err
		}
		if err := batch.put(insightMade+name, InsightMade{kept.Measure, kept.Window, kept.Made, len(kept.Groups), kept.Epsilon, kept.Withheld}); err != nil {
			return false, err
		}
		if _, err = i.documents.Commit(ctx, batch); !errors.Is(err, ErrConflict) || try == insightTries {
			return err == nil, err
		}
	}
}

// put adds a value as a document.
func (b *Batch) put(id string, value any) error {
	body, err := bson.Marshal(value)
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	b.Put = append(b.Put, Document{ID: id, Body: body})
	return nil
}

func (i *Insights) budget(ctx context.Context, partition, period string) (spent InsightBudget, err error) {
	d, err := i.documents.Get(ctx, partition, insightBudget+period)
	if errors.Is(err, ErrNotFound) {
		return InsightBudget{Period: period}, nil
	}
	if err == nil {
		err = bson.Unmarshal(d.Body, &spent)
	}
	return spent, err
}

// Table returns a table as it was published, or ErrNotFound.
func (i *Insights) Table(ctx context.Context, retailer, window, measure string) (table InsightTable, err error) {
	d, err := i.documents.Get(ctx, insightPartition(retailer), insightTable+insightName(window, measure))
	if err != nil {
		return table, err
	}
	err = bson.Unmarshal(d.Body, &table)
	table.From, table.To, table.Made = table.From.UTC(), table.To.UTC(), table.Made.UTC()
	return table, err
}

// Made lists what there is, the newest window first.
func (i *Insights) Made(ctx context.Context, retailer string) (made []InsightMade, err error) {
	err = i.each(ctx, retailer, insightMade, insightMadeEnd, func(d Document) error {
		var one InsightMade
		if err := bson.Unmarshal(d.Body, &one); err != nil {
			return err
		}
		one.Made = one.Made.UTC()
		made = append(made, one)
		return nil
	})
	slices.SortStableFunc(made, func(a, b InsightMade) int { return strings.Compare(b.Window, a.Window) })
	return made, err
}

// Budgets lists what was used up, the newest period first.
func (i *Insights) Budgets(ctx context.Context, retailer string) (budgets []InsightBudget, err error) {
	err = i.each(ctx, retailer, insightBudget, insightLast, func(d Document) error {
		var one InsightBudget
		if err := bson.Unmarshal(d.Body, &one); err != nil {
			return err
		}
		budgets = append(budgets, one)
		return nil
	})
	slices.Reverse(budgets)
	return budgets, err
}

func (i *Insights) each(ctx context.Context, retailer, from, to string, fn func(Document) error) error {
	for from != "" {
		page, err := i.documents.Scan(ctx, insightPartition(retailer), from, to, 0)
		if err != nil {
			return err
		}
		for _, d := range page.Documents {
			if err := fn(d); err != nil {
				return fmt.Errorf("insights of %q: document %q: %w", retailer, d.ID, err)
			}
		}
		from = page.Next
	}
	return nil
}

// Remove removes a table. That it was there is forgotten with it, so only a window that is too old to be counted again may go.
func (i *Insights) Remove(ctx context.Context, retailer, window, measure string) error {
	name := insightName(window, measure)
	_, err := i.documents.Commit(ctx, Batch{Partition: insightPartition(retailer), Delete: []string{insightMade + name, insightTable + name}})
	return err
}
