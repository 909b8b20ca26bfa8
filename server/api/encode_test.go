package api

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"
	"pgregory.net/rapid"

	"satnav/context/scene"
	"satnav/context/where"
	"satnav/context/who"
	"satnav/recommend"
	"satnav/recommend/offer"
	"satnav/recommend/rule"
	"satnav/sdk-contract/wire"
	"satnav/server/retailer"
)

// TestAppendContextAgrees compares with encoding/json: both texts must read as the same value.
func TestAppendContextAgrees(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		answer, list, words := drawContext(t), drawSuggestions(t), drawWords(t)
		got, err := appendContext([]byte("before"), &answer, list, words)
		if err != nil {
			t.Fatal(err)
		}
		got = got[len("before"):]
		answer.Suggestions = suggestionsFrom(list, words)
		want, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		var gotValue, wantValue any
		if err := json.Unmarshal(got, &gotValue); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		if err := json.Unmarshal(want, &wantValue); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(gotValue, wantValue) {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
}

// drawContext draws an answer with every field in use or not. Its required lists are never nil, as the
// contract says.
func drawContext(t *rapid.T) wire.ContextResponse {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "a\"b\\c", "<b>&amp;", "\u2028\u2029", "\xff\xfe", "\x00\x1f\x7f", "né 😀"}))
	number := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1e21, 1e-7, math.MaxFloat64, math.SmallestNonzeroFloat64}))
	texts := rapid.SliceOfN(text, 0, 3)
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		seconds := rapid.Int64Range(0, 4e9).Draw(t, "seconds")
		zone := time.FixedZone("", rapid.IntRange(-12*60, 14*60).Draw(t, "minutes")*60)
		return time.Unix(seconds, rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).In(zone)
	})
	some := func(name string) bool { return rapid.Bool().Draw(t, name) }
	answer := wire.ContextResponse{
		Suggestions: []wire.Suggestion{}, Triggers: []wire.Trigger{},
		Moment: wire.Moment{LocalTime: instant.Draw(t, "local"), Daypart: text.Draw(t, "daypart"), Holiday: text.Draw(t, "holiday")},
		Next:   wire.Next{CheckAgainS: rapid.Int().Draw(t, "again")},
		Place:  wire.Place{Cell: text.Draw(t, "cell"), Store: text.Draw(t, "store")},
		Used: wire.Used{
			Permissions: texts.Draw(t, "permissions"), Purposes: texts.Draw(t, "purposes"), Location: text.Draw(t, "location"),
			History: some("history"), Rules: text.Draw(t, "rules"), Model: text.Draw(t, "model"), Arms: rapid.MapOfN(text, text, 0, 3).Draw(t, "arms"),
			Degraded: texts.Draw(t, "degraded"), Distrust: texts.Draw(t, "distrust"),
		},
	}
	for range rapid.IntRange(0, 2).Draw(t, "messages") {
		message := wire.Message{Rule: text.Draw(t, "rule"), Text: text.Draw(t, "words")}
		if some("later") {
			message.RemindAt = instant.Draw(t, "remind at")
		}
		answer.Messages = append(answer.Messages, message)
	}
	if some("distance") {
		metres := number.Draw(t, "metres")
		answer.Place.DistanceM = &metres
	}
	if some("hours") {
		open := some("open")
		answer.Place.Open = &open
	}
	if some("radius") {
		metres := number.Draw(t, "safe")
		answer.Next.SafeRadiusM = &metres
	}
	for range rapid.IntRange(0, 2).Draw(t, "regions") {
		answer.Next.At = wire.LatLng{Lat: 1 + rapid.Float64Range(0, 80).Draw(t, "lat"), Lng: number.Draw(t, "lng")}
		answer.Next.Regions = append(answer.Next.Regions, wire.Region{Geofence: text.Draw(t, "watched"), Lat: number.Draw(t, "middle"), RadiusM: number.Draw(t, "around"),
			Watch: wire.RegionWatchExit, Exact: some("exact"), DistanceM: number.Draw(t, "off")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "triggers") {
		trigger := wire.Trigger{ID: text.Draw(t, "id"), Geofence: text.Draw(t, "geofence"), Kind: wire.TriggerKindDwell, At: instant.Draw(t, "at"), Reason: text.Draw(t, "reason")}
		if some("decided") {
			trigger.DecidedAt = instant.Draw(t, "decided at")
		}
		if some("payload") {
			trigger.Payload = json.RawMessage(`{"message": "Good morning", "n": [1, null]}`)
		}
		answer.Triggers = append(answer.Triggers, trigger)
	}
	return answer
}

var codes = []recommend.Code{
	recommend.DueAgain, recommend.UsuallyBought, recommend.BoughtTogether, recommend.PopularHere, recommend.PopularNow, recommend.Popular,
	recommend.Suits, recommend.UsuallyNext, recommend.Nearby, recommend.UsuallyVisited, recommend.OftenNext, recommend.OnYourList, recommend.Searched, recommend.Liked, recommend.Viewed, recommend.InCatalogue,
	"one_of_tomorrow",
}

// drawSuggestions draws suggestions with every kind of reason; each names ids that are known or not.
func drawSuggestions(t *rapid.T) []recommend.Suggestion {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "s1", "p1", "a\"b\\c", "{store}", "\xff", "né 😀"}))
	days := rapid.OneOf(rapid.Float64Range(0, 1e4), rapid.SampledFrom([]float64{0, 0.04, 0.96, 7.449, 1e300}))
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) recommend.Suggestion {
		s := recommend.Suggestion{
			ID: text.Draw(t, "id"), Kind: recommend.Kind(text.Draw(t, "kind")), Item: text.Draw(t, "item"), Title: text.Draw(t, "title"),
			Score: rapid.Float64().Draw(t, "score"), Price: who.Money{Minor: rapid.Int64Range(-1e6, 1e6).Draw(t, "price"), Known: rapid.Bool().Draw(t, "priced")},
		}
		for range rapid.IntRange(0, 3).Draw(t, "reasons") {
			s.Reasons = append(s.Reasons, recommend.Reason{Code: rapid.SampledFrom(codes).Draw(t, "code"), Values: recommend.Values{
				EveryDays: days.Draw(t, "every"), LastDays: days.Draw(t, "last"), Times: rapid.IntRange(0, 3).Draw(t, "times"),
				With: text.Draw(t, "with"), Store: text.Draw(t, "store"), Meters: days.Draw(t, "meters"),
				When: rapid.SampledFrom([]string{"", recommend.ThisHour, recommend.ThisWeekday, recommend.ThisTimeOfMonth, recommend.ThisSeason, "later"}).Draw(t, "when"),
			}})
		}
		if rapid.Bool().Draw(t, "ruled") {
			s.Ruled = &recommend.Ruled{Personal: rapid.Bool().Draw(t, "personal"), Was: who.Money{Minor: rapid.Int64Range(0, 1e6).Draw(t, "was"), Known: true}}
			if rapid.Bool().Draw(t, "offered") {
				s.Ruled.Offer = &rule.Offer{ID: "o" + text.Draw(t, "offer"), Neutral: text.Draw(t, "neutral")}
			}
			if rapid.Bool().Draw(t, "said") {
				s.Ruled.Said = &recommend.Said{Text: map[string]string{rapid.SampledFrom([]string{"en", "de-AT", "zh"}).Draw(t, "tag"): text.Draw(t, "words")}}
			}
		}
		if rapid.Bool().Draw(t, "ends") {
			s.ValidUntil = time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "until"), 0).UTC()
		}
		return s
	}), 0, 3).Draw(t, "list")
}

