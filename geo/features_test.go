package geo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// rowsOf reads a stream to its end: one word a row, and the error at the end.
func rowsOf(r io.Reader) (string, error) {
	reader := NewFeatureReader(r)
	var words []string
	for {
		row, err := reader.Next()
		if err != nil {
			if again, second := reader.Next(); second != err || again.Raw != nil {
				err = errors.New("the error does not come again")
			}
			if err == io.EOF {
				err = nil
			}
			return strings.Join(words, " "), err
		}
		word := fmt.Sprintf("%d@%d:%s", row.Number, row.Line, row.Fence.ID)
		if row.Err != nil {
			word += "!"
		}
		words = append(words, word)
	}
}

func TestFeatureReader(t *testing.T) {
	t.Parallel()
	named := func(id string) string {
		return strings.Replace(feature(squareJSON, `{"brackets":"]}[{\"\\"}`), `"a"`, `"`+id+`"`, 1)
	}
	a, b, c := named("a"), named("b"), named("c")
	bad := `{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[0,0],[1,1],[1,0],[0,1],[0,0]]]}}`
	pretty := func(s string) string {
		var b bytes.Buffer
		if err := json.Indent(&b, []byte(s), "", "  "); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	tests := []struct {
		name, give, want, err string
	}{
		{"a collection", `{"type":"FeatureCollection","features":[` + a + `,` + b + `]}`, "1@1:a 2@1:b", ""},
		{"an empty collection", `{"type":"FeatureCollection","features":[]}`, "", ""},
		{"over many lines, after other members", "\xef\xbb\xbf{\n\"name\": \"x]\",\n\"crs\": {\"a\":[1,{}]},\n\"type\":\"FeatureCollection\",\n\"features\" : [\n" + a + ",\n" + b + "\n]\n, \"z\":1}\n", "1@6:a 2@7:b", ""},
		{"features first", `{"features":[` + a + `],"type":"FeatureCollection"}`, "1@1:a", ""},
		{"a bad one among good ones", `{"type":"FeatureCollection","features":[` + a + `,` + bad + `,5,null,{"x":nope},` + b + `]}`, "1@1:a 2@1:! 3@1:! 4@1:! 5@1:! 6@1:b", ""},
		{"a collection that ends early", `{"type":"FeatureCollection","features":[` + a + `,` + b[:50], "1@1:a", "feature 2, which starts on line 1: the file ends in the middle"},
		{"a collection without its end", `{"type":"FeatureCollection","features":[` + a, "1@1:a", "end of the array"},
		{"a collection without features", `{"type":"FeatureCollection"}`, "", "no \"features\""},
		{"features that are no array", `{"type":"FeatureCollection","features":{}}`, "", "not an array"},
		{"lines", a + "\n" + b + "\n\n" + c, "1@1:a 2@2:b 3@4:c", ""},
		{"lines of Windows and record separators", "\x1e" + a + "\r\n\x1e" + b + "\r\n", "1@1:a 2@2:b", ""},
		{"a bad line among good ones", "{oops\n" + a + "\n" + bad + "\n" + b[:40] + "\n" + c + "\n", "1@1:! 2@2:a 3@3:! 4@4:! 5@5:c", ""},
		{"one Feature", a, "1@1:a", ""},
		{"one Feature over many lines", pretty(named("a")), "1@1:a", ""},
		{"one long Feature over many lines", pretty(strings.Replace(named("a"), `"properties":{`, `"properties":{"long":"`+strings.Repeat("x", 70<<10)+`",`, 1)), "1@1:a", ""},
		{"Features over many lines", pretty(a) + "\n" + pretty(bad) + "\n" + pretty(b) + "\n", "1@1:a 2@35:! 3@65:b", ""},
		{"Features over many lines that break off", pretty(a) + "\n" + pretty(b)[:60], "1@1:a", "feature 2, which starts on line 35: the file ends in the middle"},
		{"a first line that is cut where another would go on", a[:strings.Index(a, `"geometry":`)+11] + "\n" + b + "\n", "1@1:! 2@2:b", ""},
		{"an array", "[\n" + a + ",\n" + b + "\n]\n", "1@2:a 2@3:b", ""},
		{"an empty array", "[]", "", ""},
		{"one long Feature that speaks of collections", strings.Replace(a, `"properties":{`, `"properties":{"long":"\"FeatureCollection\" \"features\"`+strings.Repeat("x", 70<<10)+`",`, 1), "1@1:a", ""},
		{"another projection", `{"type":"FeatureCollection","crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::3857"}},"features":[` + a + `]}`, "", `got the coordinate system "urn:ogc:def:crs:EPSG::3857", want WGS 84 (CRS84 or EPSG:4326); transform it`},
		{"another projection as a number", `{"type":"FeatureCollection","crs":{"type":"EPSG","properties":{"code":25832}},"features":[` + a + `]}`, "", `got the coordinate system "25832"`},
		{"WGS 84 by its names", `{"type":"FeatureCollection","crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:OGC:1.3:CRS84"}},"features":[` + a + `,` + strings.Replace(b, "{", `{"crs":{"type":"name","properties":{"name":"EPSG:4326"}},`, 1) + `,` + strings.Replace(c, "{", `{"crs":{"type":"name","properties":{"name":"EPSG:3857"}},`, 1) + `]}`, "1@1:a 2@1:b 3@1:c!", ""},
		{"nothing", "", "", "the file is empty"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, r := range []io.Reader{strings.NewReader(test.give), iotest.OneByteReader(strings.NewReader(test.give))} {
				got, err := rowsOf(r)
				if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
					t.Errorf("got %q, %v, want %q, %q", got, err, test.want, test.err)
				}
			}
		})
	}
}

