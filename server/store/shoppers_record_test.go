package store

import (
	"reflect"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"satnav/context/who"
	"satnav/recommend"
	"satnav/recommend/rule"
)

// drawRecord draws records with every field in use.
var drawRecord = rapid.Custom(func(t *rapid.T) *DecisionRecord {
	word := rapid.SampledFrom([]string{"", "a", "naïve", "8928308280fffff"})
	at := rapid.Custom(func(t *rapid.T) time.Time { return time.UnixMilli(rapid.Int64Range(1, 4e12).Draw(t, "ms")).UTC() })
	maybe := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "zero") {
			return time.Time{}
		}
		return at.Draw(t, "at")
	})
	words := func(label string) []string {
		if list := rapid.SliceOfN(word, 0, 3).Draw(t, label); len(list) > 0 {
			return list
		}
		return nil
	}
	number := rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.IntRange(-999, 999).Draw(t, "number")) / 100 }) // four digits are kept
	r := &DecisionRecord{
		ID: word.Draw(t, "id"), At: at.Draw(t, "at"), Arrived: at.Draw(t, "arrived"),
		Scene: SceneFacts{
			Digest: rapid.Int64().Draw(t, "digest"), Spelt: word.Draw(t, "cell"), Store: word.Draw(t, "store"), Daypart: word.Draw(t, "daypart"),
			Holiday: word.Draw(t, "holiday"), Basket: rapid.IntRange(0, 9).Draw(t, "basket"), List: rapid.IntRange(0, 9).Draw(t, "list"),
			Limit: rapid.IntRange(0, 9).Draw(t, "limit"), Explore: rapid.Bool().Draw(t, "explore"),
		},
		Versions: Versions{word.Draw(t, "model"), rapid.Int64().Draw(t, "crowd"), word.Draw(t, "rules"), maybe.Draw(t, "catalogue"), maybe.Draw(t, "geofences"), maybe.Draw(t, "stores")},
		Used:     UsedFacts{Permissions: words("permissions"), Location: word.Draw(t, "location"), History: rapid.Bool().Draw(t, "history"), Degraded: words("degraded"), Distrust: words("distrust")},
		Triggers: words("triggers"), Candidates: rapid.IntRange(0, 300).Draw(t, "candidates"),
	}
	for _, name := range words("purposes") {
		r.Used.Purposes = append(r.Used.Purposes, who.Purpose(name))
	}
	for range rapid.IntRange(0, 2).Draw(t, "arms") {
		r.Arms = append(r.Arms, Arm{word.Draw(t, "experiment"), word.Draw(t, "arm")})
	}
	for range rapid.IntRange(0, 3).Draw(t, "suggestions") {
		s := Suggested{Kind: rapid.SampledFrom([]recommend.Kind{recommend.KindProduct, recommend.KindStore, "later"}).Draw(t, "kind"), Item: word.Draw(t, "item"), Score: number.Draw(t, "score"), Propensity: rapid.SampledFrom([]float64{1, 0.25}).Draw(t, "propensity"), OneSided: word.Draw(t, "one-sided")}
		for range rapid.IntRange(0, 2).Draw(t, "reasons") {
			s.Reasons = append(s.Reasons, recommend.Reason{Code: recommend.DueAgain, Contribution: number.Draw(t, "part"), Values: recommend.Values{
				EveryDays: number.Draw(t, "every"), LastDays: number.Draw(t, "last"), Times: rapid.IntRange(0, 9).Draw(t, "times"),
				With: word.Draw(t, "with"), Store: rapid.String().Draw(t, "store"), Meters: number.Draw(t, "meters"), When: word.Draw(t, "when")}})
		}
		s.Rules = words("ruled by")
		r.Suggestions = append(r.Suggestions, s)
	}
	for range rapid.IntRange(0, 2).Draw(t, "rules") {
		r.Rules = append(r.Rules, RuleTrace{word.Draw(t, "rule"), rule.NotTrue, rule.Hold(word.Draw(t, "hold")), word.Draw(t, "part")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "considered") {
		r.Considered = append(r.Considered, Considered{word.Draw(t, "item"), number.Draw(t, "odds"), rapid.Int64().Draw(t, "sources")})
	}
	return r
})

