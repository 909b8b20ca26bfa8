package importer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

// memory is a Sink that keeps everything, and knows a row again by its identity.
type memory struct {
	stores    []Store
	geofences []Geofence
	products  []Product
	stock     []Stock
	purchases []Purchase
	events    []Event
	seen      map[string]bool
	refuse    func(id string) string // a reason, or ""
	fail      error
	calls     int
}

func keep[T any](m *memory, to *[]T, rows []T, id func(T) string) ([]Result, error) {
	m.calls++
	if m.fail != nil {
		return nil, m.fail
	}
	if m.seen == nil {
		m.seen = map[string]bool{}
	}
	results := make([]Result, len(rows))
	for i, row := range rows {
		key := id(row)
		if m.refuse != nil && m.refuse(key) != "" {
			results[i] = Result{Outcome: Refused, Reason: m.refuse(key)}
			continue
		}
		if m.seen[key] {
			results[i].Outcome = Unchanged
			continue
		}
		m.seen[key] = true
		*to = append(*to, row)
	}
	return results, nil
}

func (m *memory) PutStores(_ context.Context, rows []Store) ([]Result, error) {
	return keep(m, &m.stores, rows, func(s Store) string { return s.ID })
}

func (m *memory) PutGeofences(_ context.Context, rows []Geofence) ([]Result, error) {
	return keep(m, &m.geofences, rows, func(g Geofence) string { return "geofence " + g.ID })
}

func (m *memory) PutProducts(_ context.Context, rows []Product) ([]Result, error) {
	return keep(m, &m.products, rows, func(p Product) string { return p.Item })
}

func (m *memory) PutStock(_ context.Context, rows []Stock) ([]Result, error) {
	return keep(m, &m.stock, rows, func(s Stock) string { return s.Item + "@" + s.Store })
}

func (m *memory) PutPurchases(_ context.Context, rows []Purchase) ([]Result, error) {
	return keep(m, &m.purchases, rows, func(p Purchase) string {
		return fmt.Sprintf("%s/%s/%s/%d", p.Shopper, p.BasketOrDay(), p.Item, p.Ordinal)
	})
}

func (m *memory) PutEvents(_ context.Context, rows []Event) ([]Result, error) {
	return keep(m, &m.events, rows, func(e Event) string { return e.Shopper + "/" + e.ID })
}

var lisbon = mustZone("Europe/Lisbon")

func mustZone(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return zone
}

func zipped(text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := io.WriteString(w, text); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.String()
}

