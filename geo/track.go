package geo

import (
	"math"
	"time"
)

// Track estimates where a shopper is, and how surely, from all fixes so far. A fix alone is a poor witness:
// its error stays nearly the same for half a minute, so ten fixes in a row are not ten opinions, and now and then
// one is hundreds of metres off and claims two. The track weighs three ways to move (standing, walking, driving)
// against each other and follows each with a Kalman filter whose state is position, velocity and the slow error of
// the receiver: an interacting multiple model (Blom and Bar-Shalom, 1988). Standing shoppers are averaged over
// minutes, driving ones over seconds, and the estimate's own error tells a crossing from jitter.
//
// Both axes share their covariance, since a fix is equally good to the east and to the north.
type Track struct {
	Origin Point // estimates are metres east and north of it
	At     time.Time
	Ways   [3]Way
	// Sigma is what the fixes claim, as a standard deviation per axis in metres, averaged over steadySeconds. The slow
	// error of the receiver is measured in it: were it measured in what each fix claims, an error that stays would seem
	// to move whenever the claim wavers, and a shopper who stands to walk.
	Sigma float64

	// Held is a fix that lies where nobody can have moved to. It counts only if the next one agrees.
	Held      *Fix
	HeldTimes int // fixes held in a row

	Floor     *int // the floor that two fixes in a row reported
	FloorNext *int // the floor that the last one reported
}

// Way is the estimate under one way to move.
type Way struct {
	Weight      float64    // probability that the shopper moves this way now
	East, North [3]float64 // position, velocity, error of the receiver in units of its slow sigma
	Cov         [6]float64 // upper triangle of their covariance: 00 01 02 11 12 22
}

const (
	standing = iota
	walking
	driving
)

// ways describe how people move: the spread of the velocity per axis, how long it keeps its direction,
// the wandering of a position without velocity, and how long the way of moving lasts and what comes next.
var ways = [3]struct {
	speed     float64 // standard deviation per axis, m/s
	keeps     float64 // s
	wander    float64 // m²/s per axis
	lasts     float64 // s
	then      [3]float64
	beginning float64 // weight when nothing is known
}{
	standing: {0, 1, 0.03, 9000, [3]float64{0, 0.85, 0.15}, 0.4},
	walking:  {0.8, 400, 0.05, 600, [3]float64{0.7, 0, 0.3}, 0.4},
	driving:  {9, 120, 0.5, 150, [3]float64{0.6, 0.4, 0}, 0.2},
}

const (
	// assumedAccuracyMeters stands for an accuracy that the device did not say.
	assumedAccuracyMeters = 20
	// bestAccuracyMeters is what phones reach under an open sky: no fix counts for more.
	bestAccuracyMeters = 8
	// incredibleAccuracyMeters: who claims less is not believed at all, and counts as assumed.
	incredibleAccuracyMeters = 3
	// mockedAccuracyMeters is the least accuracy of a position that another app made up.
	mockedAccuracyMeters = 50

	// sigmas68 turns the radius that holds 68 % of a round 2-D Gaussian into its standard deviation per
	// axis: sqrt(-2 ln(1 - 0.68)).
	sigmas68 = 1.5096

	// errorKeeps is how long the error of a receiver stays the same, in seconds (research: tau 20 s).
	errorKeeps = 20
	// slowShare of the variance of a fix is that slow error, the rest is fresh in each fix.
	slowShare = 0.85
	// steadySeconds is how long a claim is averaged, unless it doubles or halves: then the receiver works in another way.
	steadySeconds = 30

	// lieShare is how many fixes are hundreds of metres off.
	lieShare = 0.02
	// lieMeters is how far off those are at most, mostly: beyond it each lieFades metres make a lie e times rarer.
	lieMeters = 300
	lieFades  = 100
	// strayLies is the share of lies that are anywhere within strayMeters (a wrong cell, a wrong network).
	strayLies   = 0.001
	strayMeters = 50_000

	// unseenMoves is the share of the shoppers that set off in a gap of aloneAfter, whatever they did before; in one
	// of unseenFrom it is none. Of their speeds, from unseenSlowest to unseenFastest m/s, each octave is as likely.
	unseenMoves   = 0.5
	unseenFrom    = 30 * time.Second
	unseenSlowest = 0.2
	unseenFastest = 40

	// ownOpinion is how far apart two fixes are, in seconds, whose errors are not nearly the same.
	ownOpinion = 10

	// forgotten is the age from which on a track says nothing about where a shopper is now.
	forgotten = 5 * time.Minute
	// fastest is above any airliner, m/s.
	fastest = 340
)

