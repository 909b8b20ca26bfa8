package demo

import (
	"math"
	"math/rand/v2"
	"time"

	"satnav/geo"
)

// Walk is the recorded track of one shopper's phone, made on the day before history ends.
type Walk struct {
	Name    string
	Story   string // what happens, for people
	Shopper string
	Fixes   []geo.Fix // in order of time
	// Expect are the crossings of live geofences that this walk makes, as "enter star-garden"; a walk
	// expects no others. The order holds for each geofence.
	Expect []string

	truth []geo.Fix // where the phone really was at the time of each fix
}

// leg is a part of a way: to a place so many metres east and north of the walk's anchor.
type leg struct {
	east, north float64
	speed       float64       // metres a second
	stay        time.Duration // there
}

const (
	strolling = 1.4
	driving   = 13.5
	fixEvery  = 5 * time.Second
)

// way is what a walk is made of.
type way struct {
	name, story string
	anchor      geo.Point
	hour        float64 // local time at which it begins
	sigma       float64 // of the position's noise, in metres
	from        [2]float64
	legs        []leg
	expect      []string
	change      func(r *rand.Rand, fixes []geo.Fix) []geo.Fix // what is special about the recording; nil: nothing
}

func (c *City) ways() []way {
	store := districtOf(quietDistrict).at
	for _, s := range c.shops {
		if s.district == quietDistrict {
			store = s.Position
		}
	}
	return []way{
		{
			name: "across-the-square", story: "walks onto the square, sits at a café for six minutes, walks on",
			anchor: commerceSquare, hour: 10, sigma: 6, from: [2]float64{-260, 20},
			legs:   []leg{{-20, 10, strolling, 6 * time.Minute}, {280, -10, strolling, time.Minute}},
			expect: []string{"enter commerce-square", "dwell commerce-square", "exit commerce-square"},
		},
		{
			name: "hour-in-the-garden", story: "comes into the garden and reads for an hour; the phone drifts, and the walk ends there",
			anchor: starGarden, hour: 11, sigma: 9, from: [2]float64{-300, 0},
			legs:   []leg{{-20, 15, strolling, time.Hour}},
			expect: []string{"enter star-garden", "dwell star-garden"},
		},
		{
			name: "hour-beside-the-garden", story: "waits for an hour at a bus stop 90 metres outside the garden",
			anchor: starGarden, hour: 15, sigma: 9, from: [2]float64{-200, 0},
			legs: []leg{{-201, 1, strolling, time.Hour}},
		},
		{
			name: "through-the-courtyard", story: "crosses the market hall; its courtyard is a hole and not part of it",
			anchor: riverMarket, hour: 9.5, sigma: 5, from: [2]float64{-340, 0},
			legs:   []leg{{-112, 0, strolling, 90 * time.Second}, {0, 0, strolling, 2 * time.Minute}, {112, 0, strolling, 90 * time.Second}, {340, 0, strolling, time.Minute}},
			expect: []string{"enter river-market", "exit river-market", "enter river-market", "exit river-market"},
		},
		{
			name: "from-quay-to-quay", story: "visits both parts of one geofence",
			anchor: twoQuays, hour: 17, sigma: 5, from: [2]float64{-420, 30},
			legs:   []leg{{-190, 0, strolling, 2 * time.Minute}, {0, 10, strolling, 2 * time.Minute}, {190, 0, strolling, 2 * time.Minute}, {420, 20, strolling, time.Minute}},
			expect: []string{"enter two-quays", "exit two-quays", "enter two-quays", "exit two-quays"},
		},
		{
			name: "park-of-cells", story: "walks through a park drawn as H3 cells, with a pause on a bench",
			anchor: eduardoPark, hour: 16, sigma: 6, from: [2]float64{-420, 0},
			legs:   []leg{{0, 0, strolling, 5 * time.Minute}, {430, 0, strolling, time.Minute}},
			expect: []string{"enter eduardo-park", "dwell eduardo-park", "exit eduardo-park"},
		},
		{
			name: "along-the-avenue", story: "comes from a side street, strolls along the avenue, leaves by another",
			anchor: avenueSouth, hour: 12, sigma: 6, from: [2]float64{-380, 330},
			legs:   []leg{{-143, 222, strolling, time.Minute}, {-287, 445, strolling, time.Minute}, {-70, 620, strolling, time.Minute}},
			expect: []string{"enter avenue", "exit avenue"},
		},
		{
			name: "in-the-mall", story: "through the mall's west wing to the food court, lunch, and out at the east gate",
			anchor: riverMall, hour: 12.75, sigma: 7, from: [2]float64{-420, -60},
			legs: []leg{{-105, -25, strolling, 3 * time.Minute}, {72, 8, strolling, 12 * time.Minute}, {430, 60, strolling, time.Minute}},
			expect: []string{
				"enter river-mall", "dwell river-mall", "exit river-mall", "enter river-mall-west", "exit river-mall-west",
				"enter river-mall-food", "dwell river-mall-food", "exit river-mall-food",
			},
		},
		{
			name: "drive-past-the-bakery", story: "drives by at 50 km/h on a road 55 metres outside the geofence",
			anchor: collegeBakery, hour: 8.25, sigma: 6, from: [2]float64{-700, 95},
			legs: []leg{{700, 95, driving, 0}},
		},
		{
			name: "closed-market", story: "crosses the night market in the morning, when it is closed",
			anchor: nightMarket, hour: 10.5, sigma: 6, from: [2]float64{-260, 0},
			legs: []leg{{0, 0, strolling, 3 * time.Minute}, {260, 0, strolling, time.Minute}},
		},
		{
			name: "one-lying-fix", story: "walks by 200 metres away; one fix claims the middle of the geofence, two metres exact",
			anchor: viewpoint, hour: 14, sigma: 6, from: [2]float64{-300, 280},
			legs: []leg{{300, 280, strolling, time.Minute}},
			change: func(_ *rand.Rand, fixes []geo.Fix) []geo.Fix {
				lie := &fixes[len(fixes)/2]
				lie.Point, lie.AccuracyMeters = rounded(viewpoint), 2
				return fixes
			},
		},
		{
			name: "phone-asleep", story: "goes to the library; the phone sleeps for forty minutes in there and wakes up far away",
			anchor: library, hour: 18, sigma: 6, from: [2]float64{-330, 0},
			legs:   []leg{{0, 0, strolling, 40 * time.Minute}, {330, 0, strolling, 2 * time.Minute}},
			expect: []string{"enter library", "dwell library", "exit library"},
			change: func(_ *rand.Rand, fixes []geo.Fix) []geo.Fix {
				began := fixes[0].At
				kept := fixes[:0]
				for _, f := range fixes { // arrives after four minutes, leaves the circle after 46
					if age := f.At.Sub(began); age < 8*time.Minute || age > 47*time.Minute {
						kept = append(kept, f)
					}
				}
				return kept
			},
		},
		{
			name: "approximate-only", story: "stands on the square all the time, but lets the app know the position only coarsely",
			anchor: commerceSquare, hour: 19, sigma: 300, from: [2]float64{0, 0},
			legs: []leg{{1, 1, strolling, 30 * time.Minute}},
			change: func(_ *rand.Rand, fixes []geo.Fix) []geo.Fix {
				for i := range fixes {
					fixes[i].AccuracyMeters, fixes[i].Coarse = 3000, true
				}
				return fixes
			},
		},
		{
			name: "draft-by-the-tower", story: "walks through a geofence that is still a draft",
			anchor: popUp, hour: 13, sigma: 6, from: [2]float64{-280, 0},
			legs: []leg{{0, 0, strolling, 2 * time.Minute}, {280, 0, strolling, time.Minute}},
		},
		{
			name: "to-the-store", story: "comes to the Azulejo in Restelo, shops for nine minutes, goes home",
			anchor: store, hour: 11.5, sigma: 7, from: [2]float64{-260, 120},
			legs:   []leg{{0, 0, strolling, 9 * time.Minute}, {-250, 130, strolling, time.Minute}},
			expect: []string{"enter azulejo-" + quietDistrict, "dwell azulejo-" + quietDistrict, "exit azulejo-" + quietDistrict},
		},
	}
}