func TestRunReadsEveryKind(t *testing.T) {
	t.Parallel()
	t.Run("stores", func(t *testing.T) {
		var sink memory
		give := "store,name,lat,lng,zone,hours,region\ns1,Baixa,38.711,-9.137,Europe/Lisbon,Mo-Sa 08:00-21:00,centre\ns2,,38.7,-9.2,,,\n"
		got, err := Run(t.Context(), KindStores, strings.NewReader(give), &sink, Options{})
		if err != nil || got.Stored != 2 {
			t.Fatalf("got %+v, %v", got, err)
		}
		if s := sink.stores[0]; s.ID != "s1" || s.Name != "Baixa" || s.Position.Lat != 38.711 || s.Position.Lng != -9.137 || s.Zone.String() != "Europe/Lisbon" || s.Hours != "Mo-Sa 08:00-21:00" || s.Region != "centre" {
			t.Errorf("got %+v", s)
		}
		if s := sink.stores[1]; s.Name != "s2" || s.Zone != nil {
			t.Errorf("without name and zone: got %+v", s)
		}
	})
	t.Run("products", func(t *testing.T) {
		var sink memory
		give := `item,title,category,brand,price,list_price,cost,currency,stock,attributes,variant_of,sensitive,status` + "\n" +
			`p1,"Milk, 1 l",food/dairy,Serra,1.09,1.29,0.70,EUR,12,"{""size"": ""1 l""}",,,` + "\n" +
			`p2,Test,health,,0.09,,,EUR,,,p1,pregnancy,withdrawn` + "\n"
		got, err := Run(t.Context(), KindProducts, strings.NewReader(give), &sink, Options{})
		if err != nil || got.Stored != 2 {
			t.Fatalf("got %+v, %v", got, err)
		}
		if p := sink.products[0]; p.Title != "Milk, 1 l" || p.Price != (Money{Minor: 109, Known: true}) || p.ListPrice != (Money{Minor: 129, Known: true}) || p.Cost != (Money{Minor: 70, Known: true}) ||
			p.Stock != 12 || !p.StockKnown || string(p.Attributes) != `{"size": "1 l"}` || p.Status != Active || p.Sensitive != "" {
			t.Errorf("got %+v", p)
		}
		if p := sink.products[1]; p.Price != (Money{Minor: 9, Known: true}) || p.Cost.Known || p.StockKnown || p.VariantOf != "p1" || p.Sensitive != "pregnancy" || p.Status != Withdrawn {
			t.Errorf("got %+v", p)
		}
	})
	t.Run("stock", func(t *testing.T) {
		var sink memory
		got, err := Run(t.Context(), KindStock, strings.NewReader("stock,store,item\n7,s1,p1\n0,s2,p1\n"), &sink, Options{})
		if err != nil || got.Stored != 2 || sink.stock[0] != (Stock{"p1", "s1", 7}) || sink.stock[1] != (Stock{"p1", "s2", 0}) {
			t.Errorf("got %+v, %v, %+v", got, err, sink.stock)
		}
	})
	t.Run("purchases", func(t *testing.T) {
		var sink memory
		give := "shopper,at,basket,item,quantity,price,store\n" +
			"u1,2026-11-20T23:30:00Z,b1,p1,2,2.18,s1\n" +
			"u1,2026-07-01,,p1,,,s1\n" +
			"u1,2026-07-01T23:30:00Z,,p1,0.35,,s1\n"
		zone := func(store string) *time.Location {
			if store == "s1" {
				return lisbon
			}
			return nil
		}
		got, err := Run(t.Context(), KindPurchases, strings.NewReader(give), &sink, Options{Currency: "EUR", Zone: zone})
		if err != nil || got.Stored != 3 {
			t.Fatalf("got %+v, %v", got, err)
		}
		if p := sink.purchases[0]; p.Basket != "b1" || p.Quantity != 2 || p.Price != (Money{Minor: 218, Known: true}) || p.DateOnly || !p.At.Equal(time.Date(2026, 11, 20, 23, 30, 0, 0, time.UTC)) {
			t.Errorf("got %+v", p)
		}
		if p := sink.purchases[1]; !p.DateOnly || !p.At.Equal(time.Date(2026, 7, 1, 11, 0, 0, 0, time.UTC)) || p.Basket != "" || p.Day != "2026-07-01" || p.Quantity != 1 || p.Price.Known {
			t.Errorf("a date is noon in the store's zone, got %+v", p)
		}
		if p := sink.purchases[2]; p.Basket != "" || p.Day != "2026-07-02" || p.Quantity != 0.35 {
			t.Errorf("half past midnight in Lisbon is the next day's basket, got %+v", p)
		}
	})
	t.Run("a quantity that the file leaves out", func(t *testing.T) {
		var sink memory
		give := "shopper,kind,item,at,quantity\nu1,purchase,p1,2026-11-20T10:00:00Z,\nu1,view,p1,2026-11-20T10:00:00Z,\nu1,view,p1,2026-11-20T10:00:00Z,3\n"
		if got, err := Run(t.Context(), KindEvents, strings.NewReader(give), &sink, Options{}); err != nil || got.Stored != 3 {
			t.Fatalf("got %+v, %v", got, err)
		}
		for i, want := range []float64{1, 0, 3} { // a purchase is of one piece, a view of none
			if got := sink.events[i].Quantity; got != want {
				t.Errorf("row %d: got %v, want %v", i, got, want)
			}
		}
	})
	t.Run("events as CSV and as NDJSON are the same", func(t *testing.T) {
		var table, objects memory
		csv := "shopper,id,kind,item,at,basket,quantity,price,store,place,properties\n" +
			`u1,e1,add,p1,2026-11-20T10:00:00Z,b1,2,2.18,s1,,"{""screen"": ""home""}"` + "\n"
		ndjson := `{"shopper": "u1", "id": "e1", "kind": "add", "item": "p1", "at": "2026-11-20T10:00:00Z", "basket": "b1", "quantity": 2, "price": "2.18", "store": "s1", "place": null, "properties": {"screen": "home"}}` + "\n"
		for give, sink := range map[string]*memory{csv: &table, ndjson: &objects} {
			if got, err := Run(t.Context(), KindEvents, strings.NewReader(give), sink, Options{}); err != nil || got.Stored != 1 {
				t.Fatalf("got %+v, %v", got, err)
			}
		}
		a, b := fmt.Sprintf("%+v", table.events), fmt.Sprintf("%+v", objects.events)
		if a != b {
			t.Errorf("CSV gives\n%s\nNDJSON gives\n%s", a, b)
		}
		if e := table.events[0]; e.Kind != "add" || e.Quantity != 2 || e.Price != (Money{Minor: 218, Known: true}) || string(e.Properties) != `{"screen": "home"}` {
			t.Errorf("got %+v", e)
		}
	})
}