func TestFeatureReaderTellsOfABrokenSource(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	for _, head := range []string{"", `{"type":"FeatureCollection","features":[`, feature(squareJSON, `{}`)} {
		_, err := rowsOf(io.MultiReader(strings.NewReader(head), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("after %q: got %v, want %v", head, err, broken)
		}
	}
}

// endless makes n Features without holding them.
type endless struct {
	n    int
	rest string
	sep  string
}

func (e *endless) Read(p []byte) (int, error) {
	if e.rest == "" {
		if e.n == 0 {
			return 0, io.EOF
		}
		e.n--
		e.rest = feature(squareJSON, `{}`)
		if e.n > 0 {
			e.rest += e.sep
		}
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

func TestFeatureReaderHoldsOneFeature(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"collection": io.MultiReader(strings.NewReader(`{"type":"FeatureCollection","features":[`), &endless{n: 10_000, sep: ","}, strings.NewReader(`]}`)),
		"lines":      &endless{n: 10_000, sep: "\n"},
		"a Feature that is far too long": io.MultiReader(strings.NewReader(`{"type":"FeatureCollection","features":[`),
			strings.NewReader(`{"x":"`), io.LimitReader(zeros{}, 40<<20), strings.NewReader(`"},`+feature(squareJSON, `{}`)+`]}`)),
	} {
		t.Run(name, func(t *testing.T) {
			reader, rows, refused := NewFeatureReader(r), 0, 0
			for {
				row, err := reader.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if rows++; row.Err != nil {
					refused++
				}
			}
			if cap(reader.raw) > 2*MaxFeatureBytes {
				t.Errorf("the reader holds %d bytes", cap(reader.raw))
			}
			if rows != 10_000 && (rows != 2 || refused != 1) {
				t.Errorf("got %d rows, %d refused", rows, refused)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func FuzzFeatureReader(f *testing.F) {
	f.Add(`{"type":"FeatureCollection","features":[` + feature(squareJSON, `{}`) + `,5]}`)
	f.Add(feature(squareJSON, `{}`) + "\n" + feature(pointJSON, `{}`))
	f.Add("{\"features\" \n:[{\"a\\\"\":1}")
	f.Fuzz(func(t *testing.T, text string) {
		reader := NewFeatureReader(strings.NewReader(text))
		for n := 1; ; n++ {
			row, err := reader.Next()
			if err != nil {
				break
			}
			if row.Number != n || row.Line < 1 || n > len(text) {
				t.Fatalf("row %d has number %d and line %d", n, row.Number, row.Line)
			}
			if row.Err == nil && row.Fence.Shape == nil {
				t.Fatalf("row %d is neither good nor bad", n)
			}
		}
	})
}
