package retailer

import (
	"errors"
	"strings"
	"testing"
)

func TestStoreBuild(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		give Store
		want string // pointers of the faults and a part of the first; empty: it is right
	}{
		{"all of it", Store{ID: "s", Lat: 38.7, Lng: -9.1, Zone: "Europe/Lisbon", Hours: "Mo-Sa 08:00-21:00"}, ""},
		{"always open", Store{ID: "s", Zone: "UTC", Hours: "24/7"}, ""},
		{"no id", Store{Zone: "UTC"}, "/id missing"},
		{"beyond the pole", Store{ID: "s", Lat: 91, Zone: "UTC"}, "/lat 91"},
		{"no zone", Store{ID: "s"}, "/zone Europe/Lisbon"},
		{"the zone of this machine", Store{ID: "s", Zone: "Local"}, "/zone Local"},
		{"hours of no clock", Store{ID: "s", Zone: "UTC", Hours: "Mo 25:00-26:00"}, "/hours 25:00"},
		{"all at once", Store{Lat: 91, Zone: "x", Hours: "x"}, "/id,/lat,/zone,/hours missing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			built, err := tc.give.Build()
			if tc.want == "" {
				if err != nil || built.Zone.String() != tc.give.Zone {
					t.Errorf("got %+v, %v", built, err)
				}
				return
			}
			var invalid *Invalid
			if !errors.As(err, &invalid) {
				t.Fatalf("got %v, want it refused", err)
			}
			var pointers []string
			for _, f := range invalid.Faults {
				pointers = append(pointers, f.Pointer)
			}
			want, text, _ := strings.Cut(tc.want, " ")
			if strings.Join(pointers, ",") != want || !strings.Contains(invalid.Faults[0].Problem, text) {
				t.Errorf("got %v: %v, want %s", pointers, err, tc.want)
			}
		})
	}
}

// TestStoreComplete holds that only what was left out is filled.
func TestStoreComplete(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		give, want Store
	}{
		{"nothing said", Store{ID: "s", Lat: 38.7, Lng: -9.1}, Store{ID: "s", Name: "s", Lat: 38.7, Lng: -9.1, Zone: "Europe/Lisbon"}},
		{"all said", Store{ID: "s", Name: "Baixa", Lat: 38.7, Lng: -9.1, Zone: "UTC"}, Store{ID: "s", Name: "Baixa", Lat: 38.7, Lng: -9.1, Zone: "UTC"}},
		{"a place that is none is left to Build", Store{ID: "s", Lat: 91}, Store{ID: "s", Name: "s", Lat: 91}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got, err := tc.give.Complete(); err != nil || got != tc.want {
				t.Errorf("got %+v, %v, want %+v", got, err, tc.want)
			}
		})
	}
}