const purchasesHeader = "shopper,at,basket,item,quantity,price,store\n"

// Everything that a file can be and that is still read.
func TestRunAcceptsFilesAsTheyCome(t *testing.T) {
	t.Parallel()
	plainFile := purchasesHeader + "u1,2026-11-20,b1,p1,1,1.00,s1\nu2,2026-11-20,b2,p2,1,1.00,s1\n"
	for _, test := range []struct {
		name string
		give string
		want int // rows stored
		note string
	}{
		{"plain", plainFile, 2, ""},
		{"gzip by content", zipped(plainFile), 2, ""},
		{"two gzip members", zipped(plainFile) + zipped("u3,2026-11-20,b3,p2,1,1.00,s1\n"), 3, ""},
		{"byte order mark", "\ufeff" + plainFile, 2, ""},
		{"byte order mark inside gzip", zipped("\ufeff" + plainFile), 2, ""},
		{"CRLF", strings.ReplaceAll(plainFile, "\n", "\r\n"), 2, ""},
		{"no line feed at the end", strings.TrimSpace(plainFile), 2, ""},
		{"blank lines", "\n\n" + strings.ReplaceAll(plainFile, "\n", "\n\n"), 2, ""},
		{"header alone", purchasesHeader, 0, ""},
		{"only what is required, in another order", "item,at,shopper\np1,2026-11-20,u1\n", 1, ""},
		{"upper case header, blanks", " Shopper , AT ,item\nu1 , 2026-11-20, p1\n", 1, ""},
		{"unknown column", "shopper,at,item,till\nu1,2026-11-20,p1,4\n", 1, `line 1: column "till" is not known and was left out`},
		{"misspelt column", "shopper,at,item,quantitiy\nu1,2026-11-20,p1,4\n", 1, `did you mean "quantity"?`},
		{"quoted cells over lines", "shopper,at,item,note\n\"u1\",2026-11-20,\"p\"\"1\",\"two\nlines, one \"\"row\"\"\"\nu2,2026-11-20,p1,\n", 2, "note"},
		{"quoted cells with CRLF", "shopper,at,item\r\n\"u1\",\"2026-11-20\",\"p1\"\r\nu2,2026-11-20,p1\r\n", 2, ""},
		{"NDJSON", `{"shopper":"u1","at":"2026-11-20","item":"p1","quantity":2}` + "\n" + `{"shopper":"u1","at":"2026-11-20","item":"p2","price":"1.5"}`, 2, ""},
		{"NDJSON, gzip, unknown key", zipped(`{"shopper":"u1","at":"2026-11-20","item":"p1","till":{"a":[1]}}` + "\n"), 1, `line 1: column "till"`},
		{"text in many scripts", "shopper,at,item\nмария,2026-11-20,牛乳\nu2,2026-11-20,🥐\n", 2, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var sink memory
			got, err := Run(t.Context(), KindPurchases, strings.NewReader(test.give), &sink, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got.Stored != test.want || got.Refused != 0 || len(sink.purchases) != test.want {
				t.Errorf("got %+v, want %d stored", got, test.want)
			}
			if notes := fmt.Sprint(got.Notes); test.note == "" && len(got.Notes) != 0 || !strings.Contains(notes, test.note) {
				t.Errorf("got notes %q, want %q", notes, test.note)
			}
		})
	}
}

