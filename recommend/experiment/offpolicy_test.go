package experiment

import (
	"math"
	"math/rand/v2"
	"testing"
)

// logs draws suggestions of three things that were chosen with known chances in two kinds of scenes, with the chances of
// another way of choosing, and what that other way would really bring.
func logs(r *rand.Rand, n int, model func(scene, thing int) float64, wrong float64) (logged []Logged, truth float64) {
	buys := [2][3]float64{{0.1, 0.3, 0.2}, {0.4, 0.1, 0.2}}
	chosen := [2][3]float64{{0.6, 0.3, 0.1}, {0.2, 0.5, 0.3}}
	other := [2][3]float64{{0.1, 0.7, 0.2}, {0.8, 0.1, 0.1}}
	for scene := range 2 {
		for thing := range 3 {
			truth += 0.5 * other[scene][thing] * buys[scene][thing]
		}
	}
	for range n {
		scene := r.IntN(2)
		at, thing := r.Float64(), 0
		for thing < 2 && at >= chosen[scene][thing] {
			at -= chosen[scene][thing]
			thing++
		}
		l := Logged{Propensity: chosen[scene][thing] * (1 + wrong*float64(thing)), Target: other[scene][thing], Reward: chance(r, buys[scene][thing]), Predicted: model(scene, thing)}
		for k := range 3 {
			l.Expected += other[scene][k] * model(scene, k)
		}
		logged = append(logged, l)
	}
	return logged, truth
}

// TestOffPolicy holds that both estimates hold the truth in about 95 of 100 cases where the propensities are right, that a good
// model makes the doubly robust one narrower, and that it stands when the propensities are wrong and the model is right.
func TestOffPolicy(t *testing.T) {
	t.Parallel()
	none := func(int, int) float64 { return 0 }
	good := func(scene, thing int) float64 { return [2][3]float64{{0.1, 0.3, 0.2}, {0.4, 0.1, 0.2}}[scene][thing] }
	const n = 400
	var snips, robust, narrow, wrongly int
	var plain, modelled float64
	for run := range n {
		r := rand.New(rand.NewPCG(uint64(run), 600))
		logged, truth := logs(r, 3_000, none, 0)
		inside := func(e Estimate) int {
			if e.Low <= truth && truth <= e.High {
				return 1
			}
			return 0
		}
		s, d := SNIPS(logged), DoublyRobust(logged)
		snips, robust, plain = snips+inside(s), robust+inside(d), plain+(d.High-d.Low)/n
		if s.Effective <= 0 || s.Effective > 3_000 {
			t.Fatalf("effective size %v of 3,000", s.Effective)
		}
		logged, _ = logs(r, 3_000, good, 0)
		d = DoublyRobust(logged)
		narrow, modelled = narrow+inside(d), modelled+(d.High-d.Low)/n
		logged, _ = logs(r, 3_000, good, 0.5)
		wrongly += inside(DoublyRobust(logged))
	}
	t.Logf("inside: SNIPS %d, doubly robust %d, with a model %d, with wrong propensities %d of %d; width %.4f, with a model %.4f", snips, robust, narrow, wrongly, n, plain, modelled)
	for name, got := range map[string]int{"SNIPS": snips, "doubly robust": robust, "with a model": narrow, "wrong propensities, right model": wrongly} {
		if share := float64(got) / n; share < 0.92 {
			t.Errorf("%s: the truth is inside in %.1f %%, want about 95", name, 100*share)
		}
	}
	if modelled > 0.97*plain {
		t.Errorf("a good model makes it %.4f wide, without one %.4f", modelled, plain)
	}
	if e := SNIPS(nil); e != (Estimate{}) {
		t.Errorf("of nothing: got %+v", e)
	}
	if e := SNIPS([]Logged{{Propensity: 0.5, Target: 1, Reward: 1}}); math.Abs(e.Value-1) > 1e-12 {
		t.Errorf("of one: got %+v", e)
	}
}