// looksAhead are how far ahead a moving shopper is seen, in seconds: who drives is through a small place before the
// last of them.
var looksAhead = [3]float64{3, 6, 12}

// estimate is what a track says after a fix.
type estimate struct {
	Point
	spread float64 // standard deviation per axis, metres

	// expected is where the track was thought to be before the fix, with its spread; zero: nowhere.
	expected       Point
	expectedSpread float64

	// ahead is where the shopper will be looksAhead from now, as they move; it is as sure as now.
	ahead [len(looksAhead)]Point

	standing float64 // probability that the shopper stands
	lie      float64 // probability that the fix is far off
	held     bool    // the fix was set aside: nothing is to be decided by it
	seconds  *Fix    // the fix that was set aside before and that this one agrees with: two witnesses
	fresh    bool    // no track was there to compare the fix with
	distrust Distrust
}

// within is the probability that a position lies within a boundary that is d metres away from its
// estimate (negative: the estimate is inside). The boundary is taken as straight.
func within(d, sigma float64) float64 { return math.Erfc(d/(sigma*math.Sqrt2)) / 2 }

// lieDensity is how thinly the fixes that are far off spread at d metres from where the shopper is, per square metre.
func lieDensity(d float64) float64 {
	const disc, wide = 1 / (math.Pi * lieMeters * lieMeters), 1 / (math.Pi * strayMeters * strayMeters)
	return lieShare * (disc*math.Exp(-max(0, d-lieMeters)/lieFades) + strayLies*wide)
}

// unseen is how many shoppers set off in a gap of dt seconds, and how thinly those spread at d metres, per square
// metre: at every plausible speed, of which the ways know only the usual ones.
func unseen(d, dt float64) (share, density float64) {
	share = unseenMoves * max(0, min(1, (dt-unseenFrom.Seconds())/(aloneAfter-unseenFrom).Seconds()))
	if d < unseenSlowest*dt || d > unseenFastest*dt {
		return share, 0
	}
	return share, 1 / (2 * math.Pi * d * d * math.Log(unseenFastest/unseenSlowest))
}

// sigma is the standard deviation per axis that a fix deserves, with what is odd about its claim.
func (f Fix) sigma() (float64, Distrust) {
	accuracy, distrust := f.AccuracyMeters, Distrust("")
	switch {
	case accuracy == 0:
		accuracy = assumedAccuracyMeters
	case accuracy < incredibleAccuracyMeters && !f.Coarse:
		accuracy, distrust = assumedAccuracyMeters, DistrustAccuracy
	}
	if f.Mocked {
		accuracy, distrust = max(accuracy, mockedAccuracyMeters), DistrustMocked
	}
	return max(accuracy, bestAccuracyMeters) / sigmas68, distrust
}