// Walks are the recorded walks, each by a shopper of its own who has a history.
func (c *City) Walks() []Walk {
	var walks []Walk
	day := c.until.AddDate(0, 0, -1)
	for day.Weekday() == time.Friday || day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
		day = day.AddDate(0, 0, -1) // the night market is open then, some stores are not
	}
	shopper := 0
	for i, w := range c.ways() {
		for c.Shopper(shopper%c.Len()).Phase != Regular && shopper < 10*c.Len() {
			shopper++
		}
		begin := time.Date(day.Year(), day.Month(), day.Day(), 0, int(w.hour*60), 0, 0, c.zone).UTC()
		walk := Walk{Name: w.name, Story: w.story, Shopper: c.ID(shopper % c.Len()), Expect: w.expect}
		walk.record(c.random(drawWalks, i), w, begin)
		walks = append(walks, walk)
		shopper++
	}
	return walks
}

// record walks the way with a phone whose position wanders around the truth: noise with a memory of 20
// seconds, as receivers have it, and an accuracy that says about how large it is (68 % are nearer).
func (walk *Walk) record(r *rand.Rand, w way, begin time.Time) {
	memory := math.Exp(-fixEvery.Seconds() / 20)
	var noise [2]float64
	for k := range noise {
		noise[k] = w.sigma * r.NormFloat64()
	}
	at := begin
	fix := func(east, north float64) {
		for k := range noise {
			noise[k] = memory*noise[k] + math.Sqrt(1-memory*memory)*w.sigma*r.NormFloat64()
		}
		truth := geo.Fix{At: at, Point: offset(w.anchor, east, north)}
		walk.truth = append(walk.truth, truth)
		walk.Fixes = append(walk.Fixes, geo.Fix{
			At: at, Point: rounded(offset(w.anchor, east+noise[0], north+noise[1])), AccuracyMeters: math.Round(1.5*w.sigma*spread(r, 0.15)*10) / 10,
		})
		at = at.Add(fixEvery)
	}
	here := w.from
	fix(here[0], here[1])
	for _, l := range w.legs {
		east, north := l.east-here[0], l.north-here[1]
		steps := max(1, int(math.Hypot(east, north)/l.speed/fixEvery.Seconds()))
		for s := 1; s <= steps; s++ {
			share := float64(s) / float64(steps)
			fix(here[0]+east*share, here[1]+north*share)
		}
		for range int(l.stay / fixEvery) {
			fix(l.east, l.north)
		}
		here = [2]float64{l.east, l.north}
	}
	if w.change != nil {
		walk.Fixes = w.change(r, walk.Fixes)
	}
}
