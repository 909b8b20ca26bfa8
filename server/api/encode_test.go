package api

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"satnav/sdk-contract/wire"
)

// TestAppendContextAgrees compares with encoding/json: both texts must read as the same value.
func TestAppendContextAgrees(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		answer := drawContext(t)
		got, err := appendContext([]byte("before"), &answer)
		if err != nil {
			t.Fatal(err)
		}
		got = got[len("before"):]
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
	value := rapid.OneOf(rapid.Just[any](nil), text.AsAny(), number.AsAny(), rapid.Int().AsAny(), rapid.Int64().AsAny(), rapid.Bool().AsAny(), texts.AsAny())
	for range rapid.IntRange(0, 3).Draw(t, "suggestions") {
		s := wire.Suggestion{
			ID: text.Draw(t, "id"), Kind: wire.SuggestionKind(text.Draw(t, "kind")), Item: text.Draw(t, "item"), Title: text.Draw(t, "title"),
			Score: number.Draw(t, "score"), Price: text.Draw(t, "price"), Reasons: []wire.Reason{},
		}
		for range rapid.IntRange(0, 2).Draw(t, "reasons") {
			s.Reasons = append(s.Reasons, wire.Reason{Code: text.Draw(t, "code"), Text: text.Draw(t, "text"), Values: rapid.MapOfN(text, value, 0, 3).Draw(t, "values")})
		}
		if some("ends") {
			s.ValidUntil = instant.Draw(t, "until")
		}
		answer.Suggestions = append(answer.Suggestions, s)
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

func TestAppendContextRefuses(t *testing.T) {
	t.Parallel()
	infinite := math.Inf(1)
	for _, tc := range []struct {
		name string
		give wire.ContextResponse
		want string
	}{
		{"a score that is no number", wire.ContextResponse{Suggestions: []wire.Suggestion{{Score: math.NaN()}}}, "NaN is no JSON number"},
		{"an endless distance", wire.ContextResponse{Place: wire.Place{DistanceM: &infinite}}, "+Inf is no JSON number"},
		{"an endless radius", wire.ContextResponse{Next: wire.Next{SafeRadiusM: &infinite}}, "+Inf is no JSON number"},
		{"a payload that is no JSON", wire.ContextResponse{Triggers: []wire.Trigger{{Geofence: "g1", Payload: json.RawMessage(`{`)}}}, `payload of geofence "g1" is not JSON`},
		{"a value that cannot be written", wire.ContextResponse{Suggestions: []wire.Suggestion{{Reasons: []wire.Reason{{Values: map[string]any{"f": func() {}}}}}}}, `value "f" of a reason`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if _, err := appendContext(nil, &tc.give); err == nil || !strings.Contains(err.Error(), tc.want) {
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
	got, err := appendContext(nil, &full)
	if err != nil {
		t.Fatal(err)
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
	for range 10 {
		answer.Suggestions = append(answer.Suggestions, wire.Suggestion{
			ID: "01KAN9V6T8Y0Q4W3S2R1P0N9M8", Kind: "product", Item: "p-1042", Title: "Oat milk 1 l", Score: 0.8123, Price: "1.79",
			Reasons:    []wire.Reason{{Code: "due_again", Text: "You buy this about every 7 days; last time 8 days ago", Values: map[string]any{"every_days": 7, "days_ago": 8}}},
			ValidUntil: time.Unix(1_795_340_643, 0).UTC(),
		})
	}
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		buffer := make([]byte, 0, 8<<10)
		for b.Loop() {
			if _, err := appendContext(buffer, &answer); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(answer); err != nil {
				b.Fatal(err)
			}
		}
	})
}