// then returns the track after one more fix, which is not older than the track.
func (t Track) then(f Fix) (Track, estimate) {
	sigma, distrust := f.sigma()
	t = t.onFloor(f)
	dt := f.At.Sub(t.At)
	if t.At.IsZero() || dt > forgotten {
		e := estimate{Point: f.Point, ahead: staying(f.Point), standing: 1, spread: sigma, fresh: true, distrust: distrust}
		if !t.At.IsZero() && t.Origin.shift(t.mean()).Distance(f.Point) > fastest*dt.Seconds()+1000 {
			e.lie, e.distrust = 0.5, DistrustJump
		}
		return t.begin(f, sigma), e
	}
	if f.Coarse {
		// Its error never averages out: the same cell again is the same opinion again.
		return t, estimate{Point: f.Point, ahead: staying(f.Point), standing: 1, spread: sigma, distrust: distrust}
	}

	next := t.predict(dt.Seconds())
	expected, expectedSpread := next.estimate()
	next.Sigma = t.steadied(sigma, dt.Seconds())
	likelihood := next.update(f.Point, sigma)
	d := expected.Distance(f.Point)
	moved, density := unseen(d, dt.Seconds())
	likelihood += moved * (density - likelihood)
	lies := lieDensity(d)
	lie := lies / (lies + (1-lieShare)*likelihood)
	if lie > 0.5 {
		return t.hold(f, sigma, lies)
	}
	var seconds *Fix
	if _, agrees := t.agrees(f, sigma, lies); agrees {
		seconds = t.seconded(f)
	}
	next.At, next.Held, next.HeldTimes = f.At, nil, 0
	e := estimate{expected: expected, expectedSpread: expectedSpread, lie: lie, distrust: distrust, seconds: seconds}
	e.Point, e.spread = next.estimate()
	e.ahead, e.standing = next.ahead(), next.Ways[standing].Weight
	if next.Origin.Distance(e.Point) > 5_000 {
		next.recenter(e.Point)
	}
	return next, e
}

// hold sets a fix aside, or follows it when it agrees with the one that was set aside before; lies is how likely it
// was as a lie.
func (t Track) hold(f Fix, sigma, lies float64) (Track, estimate) {
	moved, agrees := t.agrees(f, sigma, lies)
	if agrees || t.Held != nil && t.HeldTimes >= 4 {
		e := estimate{lie: 0.5, distrust: DistrustJump}
		if !agrees {
			moved = t.begin(f, max(sigma, assumedAccuracyMeters))
		} else if e.seconds = t.seconded(f); e.seconds != nil {
			e.lie = 0
		}
		moved.At = f.At
		e.Point, e.spread = moved.estimate()
		e.ahead, e.standing = staying(e.Point), 1
		return moved, e
	}
	t.Held = &f
	t.HeldTimes++
	e := estimate{held: true, distrust: DistrustJump}
	e.Point, e.spread = t.estimate()
	return t, e
}

// agrees tells whether a fix lies where somebody can have moved to from the one that was set aside, and returns the
// track of the two.
func (t Track) agrees(f Fix, sigma, lies float64) (Track, bool) {
	if t.Held == nil {
		return Track{}, false
	}
	heldSigma, _ := t.Held.sigma()
	// Neither can be believed to the metre: half of what lies claims to be exact.
	heldSigma, sigma = max(heldSigma, assumedAccuracyMeters), max(sigma, assumedAccuracyMeters)
	moved := t.begin(*t.Held, heldSigma).predict(f.At.Sub(t.Held.At).Seconds())
	moved.Sigma = sigma
	return moved, lies < 0.2*moved.update(f.Point, sigma)
}

// seconded returns the fix that was set aside if one that agrees with it is an opinion of its own: then the two are
// two witnesses, and need no third.
func (t Track) seconded(f Fix) *Fix {
	if f.At.Sub(t.Held.At).Seconds() < ownOpinion {
		return nil
	}
	return t.Held
}

// begin starts over with a single fix.
func (t Track) begin(f Fix, sigma float64) Track {
	t.Origin, t.At, t.Sigma, t.Held, t.HeldTimes = f.Point, f.At, sigma, nil, 0
	slow := math.Sqrt(slowShare) * sigma
	for i := range t.Ways {
		t.Ways[i] = Way{Weight: ways[i].beginning}
		// Position and error add up to what was seen, so they are as uncertain as each other.
		t.Ways[i].Cov = [6]float64{sigma * sigma, 0, -slow, ways[i].speed * ways[i].speed, 0, 1}
	}
	return t
}

