package experiment

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// runs is how many experiments a simulation makes: enough to see a mistake, and 10,000 in the long form.
func runs(short int) int {
	if os.Getenv("SATNAV_TEST_LONG") != "" {
		return 10_000
	}
	return short
}

// shopping draws what one shopper does; lift is by how much they do it more often.
type shopping struct {
	name string
	draw func(r *rand.Rand, lift float64) Deed
	// mean is of the metric without lift.
	mean float64
}

var shoppings = []shopping{
	{"purchases of 5 in 100", func(r *rand.Rand, lift float64) Deed {
		return Deed{Value: chance(r, 0.05*(1+lift)), Of: 1}
	}, 0.05},
	{"conversion of visits, by those who come more or less often", func(r *rand.Rand, lift float64) Deed {
		keen := r.Float64()
		d := Deed{Of: 1 + float64(r.IntN(1+int(6*keen)))}
		for range int(d.Of) {
			d.Value += chance(r, (0.05+0.15*keen)*(1+lift))
		}
		for range 4 {
			d.Before += chance(r, 0.05+0.15*keen)
		}
		return d
	}, math.NaN()},
	{"money spent by one in three, a few spend much", func(r *rand.Rand, lift float64) Deed {
		habit := r.NormFloat64()
		d := Deed{Of: 1, Before: math.Exp(habit)}
		if r.Float64() < 1./3 {
			d.Value = math.Exp(habit+0.5*r.NormFloat64()) * (1 + lift)
		}
		return d
	}, math.Exp(0.5+0.125) / 3},
}

func chance(r *rand.Rand, p float64) float64 {
	if r.Float64() < p {
		return 1
	}
	return 0
}

// peek runs one experiment, looking after every pair of shoppers, until it is decided or over. It returns the last difference,
// whether it was decided, and whether an interval ever left out the truth.
func peek(r *rand.Rand, s shopping, pairs int, lift, truth float64, stop bool) (last Difference, decided, missed bool) {
	var a, b Sample
	for range pairs {
		a.Add(s.draw(r, 0))
		b.Add(s.draw(r, lift))
		if a.n < fewShoppers {
			continue
		}
		last = compare(&a, &b, sure, float64(2*pairs))
		missed = missed || last.Known && (truth < last.Between.Low || truth > last.Between.High)
		if last.Decided() {
			decided = true
			if stop {
				break
			}
		}
	}
	return last, decided, missed
}

// TestNothingIsFound holds the promise of looking at any time: of experiments whose arms are the same, looked at after every
// pair of shoppers, at most 5 in 100 are ever called a difference. A test of fixed length that is looked at so is wrong
// in about 3 of 10.
func TestNothingIsFound(t *testing.T) {
	t.Parallel()
	for k, s := range shoppings {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			n, wrong, fixed := runs(600), 0, 0
			for run := range n {
				r := rand.New(rand.NewPCG(uint64(run), uint64(k)))
				var a, b Sample
				ever, everFixed := false, false
				for range 1_500 {
					a.Add(s.draw(r, 0))
					b.Add(s.draw(r, 0))
					if a.n < fewShoppers {
						continue
					}
					d := compare(&a, &b, sure, 3_000)
					ever = ever || d.Decided()
					everFixed = everFixed || d.Known && math.Abs(d.Value-d.First) > quantile975*math.Sqrt(noise(&a, 0)+noise(&b, 0))
				}
				if ever {
					wrong++
				}
				if everFixed {
					fixed++
				}
			}
			t.Logf("%d of %d runs were called a difference (%.2f %%); by a test of fixed length %d", wrong, n, 100*float64(wrong)/float64(n), fixed)
			if float64(wrong) > 0.05*float64(n) {
				t.Errorf("%d of %d runs without a difference were called one, want at most 5 %%", wrong, n)
			}
		})
	}
}

