package experiment

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// State is how far an experiment is.
type State string

const (
	Waiting State = "waiting" // too few shoppers to say anything
	Open    State = "open"    // no difference was found yet, and a small one is still possible
	Better  State = "better"  // an arm is better than the first
	Worse   State = "worse"   // no arm is better, and one is worse
	Same    State = "same"    // any difference is smaller than what is worth knowing
	Blocked State = "blocked" // the split is odd: nothing may be concluded
	Harmful State = "harmful" // a guard was broken: stop
)

// States lists all states.
var States = []State{Waiting, Open, Better, Worse, Same, Blocked, Harmful}

// Reading is what was measured of one arm.
type Reading struct {
	Exposed int // shoppers
	Samples map[Metric]*Sample
}

func (r *Reading) sample(m Metric) *Sample {
	if s := r.Samples[m]; s != nil {
		return s
	}
	return &Sample{}
}

// Verdict is what an experiment tells by now. It may be asked for as often as anybody likes.
type Verdict struct {
	State State
	Text  string // the same in plain English
	Best  string // with Better: the arm
	Broke Metric // with Harmful: the guard
	By    string // with Harmful: the arm

	Balance     Balance
	Differences []Difference // by the metric that decides, one for each arm but the first; then those of the guards
	Exposed     int
	Needed      int     // shoppers in all that find the smallest difference worth knowing, by what is known now; 0: not known yet
	Detectable  float64 // the smallest relative difference that is found once as many are exposed as planned; 0: not known yet
}

// Judge tells what the readings, one for each arm in their order, say.
func (e *Experiment) Judge(readings []Reading) Verdict {
	var v Verdict
	var shares []float64
	var counts []int
	total := 0.0
	for i := range e.Arms {
		total += float64(e.Arms[i].weight())
		counts = append(counts, readings[i].Exposed)
		v.Exposed += readings[i].Exposed
	}
	for i := range e.Arms {
		shares = append(shares, float64(e.Arms[i].weight())/total)
	}
	v.Balance = balance(counts, shares)
	planned := float64(e.Exposures())
	first := &readings[0]
	v.compare(e, readings, e.Metric, planned, shares)
	deciding := v.Differences
	for _, g := range e.Guards {
		v.compare(e, readings, g.Metric, planned, shares)
	}
	plan := e.PlanOf(first.sample(e.Metric))
	for _, d := range deciding {
		plan.Reduced = max(plan.Reduced, d.Reduced)
	}
	if first.sample(e.Metric).n >= fewShoppers && plan.Mean != 0 {
		v.Needed, v.Detectable = plan.Needed(), plan.Detectable(e.Exposures())
	}
	v.conclude(e, deciding)
	v.Text = v.words(e, deciding)
	return v
}

// Exposures is how many shoppers the experiment is planned for.
func (e *Experiment) Exposures() int {
	if e.Planned == 0 {
		return DefaultPlanned
	}
	return e.Planned
}

// compare adds the differences of all arms from the first. Together they are wrong in at most one of twenty experiments.
func (v *Verdict) compare(e *Experiment, readings []Reading, m Metric, planned float64, shares []float64) {
	others := float64(len(e.Arms) - 1)
	for i := 1; i < len(e.Arms); i++ {
		d := compare(readings[0].sample(m), readings[i].sample(m), sure/others, max(2*fewShoppers, planned*(shares[0]+shares[i])))
		d.Metric, d.Arm = m, e.Arms[i].ID
		v.Differences = append(v.Differences, d)
	}
}

// conclude finds the state.
func (v *Verdict) conclude(e *Experiment, deciding []Difference) {
	if v.Balance.Odd() {
		v.State = Blocked
		return
	}
	at := len(deciding)
	for _, g := range e.Guards {
		for range deciding {
			d := &v.Differences[at]
			at++
			allowed := g.Worse * math.Abs(d.First)
			if d.Known && (g.Metric.Less() && d.Between.Low > allowed || !g.Metric.Less() && d.Between.High < -allowed) {
				v.State, v.Broke, v.By = Harmful, g.Metric, d.Arm
				return
			}
		}
	}
	known, same, worse := false, true, false
	best := 0.0
	for i := range deciding {
		d := &deciding[i]
		known = known || d.Known
		small := e.smallest() * math.Abs(d.First)
		same = same && d.Known && d.Between.Low > -small && d.Between.High < small
		gain := d.Between.Mean
		if e.Metric.Less() {
			gain = -gain
		}
		switch {
		case !d.Decided():
		case gain < 0:
			worse = true
		case gain > best:
			best, v.Best = gain, d.Arm
		}
	}
	switch {
	case !known:
		v.State = Waiting
	case v.Best != "":
		v.State = Better
	case worse:
		v.State = Worse
	case same:
		v.State = Same
	default:
		v.State = Open
	}
}