// drawWords draws a language and a currency, at a retailer with one store and one product.
func drawWords(t *rapid.T) words {
	w := wordsOf(language.English)
	w.phrases = phrasesOf[rapid.SampledFrom(languages).Draw(t, "language")]
	w.exponent = rapid.IntRange(0, 3).Draw(t, "exponent")
	return w
}

func wordsOf(tag language.Tag) words {
	names := who.NewNames()
	stores := where.NewStores([]*where.Store{{ID: "s1", Name: "Corner <shop>"}})
	catalogue := recommend.NewCatalogue(names, []recommend.Product{{ID: "p1", Title: "Milk {last} 1 l"}})
	return words{phrases: phrasesOf[tag], exponent: 2, snapshot: &retailer.Snapshot{
		Names: names, Scene: scene.Retailer{Stores: stores}, Suggest: &recommend.Snapshot{Catalogue: catalogue},
	}}
}

// TestReasonTexts reads what shoppers read.
func TestReasonTexts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		give recommend.Reason
		text string
		want map[string]any
	}{
		{"due", recommend.Reason{Code: recommend.DueAgain, Values: recommend.Values{EveryDays: 7.449, LastDays: 0.3}},
			"You buy this about every 7 days; last time 1 days ago", map[string]any{"every_days": 7.4, "last_days": 0.3}},
		{"often", recommend.Reason{Code: recommend.UsuallyBought, Values: recommend.Values{Times: 12, LastDays: 3}},
			"You have bought this 12 times", map[string]any{"times": 12.0, "last_days": 3.0}},
		{"once", recommend.Reason{Code: recommend.UsuallyBought, Values: recommend.Values{Times: 1}}, "You have bought this before", map[string]any{"times": 1.0}},
		{"visited once", recommend.Reason{Code: recommend.UsuallyVisited, Values: recommend.Values{Times: 1}}, "You have been here before", map[string]any{"times": 1.0}},
		{"a title that looks like a slot", recommend.Reason{Code: recommend.BoughtTogether, Values: recommend.Values{With: "p1"}},
			"Often bought together with Milk {last} 1 l", map[string]any{"with": "p1"}},
		{"an item that nobody knows", recommend.Reason{Code: recommend.BoughtTogether, Values: recommend.Values{With: "p2"}}, "Often bought together with p2", map[string]any{"with": "p2"}},
		{"a store", recommend.Reason{Code: recommend.PopularHere, Values: recommend.Values{Store: "s1"}}, "Popular at Corner <shop>", map[string]any{"store": "s1"}},
		{"near", recommend.Reason{Code: recommend.Nearby, Values: recommend.Values{Store: "s1", Meters: 120.4}}, "120 m from you", map[string]any{"meters": 120.0, "store": "s1"}},
		{"nothing to fill in", recommend.Reason{Code: recommend.PopularNow, Values: recommend.Values{Times: 1}}, "Popular at this time", map[string]any{}},
		{"an hour", recommend.Reason{Code: recommend.PopularNow, Values: recommend.Values{When: recommend.ThisHour}}, "Bought more than usual at this hour", map[string]any{"when": "hour"}},
		{"a weekday", recommend.Reason{Code: recommend.PopularNow, Values: recommend.Values{When: recommend.ThisWeekday}}, "Bought more than usual on this day of the week", map[string]any{"when": "weekday"}},
		{"a time of the month", recommend.Reason{Code: recommend.PopularNow, Values: recommend.Values{When: recommend.ThisTimeOfMonth}}, "Bought more than usual at this time of the month", map[string]any{"when": "time_of_month"}},
		{"a season", recommend.Reason{Code: recommend.PopularNow, Values: recommend.Values{When: recommend.ThisSeason}}, "Bought more than usual at this time of the year", map[string]any{"when": "season"}},
		{"one's own way", recommend.Reason{Code: recommend.UsuallyNext, Values: recommend.Values{Store: "s1", Times: 3}}, "You often go here after Corner <shop>", map[string]any{"store": "s1", "times": 3.0}},
		{"no one pair", recommend.Reason{Code: recommend.Suits}, "Goes with what you buy", map[string]any{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := wordsOf(language.English).reason(&tc.give)
			if got.Text != tc.text || !reflect.DeepEqual(got.Values, tc.want) {
				t.Errorf("got %q %v, want %q %v", got.Text, got.Values, tc.text, tc.want)
			}
		})
	}
}

