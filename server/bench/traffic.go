package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"satnav/geo"
	"satnav/server/demo"
	"satnav/server/identity"
)

// traffic makes the calls of a city's shoppers.
//
// Shoppers are drawn evenly. Each has a clock of their own that moves on by pace with each call, so that one
// who is called upon every few seconds of the benchmark moves through the city no faster than people do. Most
// calls are from near a place of the shopper's own, away from all geofences, or from inside the one they
// walked into; a given share reports a crossing: a trail into a geofence, or out of it again. That a
// crossing is told is geo's business: traffic rehearses its trails, and the benchmark counts what comes back.
type traffic struct {
	crossings float64   // share of calls that report one
	start     time.Time // of all clocks
	people    []person
	lives     lives // as the measured server knows them
	places    []geo.Point
	gates     []gate
	host      string
}

type person struct {
	headers []byte // of all of this person's requests, up to Content-Length's value
	named   []byte // the member that names the shopper, for a backend's token; else empty
	place   int
}

// lives is what one server was told, by person: how many calls were made<<16 | the number of the gate inside
// of, 0: none. The bare handler is told of lives of its own: what only it has heard would be news to the
// measured server afterwards, and each such walk a crossing more than were meant.
type lives []atomic.Uint64

// gate is a geofence that a trail leads into and another one out of.
type gate struct{ in, out []geo.Point }

const (
	pace      = 10 * time.Minute // of a shopper's clock, each call
	trailStep = 15 * time.Second // between the fixes of a trail
	accuracy  = 8                // metres, of all fixes
	places    = 4_096            // from which people call
	calm      = 150              // metres from a place to the next geofence, at least
	wander    = 4e-4             // degrees, about 40 m: how far from their place people are
	tokenLife = 6 * time.Hour
)

// newTraffic prepares the calls. issuer's tokens must be believed by the server that address is of.
func newTraffic(ctx context.Context, o *Options, city *demo.City, issuer identity.Issuer, start time.Time, address string) (*traffic, error) {
	t := &traffic{crossings: o.Crossings, start: start, people: make([]person, city.Len()), lives: make(lives, city.Len()), host: address}
	fences := cityFences(city)
	index := geo.NewIndex(fences)
	random := rand.New(rand.NewPCG(1, 1))
	for tries := 0; len(t.places) < min(places, city.Len()); tries++ {
		if tries > 100*places {
			return nil, errors.New("the city has no calm place")
		}
		home := city.Shopper(random.IntN(city.Len())).Home
		if len(index.Near(home, calm, nil)) == 0 {
			t.places = append(t.places, home)
		}
	}
	t.findGates(index, fences)
	if len(t.gates) == 0 {
		return nil, errors.New("the city has no geofence to walk into")
	}
	return t, t.introduce(ctx, o, city, issuer)
}

// introduce gives each person a token, made up front: an app has one long before it calls.
func (t *traffic) introduce(ctx context.Context, o *Options, city *demo.City, issuer identity.Issuer) error {
	now := time.Now()
	issue := func(role identity.Role, subject string) (string, error) {
		return issuer.Issue(identity.Claims{Retailer: demo.Retailer, Role: role, Subject: subject, Expires: now.Add(tokenLife)}, now)
	}
	shared := ""
	if o.BackendToken {
		var err error
		if shared, err = issue(identity.Backend, "till"); err != nil {
			return err
		}
	}
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() (err error) {
			for i := int(next.Add(1)) - 1; i < len(t.people) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				p, token := &t.people[i], shared
				p.place = i % len(t.places)
				if o.BackendToken {
					p.named = fmt.Appendf(nil, `"shopper":%q,`, city.ID(i))
				} else if token, err = issue(identity.Shopper, city.ID(i)); err != nil {
					return err
				}
				p.headers = fmt.Appendf(nil, "POST /v1/context HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: ", t.host, token)
			}
			return ctx.Err()
		})
	}
	return group.Wait()
}

// latest is an instant after all that people have told of.
func (t *traffic) latest() time.Time {
	most := uint64(0)
	for i := range t.lives {
		most = max(most, t.lives[i].Load()>>16)
	}
	return t.start.Add(pace * time.Duration(most))
}

// cityFences are the geofences that can tell a crossing at any time.
func cityFences(city *demo.City) []geo.Geofence {
	var fences []geo.Geofence
	for _, row := range city.Geofences() {
		if row.Status == geo.Live {
			fences = append(fences, row.Geofence)
		}
	}
	return fences
}

// findGates keeps those geofences into which and out of which a trail tells a crossing, each time, and that tell
// nothing else: a dwell would make the next calm call a crossing, too.
func (t *traffic) findGates(index *geo.Index, fences []geo.Geofence) {
	for i := range fences {
		f := &fences[i]
		if f.Schedule != nil || f.DailyCap > 0 || f.Cooldown > 0 || f.Floor != nil || f.Wants != geo.WantEnter|geo.WantExit {
			continue
		}
		bounds := f.Shape.Bounds()
		middle := geo.Point{Lat: (bounds.South + bounds.North) / 2, Lng: (bounds.West + bounds.East) / 2}
		if f.Shape.Distance(middle) > -2*accuracy {
			continue
		}
		outside := middle
		for f.Shape.Distance(outside) < 12*accuracy {
			outside.Lng += 2e-4
		}
		at := func(share float64) geo.Point {
			return geo.Point{Lat: middle.Lat, Lng: outside.Lng + share*(middle.Lng-outside.Lng)}
		}
		g := gate{in: []geo.Point{at(0), at(0.05), at(1), at(0.98), at(1)}, out: []geo.Point{at(1), at(0.05), at(0), at(0.03), at(0)}}
		if g.rehearsed(index, t.places[0], t.start) {
			t.gates = append(t.gates, g)
		}
	}
}

