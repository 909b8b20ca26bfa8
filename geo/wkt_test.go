package geo

import (
	"strings"
	"testing"
)

func TestParseWKT(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, give, want, err string
	}{
		{"a polygon", "POLYGON((0 0,1 0,1 1,0 0))", "POLYGON ((0 0, 1 0, 1 1, 0 0))", ""},
		{"a hole, small letters, an SRID", "srid=4326; polygon ( (0 0, 9 0, 9 9, 0 0) , (5 1, 8 1, 8 2, 5 1) )", "POLYGON ((0 0, 9 0, 9 9, 0 0), (5 1, 8 2, 8 1, 5 1))", ""},
		{"heights", "POLYGON Z ((0 0 5, 1 0 5, 1 1 5, 0 0 5))", "POLYGON ((0 0, 1 0, 1 1, 0 0))", ""},
		{"heights and measures", "POLYGONZM((0 0 5 1, 1 0 5 1, 1 1 5 1, 0 0 5 1))", "POLYGON ((0 0, 1 0, 1 1, 0 0))", ""},
		{"two parts", "MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6.5 5,6.5 6,5 5)))", "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), ((5 5, 6.5 5, 6.5 6, 5 5)))", ""},
		{"a point", "POINT(1 2)", "", `got "POINT", want POLYGON or MULTIPOLYGON`},
		{"nothing", "", "", `want POLYGON`},
		{"empty", "POLYGON EMPTY", "", "has no area"},
		{"another system", "SRID=3857;POLYGON((0 0,1 0,1 1,0 0))", "", "got SRID 3857, want 4326"},
		{"a word", "POLYGON((0 0,1 zero,1 1,0 0))", "", `character 16: got "zero,1 1,0 0))", want two numbers`},
		{"one number", "POLYGON((0 0,1,1 1,0 0))", "", "want two numbers"},
		{"five numbers", "POLYGON((0 0 0 0 0,1 1,1 0,0 0))", "", "want two numbers"},
		{"no end", "POLYGON((0 0,1 0,1 1,0 0)", "", "a comma or a closing parenthesis"},
		{"more", "POLYGON((0 0,1 0,1 1,0 0)) POLYGON", "", "want nothing more"},
		{"a bow tie", "POLYGON((0 0,1 1,1 0,0 1,0 0))", "", "/0/0: the outer ring crosses itself"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g, _, err := ParseWKT(test.give)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("got %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := string(g.AppendWKT(nil)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func FuzzParseWKT(f *testing.F) {
	f.Add("POLYGON((0 0,1 0,1 1,0 0))")
	f.Add("SRID=4326;MULTIPOLYGON Z (((0 0 1,1 0 1,1 1 1,0 0 1)),((5 5 1,6 5 1,6 6 1,5 5 1)))")
	f.Fuzz(func(t *testing.T, text string) {
		g, _, err := ParseWKT(text)
		if err != nil {
			return
		}
		written := string(g.AppendWKT(nil))
		again, _, err := ParseWKT(written)
		if err != nil || string(again.AppendWKT(nil)) != written {
			t.Fatalf("%q is written as %q, which comes back as %v, %v", text, written, again, err)
		}
	})
}
