package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"satnav/geo"
	"satnav/sdk-contract/wire"
	"satnav/server/demo"
	"satnav/server/identity"
)

// stand is a moment that tells one position and asks for nothing but triggers.
func stand(shopper string, f geo.Fix) wire.ContextRequest {
	r := wire.ContextRequest{
		Shopper: shopper, At: f.At, Limit: at(0),
		Where: &wire.Where{Lat: &f.Lat, Lng: &f.Lng, AccuracyM: f.AccuracyMeters, Floor: f.Floor, Mocked: f.Mocked},
	}
	if f.Coarse {
		r.Permissions = &wire.DevicePermissions{Location: "coarse"}
	}
	return r
}

// strolls are moments that tell the same fixes in trails of up to n.
func strolls(shopper string, fixes []geo.Fix, n int) (calls []wire.ContextRequest) {
	for part := range slices.Chunk(fixes, n) {
		call := stand(shopper, part[len(part)-1])
		for _, f := range part[:len(part)-1] {
			call.Trail = append(call.Trail, wire.Fix{At: f.At, Lat: f.Lat, Lng: f.Lng, AccuracyM: f.AccuracyMeters, Floor: f.Floor, Mocked: f.Mocked})
		}
		calls = append(calls, call)
	}
	return calls
}

func steps(shopper string, fixes []geo.Fix) (calls []wire.ContextRequest) {
	for _, f := range fixes {
		calls = append(calls, stand(shopper, f))
	}
	return calls
}

// tell lists triggers as a walk expects them.
func tell(triggers []wire.Trigger) (told []string) {
	for _, t := range triggers {
		told = append(told, string(t.Kind)+" "+t.Geofence)
	}
	return told
}

// byGeofence brings the triggers of each geofence together: between geofences no order is promised.
func byGeofence(told []string) []string {
	told = slices.Clone(told)
	slices.SortStableFunc(told, func(a, b string) int {
		_, a, _ = strings.Cut(a, " ")
		_, b, _ = strings.Cut(b, " ")
		return strings.Compare(a, b)
	})
	return told
}

// follow sends calls one after the other and collects their triggers.
func (h *house) follow(t testing.TB, token string, calls []wire.ContextRequest) (all []wire.Trigger) {
	t.Helper()
	for _, call := range calls {
		all = append(all, h.ask(t, token, call).Triggers...)
	}
	return all
}

// TestWalks replays every recorded walk, fix by fix and as trails, and expects its triggers and no others.
func TestWalks(t *testing.T) {
	t.Parallel()
	token := city.role(t, identity.Backend, demo.Retailer)
	for _, walk := range city.Walks() {
		t.Run(walk.Name, func(t *testing.T) {
			t.Parallel()
			if walk.Name == "closed-market" {
				canary(fmt.Sprint(walk.Fixes[0].Lat))
			}
			for name, calls := range map[string][]wire.ContextRequest{
				"one by one": steps("walker-"+walk.Name, walk.Fixes),
				"trails":     strolls("stroller-"+walk.Name, walk.Fixes, 60),
			} {
				if got := tell(city.follow(t, token, calls)); !slices.Equal(byGeofence(got), byGeofence(walk.Expect)) {
					t.Errorf("%s: got %q, want %q", name, got, walk.Expect)
				}
			}
		})
	}
}

// walkNamed finds a recorded walk.
func walkNamed(t testing.TB, name string) demo.Walk {
	t.Helper()
	for _, walk := range city.Walks() {
		if walk.Name == name {
			return walk
		}
	}
	t.Fatalf("the demo has no walk %q", name)
	return demo.Walk{}
}

// TestWalkOverRestart holds that presence survives: a walk goes on after a restart as if there had been none,
// and a call that is sent again after it returns the same triggers.
func TestWalkOverRestart(t *testing.T) {
	t.Parallel()
	walk, data := walkNamed(t, "across-the-square"), t.TempDir()
	all := steps("walker", walk.Fixes)
	var got []wire.Trigger
	for n, part := range [][]wire.ContextRequest{all[:len(all)/3], all[len(all)/3 : len(all)/2], all[len(all)/2:]} {
		h, err := raise(plan{data: data})
		if err != nil {
			t.Fatal(err)
		}
		token := h.role(t, identity.Backend, demo.Retailer)
		if n == 0 {
			h.draw(t, demo.Retailer, "commerce-square")
		} else {
			before := []wire.ContextRequest{all[len(all)/3-1], all[len(all)/2-1]}[n-1]
			h.follow(t, token, []wire.ContextRequest{before}) // known: changes nothing
		}
		got = append(got, h.follow(t, token, part)...)
		if err := h.stop(); err != nil {
			t.Fatal(err)
		}
	}
	if told := tell(got); !slices.Equal(told, walk.Expect) {
		t.Errorf("got %q, want %q", told, walk.Expect)
	}
}

// draw copies geofences of the demo city into a house.
func (h *house) draw(t testing.TB, retailer string, ids ...string) {
	t.Helper()
	for _, fence := range city.Geofences() {
		if slices.Contains(ids, fence.ID) {
			h.call(t, h.role(t, identity.Admin, retailer), "PUT", "/v1/geofences/"+fence.ID, []byte(fence.Feature), "Content-Type", "application/geo+json").wants(201)
		}
	}
}