// TestEffectsAreFound holds that a known effect lies inside the interval in at least 94 of 100 experiments, however long
// somebody looked and although they stopped at the first difference.
func TestEffectsAreFound(t *testing.T) {
	t.Parallel()
	for k, s := range shoppings {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			const lift = 0.4
			mean := s.mean
			if math.IsNaN(mean) { // measured with many
				var all Sample
				r := rand.New(rand.NewPCG(7, 7))
				for range 2_000_000 {
					all.Add(s.draw(r, 0))
				}
				mean = all.Mean()
			}
			n, inside, found := runs(600), 0, 0
			for run := range n {
				r := rand.New(rand.NewPCG(uint64(run), 100+uint64(k)))
				_, decided, missed := peek(r, s, 2_000, lift, lift*mean, true)
				if !missed {
					inside++
				}
				if decided {
					found++
				}
			}
			t.Logf("the truth was inside at every look in %d of %d runs (%.2f %%); %d found a difference", inside, n, 100*float64(inside)/float64(n), found)
			if float64(inside) < 0.94*float64(n) {
				t.Errorf("the truth was inside in %d of %d runs, want at least 94 %%", inside, n)
			}
			if found < n/4 {
				t.Errorf("%d of %d runs found anything: the test shows nothing", found, n)
			}
		})
	}
}

// TestLaterDeeds is the same for shoppers who go on buying: at each look everybody who is in has done more, and those who buy
// much go on buying much.
func TestLaterDeeds(t *testing.T) {
	t.Parallel()
	n, wrong := runs(300), 0
	for run := range n {
		r := rand.New(rand.NewPCG(uint64(run), 300))
		var keen, spent [2][]float64
		ever := false
		for range 60 { // days
			for side := range 2 {
				for range 20 { // come in each day
					keen[side], spent[side] = append(keen[side], math.Exp(0.8*r.NormFloat64())), append(spent[side], 0)
				}
				for i := range spent[side] {
					if r.Float64() < 0.1 {
						spent[side][i] += keen[side][i] * r.ExpFloat64()
					}
				}
			}
			var samples [2]Sample
			for side := range 2 {
				for _, sum := range spent[side] {
					samples[side].Add(Deed{Value: sum, Of: 1})
				}
			}
			d := compare(&samples[0], &samples[1], sure, 2_400)
			ever = ever || d.Decided()
		}
		if ever {
			wrong++
		}
	}
	t.Logf("%d of %d runs were called a difference", wrong, n)
	if float64(wrong) > 0.05*float64(n) {
		t.Errorf("%d of %d runs without a difference were called one, want at most 5 %%", wrong, n)
	}
}

// TestBefore holds that what was known before makes intervals narrower and leaves the difference where it is.
func TestBefore(t *testing.T) {
	t.Parallel()
	var with, without, mean float64
	const n, pairs = 200, 1_000
	for run := range n {
		r := rand.New(rand.NewPCG(uint64(run), 400))
		var a, b, plainA, plainB Sample
		for range pairs {
			for side := range 2 {
				habit := 10 + 4*r.NormFloat64()
				d := Deed{Value: habit + r.NormFloat64() + float64(side), Of: 1, Before: habit + r.NormFloat64()}
				if side == 0 {
					a.Add(d)
					plainA.Add(Deed{d.Value, 1, 0})
				} else {
					b.Add(d)
					plainB.Add(Deed{d.Value, 1, 0})
				}
			}
		}
		reduced, plain := compare(&a, &b, sure, 2*pairs), compare(&plainA, &plainB, sure, 2*pairs)
		with += (reduced.Between.High - reduced.Between.Low) / n
		without += (plain.Between.High - plain.Between.Low) / n
		mean += reduced.Between.Mean / n
	}
	if with > 0.4*without || math.Abs(mean-1) > 0.02 {
		t.Errorf("width %.3f with, %.3f without; mean difference %.3f, want 1", with, without, mean)
	}
}
