package retailer

import (
	"slices"
	"strings"
	"testing"

	"satnav/context/who"
)

func TestSettingsCheck(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		give Settings
		want []string // pointer and a part of what is said, for each fault
	}{
		{"nothing said", Settings{}, nil},
		{"all said", Settings{Zone: "Asia/Tokyo", Currency: "JPY", Languages: []string{"ja", "pt-BR"}, Jurisdiction: "CN", DefaultGrants: []who.Purpose{who.Location}}, nil},
		{"a zone of no list", Settings{Zone: "Mars/Olympus"}, []string{`/zone Europe/Lisbon`}},
		{"the zone of this machine", Settings{Zone: "Local"}, []string{`/zone "Local"`}},
		{"a currency that is none", Settings{Currency: "XXY"}, []string{`/currency ISO 4217`}},
		{"a language of words", Settings{Languages: []string{"en", "not a language"}}, []string{`/languages/1 BCP 47`}},
		{"another jurisdiction", Settings{Jurisdiction: "eu"}, []string{`/jurisdiction EU, CN, US-CA, US-NY, minors, other`}},
		{"a purpose that nobody declared", Settings{DefaultGrants: []who.Purpose{who.Loyalty, "resale"}}, []string{`/default_grants/1 loyalty`}},
		{"all at once", Settings{Zone: "x", Currency: "x", Jurisdiction: "x"}, []string{"/zone x", "/currency x", "/jurisdiction x"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := tc.give.Complete().Check()
			if len(got) != len(tc.want) {
				t.Fatalf("got %v, want %d faults", got, len(tc.want))
			}
			for i, want := range tc.want {
				pointer, text, _ := strings.Cut(want, " ")
				if got[i].Pointer != pointer || !strings.Contains(got[i].Problem, text) || !strings.Contains(got[i].Problem, "want") {
					t.Errorf("got %+v, want %s: …%s…", got[i], pointer, text)
				}
			}
		})
	}
}

// TestDefaultGrants holds where a shopper is asked before anything is kept, and that what a retailer says counts more.
func TestDefaultGrants(t *testing.T) {
	t.Parallel()
	all := []who.Purpose{who.Loyalty, who.Location}
	want := map[string][]who.Purpose{"EU": {}, "CN": {}, "minors": {}, "US-CA": all, "US-NY": all, "other": all, "": all}
	for _, jurisdiction := range append(slices.Clone(Jurisdictions), "") {
		if got := (Settings{Jurisdiction: jurisdiction}).Complete().DefaultGrants; !slices.Equal(got, want[jurisdiction]) {
			t.Errorf("%q: got %v, want %v", jurisdiction, got, want[jurisdiction])
		}
		none := Settings{Jurisdiction: jurisdiction, DefaultGrants: []who.Purpose{}}
		if got := none.Complete().DefaultGrants; len(got) != 0 {
			t.Errorf("%q, where the retailer wants none: got %v", jurisdiction, got)
		}
	}
}

func TestHolidaysIn(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, region, day string
		want              bool
	}{
		{"a feast of the country", "PT", "2026-06-10", true},
		{"Easter moves", "DE-BY", "2026-04-03", true},
		{"and is another day a year later", "DE", "2027-04-03", false},
		{"lower case", "us-ny", "2026-07-04", true},
		{"an ordinary day", "PT", "2026-06-11", false},
		{"a country that nobody knows", "ZZ", "2026-12-25", false},
		{"no region", "", "2026-12-25", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if name, got := HolidaysIn(tc.region)[tc.day]; got != tc.want {
				t.Errorf("%s in %q: got %t (%s), want %t", tc.day, tc.region, got, name, tc.want)
			}
		})
	}
}