// rehearsed tells whether three visits in a row are told.
func (g *gate) rehearsed(index *geo.Index, home geo.Point, at time.Time) bool {
	presence := geo.Presence{Shopper: "rehearsal"}
	told := func(trail ...geo.Point) bool {
		at = at.Add(pace)
		var fixes []geo.Fix
		for i, point := range trail {
			fixes = append(fixes, geo.Fix{At: at.Add(-trailStep * time.Duration(len(trail)-1-i)), Point: point, AccuracyMeters: accuracy})
		}
		var crossings []geo.Crossing
		presence, crossings = geo.AdvanceAll(index, presence, fixes)
		for _, c := range crossings {
			if c.Told {
				return true
			}
		}
		return false
	}
	for range 3 {
		if told(home) || !told(g.in...) {
			return false
		}
		if told(g.in[len(g.in)-1]) || !told(g.out...) {
			return false
		}
	}
	return true
}

// caller makes the calls of one worker.
type caller struct {
	*traffic
	lives   lives
	client  *client
	random  *rand.Rand
	request []byte
	body    []byte
}

// caller connects to a server, the one that the tokens are for or another one that takes the same calls, and
// that knows of these lives.
func (t *traffic) caller(address string, known lives, worker int, seed uint64) (*caller, error) {
	client, err := dial(address)
	if err != nil {
		return nil, err
	}
	return &caller{traffic: t, lives: known, client: client, random: rand.New(rand.NewPCG(seed, uint64(worker)))}, nil
}

// call lets somebody call, and tells whether a crossing was returned.
func (c *caller) call() (class, error) {
	body, err := c.send(c.random.IntN(len(c.people)), c.random.Float64() < c.crossings, 10)
	if err != nil {
		return plain, err
	}
	if bytes.Contains(body, []byte(`"triggers":[{`)) {
		return crossing, nil
	}
	return plain, nil
}

// send makes one call of one person and returns the answer.
func (c *caller) send(who int, crosses bool, limit int) ([]byte, error) {
	p, moves := &c.people[who], &c.lives[who]
	before := moves.Load()
	inside := int(before & 0xffff)
	after := before + 1<<16
	if crosses {
		after &^= 0xffff
		if inside == 0 {
			after |= uint64(1 + c.random.IntN(len(c.gates)))
		}
	}
	if !moves.CompareAndSwap(before, after) { // somebody else speaks for the same person: crosses another time
		after = moves.Add(1 << 16)
		inside, crosses = int(after&0xffff), false
	}
	at := c.start.Add(pace * time.Duration(after>>16))
	b := append(append(c.body[:0], '{'), p.named...)
	switch {
	case crosses && inside == 0:
		b = appendTrail(b, at, c.gates[after&0xffff-1].in)
	case crosses:
		b = appendTrail(b, at, c.gates[inside-1].out)
	case inside != 0:
		in := c.gates[inside-1].in
		b = appendTrail(b, at, in[len(in)-1:])
	default:
		spot := c.places[p.place]
		spot.Lat += (2*c.random.Float64() - 1) * wander
		spot.Lng += (2*c.random.Float64() - 1) * wander
		b = appendTrail(b, at, []geo.Point{spot})
	}
	b = append(b, `,"permissions":{"location":"precise"},"limit":`...)
	b = append(strconv.AppendInt(b, int64(limit), 10), '}')
	c.body = b
	c.request = strconv.AppendInt(append(c.request[:0], p.headers...), int64(len(b)), 10)
	c.request = append(append(c.request, "\r\n\r\n"...), b...)
	status, answer, err := c.client.post(c.request)
	return answer, judged(status, answer, err)
}

// appendTrail appends at, where and, if there are several points, trail.
func appendTrail(b []byte, at time.Time, points []geo.Point) []byte {
	b = appendAt(append(b, `"at":`...), at)
	last := points[len(points)-1]
	b = appendPoint(append(b, `,"where":{`...), last)
	if len(points) > 1 {
		b = append(b, `,"trail":[`...)
		for i, point := range points[:len(points)-1] {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendAt(append(b, `{"at":`...), at.Add(-trailStep*time.Duration(len(points)-1-i)))
			b = appendPoint(append(b, ','), point)
		}
		b = append(b, ']')
	}
	return b
}

func appendAt(b []byte, at time.Time) []byte {
	return append(at.AppendFormat(append(b, '"'), time.RFC3339), '"')
}

// appendPoint appends the members of a position, as exact as phones tell it, and closes the object.
func appendPoint(b []byte, p geo.Point) []byte {
	b = strconv.AppendFloat(append(b, `"lat":`...), p.Lat, 'f', 7, 64)
	b = strconv.AppendFloat(append(b, `,"lng":`...), p.Lng, 'f', 7, 64)
	return append(strconv.AppendInt(append(b, `,"accuracy_m":`...), accuracy, 10), '}')
}
