package experiment

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// readings draws what two arms measure: counts of shoppers, and chances to buy and to dismiss.
func readings(r *rand.Rand, shoppers [2]int, buy, dismiss [2]float64) []Reading {
	all := make([]Reading, 2)
	for arm := range all {
		bought, dismissed := &Sample{}, &Sample{}
		for range shoppers[arm] {
			bought.Add(Deed{Value: chance(r, buy[arm]), Of: 1})
			dismissed.Add(Deed{Value: chance(r, dismiss[arm]), Of: 1})
		}
		all[arm] = Reading{Exposed: shoppers[arm], Samples: map[Metric]*Sample{Conversion: bought, Dismissal: dismissed}}
	}
	return all
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	e := &Experiment{ID: "payday", Arms: []Arm{{ID: "without"}, {ID: "with"}}, Metric: Conversion, Guards: []Guard{{Dismissal, 0.2}}, Smallest: 0.2, Planned: 8_000}
	cases := []struct {
		name     string
		shoppers [2]int
		buy      [2]float64
		dismiss  [2]float64
		want     State
		says     string
	}{
		{"nobody yet", [2]int{}, [2]float64{}, [2]float64{}, Waiting, "Too early"},
		{"a few", [2]int{90, 95}, [2]float64{0.5, 0.5}, [2]float64{}, Waiting, "90 : 95"},
		{"better", [2]int{4_000, 4_000}, [2]float64{0.10, 0.15}, [2]float64{0.05, 0.05}, Better, `"with" is better`},
		{"worse", [2]int{4_000, 4_000}, [2]float64{0.15, 0.10}, [2]float64{0.05, 0.05}, Worse, `Keep "without"`},
		{"open", [2]int{1_000, 1_000}, [2]float64{0.10, 0.105}, [2]float64{0.05, 0.05}, Open, "shoppers; 2,000 are in by now"},
		{"the same", [2]int{60_000, 60_000}, [2]float64{0.10, 0.10}, [2]float64{0.05, 0.05}, Same, "whatever is simpler"},
		{"an odd split", [2]int{4_000, 3_400}, [2]float64{0.10, 0.20}, [2]float64{0.05, 0.05}, Blocked, "4,000 : 3,400"},
		{"harm, although it sells", [2]int{4_000, 4_000}, [2]float64{0.10, 0.15}, [2]float64{0.05, 0.12}, Harmful, "dismissed by 100 shoppers"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := e.Judge(readings(rand.New(rand.NewPCG(1, 700)), c.shoppers, c.buy, c.dismiss))
			if v.State != c.want || !strings.Contains(v.Text, c.says) {
				t.Errorf("got %s: %s\nwant %s: … %s …", v.State, v.Text, c.want, c.says)
			}
			t.Log(v.Text)
		})
	}
}

// TestVerdictOfMany holds that with many arms the best of those that are better is named.
func TestVerdictOfMany(t *testing.T) {
	t.Parallel()
	e := &Experiment{ID: "x", Arms: []Arm{{ID: "a"}, {ID: "b"}, {ID: "c"}}, Metric: Orders}
	r := rand.New(rand.NewPCG(2, 700))
	all := append(readings(r, [2]int{5_000, 5_000}, [2]float64{0.10, 0.15}, [2]float64{}), readings(r, [2]int{5_000, 0}, [2]float64{0.20, 0}, [2]float64{})[0])
	for i := range all {
		all[i].Samples[Orders] = all[i].Samples[Conversion]
	}
	if v := e.Judge(all); v.State != Better || v.Best != "c" || len(v.Differences) != 2 {
		t.Errorf("got %+v", v)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	right := Experiment{ID: "a", Arms: []Arm{{ID: "x"}, {ID: "y", Without: []string{"r"}}}, Metric: Conversion}
	if problems := right.Check(); len(problems) > 0 {
		t.Fatalf("a right one: got %v", problems)
	}
	cases := []struct {
		name string
		give func(*Experiment)
		want string // pointer
	}{
		{"no id", func(e *Experiment) { e.ID = "" }, "/id"},
		{"the holdout's id", func(e *Experiment) { e.ID = Holdout }, "/id"},
		{"one arm", func(e *Experiment) { e.Arms = e.Arms[:1] }, "/arms"},
		{"two arms of one name", func(e *Experiment) { e.Arms[1].ID = "x" }, "/arms/1/id"},
		{"an empty part", func(e *Experiment) { e.From, e.To = 0.5, 0.5 }, "/from"},
		{"a part over the end", func(e *Experiment) { e.To = 1.5 }, "/from"},
		{"no metric", func(e *Experiment) { e.Metric = "luck" }, "/metric"},
		{"a guard of nothing", func(e *Experiment) { e.Guards = []Guard{{Metric: "luck"}} }, "/guards/0/metric"},
		{"drafts, which nobody approved", func(e *Experiment) { e.Arms[1].Rules = "drafts" }, "/arms/1/rules"},
		{"a negative weight", func(e *Experiment) { e.Arms[0].Weight = -1 }, "/arms/0/weight"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := right
			e.Arms = append([]Arm(nil), right.Arms...)
			c.give(&e)
			if problems := e.Check(); len(problems) != 1 || problems[0].Pointer != c.want {
				t.Errorf("got %v, want one at %s", problems, c.want)
			}
		})
	}
}
