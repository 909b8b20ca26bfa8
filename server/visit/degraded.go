package visit

import (
	"context"
	"errors"

	"satnav/context/who"
	"satnav/server/retailer"
	"satnav/server/store"
)

// DegradedStore is said of an answer that was made without the store.
const DegradedStore = "store"

// away tells whether an error says that the store is away, and the call still has time to do without.
func away(ctx context.Context, err error) bool {
	return ctx.Err() == nil && (errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrFull))
}

// nobodys are shoppers of whom nothing is known, and who have granted nothing: what they did grant, or withdrew, cannot be read.
type nobodys struct{}

func (nobodys) Shopper(_ context.Context, key who.Key) (*who.Shopper, error) {
	return who.Stranger(key, who.Grants{}), nil
}

// degraded answers from snapshots alone: the best for anybody, here said of nobody in particular. Neither position nor history is
// used, nothing is kept, no crossing is decided, and no rule speaks.
func (v *Visits) degraded(ctx context.Context, snapshot *retailer.Snapshot, s *Signal) (Answer, error) {
	without := *s
	without.degraded = true
	answer, err := v.answer(ctx, snapshot, &without, true)
	answer.Used.Degraded = append(answer.Used.Degraded, DegradedStore)
	return answer, err
}
