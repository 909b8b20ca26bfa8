package insight

import (
	"fmt"

	"github.com/google/differential-privacy/go/v3/dpagg"
	"github.com/google/differential-privacy/go/v3/noise"

	"satnav/server/store"
)

// Delta is the chance, for each table, that noise hides less than its epsilon says.
const Delta = 1e-6

// noisy tells groups whose choice and whose numbers hide, with (ε, δ)-differential privacy, whether any one shopper was among those counted. The budget of a
// table is shared by its levels and by the parts of what is told of a group: the choice, the shoppers, the
// count, the steps.
type noisy struct {
	measure        *Measure
	epsilon, delta float64 // of each part
}

func newNoisy(m *Measure, epsilon float64) noisy {
	parts := float64(len(m.levels) * (3 + len(m.Steps)))
	return noisy{m, epsilon / parts, Delta / parts}
}

// keeps chooses a group by the library's own means, none with fewer than Least shoppers.
func (n noisy) keeps(shoppers int64) (bool, error) {
	choice, err := dpagg.NewPreAggSelectPartition(&dpagg.PreAggSelectPartitionOptions{
		Epsilon: n.epsilon, Delta: n.delta, MaxPartitionsContributed: int64(n.measure.Groups), PreThreshold: Least,
	})
	if err == nil {
		err = choice.IncrementBy(shoppers)
	}
	if err != nil {
		return false, fmt.Errorf("choose groups: %w", err)
	}
	return choice.ShouldKeepPartition()
}

func (n noisy) tell(m *Measure, s *sum, group *store.InsightGroup) (err error) {
	if group.Shoppers, err = n.hide(s.shoppers, 1); err != nil {
		return err
	}
	group.Shoppers = max(group.Shoppers, Least)
	if group.Count, err = n.hide(s.count, m.Most); err != nil {
		return err
	}
	before := group.Shoppers
	for i := range m.Steps {
		now, err := n.hide(s.steps[i], 1)
		if err != nil {
			return err
		}
		before = min(before, now) // who got further got so far
		group.Steps = append(group.Steps, before)
	}
	return nil
}

// hide adds noise to a number of which one shopper makes at most so much.
func (n noisy) hide(number int64, most int) (int64, error) {
	hidden, err := noise.Gaussian().AddNoiseInt64(number, int64(n.measure.Groups), int64(most), n.epsilon, n.delta)
	if err != nil {
		return 0, fmt.Errorf("noise: %w", err)
	}
	return max(hidden, 0), nil
}