// A bad row is refused with its line, column and reason; the good rows around it are stored.
func TestRunRefusesRowsAndReadsOn(t *testing.T) {
	t.Parallel()
	const before, after = "good1,2026-11-20,b1,p1,1,1.00,s1\n", "good2,2026-11-20,b1,p1,1,1.00,s1\n"
	for _, test := range []struct {
		name   string
		give   string // line 3
		column string
		reason string
	}{
		{"empty id", ",2026-11-20,b1,p1,1,1.00,s1", "shopper", "empty, want an id of 1 to 128 characters"},
		{"long id", strings.Repeat("é", 129) + ",2026-11-20,b1,p1,1,1.00,s1", "shopper", "at most 128 characters, not 129"},
		{"NUL byte", "u\x001,2026-11-20,b1,p1,1,1.00,s1", "shopper", "no control characters"},
		{"no time", "u1,,b1,p1,1,1.00,s1", "at", "empty, want an RFC 3339 time"},
		{"time without zone", "u1,2026-11-20 10:00,b1,p1,1,1.00,s1", "at", `got "2026-11-20 10:00", want an RFC 3339 time such as 2026-11-22T09:14:03Z`},
		{"impossible date", "u1,2026-02-30,b1,p1,1,1.00,s1", "at", `got "2026-02-30"`},
		{"a year of the file's making", "u1,0001-01-01,b1,p1,1,1.00,s1", "at", "a year from 1970 to 2200"},
		{"word for a quantity", "u1,2026-11-20,b1,p1,two,1.00,s1", "quantity", `got "two", want a number from -100000 to 100000`},
		{"NaN quantity", "u1,2026-11-20,b1,p1,NaN,1.00,s1", "quantity", `got "NaN"`},
		{"no quantity", "u1,2026-11-20,b1,p1,0,1.00,s1", "quantity", "not 0"},
		{"comma in a price", `u1,2026-11-20,b1,p1,1,"1,00",s1`, "price", `got "1,00", want a plain decimal such as 12.50`},
		{"price with a sign of money", "u1,2026-11-20,b1,p1,1,€1.00,s1", "price", "want a plain decimal"},
		{"price too fine", "u1,2026-11-20,b1,p1,1,1.005,s1", "price", "at most 2 digits"},
		{"price past int64", "u1,2026-11-20,b1,p1,1,99999999999999999999,s1", "price", "too large"},
		{"too few columns", "u1,2026-11-20,b1", "", "got 3 columns, want 7 as in the header"},
		{"too many columns", "u1,2026-11-20,b1,p1,1,1.00,s1,x,y", "", "got 9 columns, want 7"},
		{"bare quote", `u1,2026-11-20,b1,5" disk,1,1.00,s1`, "column 4", "a quote stands inside an unquoted cell"},
		{"text behind a quote", `u1,2026-11-20,b1,"5" disk,1,1.00,s1`, "column 4", "behind a closing quote"},
		{"quote never closed", `u1,2026-11-20,"b1,p1,1,1.00,s1`, "column 3", "a quote is opened and not closed"},
		{"not UTF-8", "u1,2026-11-20,b1,p\xff1,1,1.00,s1", "item", "not UTF-8"},
		{"3 MB in one cell", "u1,2026-11-20,b1," + strings.Repeat("x", 3<<20) + ",1,1.00,s1", "", "longer than 2 MiB"},
		{"1 MB in one cell", "u1,2026-11-20,b1," + strings.Repeat("x", 1<<20) + ",1,1.00,s1", "item", "at most 128 characters, not 1048576"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var sink memory
			var rejected bytes.Buffer
			got, err := Run(t.Context(), KindPurchases, strings.NewReader(purchasesHeader+before+test.give+"\n"+after), &sink, Options{Currency: "EUR", Rejected: &rejected})
			if err != nil {
				t.Fatal(err)
			}
			if got.Read != 3 || got.Stored != 2 || got.Refused != 1 || len(sink.purchases) != 2 || sink.purchases[1].Shopper != "good2" {
				t.Fatalf("got %+v", got)
			}
			first := got.First[0]
			if first.Line != 3 || first.Column != test.column || !strings.Contains(first.Reason, test.reason) {
				t.Errorf("got %v, want line 3, %s: …%s", first, test.column, test.reason)
			}
			var refusal Refusal
			if err := json.Unmarshal(rejected.Bytes(), &refusal); err != nil {
				t.Fatalf("rejected file %q: %v", rejected.String(), err)
			}
			if refusal.Line != 3 || refusal.Reason != first.Reason || len(test.give) < 1000 && refusal.Row != strings.ToValidUTF8(test.give, "\ufffd") {
				t.Errorf("rejected file has %+v", refusal)
			}
		})
	}
}

