package who

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func grants() *rapid.Generator[Grant] {
	return rapid.Custom(func(t *rapid.T) Grant {
		return Grant{
			Purpose: rapid.SampledFrom([]Purpose{Loyalty, Location, "audit", "zeal"}).Draw(t, "purpose"),
			Given:   rapid.Bool().Draw(t, "given"),
			At:      noon.Add(time.Duration(rapid.IntRange(0, 1_000).Draw(t, "at")) * time.Second),
			Source:  rapid.SampledFrom([]Source{ByShopper, ByRetailerDefault}).Draw(t, "source"),
		}
	})
}

// TestGrantsRememberTheLastDecision compares Grants with a map: the last decision on a purpose holds, one
// entry a purpose, sorted, and grants that were handed out never change.
func TestGrantsRememberTheLastDecision(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var in Grants
		last := map[Purpose]Grant{}
		for _, decision := range rapid.SliceOfN(grants(), 0, 12).Draw(t, "decisions") {
			before := slices.Clone(in)
			next := in.With(decision)
			if !slices.Equal(in, before) {
				t.Fatalf("With changed the grants that it was asked of: %v, were %v", in, before)
			}
			in, last[decision.Purpose] = next, decision
		}
		if len(in) != len(last) {
			t.Fatalf("got %d decisions in force on %d purposes", len(in), len(last))
		}
		for i, g := range in {
			if g != last[g.Purpose] {
				t.Fatalf("%s: got %+v, want %+v", g.Purpose, g, last[g.Purpose])
			}
			if i > 0 && in[i-1].Purpose >= g.Purpose {
				t.Fatalf("not sorted: %v", in)
			}
		}
		for _, p := range []Purpose{Loyalty, Location, "audit", "zeal"} {
			decision, decided := last[p]
			if got, want := in.Holds(p), decision.Given; got != want {
				t.Fatalf("%s holds: got %v, want %v", p, got, want)
			}
			if got := in.Decided(p); got != decided {
				t.Fatalf("%s decided: got %v, want %v", p, got, decided)
			}
		}
	})
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	got := Defaults([]Purpose{Location, Loyalty, "never declared", Location}, noon)
	want := Grants{
		{Location, true, noon, ByRetailerDefault, "2026-11", "en", declarations[1].Notices[0].Hash(), ""},
		{Loyalty, true, noon, ByRetailerDefault, "2026-11", "en", declarations[0].Notices[0].Hash(), ""},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := Defaults(nil, noon); len(got) != 0 {
		t.Errorf("no purposes: got %+v", got)
	}
	if g := got.With(took(Loyalty)); g.Holds(Loyalty) || !g.Holds(Location) {
		t.Errorf("a shopper's decision does not replace the default: %+v", g)
	}
}
