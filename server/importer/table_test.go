package importer

import (
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

// three reads a file of the columns a, b and c to its end.
func three(text string) (rows [][3]string, refused []Refusal, err error) {
	t := tableOf(strings.NewReader(text), []column{{"a", false}, {"b", false}, {"c", false}}, Options{},
		func(c *cells) [3]string { return [3]string(c.values) })
	for {
		row, _, _, refusal, err := t.next()
		switch {
		case errors.Is(err, io.EOF):
			return rows, refused, nil
		case err != nil:
			return rows, refused, err
		case refusal != nil:
			refused = append(refused, *refusal)
		default:
			rows = append(rows, row)
		}
	}
}

// A quote that is never closed costs its own line and no other, wherever the next quote stands.
func TestTableReadsOnBehindAQuote(t *testing.T) {
	t.Parallel()
	rows, refused, err := three("a,b,c\n1,\"x,1\n2,y,2\n3,\"z\",3\n4,\"w\"w,4\n5,v,5\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 3 || rows[0] != [3]string{"2", "y", "2"} || rows[1] != [3]string{"3", "z", "3"} || rows[2] != [3]string{"5", "v", "5"} {
		t.Errorf("got rows %q", rows)
	}
	if len(refused) != 2 || refused[0].Line != 2 || refused[1].Line != 5 {
		t.Errorf("got refused %v, want lines 2 and 5", refused)
	}
}

// What encoding/csv reads without a complaint, the table reads in the same way.
func FuzzTableAgreesWithEncodingCSV(f *testing.F) {
	for _, seed := range []string{"1,2,3\n", "\"1\",\"2,2\",\"3\"\"3\"\n", "\"a\nb\",,\n\n4,5,6", "1,2,3\r\n\"4\",5,6\r\n", "1,\"2\n3,4,5\n6,\"7,8\n", "é,ü,\"\u2028\"\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rows, refused, err := three("a,b,c\n" + text)
		if err != nil {
			t.Fatalf("the file ends with %v", err)
		}
		if strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\r") || !utf8.ValidString(text) {
			return // carriage returns inside cells: both have their own way
		}
		r := csv.NewReader(strings.NewReader(text))
		r.FieldsPerRecord = 3
		want, err := r.ReadAll()
		if err != nil {
			return
		}
		if len(refused) > 0 || len(rows) != len(want) {
			t.Fatalf("%q: got %q and refused %v, want %q", text, rows, refused, want)
		}
		for i := range want {
			for j, cell := range want[i] {
				if got := strings.ReplaceAll(rows[i][j], "\r\n", "\n"); got != strings.TrimSpace(cell) {
					t.Errorf("%q: row %d, cell %d: got %q, want %q", text, i, j, got, cell)
				}
			}
		}
	})
}

// fuzzKind holds for every kind and every file: Run neither panics nor loses count, and run again it
// stores nothing.
func fuzzKind(f *testing.F, kind Kind, seeds ...string) {
	for _, seed := range append(seeds, "", "\ufeff", "\x1f\x8b", "{", "[", "\"", "a,b\n\"", zipped("x")) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		var sink memory
		first, err := Run(t.Context(), kind, strings.NewReader(string(file)), &sink, Options{Currency: "EUR", Batch: 3})
		if first.Read != first.Stored+first.Unchanged+first.Refused {
			t.Fatalf("lost count: %+v", first)
		}
		again, errAgain := Run(t.Context(), kind, strings.NewReader(string(file)), &sink, Options{Currency: "EUR", Batch: 3})
		if again.Stored != 0 || again.Read != first.Read || (err == nil) != (errAgain == nil) {
			t.Fatalf("run again: first %+v, %v, then %+v, %v", first, err, again, errAgain)
		}
	})
}

func FuzzStores(f *testing.F) {
	fuzzKind(f, KindStores, "store,name,lat,lng,zone,hours,region\ns1,Baixa,38.711,-9.137,Europe/Lisbon,Mo-Sa 08:00-21:00,centre\n")
}

func FuzzProducts(f *testing.F) {
	fuzzKind(f, KindProducts, "item,title,price,currency,attributes,status\np1,\"Milk, 1 l\",1.09,EUR,\"{\"\"size\"\": \"\"1 l\"\"}\",active\n", `{"item":"p1","price":"1.09","stock":4}`)
}

func FuzzStock(f *testing.F) { fuzzKind(f, KindStock, "item,store,stock\np1,s1,4\n") }

func FuzzPurchases(f *testing.F) {
	fuzzKind(f, KindPurchases, purchasesHeader+"u1,2026-11-20,,p1,0.5,1.00,s1\nu1,2026-11-20T10:00:00+02:00,b,p1,,,\n", `{"shopper":"u1","at":"2026-11-20","item":"p1"}`)
}

func FuzzEvents(f *testing.F) {
	fuzzKind(f, KindEvents, "shopper,kind,at\nu1,view,2026-11-20\nu1,view,2026-11-20\n", `{"shopper":"u1","kind":"view","at":"2026-11-20","properties":{}}`)
}

func FuzzGeofences(f *testing.F) {
	feature := `{"type":"Feature","id":"a","geometry":{"type":"Point","coordinates":[1,2]},"properties":{"radius_m":50}}`
	fuzzKind(f, KindGeofences, feature, feature+"\n"+feature, `{"type":"FeatureCollection","features":[`+feature+","+feature+"]}", "{\n\"type\": \"FeatureCollection\",\n \"features\": [\n"+feature+"\n]}\n")
}

func FuzzConvertBaskets(f *testing.F) {
	f.Add("user,basket,day,item\n7,0,-55,milk\n7,1,,rice\n")
	f.Fuzz(func(t *testing.T, file string) {
		var out strings.Builder
		converted, err := ConvertBaskets(strings.NewReader(file), &out, BasketOptions{Now: setNow})
		if err != nil {
			return
		}
		got, err := Run(t.Context(), KindPurchases, strings.NewReader(out.String()), &memory{}, Options{})
		if err != nil || got.Read != converted.Lines {
			t.Errorf("converted %+v, read back %+v, %v", converted, got, err)
		}
	})
}

func FuzzConvertCheckins(f *testing.F) {
	f.Add(checkins)
	f.Fuzz(func(t *testing.T, file string) {
		converted, err := ConvertCheckins(strings.NewReader(file), io.Discard, io.Discard, CheckinOptions{})
		if err == nil && converted.Fixes > converted.Checkins {
			t.Errorf("got %+v", converted)
		}
	})
}