func TestRunRefusesRowsOfOtherKinds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		kind   Kind
		give   string
		column string
		reason string
	}{
		{"latitude", KindStores, "store,lat,lng\ns1,91,0\n", "lat", `got "91", want degrees from -90 to 90`},
		{"NaN longitude", KindStores, "store,lat,lng\ns1,1,NaN\n", "lng", `got "NaN"`},
		{"no latitude", KindStores, "store,lat,lng\ns1,,0\n", "lat", "empty, want degrees"},
		{"zone", KindStores, "store,lat,lng,zone\ns1,1,1,Lisbon\n", "zone", `got "Lisbon", want an IANA time zone`},
		{"hours", KindStores, "store,lat,lng,hours\ns1,1,1,Mo-Fr 8-20\n", "hours", "hours, column"},
		{"attributes", KindProducts, "item,attributes\np1,red\n", "attributes", `got "red", want a JSON object`},
		{"attributes null", KindProducts, "item,attributes\np1,null\n", "attributes", "want a JSON object"},
		{"currency", KindProducts, "item,currency\np1,euro\n", "currency", "an ISO 4217 code such as EUR"},
		{"yen have no sen", KindProducts, "item,price,currency\np1,10.5,JPY\n", "currency", "two decimals"},
		{"status", KindProducts, "item,status\np1,gone\n", "status", "want active, draft or withdrawn"},
		{"negative cost", KindProducts, "item,cost\np1,-1\n", "cost", "want 0 or more"},
		{"negative stock", KindProducts, "item,stock\np1,-1\n", "stock", "want a number from 0"},
		{"no stock", KindStock, "item,store,stock\np1,s1,\n", "stock", "empty, want a number from 0"},
		{"NDJSON syntax", KindEvents, `{"shopper":"u1",` + "\n", "", "not a JSON object: byte"},
		{"NDJSON array in a line", KindEvents, `{"shopper":"u1","kind":"view","at":"2026-11-20"}` + "\n[1]\n", "", "not a JSON object"},
		{"NDJSON without a required key", KindEvents, `{"shopper":"u1","kind":"view"}` + "\n", "at", "missing"},
		{"NDJSON number for an object", KindEvents, `{"shopper":"u1","kind":"view","at":"2026-11-20","properties":4}` + "\n", "properties", "want a JSON object"},
		{"NDJSON not UTF-8", KindEvents, "{\"shopper\":\"u\xff\",\"kind\":\"view\",\"at\":\"2026-11-20\"}\n", "", "not UTF-8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Run(t.Context(), test.kind, strings.NewReader(test.give), &memory{}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got.Refused != 1 || got.First[0].Column != test.column || !strings.Contains(got.First[0].Reason, test.reason) {
				t.Errorf("got %+v, want %s: …%s", got, test.column, test.reason)
			}
		})
	}
}

