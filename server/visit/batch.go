package visit

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"satnav/context/scene"
	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
	"satnav/server/retailer"
)

// Batch asks for the plain ranking of many shoppers of one retailer: no exploration, no crossings,
// nothing is written.
type Batch struct {
	Retailer string
	Shoppers []string
	At       time.Time
	Store    string // where they are taken to be; empty: nowhere
	Kinds    []recommend.Kind
	Limit    int
}

// Batch answers with one list for each shopper, in order.
func (v *Visits) Batch(ctx context.Context, b Batch) ([][]recommend.Suggestion, error) {
	snapshot, err := v.retailers.Of(ctx, b.Retailer)
	if err != nil {
		return nil, err
	}
	lists := make([][]recommend.Suggestion, len(b.Shoppers))
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range min(runtime.GOMAXPROCS(0), len(b.Shoppers)) {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(b.Shoppers) {
					return nil
				}
				list, err := v.rank(ctx, snapshot, &b, b.Shoppers[i])
				if err != nil {
					return err
				}
				lists[i] = list
			}
		})
	}
	return lists, group.Wait()
}

func (v *Visits) rank(ctx context.Context, snapshot *retailer.Snapshot, b *Batch, shopper string) ([]recommend.Suggestion, error) {
	call := scene.Call{Key: who.Key{Retailer: b.Retailer, Shopper: shopper}, At: b.At}
	if store, ok := snapshot.Scene.Stores.ByID(b.Store); ok {
		call.Device.Location = geo.Precise
		call.Fix = &geo.Fix{At: b.At, Point: store.Point}
	}
	now, err := scene.Open(ctx, v.shoppers, &snapshot.Scene, call)
	if err != nil {
		return nil, fmt.Errorf("open the scene: %w", err)
	}
	list, _ := recommend.Recommend(snapshot.Suggest.WithRules(nil), &recommend.Request{Scene: now, Kinds: b.Kinds, Limit: b.Limit})
	return list, nil
}
