package geo

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/uber/h3-go/v4"
)

func anyPoint(rng *rand.Rand) Point {
	return Point{Lat: math.Asin(rng.Float64()*2-1) / radian, Lng: rng.Float64()*360 - 180}
}

func TestParseCell(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, give, want string
	}{
		{"a cell", "8a195da49d47fff", ""},
		{"upper case", "8A195DA49D47FFF", ""},
		{"nothing", "", "empty string"},
		{"not hexadecimal", "8a195da49d47ffg", "hexadecimal"},
		{"too long", strings.Repeat("8", 100), "100 characters"},
		{"a place", "51.5,-0.1", "hexadecimal"},
		{"zero", "0", "mode is 0"},
		{"a directed edge", "115283473fffffff", "mode is 2"},
		{"an unused digit in use", "8a195da49d47ff0", "want 7 beyond resolution 10"},
		{"a used digit not in use", "8b195da49d47fff", "want 0 to 6 within resolution 11"},
		{"a base cell too many", "80f5fffffffffff", "want 0 to 121"},
		{"the missing child of a pentagon", "81083ffffffffff", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, err := ParseCell(test.give)
			if known := h3.Cell(h3.IndexFromString(test.give)).IsValid(); len(test.give) < 20 && known != (err == nil) {
				t.Fatalf("got %v, H3 says %v", err, known)
			}
			if test.want == "" && err == nil && c.String() != strings.ToLower(test.give) {
				t.Errorf("got %s, want %s", c, test.give)
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestCellAgreesWithH3(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(13, 14))
	for range 20_000 {
		p, r := anyPoint(rng), rng.IntN(16)
		c := CellAt(p, r)
		if !c.Valid() || c.Resolution() != r || c.Parent(r) != c {
			t.Fatalf("%v at resolution %d: got %s, valid %v, resolution %d", p, r, c, c.Valid(), c.Resolution())
		}
		if c.Pentagon() != h3.Cell(c).IsPentagon() {
			t.Fatalf("%s: pentagon %v", c, c.Pentagon())
		}
		coarse := rng.IntN(r + 1)
		if want, _ := h3.Cell(c).Parent(coarse); Cell(want) != c.Parent(coarse) {
			t.Fatalf("parent of %s at %d: got %s, want %s", c, coarse, c.Parent(coarse), want)
		}
		if wrong := c ^ 1<<rng.IntN(64); wrong.Valid() != h3.Cell(wrong).IsValid() {
			t.Fatalf("%s: valid %v, H3 says otherwise", wrong, wrong.Valid())
		}
		if d := c.Center().Distance(p); d > c.Circumradius()*1.0001 {
			t.Fatalf("%v is %v m from the centre of its cell %s, more than its radius %v", p, d, c, c.Circumradius())
		}
	}
}

func TestCellChildren(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(15, 16))
	cells := []Cell{CellAt(Point{64.7, 10.5}, 0).Parent(0)}
	for _, p := range must(h3.Pentagons(3)) {
		cells = append(cells, Cell(p))
	}
	for range 100 {
		cells = append(cells, CellAt(anyPoint(rng), rng.IntN(15)))
	}
	for _, c := range cells {
		want, err := h3.Cell(c).ImmediateChildren()
		if err != nil {
			t.Fatal(err)
		}
		got := c.Children()
		if len(got) != len(want) {
			t.Fatalf("%s has %d children, want %d", c, len(got), len(want))
		}
		for i := range got {
			if got[i] != Cell(want[i]) {
				t.Fatalf("child %d of %s: got %s, want %s", i, c, got[i], want[i])
			}
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestCellNeighbours(t *testing.T) {
	t.Parallel()
	c := CellAt(Point{51.5, -0.12}, 9)
	for k, want := range []int{1, 7, 19, 37} {
		if got := len(c.Neighbours(k)); got != want {
			t.Errorf("%d steps: got %d cells, want %d", k, got, want)
		}
	}
	if c.Neighbours(-1) != nil {
		t.Error("got neighbours in -1 steps")
	}
}

func FuzzParseCell(f *testing.F) {
	f.Add("8a195da49d47fff")
	f.Add("115283473fffffff")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCell(s)
		if err != nil {
			return
		}
		if !h3.Cell(c).IsValid() {
			t.Fatalf("%q: H3 does not know it", s)
		}
		if again, err := ParseCell(c.String()); err != nil || again != c {
			t.Fatalf("%q does not come back: %v %v", s, again, err)
		}
	})
}
