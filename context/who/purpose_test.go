package who

import (
	"slices"
	"testing"
)

func TestEveryPurposeIsDeclaredWhole(t *testing.T) {
	t.Parallel()
	var seen []Purpose
	for _, d := range Purposes() {
		if d.Purpose == "" || d.Title == "" || len(d.Notice) < 40 || d.Version == "" {
			t.Errorf("%+v: a purpose needs a title, a notice that explains it, and the notice's version", d)
		}
		if slices.Contains(seen, d.Purpose) {
			t.Errorf("%q is declared twice", d.Purpose)
		}
		seen = append(seen, d.Purpose)
		if got, ok := Declared(d.Purpose); !ok || got != d {
			t.Errorf("Declared(%q): got %+v, %v", d.Purpose, got, ok)
		}
	}
	for _, p := range []Purpose{Loyalty, Location} {
		if !slices.Contains(seen, p) {
			t.Errorf("%q is used and not declared", p)
		}
	}
	if _, ok := Declared("resale"); ok {
		t.Error("a purpose that nobody declared is declared")
	}
}

func TestPurposesCannotBeChangedFromOutside(t *testing.T) {
	t.Parallel()
	Purposes()[0].Notice = "we sell it"
	if Purposes()[0].Notice == "we sell it" {
		t.Error("the notice was changed through a copy")
	}
}