func (t Track) onFloor(f Fix) Track {
	if f.Floor == nil {
		return t
	}
	if t.Floor == nil || t.FloorNext != nil && *t.FloorNext == *f.Floor || f.At.Sub(t.At) > forgotten {
		t.Floor = f.Floor
	}
	t.FloorNext = f.Floor
	return t
}

// predict moves the track dt seconds on: first some of each way turns into the others, then all move.
func (t Track) predict(dt float64) Track {
	if dt <= 0 {
		return t
	}
	var share [3][3]float64 // from way i to way j
	for i, w := range ways {
		stays := math.Exp(-dt / w.lasts)
		for j := range ways {
			share[i][j] = t.Ways[i].Weight * (1 - stays) * w.then[j]
		}
		share[i][i] = t.Ways[i].Weight * stays
	}
	next := t
	for j := range ways {
		var to Way
		for i := range ways {
			to.Weight += share[i][j]
		}
		for i := range ways {
			part := share[i][j] / to.Weight
			for k := range 3 {
				to.East[k] += part * t.Ways[i].East[k]
				to.North[k] += part * t.Ways[i].North[k]
			}
		}
		for i := range ways {
			from, part := &t.Ways[i], share[i][j]/to.Weight
			n := 0
			for a := range 3 {
				for b := a; b < 3; b++ {
					apart := (from.East[a]-to.East[a])*(from.East[b]-to.East[b]) + (from.North[a]-to.North[a])*(from.North[b]-to.North[b])
					to.Cov[n] += part * (from.Cov[n] + apart/2)
					n++
				}
			}
			if i != j { // whoever starts to move otherwise has a velocity of that kind
				to.Cov[3] += part * ways[j].speed * ways[j].speed
			}
		}
		to.move(dt, j)
		next.Ways[j] = to
	}
	return next
}

// move lets time pass for one way: the velocity fades with its own time constant (an
// Ornstein-Uhlenbeck process, integrated exactly), and so does the error of the receiver.
func (w *Way) move(dt float64, way int) {
	m := ways[way]
	fade := math.Exp(-dt / m.keeps)
	reach := m.keeps * (1 - fade) // metres per m/s
	rho := math.Exp(-dt / errorKeeps)
	if way == standing {
		fade, reach = 0, 0
	}
	for _, x := range [2]*[3]float64{&w.East, &w.North} {
		x[0] += reach * x[1]
		x[1] *= fade
		x[2] *= rho
	}
	c := w.Cov
	v := m.speed * m.speed
	w.Cov = [6]float64{
		c[0] + 2*reach*c[1] + reach*reach*c[3] + m.wander*dt + v*m.keeps*m.keeps*(2*dt/m.keeps-3+4*fade-fade*fade),
		fade*(c[1]+reach*c[3]) + v*m.keeps*(1-fade)*(1-fade),
		rho * (c[2] + reach*c[4]),
		fade*fade*c[3] + v*(1-fade*fade),
		rho * fade * c[4],
		rho*rho*c[5] + 1 - rho*rho,
	}
}

// steadied is the average claim after a fix that claims sigma, dt seconds later.
func (t *Track) steadied(sigma, dt float64) float64 {
	if sigma > 2*t.Sigma || sigma < t.Sigma/2 {
		return sigma
	}
	return t.Sigma + (sigma-t.Sigma)*(1-math.Exp(-dt/steadySeconds))
}

