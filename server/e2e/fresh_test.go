package e2e

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"satnav/sdk-contract/wire"
	"satnav/server/identity"
)

// TestBasketIsReflectedAtOnce posts a basket and asks at once, again and again: what was bought a moment ago is never
// suggested, and a week later it is known. The long form does so 10,000 times.
func TestBasketIsReflectedAtOnce(t *testing.T) {
	t.Parallel()
	shoppers, weeks := 20, 40
	if os.Getenv("SATNAV_TEST_LONG") != "" {
		shoppers = 250
	}
	till := city.as(t, identity.Claims{Role: identity.Backend, Subject: "till"})
	var all sync.WaitGroup
	turns := make(chan struct{}, 16)
	for i := range shoppers {
		all.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			shopper := fmt.Sprint(canary("fresh-"), i)
			for week := range weeks {
				now := moment().AddDate(0, 0, 7*(week-weeks))
				ask := func() []string {
					body := wire.ContextRequest{Shopper: shopper, At: now, Limit: at(5), Explore: at(false), Kinds: []wire.SuggestionKind{wire.SuggestionKindProduct}}
					got := read[wire.ContextResponse](city.stream(t, till, "POST", "/v1/context", body).wants(200))
					if !got.Used.History && week > 0 {
						t.Errorf("week %d: the answer does not know what was bought", week)
					}
					return items(got)
				}
				wanted := ask()
				if len(wanted) < 5 {
					t.Errorf("week %d: got %v, want five suggestions", week, wanted)
					return
				}
				var basket []wire.Event
				for _, item := range wanted[:2] {
					basket = append(basket, wire.Event{ID: fmt.Sprint("w", week, item), Shopper: shopper, Kind: "purchase", Item: item, Basket: fmt.Sprint("w", week), At: now.Add(-time.Second)})
				}
				city.stream(t, till, "POST", "/v1/events", wire.EventsRequest{Events: basket}).wants(200)
				for _, item := range ask() {
					if slices.Contains(wanted[:2], item) {
						t.Errorf("shopper %d, week %d: %s was bought a moment ago and is suggested", i, week, item)
					}
				}
			}
		})
	}
	all.Wait()
}
