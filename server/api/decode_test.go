package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"satnav/sdk-contract/wire"
)

// typicalContext is a body as an app sends it.
const typicalContext = `{"at":"2026-11-22T09:14:03Z","sent_at":"2026-11-22T09:14:03Z","where":{"lat":51.5073509,"lng":-0.1277583,"accuracy_m":12,"floor":0,"mocked":false},` +
	`"permissions":{"location":"precise","background":true,"notifications":true},` +
	`"doing":{"screen":"home","basket":["p-1042","p-77"],"list":["p-9"],"query":"oat milk"},` +
	`"kinds":["product","offer","store"],"explore":true,"limit":10}`

func TestDecode(t *testing.T) {
	t.Parallel()
	var got, want wire.ContextRequest
	if err := decodeJSON([]byte(typicalContext), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(typicalContext), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDecodeAccepts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, give string }{
		{"nothing", `{}`},
		{"space", " \r\n\t{ \"limit\" :\t3 } \n"},
		{"escapes", `{"doing":{"query":"a\"\\\/\b\f\n\r\té😀ü"}}`},
		{"an escaped name", `{"limit":3}`},
		{"a whole number with a fraction of none", `{"limit":1e1}`},
		{"a cell", `{"where":{"cell":"8a195da49d47fff"}}`},
		{"the edge of the range", `{"where":{"lat":90,"lng":-180.0}}`},
		{"an offset and a fraction of a second", `{"at":"2026-11-22T10:14:03.25+01:00"}`},
		{"empty lists", `{"trail":[],"doing":{"basket":[ ]}}`},
		{"a fix of the trail", `{"trail":[{"at":"2026-11-22T09:14:03Z","lat":1,"lng":-2.5e-3,"floor":-1}]}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got, want wire.ContextRequest
			if err := decodeJSON([]byte(tc.give), &got); err != nil {
				t.Fatal(err)
			}
			give := strings.ReplaceAll(tc.give, "1e1", "10") // encoding/json reads no exponent into an int
			if err := json.Unmarshal([]byte(give), &want); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40)
	for _, tc := range []struct{ name, give, want string }{
		{"nothing at all", ``, `: malformed: line 1, column 1: got the end of the body, want an object`},
		{"a list", `[]`, `: wrong_type: got an array, want an object`},
		{"null", `null`, `: wrong_type: got null, want an object; leave the field out when there is none`},
		{"broken off", `{"limit":3`, `: malformed: line 1, column 11: got the end of the body, want , or }`},
		{"broken off in a string", `{"doing":{"query":"oat`, `/doing/query: malformed: line 1, column 23: the body ends inside a string`},
		{"trailing data", `{} {}`, `: malformed: line 1, column 4: more data after the value`},
		{"a trailing comma", "{\"limit\":3,\n}", `: malformed: line 2, column 1: got "}", want a name in quotes`},
		{"two commas", `{"kinds":["offer",,"store"]}`, `/kinds/1: malformed: line 1, column 19: got ",", want one of product, offer, store, reminder`},
		{"a comment", "{ // no\n}", `: malformed: line 1, column 3: got "//", want a name in quotes`},
		{"NaN", `{"where":{"lat":NaN,"lng":0}}`, `/where/lat: malformed: line 1, column 17: got "NaN", want a number`},
		{"infinity", `{"where":{"lat":-Infinity,"lng":0}}`, `/where/lat: malformed: line 1, column 18: a number is not written as JSON writes it`},
		{"a leading zero", `{"limit":03}`, `/limit: malformed: line 1, column 11: a number is not written as JSON writes it`},
		{"too large for a double", `{"where":{"lat":1e999,"lng":0}}`, `/where/lat: out_of_range: got 1e999, want a number that fits a double`},
		{"a word", `{"explore":truely}`, `/explore: malformed: line 1, column 12: got "truely", want true or false`},
		{"not UTF-8", "{\"doing\":{\"query\":\"\xff\"}}", `/doing/query: malformed: line 1, column 20: the string is not UTF-8`},
		{"half a surrogate pair", `{"doing":{"query":"\ud83d"}}`, `/doing/query: malformed: line 1, column 20: an escape in a string is not one of JSON's, or half a surrogate pair`},
		{"a control character", "{\"doing\":{\"query\":\"a\nb\"}}", `/doing/query: malformed: line 1, column 21: a control character stands in a string; write it as \u000a`},

		{"an unknown field", `{"colour":1}`, `/colour: unknown_field: is no field here; want shopper, at, sent_at, where, trail, permissions, doing, kinds, explore, limit, regions and language`},
		{"a typing error", `{"wehre":{"lat":1,"lng":2}}`, `/wehre: unknown_field: is no field here; did you mean where?`},
		{"another case", `{"Limit":3}`, `/Limit: unknown_field: is no field here; did you mean limit?`},
		{"an unknown field deep inside", `{"where":{"lat":1,"lng":2,"acuracy_m":3}}`, `/where/acuracy_m: unknown_field: is no field here; did you mean accuracy_m?`},
		{"a name with a slash", `{"a/b~c":1}`, `/a~1b~0c: unknown_field: is no field here; want shopper, at, sent_at, where, trail, permissions, doing, kinds, explore, limit, regions and language`},
		{"a repeated field", `{"limit":3,"limit":4}`, `/limit: duplicate_field: stands twice, want it once`},
		{"a wrong type", `{"where":{"lat":"51.5","lng":0}}`, `/where/lat: wrong_type: got a string, want a number`},
		{"a null", `{"limit":null}`, `/limit: wrong_type: got null, want a whole number; leave the field out when there is none`},
		{"a fraction", `{"limit":1.5}`, `/limit: wrong_type: got 1.5, want a whole number`},
		{"too deep", `{"x":` + deep + `}`, "/x: unknown_field: is no field here; want shopper, at, sent_at, where, trail, permissions, doing, kinds, explore, limit, regions and language\n" +
			`/x` + strings.Repeat(`/a`, 31) + `: too_deep: nested deeper than 32 values`},

		{"half a position", `{"where":{"lat":51.5}}`, `/where/lng: missing: is missing, want a number`},
		{"an empty position", `{"where":{}}`, `/where: missing: is empty, want lat and lng, or cell`},
		{"a position and a cell", `{"where":{"lat":51.5,"lng":0,"cell":"8a195da49d47fff"}}`, `/where: mixed: got lat, lng and cell together, want lat and lng, or cell`},
		{"a fix without a time", `{"trail":[{"at":"2026-11-22T09:14:03Z","lat":1,"lng":2},{"lat":1,"lng":2}]}`, `/trail/1/at: missing: is missing, want a time such as "2026-11-22T09:14:03Z"`},

		{"latitude out of range", `{"where":{"lat":91.2,"lng":0}}`, `/where/lat: out_of_range: got 91.2, want -90 to 90`},
		{"an accuracy below nothing", `{"where":{"lat":1,"lng":0,"accuracy_m":-1}}`, `/where/accuracy_m: out_of_range: got -1, want 0 to 1000000`},
		{"an unknown permission", `{"permissions":{"location":"sometimes"}}`, `/permissions/location: unknown_value: got "sometimes", want one of precise, coarse, none`},
		{"an invalid cell", `{"where":{"cell":"8a195da49d47ffg"}}`, `/where/cell: bad_format: got "8a195da49d47ffg", want an H3 cell as 15 or 16 hexadecimal digits`},
		{"a time without a zone", `{"at":"2026-11-22T09:14:03"}`, `/at: bad_format: got "2026-11-22T09:14:03", want a time such as "2026-11-22T09:14:03Z"`},
		{"a long query", `{"doing":{"query":"` + strings.Repeat("ü", 257) + `"}}`, `/doing/query: too_long: got 257 characters, want at most 256`},
		{"an empty id", `{"shopper":""}`, `/shopper: too_short: is empty, want at least 1 characters`},
		{"too many kinds", `{"kinds":["offer","offer","offer","offer","offer","offer","offer","offer","offer"]}`, `/kinds: too_many: got 9 elements, want at most 8`},
		{"no kinds", `{"kinds":[]}`, `/kinds: too_few: got 0 elements, want at least 1`},
		{"several at once", `{"limit":-1,"Explore":true,"where":{"lat":91,"lng":"x"}}`, strings.Join([]string{
			`/limit: out_of_range: got -1, want 0 to 100`, `/Explore: unknown_field: is no field here; did you mean explore?`,
			`/where/lat: out_of_range: got 91, want -90 to 90`, `/where/lng: wrong_type: got a string, want a number`}, "\n")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var in wire.ContextRequest
			if got := faultsOf(decodeJSON([]byte(tc.give), &in)); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestDecodeRefusesElsewhere(t *testing.T) {
	t.Parallel()
	points := `{"points":[` + strings.Repeat(`[0,0],`, 10_000) + `[0,0]]}`
	for _, tc := range []struct {
		name string
		into any
		give string
		want string
	}{
		{"a point of three", &wire.MatchRequest{}, `{"points":[[1,2],[1,2,3],[1]]}`, "/points/1: wrong_type: got 3 elements, want 2\n/points/2: wrong_type: got 1 elements, want 2"},
		{"a point as an object", &wire.MatchRequest{}, `{"points":[{"lat":1}]}`, `/points/0: wrong_type: got an object, want an array of 2`},
		{"too many points", &wire.MatchRequest{}, points, `/points: too_many: got 10001 elements, want at most 10000`},
		{"no points named", &wire.MatchRequest{}, `{}`, `/points: missing: is missing, want an array`},
		{"events that are no list", &wire.EventsRequest{}, `{"events":{"id":"a"}}`, `/events: wrong_type: got an object, want an array`},
		{"bad events beside good ones", &wire.EventsRequest{}, `{"events":[{"id":"a","kind":"view"},{"id":"b","kind":"veiw"},{"kind":"view","prise":1},7]}`, strings.Join([]string{
			`/events/1/kind: unknown_value: got "veiw", want one of view, add, remove, purchase, visit, redeem, share, like, dismiss`,
			`/events/2/prise: unknown_field: is no field here; did you mean price?`, `/events/2/id: missing: is missing, want a string`,
			`/events/3: wrong_type: got a number, want an object`}, "\n")},
		{"money as a number", &wire.EventsRequest{}, `{"events":[{"id":"a","kind":"view","price":2.5}]}`, `/events/0/price: wrong_type: got a number, want a string`},
		{"money with a comma", &wire.EventsRequest{}, `{"events":[{"id":"a","kind":"view","price":"2,50"}]}`, `/events/0/price: bad_format: got "2,50", want a decimal amount in the retailer's currency`},
		{"properties that name a thing twice", &wire.EventsRequest{}, `{"events":[{"id":"a","kind":"view","properties":{"a":{"b":1,"b":2}}}]}`, `/events/0/properties/a/b: duplicate_field: stands twice, want it once`},
		{"properties that are a list", &wire.EventsRequest{}, `{"events":[{"id":"a","kind":"view","properties":[]}]}`, `/events/0/properties: wrong_type: got an array, want an object`},
		{"a grant that is no decision", &wire.PermissionsRequest{}, `{"grants":{"loyalty":"yes"}}`, `/grants/loyalty: wrong_type: got a string, want true or false`},
		{"a grant twice", &wire.PermissionsRequest{}, `{"grants":{"loyalty":true,"loyalty":false}}`, `/grants/loyalty: duplicate_field: stands twice, want it once`},
		{"no grants", &wire.PermissionsRequest{}, `{"grants":{}}`, `/grants: too_few: got 0 members, want at least 1`},
		{"no shoppers", &wire.BatchRequest{}, `{"shoppers":[]}`, `/shoppers: too_few: got 0 elements, want at least 1`},
		{"a currency in small letters", &wire.Retailer{}, `{"currency":"gbp"}`, `/currency: bad_format: got "gbp", want three capital letters, as in ISO 4217`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := faultsOf(decodeJSON([]byte(tc.give), tc.into)); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// faultsOf writes faults one a line.
func faultsOf(err error) string {
	var faults Faults
	if !errors.As(err, &faults) {
		return fmt.Sprint(err)
	}
	var lines []string
	for _, f := range faults {
		lines = append(lines, f.Pointer+": "+f.Code+": "+f.Detail)
	}
	return strings.Join(lines, "\n")
}

// TestDecodeKeepsNothing holds that what was decoded survives the reuse of the body's memory.
func TestDecodeKeepsNothing(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		give      string
		got, want any
	}{
		{typicalContext, &wire.ContextRequest{}, &wire.ContextRequest{}},
		{`{"events":[{"id":"a","kind":"view","item":"p1","properties":{"k":"v"}}]}`, &wire.EventsRequest{}, &wire.EventsRequest{}},
		{`{"grants":{"loyalty":true}}`, &wire.PermissionsRequest{}, &wire.PermissionsRequest{}},
		{`{"item":"p1","attributes":{"size":"1 l"},"price":"1.79"}`, &wire.Product{}, &wire.Product{}},
	} {
		body := []byte(tc.give)
		if err := decodeJSON(body, tc.got); err != nil {
			t.Fatal(err)
		}
		copy(body, bytes.Repeat([]byte("x"), len(body)))
		if err := json.Unmarshal([]byte(tc.give), tc.want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(tc.got, tc.want) {
			t.Errorf("got  %+v\nwant %+v", tc.got, tc.want)
		}
	}
}

// TestDecodeAgrees compares with encoding/json on bodies that are right: whatever it writes, we read alike.
func TestDecodeAgrees(t *testing.T) {
	t.Parallel()
	text := rapid.StringN(1, 20, 64)
	id := text.Filter(plainText)
	rapid.Check(t, func(t *rapid.T) {
		events := wire.EventsRequest{Events: []wire.Event{}}
		for range rapid.IntRange(1, 5).Draw(t, "events") {
			quantity := rapid.Float64Range(-1000, 1000).Draw(t, "quantity")
			properties, err := json.Marshal(rapid.MapOfN(text, text, 0, 64).Draw(t, "properties"))
			if err != nil {
				t.Fatal(err)
			}
			events.Events = append(events.Events, wire.Event{
				ID: id.Draw(t, "id"), Kind: rapid.SampledFrom([]wire.EventKind{wire.EventKindView, wire.EventKindPurchase}).Draw(t, "kind"),
				Item: id.Draw(t, "item"), Quantity: &quantity, Properties: properties,
			})
		}
		body, err := json.Marshal(events)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "indented") {
			var b bytes.Buffer
			if err := json.Indent(&b, body, "", "\t"); err != nil {
				t.Fatal(err)
			}
			body = b.Bytes()
		}
		var got, want wire.EventsRequest
		if err := decodeJSON(body, &got); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	})
}

// FuzzDecode holds that any bytes are either refused with faults whose pointers are well-formed, or read as
// encoding/json reads them.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(typicalContext))
	f.Add([]byte(`{"where":{"cell":"8a195da49d47fff"},"trail":[{"at":"2026-11-22T09:14:03Z","lat":1,"lng":-2.5e-3}]}`))
	f.Add([]byte(`{"doing":{"query":"\ud83d\ude00"},"limit":1e1,"kinds":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, want wire.ContextRequest
		err := decodeJSON(bytes.Clone(body), &got)
		if err != nil {
			var faults Faults
			if !errors.As(err, &faults) || len(faults) == 0 {
				t.Fatalf("got %v, want faults", err)
			}
			for _, fault := range faults {
				if fault.Detail == "" || fault.Code == "" || fault.Pointer != "" && fault.Pointer[0] != '/' {
					t.Errorf("got %+v", fault)
				}
			}
			return
		}
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&want); err != nil {
			if bytes.ContainsAny(body, "eE.") { // a whole number written with a fraction or exponent, which it does not read
				return
			}
			t.Fatalf("%s: read, but encoding/json says %v", body, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s:\ngot  %+v\nwant %+v", body, got, want)
		}
	})
}

// BenchmarkDecode compares the strict decoder with encoding/json on a typical body of /v1/context.
func BenchmarkDecode(b *testing.B) {
	body := []byte(typicalContext)
	b.Run("strict", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			var in wire.ContextRequest
			if err := decodeJSON(body, &in); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			var in wire.ContextRequest
			if err := json.Unmarshal(body, &in); err != nil {
				b.Fatal(err)
			}
		}
	})
}