// TestRecordCodec holds what is written by hand to what reads it, and to the names in the struct's tags.
func TestRecordCodec(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		give := rapid.SliceOfN(drawRecord, 1, 4).Draw(t, "records")
		body, newest, suggested := appendRecords(nil, give, func(*DecisionRecord) bool { return true })
		got, err := readRecords(body)
		if err != nil {
			t.Fatal(err)
		}
		told := false
		for i := range give {
			told = told || len(give[i].Suggestions)+len(give[i].Triggers) > 0
			if give[i].Arrived.After(newest) {
				t.Fatalf("newest: got %v, want at least %v", newest, give[i].Arrived)
			}
			want := *give[i]
			if !reflect.DeepEqual(got[i], want) {
				t.Fatalf("got\n%+v\nwant\n%+v", got[i], want)
			}
		}
		if suggested != told {
			t.Fatalf("suggested: got %v, want %v", suggested, told)
		}
		var fields bson.D // each field has its own name
		if err := bson.Unmarshal(body, &fields); err != nil {
			t.Fatal(err)
		}
		none, newest, _ := appendRecords(nil, give, func(*DecisionRecord) bool { return false })
		if left, err := readRecords(none); err != nil || len(left) > 0 || !newest.IsZero() {
			t.Fatalf("none may be kept: got %v, %v, %v", left, newest, err)
		}
	})
}

// FuzzReadReasons holds that no text is read as something else than it says.
func FuzzReadReasons(f *testing.F) {
	f.Add("due_again 1.21 every_days=7.2 last_days=8.1 times=12; popular_here 0.4 store=op%3Bera")
	f.Add("x 1 later=2")
	f.Fuzz(func(t *testing.T, text string) {
		reasons, err := readReasons(text)
		if err != nil {
			return
		}
		again, err := readReasons(string(appendReasons(nil, reasons)))
		if err != nil || len(again) != len(reasons) {
			t.Fatalf("%q: %+v became %+v, %v", text, reasons, again, err)
		}
	})
}

// typical is the record of an answer with ten suggestions.
func typical() *DecisionRecord {
	r := &DecisionRecord{
		ID: "0123456789abcdef", At: time.UnixMilli(1.7e12), Arrived: time.UnixMilli(1.7e12),
		Scene:    SceneFacts{Digest: 1 << 60, Cell: 0x8a195da49d47fff, Store: "lisbon-12", Daypart: "morning", Limit: 10, Explore: true},
		Versions: Versions{Model: "2026-11-22T09:14:03Z-1", Crowd: 81234, Catalogue: time.UnixMilli(1.7e12), Geofences: time.UnixMilli(1.7e12), Stores: time.UnixMilli(1.7e12)},
		Used:     UsedFacts{Permissions: []string{"location"}, Purposes: []who.Purpose{who.Location, who.Loyalty}, Location: "fix", History: true}, Candidates: 120,
	}
	for range 10 {
		r.Suggestions = append(r.Suggestions, Suggested{Kind: recommend.KindProduct, Item: "p-10423", Score: 0.0321, Propensity: 1, Reasons: []recommend.Reason{
			{Code: recommend.DueAgain, Contribution: 1.2, Values: recommend.Values{EveryDays: 7.2, LastDays: 8.1, Times: 12}},
			{Code: recommend.PopularHere, Contribution: 0.4, Values: recommend.Values{Store: "lisbon-12"}},
		}})
	}
	return r
}

// BenchmarkAppendRecords tells what the record of an answer with ten suggestions takes: B/record.
func BenchmarkAppendRecords(b *testing.B) {
	records := []*DecisionRecord{typical()}
	buffer := make([]byte, 0, 8<<10)
	b.ReportAllocs()
	var body []byte
	for b.Loop() {
		body, _, _ = appendRecords(buffer, records, func(*DecisionRecord) bool { return true })
	}
	b.ReportMetric(float64(len(body)), "B/record")
}