func TestAppendContextRefuses(t *testing.T) {
	t.Parallel()
	infinite := math.Inf(1)
	for _, tc := range []struct {
		name string
		give wire.ContextResponse
		list []recommend.Suggestion
		want string
	}{
		{"a score that is no number", wire.ContextResponse{}, []recommend.Suggestion{{Score: math.NaN()}}, "NaN is no JSON number"},
		{"a value that is no number", wire.ContextResponse{}, []recommend.Suggestion{{Reasons: []recommend.Reason{{Code: recommend.Nearby, Values: recommend.Values{Meters: infinite}}}}}, "+Inf is no JSON number"},
		{"an endless distance", wire.ContextResponse{Place: wire.Place{DistanceM: &infinite}}, nil, "+Inf is no JSON number"},
		{"an endless radius", wire.ContextResponse{Next: wire.Next{SafeRadiusM: &infinite}}, nil, "+Inf is no JSON number"},
		{"a payload that is no JSON", wire.ContextResponse{Triggers: []wire.Trigger{{Geofence: "g1", Payload: json.RawMessage(`{`)}}}, nil, `payload of geofence "g1" is not JSON`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if _, err := appendContext(nil, &tc.give, tc.list, wordsOf(language.English)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// TestAppendContextKnowsAllFields fails when the contract gets a field that the encoder does not write.
func TestAppendContextKnowsAllFields(t *testing.T) {
	t.Parallel()
	var full wire.ContextResponse
	fill(reflect.ValueOf(&full).Elem())
	list := []recommend.Suggestion{{
		ID: "i", Kind: "product", Item: "p1", Title: "t", Score: 0.5, Price: who.Money{Minor: 1, Known: true}, ValidUntil: time.Unix(1_800_000_000, 0).UTC(),
		Reasons: []recommend.Reason{{Code: recommend.Nearby, Values: recommend.Values{Meters: 3, Store: "s1"}}},
		Ruled:   &recommend.Ruled{Offer: &rule.Offer{ID: "o", Neutral: "n"}, Was: who.Money{Minor: 2, Known: true}, Personal: true, Said: &recommend.Said{Text: map[string]string{"en": "m"}}},
		Offered: offer.New(offer.Offer{Title: map[string]string{"en": "t"}, Text: map[string]string{"en": "x"}, PercentOff: 2.5, MinorOff: 10, Minor: 20, Neutral: "n", Points: 5, Codes: true}),
	}}
	got, err := appendContext(nil, &full, list, wordsOf(language.English))
	if err != nil {
		t.Fatal(err)
	}
	full.Suggestions = suggestionsFrom(list, wordsOf(language.English))
	if empty := emptyField(reflect.ValueOf(full.Suggestions[0])); empty != "" {
		t.Fatalf("a suggestion's %s is new: let suggestionsFrom and appendSuggestion write it", empty)
	}
	want, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	var gotValue, wantValue any
	if json.Unmarshal(got, &gotValue) != nil || json.Unmarshal(want, &wantValue) != nil || !reflect.DeepEqual(gotValue, wantValue) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// emptyField names a field that has its zero value.
func emptyField(v reflect.Value) string {
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			return v.Type().Field(i).Name
		}
	}
	return ""
}

// fill sets every field to something that is not empty.
func fill(v reflect.Value) {
	switch {
	case v.Type() == timeType:
		v.Set(reflect.ValueOf(time.Unix(1_800_000_000, 0).UTC()))
	case v.Type() == rawType:
		v.SetBytes([]byte(`{"a":1}`))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
		fill(v.Index(1))
	case v.Kind() == reflect.Map:
		element := reflect.New(v.Type().Elem()).Elem()
		fill(element)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("k"), element)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case v.Kind() == reflect.String:
		v.SetString("x")
	case v.Kind() == reflect.Float64:
		v.SetFloat(1.5)
	case v.Kind() == reflect.Int:
		v.SetInt(7)
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.Interface:
		v.Set(reflect.ValueOf("any"))
	}
}

// BenchmarkEncode compares the encoder with encoding/json on an answer of ten suggestions.
func BenchmarkEncode(b *testing.B) {
	metres, open := 35.2, true
	radius := 140.0
	answer := wire.ContextResponse{
		Triggers: []wire.Trigger{},
		Place:    wire.Place{Cell: "8a195da49d47fff", Store: "s-12", DistanceM: &metres, Open: &open},
		Moment:   wire.Moment{LocalTime: time.Unix(1_795_338_843, 0).UTC(), Daypart: "morning"},
		Next:     wire.Next{SafeRadiusM: &radius, CheckAgainS: 300},
		Used:     wire.Used{Permissions: []string{"location"}, Purposes: []string{"location", "loyalty"}, Location: "cell-9", History: true, Rules: "v41"},
	}
	var list []recommend.Suggestion
	for range 10 {
		list = append(list, recommend.Suggestion{
			ID: "01KAN9V6T8Y0Q4W3S2R1P0N9M8", Kind: "product", Item: "p-1042", Title: "Oat milk 1 l", Score: 0.8123, Price: who.Money{Minor: 179, Known: true},
			Reasons: []recommend.Reason{
				{Code: recommend.DueAgain, Values: recommend.Values{EveryDays: 7.2, LastDays: 8}},
				{Code: recommend.UsuallyBought, Values: recommend.Values{Times: 12, LastDays: 8}},
			},
			ValidUntil: time.Unix(1_795_340_643, 0).UTC(),
		})
	}
	words := wordsOf(language.English)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		buffer := make([]byte, 0, 8<<10)
		for b.Loop() {
			if _, err := appendContext(buffer, &answer, list, words); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			answer.Suggestions = suggestionsFrom(list, words)
			if _, err := json.Marshal(answer); err != nil {
				b.Fatal(err)
			}
		}
	})
}
