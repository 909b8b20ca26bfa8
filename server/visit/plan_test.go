package visit_test

import (
	"context"
	"errors"
	"testing"

	"satnav/geo"
	"satnav/server/visit"
)

// TestPlanOfShopper holds that without a position the plan is for where the shopper was last seen.
func TestPlanOfShopper(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("bakery", nil)
	wanted := visit.Wanted{Key: anna, At: w.now, Regions: geo.RegionsIOS}
	if _, err := w.visits.Plan(context.Background(), wanted); !errors.Is(err, visit.ErrNowhere) {
		t.Errorf("of a stranger: got %v, want ErrNowhere", err)
	}
	w.walk(w.now, bakery, 3)
	plan, err := w.visits.Plan(context.Background(), wanted)
	if err != nil || len(plan.Watch) != 1 || plan.Watch[0].DistanceMeters > 0 {
		t.Fatalf("inside: got %+v, %v", plan, err)
	}
	wanted.Cell = geo.CellAt(bakery, 9)
	vague, err := w.visits.Plan(context.Background(), wanted)
	if err != nil || vague.SafeRadiusMeters >= plan.SafeRadiusMeters {
		t.Errorf("a cell is safe for %v m, a position for %v m: %v", vague.SafeRadiusMeters, plan.SafeRadiusMeters, err)
	}
}