// words says it so that somebody who did not make the experiment understands it.
func (v *Verdict) words(e *Experiment, deciding []Difference) string {
	switch v.State {
	case Blocked:
		return fmt.Sprintf("No verdict: the arms were to get shoppers as %s and got %s, which by chance is so odd less than once in %.0f experiments. Something loses or doubles the shoppers of an arm: find that first.",
			ratios(v.Balance.Planned), splits(v.Balance.Exposed), 1/oddSplit)
	case Harmful:
		for i := len(deciding); i < len(v.Differences); i++ {
			if d := &v.Differences[i]; d.Metric == v.Broke && d.Arm == v.By {
				return fmt.Sprintf("Stop: %q does harm. %s. A guard forbids that.", v.By, d.words(e))
			}
		}
	case Waiting:
		return fmt.Sprintf("Too early: %s shoppers have been where the arms differ. Something can be said from %d on each arm and %d who acted.", splits(v.Balance.Exposed), fewShoppers, fewActed)
	case Better:
		for i := range deciding {
			if deciding[i].Arm == v.Best {
				return fmt.Sprintf("%q is better. %s. It can be kept.", v.Best, deciding[i].words(e))
			}
		}
	case Worse:
		for i := range deciding {
			if deciding[i].Decided() {
				return fmt.Sprintf("%q is worse. %s. Keep %q.", deciding[i].Arm, deciding[i].words(e), e.Arms[0].ID)
			}
		}
	case Same:
		return fmt.Sprintf("No difference that is worth knowing (%s %%). %s. Keep whatever is simpler.", number(100*e.smallest()), deciding[0].words(e))
	}
	text := fmt.Sprintf("Open. %s.", deciding[0].words(e))
	if v.Needed > v.Exposed {
		text += fmt.Sprintf(" A difference of %s %% is found in 4 of 5 such experiments with %s shoppers; %s are in by now.", number(100*e.smallest()), grouped(v.Needed), grouped(v.Exposed))
	}
	return text
}

// words tell a difference in a sentence without its full stop.
func (d *Difference) words(e *Experiment) string {
	m := about[d.Metric]
	more := "more"
	mean, low, high := d.Between.Mean*m.times, d.Between.Low*m.times, d.Between.High*m.times
	if mean < 0 {
		more, mean, low, high = "less", -mean, -high, -low
	}
	if !d.Known {
		return fmt.Sprintf("%q and %q have too few shoppers to be compared", d.Arm, e.Arms[0].ID)
	}
	return fmt.Sprintf("With %q %s %s, with %q %s: %s %s, in 95 of 100 cases between %s and %s however often one looks",
		d.Arm, number(d.Value*m.times), m.words, e.Arms[0].ID, number(d.First*m.times), number(mean), more, number(low), number(high))
}

// number writes three digits that count.
func number(x float64) string {
	switch size := math.Abs(x); {
	case size >= 1_000:
		return grouped(int(math.Round(x)))
	case size >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case size >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	case size == 0:
		return "0"
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}

// grouped writes a whole number with a comma between thousands.
func grouped(n int) string {
	if n < 0 {
		return "-" + grouped(-n)
	}
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func splits(counts []int) string {
	texts := make([]string, len(counts))
	for i, n := range counts {
		texts[i] = grouped(n)
	}
	return strings.Join(texts, " : ")
}

func ratios(shares []float64) string {
	texts := make([]string, len(shares))
	for i, share := range shares {
		texts[i] = number(100 * share)
	}
	return strings.Join(texts, " : ")
}
