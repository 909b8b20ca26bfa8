package who

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestDeclarations holds that whatever may be collected is explained first, in every language that answers are written in.
func TestDeclarations(t *testing.T) {
	t.Parallel()
	for _, d := range Purposes() {
		t.Run(string(d.Purpose), func(t *testing.T) {
			t.Parallel()
			if d.Version == "" || d.Use == "" || len(d.Categories) == 0 || !slices.Contains(Bases, d.Basis) || d.Own {
				t.Errorf("it is not explained: %+v", d)
			}
			for _, language := range []string{"en", "de", "fr", "pt"} {
				if n := d.Notice(language); n.Language != language || n.Title == "" || n.Text == "" {
					t.Errorf("%s: got %+v", language, n)
				}
			}
			if got, ok := Declared(d.Purpose); !ok || got.Version != d.Version {
				t.Errorf("Declared found %+v, %v", got, ok)
			}
		})
	}
	if _, ok := Declared("resale"); ok {
		t.Error("a purpose that nobody declared is found")
	}
	Purposes()[0].Version = "forged"
	if Purposes()[0].Version == "forged" {
		t.Error("a declaration was changed through a copy")
	}
}

func TestNotice(t *testing.T) {
	t.Parallel()
	d := Declaration{Notices: []Notice{{"en", "a", "b"}, {"pt-BR", "c", "d"}, {"pt", "e", "f"}}}
	for _, c := range []struct {
		give []string
		want string
	}{
		{nil, "en"}, {[]string{""}, "en"}, {[]string{"pt"}, "pt"}, {[]string{"pt-BR"}, "pt-BR"}, {[]string{"pt-PT"}, "pt-BR"}, {[]string{"PT"}, "pt"},
		{[]string{"ja", "pt"}, "pt"}, {[]string{"ja"}, "en"}, {[]string{"en-GB", "pt"}, "en"},
	} {
		t.Run(fmt.Sprint(c.give), func(t *testing.T) {
			t.Parallel()
			if got := d.Notice(c.give...).Language; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestNoticeHash holds that no word of a notice changes without its hash.
func TestNoticeHash(t *testing.T) {
	t.Parallel()
	seen := map[string]Notice{}
	for _, n := range []Notice{{"en", "a", "b"}, {"en", "ab", ""}, {"en", "", "ab"}, {"de", "a", "b"}, {"en", "a", "b."}} {
		if other, there := seen[n.Hash()]; there || len(n.Hash()) != 64 {
			t.Errorf("%+v and %+v have the hash %s", n, other, n.Hash())
		}
		seen[n.Hash()] = n
	}
}

// TestRegistry holds what a retailer can say of a purpose, and what it cannot.
func TestRegistry(t *testing.T) {
	t.Parallel()
	r := NewRegistry([]Declaration{
		{Purpose: Location, Version: "v7", Notices: []Notice{{"en", "Here", "We look."}}, Basis: ExplicitConsent, Recipients: []string{"Acme"},
			Kinds: EventKinds, Use: "marketing", Categories: []string{"user"}, Resolution: Resolution{Suggest: 15, Stored: 7}},
		{Purpose: "warranty", Use: "functional.service", Version: "1", Notices: []Notice{{"en", "Warranty", "We keep it."}}, Basis: Contract,
			Categories: []string{"user.behavior.purchase_history"}, Kinds: []EventKind{Purchased}, Resolution: Resolution{Suggest: 9, Stored: 15, Analytics: 9}},
	})
	if got := r.Names(); got != "loyalty, location, analytics, warranty" {
		t.Errorf("got %s", got)
	}
	location, _ := r.Of(Location)
	if location.Version != "v7" || location.Notice("de").Title != "Here" || location.Basis != ExplicitConsent || location.Recipients[0] != "Acme" {
		t.Errorf("what a retailer says of it is not in it: %+v", location)
	}
	if want := (Resolution{Suggest: 10, Stored: 7, Analytics: 8}); location.Resolution != want {
		t.Errorf("resolution: got %+v, want %+v: a retailer makes it coarser only", location.Resolution, want)
	}
	if len(location.Kinds) > 0 || location.Use != "functional.service.location" || location.Own {
		t.Errorf("a retailer says what the program does: %+v", location)
	}
	for said, want := range map[time.Duration]time.Duration{0: 30 * 24 * time.Hour, time.Hour: time.Hour, 400 * 24 * time.Hour: 30 * 24 * time.Hour} {
		longer := NewRegistry([]Declaration{{Purpose: Loyalty, Keep: Keep{Withdrawn: said}}, {Purpose: "own", Notices: []Notice{{"en", "t", "n"}}, Keep: Keep{Withdrawn: said}}}).Keeps()
		if longer[Loyalty].Withdrawn != want || longer["own"].Withdrawn != want {
			t.Errorf("what was withdrawn, kept for %s: got %v and %v, want %v", said, longer[Loyalty].Withdrawn, longer["own"].Withdrawn, want)
		}
	}
	warranty, ok := r.Of("warranty")
	if want := (Resolution{Stored: 9}); !ok || !warranty.Own || warranty.Resolution != want {
		t.Errorf("got %+v, %v", warranty, ok)
	}
	if declared, _ := Declared(Location); declared.Version == "v7" {
		t.Error("what one retailer says holds for all")
	}
	for _, c := range []struct {
		name string
		give Event
		want string
	}{
		{"none named", Event{Kind: Viewed}, ""},
		{"Satnav's own", Event{Kind: Viewed, Purpose: Loyalty}, ""},
		{"the retailer's", Event{Kind: Purchased, Purpose: "warranty"}, ""},
		{"another kind than it collects", Event{Kind: Viewed, Purpose: "warranty"}, `no events of the kind "view"`},
		{"one without events", Event{Kind: Viewed, Purpose: Location}, `no events of the kind "view"`},
		{"one that nobody declared", Event{Kind: Viewed, Purpose: "resale"}, `"resale" is not declared, want one of loyalty, location, analytics, warranty`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := r.Collection(&c.give); c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestCapsHold holds that no registry knows a place more finely than Caps.
func TestCapsHold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var said []Declaration
		for range rapid.IntRange(0, 4).Draw(t, "said") {
			number := rapid.IntRange(-3, 20)
			said = append(said, Declaration{
				Purpose: rapid.SampledFrom([]Purpose{Loyalty, Location, "own"}).Draw(t, "purpose"), Notices: []Notice{{"en", "t", "n"}},
				Resolution: Resolution{number.Draw(t, "suggest"), number.Draw(t, "stored"), number.Draw(t, "analytics")},
			})
		}
		for _, d := range NewRegistry(said).All() {
			if r := d.Resolution; r.Suggest > Caps.Suggest || r.Stored > Caps.Stored || r.Analytics > Caps.Analytics || r.Suggest < 0 || r.Stored < 0 || r.Analytics < 0 {
				t.Fatalf("%s: got %+v", d.Purpose, r)
			}
		}
	})
}

func TestValidPartner(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		give string
		want bool
	}{
		{"partner:acme", true}, {"partner:a.b-c_9", true}, {"partner:", false}, {"partner:A", false}, {"app", false}, {"partner:" + strings.Repeat("a", 57), false},
		{"xpartner:acme", false}, {"partner:acme\n", false},
	} {
		if got := ValidPartner(c.give); got != c.want {
			t.Errorf("%q: got %v, want %v", c.give, got, c.want)
		}
	}
}