// A file that is no file of its kind says what it is and what is wanted.
func TestRunRefusesFiles(t *testing.T) {
	t.Parallel()
	whole := zipped(purchasesHeader + strings.Repeat("u1,2026-11-20,b1,p1,1,1.00,s1\n", 50_000))
	flipped := []byte(whole)
	flipped[len(flipped)-6] ^= 0xff
	for _, test := range []struct {
		name    string
		give    string
		want    string
		nothing bool // ErrNothingRead
	}{
		{"empty", "", "the file is empty: want a header line with shopper, at, [basket], item", true},
		{"blank", "\n \n", "the file is empty", true},
		{"columns of another kind", "item,store,stock\np1,s1,4\n", "missing column shopper, at: got item, store, stock; want shopper, at, [basket]", true},
		{"a column twice", "shopper,at,item,shopper\n", `column "shopper" stands there twice, as column 1 and 4`, true},
		{"semicolons", "shopper;at;item\nu1;2026-11-20;p1\n", `separated by ";": want commas`, true},
		{"carriage returns alone", "shopper,at\ritem\r", "missing column", true},
		{"JSON array", `[{"shopper":"u1"}]`, "a JSON array: want one JSON object a line", true},
		{"UTF-16", "\xff\xfes\x00h\x00", "UTF-16: save it as UTF-8", true},
		{"spreadsheet", "PK\x03\x04xxxx", "a spreadsheet", true},
		{"header not UTF-8", "shopper,\xe9\n", "the header is not UTF-8", true},
		{"header with an open quote", "shopper,\"at\nu1,2\n", "the header: a quote is opened and not closed", true},
		{"gzip header alone", "\x1f\x8b", "cut off", true},
		{"gzip of nothing usable", "\x1f\x8bxxxxxxxxxxxxxxx", "damaged", true},
		{"gzip cut off", whole[:len(whole)/2], "cut off: its end is missing", false},
		{"gzip cut in its last bytes", whole[:len(whole)-3], "cut off: its end is missing", false},
		{"gzip with a wrong sum", string(flipped), "damaged", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var sink memory
			got, err := Run(t.Context(), KindPurchases, strings.NewReader(test.give), &sink, Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want …%s", err, test.want)
			}
			if errors.Is(err, ErrBrokeOff) == test.nothing {
				t.Errorf("broke off: got %v", err)
			}
			if errors.Is(err, ErrNothingRead) != test.nothing {
				t.Errorf("nothing could be read: got %v, want %v (%v)", !test.nothing, test.nothing, err)
			}
			if !test.nothing && (got.Read == 0 || got.Read != len(sink.purchases) || got.Refused != 0) {
				t.Errorf("what came before the cut is stored, and a line that the cut shortened is not read: got %+v", got)
			}
		})
	}
}

// A file may be as large as the limit, packed and unpacked; of one that is larger, the rows before count.
func TestRunKeepsToALimit(t *testing.T) {
	t.Parallel()
	const rows = 20_000
	text := "store,name,lat,lng\n"
	for i := range rows {
		text += fmt.Sprintf("s%d,Shop,38.7,-9.1\n", i)
	}
	packed := zipped(text)
	fences := `{"type":"FeatureCollection","features":[` + strings.Repeat(`{"type":"Feature","properties":{"radius_m":50},"geometry":{"type":"Point","coordinates":[-9.1,38.7]}},`, 9_999)
	for _, test := range []struct {
		name string
		kind Kind
		give string
		most int
		want error
	}{
		{"as large as may be", KindStores, text, len(text), nil},
		{"a byte more", KindStores, text, len(text) - 1, ErrTooLarge},
		{"packed, as large as may be", KindStores, packed, len(text), nil},
		{"unpacked a byte more", KindStores, packed, len(text) - 1, ErrTooLarge},
		{"packed alone more", KindStores, packed, len(packed) / 2, ErrTooLarge},
		{"geofences", KindGeofences, fences, len(fences) / 2, ErrTooLarge},
		{"no limit", KindStores, text, 0, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var sink memory
			got, err := Run(t.Context(), test.kind, strings.NewReader(test.give), &sink, Options{MaxBytes: int64(test.most)})
			if !errors.Is(err, test.want) || test.want != nil && !errors.Is(err, ErrBrokeOff) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if got.Refused != 0 || got.Read == 0 || test.want == nil && got.Read != rows {
				t.Errorf("got %+v", got)
			}
		})
	}
	if _, err := Run(t.Context(), KindStores, strings.NewReader(text), &memory{}, Options{MaxBytes: 5}); !errors.Is(err, ErrTooLarge) || !errors.Is(err, ErrNothingRead) {
		t.Errorf("not even a header: got %v", err)
	}
}