// update takes a position that claims sigma in, and returns how likely it was, per square metre.
func (t *Track) update(p Point, sigma float64) float64 {
	east, north := t.Origin.offset(p)
	slow := math.Sqrt(slowShare) * t.Sigma
	fresh := (1 - slowShare) * sigma * sigma
	var likelihood [3]float64
	total := 0.0
	for i := range t.Ways {
		w := &t.Ways[i]
		c := w.Cov
		gain := [3]float64{c[0] + slow*c[2], c[1] + slow*c[4], c[2] + slow*c[5]}
		s := gain[0] + slow*gain[2] + fresh
		de, dn := east-w.East[0]-slow*w.East[2], north-w.North[0]-slow*w.North[2]
		likelihood[i] = w.Weight * math.Exp(-(de*de+dn*dn)/(2*s)) / (2 * math.Pi * s)
		total += likelihood[i]
		n := 0
		for a := range 3 {
			w.East[a] += gain[a] / s * de
			w.North[a] += gain[a] / s * dn
			for b := a; b < 3; b++ {
				w.Cov[n] -= gain[a] * gain[b] / s
				n++
			}
		}
	}
	const least = 1e-6 // no way of moving is ever ruled out
	if total > 0 {
		sum := 0.0
		for i := range t.Ways {
			t.Ways[i].Weight = max(least, likelihood[i]/total)
			sum += t.Ways[i].Weight
		}
		for i := range t.Ways {
			t.Ways[i].Weight /= sum
		}
	}
	return total
}

// mean is the estimated position in metres from the origin.
func (t *Track) mean() (east, north float64) {
	for i := range t.Ways {
		east += t.Ways[i].Weight * t.Ways[i].East[0]
		north += t.Ways[i].Weight * t.Ways[i].North[0]
	}
	return east, north
}

func (t *Track) estimate() (Point, float64) {
	east, north := t.mean()
	variance := 0.0
	for i := range t.Ways {
		w := &t.Ways[i]
		de, dn := w.East[0]-east, w.North[0]-north
		variance += w.Weight * (w.Cov[0] + (de*de+dn*dn)/2)
	}
	return t.Origin.shift(east, north), math.Sqrt(max(variance, 1))
}

// ahead is where the shopper is going to be, looksAhead from now.
func (t *Track) ahead() (points [len(looksAhead)]Point) {
	east, north := t.mean()
	var perEast, perNorth float64
	for i := range t.Ways {
		perEast += t.Ways[i].Weight * t.Ways[i].East[1]
		perNorth += t.Ways[i].Weight * t.Ways[i].North[1]
	}
	for i, seconds := range looksAhead {
		points[i] = t.Origin.shift(east+perEast*seconds, north+perNorth*seconds)
	}
	return points
}

// staying is ahead for somebody of whom no movement is known.
func staying(p Point) (points [len(looksAhead)]Point) {
	for i := range points {
		points[i] = p
	}
	return points
}

// recenter keeps the plane of the estimates near them, where it is flat.
func (t *Track) recenter(origin Point) {
	for i := range t.Ways {
		w := &t.Ways[i]
		w.East[0], w.North[0] = origin.offset(t.Origin.shift(w.East[0], w.North[0]))
	}
	t.Origin = origin
}

// offset is the way from p to q in metres on the plane that touches p: for tracks, a few kilometres.
func (p Point) offset(q Point) (east, north float64) {
	const perDegree = EarthRadiusMeters * math.Pi / 180
	return wrapLng(q.Lng-p.Lng) * perDegree * p.eastScale(), (q.Lat - p.Lat) * perDegree
}

// shift is the inverse of offset.
func (p Point) shift(east, north float64) Point {
	const perDegree = EarthRadiusMeters * math.Pi / 180
	lat := max(-90, min(90, p.Lat+north/perDegree))
	return Point{Lat: lat, Lng: wrapLng(p.Lng + math.Remainder(east/(perDegree*p.eastScale()), 360))}
}

// eastScale is the length of a degree of longitude in degrees of latitude. Within metres of a pole it is
// bounded, so that nothing is divided by zero; a track there is merely slow to follow.
func (p Point) eastScale() float64 { return max(1e-6, math.Cos(p.Lat*math.Pi/180)) }