// TestRetriedCall holds that a call sent again returns the same triggers with the same ids, at once and after
// the shopper moved on.
func TestRetriedCall(t *testing.T) {
	t.Parallel()
	walk := walkNamed(t, "across-the-square")
	token := city.role(t, identity.Backend, demo.Retailer)
	for _, call := range strolls("retrier", walk.Fixes, 5) {
		first := city.ask(t, token, call).Triggers
		if again := city.ask(t, token, call).Triggers; fmt.Sprintf("%+v", again) != fmt.Sprintf("%+v", first) {
			t.Fatalf("got %+v, then %+v", first, again)
		}
	}
}

// TestTwoCallsAtOnce holds that calls of one shopper that overlap neither lose nor double a trigger.
func TestTwoCallsAtOnce(t *testing.T) {
	t.Parallel()
	walk := walkNamed(t, "across-the-square")
	token := city.role(t, identity.Backend, demo.Retailer)
	calls := strolls("twins", walk.Fixes, 10)
	ids := map[string]string{}
	var mu sync.Mutex
	for pair := range slices.Chunk(calls, 2) {
		var both sync.WaitGroup
		for _, call := range append(pair, pair...) { // each sent twice, all at once
			both.Go(func() {
				for _, trigger := range city.ask(t, token, call).Triggers {
					mu.Lock()
					ids[trigger.ID] = string(trigger.Kind) + " " + trigger.Geofence
					mu.Unlock()
				}
			})
		}
		both.Wait()
	}
	var told []string
	for _, what := range ids {
		told = append(told, what)
	}
	slices.Sort(told)
	want := slices.Sorted(slices.Values(walk.Expect))
	if !slices.Equal(told, want) {
		t.Errorf("got %q, want %q", told, want)
	}
}

// TestDeletedGeofence holds that who is inside when a geofence is deleted gets an exit on the next call, with
// the reason.
func TestDeletedGeofence(t *testing.T) {
	t.Parallel()
	retailer := "landlord"
	city.draw(t, retailer, "commerce-square")
	walk := walkNamed(t, "across-the-square")
	token := city.role(t, identity.Backend, retailer)
	inside := 0
	for i, call := range steps("guest", walk.Fixes) {
		if got := tell(city.ask(t, token, call).Triggers); slices.Contains(got, "enter commerce-square") {
			inside = i
			break
		}
	}
	if inside == 0 {
		t.Fatal("the walk never entered")
	}
	city.call(t, city.role(t, identity.Admin, retailer), "DELETE", "/v1/geofences/commerce-square", nil).wants(204)
	got := city.ask(t, token, stand("guest", walk.Fixes[inside+1])).Triggers
	if len(got) != 1 || got[0].Kind != "exit" || got[0].Reason != "deleted" {
		t.Errorf("got %+v, want one exit because it was deleted", got)
	}
}

// TestClockThatRanAhead holds that geofences see no fix of the future, so that a phone is not deaf once its clock is right
// again.
func TestClockThatRanAhead(t *testing.T) {
	t.Parallel()
	token := city.shopper(t, canary("ran-ahead-4711"))
	enters := func(at time.Time, distrust ...string) bool {
		answer := city.ask(t, token, wire.ContextRequest{At: at, Limit: new(int), Where: here()})
		if !slices.Equal(answer.Used.Distrust, distrust) {
			t.Errorf("at %s: distrust %q, want %q", at, answer.Used.Distrust, distrust)
		}
		return slices.ContainsFunc(answer.Triggers, func(t wire.Trigger) bool { return t.Kind == wire.TriggerKindEnter })
	}
	now := time.Now()
	ahead := time.Date(now.Year()+3, 1, 12, 11, 0, 0, 0, city.Zone())
	if enters(ahead, "future") {
		t.Error("a fix of the future entered a geofence")
	}
	noon := time.Date(now.Year(), now.Month(), now.Day(), 11, 0, 0, 0, city.Zone()).AddDate(0, 0, -1)
	if !enters(noon) {
		t.Error("a fix of today entered nothing, because one of the future came before it")
	}
}

// TestJumpIsSaid holds that a fix which the crossing machine set aside is named in the receipt, whether it was the call's own
// or in its trail, and that the good fix after it is not.
func TestJumpIsSaid(t *testing.T) {
	t.Parallel()
	token := city.shopper(t, canary("jump-4711"))
	from := time.Now().Add(-time.Hour).Truncate(time.Second)
	fix := func(second int, north float64) geo.Fix {
		p := city.Stores()[0].Position
		p.Lat += north
		return geo.Fix{Point: p, At: from.Add(time.Duration(second) * time.Second), AccuracyMeters: 10}
	}
	const far = 0.02 // 2.2 km
	for _, tt := range []struct {
		name  string
		fixes []geo.Fix // the last is the call's own
		want  []string
	}{
		{name: "standing", fixes: []geo.Fix{fix(0, 0), fix(5, 0), fix(10, 0)}},
		{name: "own fix", fixes: []geo.Fix{fix(15, far)}, want: []string{"jump"}},
		{name: "back again", fixes: []geo.Fix{fix(20, 0)}},
		{name: "in the trail", fixes: []geo.Fix{fix(25, -far), fix(30, 0)}, want: []string{"jump"}},
		{name: "retried", fixes: []geo.Fix{fix(30, 0)}},
	} {
		for _, call := range strolls("", tt.fixes, len(tt.fixes)) {
			if got := city.ask(t, token, call).Used.Distrust; !slices.Equal(got, tt.want) {
				t.Errorf("%s: distrust %q, want %q", tt.name, got, tt.want)
			}
		}
	}
}