// Two bottles of the same milk are two lines; importing them again changes nothing.
func TestRunAgainChangesNothing(t *testing.T) {
	t.Parallel()
	give := purchasesHeader +
		"u1,2026-11-20,b1,milk,1,1.00,s1\n" +
		"u1,2026-11-20,b2,milk,1,1.00,s1\n" + // another basket in between
		"u1,2026-11-20,b1,milk,1,1.00,s1\n"
	var sink memory
	for i, want := range []Summary{{Stored: 3}, {Unchanged: 3}} {
		got, err := Run(t.Context(), KindPurchases, strings.NewReader(give), &sink, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Read != 3 || got.Stored != want.Stored || got.Unchanged != want.Unchanged {
			t.Errorf("run %d: got %+v", i+1, got)
		}
	}
	if n := sink.purchases[2].Ordinal; n != 1 {
		t.Errorf("second bottle: got ordinal %d, want 1", n)
	}
	events := "shopper,kind,at\nu1,view,2026-11-20\nu1,view,2026-11-20\nu1,view,2026-11-21\n"
	for i, want := range []Summary{{Stored: 3}, {Unchanged: 3}} {
		got, err := Run(t.Context(), KindEvents, strings.NewReader(events), &sink, Options{})
		if err != nil || got.Stored != want.Stored || got.Unchanged != want.Unchanged {
			t.Errorf("events without ids, run %d: got %+v, %v", i+1, got, err)
		}
	}
}

// A refused line keeps its place among equal ones: when it is mended, the lines behind it are found again.
func TestRunFindsTheLinesBehindAMendedOne(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, line, bad, good string }{
		{"a price", "u1,2026-11-20,b1,milk,1,%s,s1", "x", "1.20"},
		{"a quantity", "u1,2026-11-20,b1,milk,%s,,s1", "many", "2"},
		{"a time, in a named basket", "u1,%s,b1,milk,1,,s1", "noon", "2026-11-20"},
		{"a store, in a named basket", "u1,2026-11-20,b1,milk,1,,%s", "s\x01", "s2"},
		{"a price, without a basket", "u1,2026-11-20,,milk,1,%s,s1", "x", "1.20"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			equal := fmt.Sprintf(test.line, test.good) + "\n"
			var sink memory
			for _, run := range []struct {
				second                     string
				stored, unchanged, refused int
			}{{test.bad, 2, 0, 1}, {test.good, 1, 2, 0}} {
				give := purchasesHeader + equal + fmt.Sprintf(test.line, run.second) + "\n" + equal
				got, err := Run(t.Context(), KindPurchases, strings.NewReader(give), &sink, Options{Currency: "EUR"})
				if err != nil || got.Stored != run.stored || got.Unchanged != run.unchanged || got.Refused != run.refused {
					t.Fatalf("line 3 with %q: got %+v, %v", run.second, got, err)
				}
			}
			var ordinals []int
			for _, p := range sink.purchases {
				ordinals = append(ordinals, p.Ordinal)
			}
			if !slices.Equal(ordinals, []int{0, 2, 1}) {
				t.Errorf("got ordinals %v, want the mended line between its equals: [0 2 1]", ordinals)
			}
		})
	}
}

func TestRunReportsProgressAndRefusalsOfTheSink(t *testing.T) {
	t.Parallel()
	var give strings.Builder
	give.WriteString("item,store,stock\n")
	for i := range 1000 {
		fmt.Fprintf(&give, "p%d,s1,%d\n", i, i)
	}
	sink := memory{refuse: func(id string) string {
		if id == "p41@s1" || id == "p977@s1" {
			return "no such item"
		}
		return ""
	}}
	var steps []Progress
	var rejected bytes.Buffer
	got, err := Run(t.Context(), KindStock, strings.NewReader(give.String()), &sink, Options{
		Batch: 100, Rejected: &rejected, Progress: func(p Progress) { steps = append(steps, p) },
	})
	if err != nil || got.Read != 1000 || got.Stored != 998 || got.Refused != 2 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if sink.calls != 10 {
		t.Errorf("got %d calls of the sink, want 10", sink.calls)
	}
	last := steps[len(steps)-1]
	if last.Read != 1000 || last.Stored != 998 || last.Refused != 2 || last.Bytes != int64(give.Len()) {
		t.Errorf("last progress: got %+v", last)
	}
	want := `{"line":43,"reason":"no such item","row":"p41,s1,41"}` + "\n" + `{"line":979,"reason":"no such item","row":"p977,s1,977"}` + "\n"
	if rejected.String() != want {
		t.Errorf("rejected file: got %s, want %s", rejected.String(), want)
	}
}

func TestRunCountsLinesFromTheFirst(t *testing.T) {
	t.Parallel()
	for kind, give := range map[Kind]string{KindStock: "item,store,stock\np1,s1,x\n", KindGeofences: circle("a") + "\n{}\n"} {
		got, err := Run(t.Context(), kind, strings.NewReader(give), &memory{}, Options{FirstLine: 5001})
		if err != nil || got.Refused != 1 || got.First[0].Line != 5002 {
			t.Errorf("%s: got %+v, %v, want line 5002", kind, got, err)
		}
	}
}

func TestRunStops(t *testing.T) {
	t.Parallel()
	give := "item,store,stock\n"
	for i := range 10_000 {
		give += fmt.Sprintf("p%d,s1,1\n", i)
	}
	full := errors.New("disk full")
	_, err := Run(t.Context(), KindStock, strings.NewReader(give), &memory{fail: full}, Options{})
	if !errors.Is(err, full) || errors.Is(err, ErrNothingRead) || !strings.Contains(err.Error(), "rows of lines 2 to 4097: disk full") {
		t.Errorf("a failing sink: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	got, err := Run(ctx, KindStock, strings.NewReader(give), &memory{}, Options{Progress: func(Progress) { cancel() }})
	if !errors.Is(err, context.Canceled) || got.Read == 0 || got.Read == 10_000 {
		t.Errorf("a withdrawn context: got %+v, %v", got, err)
	}
	if _, err := Run(t.Context(), "shops", strings.NewReader(give), &memory{}, Options{}); err == nil || !strings.Contains(err.Error(), `unknown kind "shops"`) {
		t.Errorf("an unknown kind: got %v", err)
	}
}

// endless gives rows without end, as a file larger than any memory would.
type endless struct {
	header, row string
	rows        int
	rest        string
}

func (e *endless) Read(p []byte) (int, error) {
	if e.header != "" {
		e.rest, e.header = e.header, ""
	}
	if e.rest == "" {
		if e.rows == 0 {
			return 0, io.EOF
		}
		e.rows--
		e.rest = e.row
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// A gzip bomb's worth of one line, or of bad lines, takes no more memory than good ones.
func TestRunHoldsItsMemory(t *testing.T) {
	t.Parallel()
	one := newLines(&endless{row: strings.Repeat("x", 1<<16), rows: 1 << 12}) // 256 MiB without a line feed
	if _, err := one.first(); !errors.Is(err, errTooLong) {
		t.Errorf("got %v, want too long", err)
	}
	if cap(one.buf) > 4*maxRecordBytes {
		t.Errorf("held %d bytes of a line that is refused", cap(one.buf))
	}
	got, err := Run(t.Context(), KindPurchases, &endless{header: purchasesHeader, row: "u1,\"2026\n", rows: 200_000}, Nowhere{}, Options{})
	if err != nil || got.Refused != 200_000 || len(got.First) != firstRefusals {
		t.Errorf("got %d refused, %d of them told, %v", got.Refused, len(got.First), err)
	}
}

// A batch of long rows, good or bad, ends early: what is held at once does not grow with the length of a file's rows.
func TestBatchesAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 900<<10)
	for _, test := range []struct {
		name   string
		header string
		give   string
	}{
		{"rows that are refused", "item,store,stock\n", "p1,s1," + long + "\n"},
		{"rows with a long column that is not known", "item,store,stock,note\n", "p1,s1,1," + long + "\n"},
		{"rows in JSON", "", `{"item":"p1","store":"s1","stock":1,"note":"` + long + `"}` + "\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			from := tableOf(&endless{header: test.header, row: test.give, rows: 200}, stockColumns, Options{}, decodeStock)
			var b batch[Stock]
			for rows := 0; ; {
				b.fill(from, defaultBatch)
				rows += len(b.rows) + len(b.refusals)
				text, kept := 0, 0
				for _, r := range b.refusals {
					text, kept = text+len(r.Row), max(kept, len(r.Row))
				}
				for _, raw := range b.raws {
					text, kept = text+len(test.give), max(kept, len(raw))
				}
				if text > batchBytes+len(test.give) || kept > rejectedBytes+len("…") {
					t.Fatalf("a batch holds %d bytes of text, and %d of one row for the report", text, kept)
				}
				if b.err != nil {
					if rows != 200 || !errors.Is(b.err, io.EOF) {
						t.Errorf("got %d rows, %v", rows, b.err)
					}
					return
				}
			}
		})
	}
}

func BenchmarkRunPurchases(b *testing.B) {
	b.ReportAllocs()
	const rows = 100_000
	row := "shopper-00123,2026-11-20T10:00:00Z,b-77,p-1042,2,12.34,baixa\n"
	for b.Loop() {
		got, err := Run(b.Context(), KindPurchases, &endless{header: purchasesHeader, row: row, rows: rows}, Nowhere{}, Options{Currency: "EUR"})
		if err != nil || got.Stored != rows {
			b.Fatal(got, err)
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
