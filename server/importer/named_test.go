package importer

import (
	"slices"
	"strings"
	"testing"
)

// A geofence without an id is the same one when its file is imported again, also in another form.
func TestRunNamesGeofences(t *testing.T) {
	t.Parallel()
	ids := func(give string) (ids []string) {
		t.Helper()
		var sink memory
		got, err := Run(t.Context(), KindGeofences, strings.NewReader(give), &sink, Options{})
		if err != nil || got.Refused != 0 {
			t.Fatalf("got %+v, %v", got, err)
		}
		for _, g := range sink.geofences {
			if g.Name != g.ID {
				t.Errorf("got name %q, want the id %q", g.Name, g.ID)
			}
			ids = append(ids, g.ID)
		}
		return ids
	}
	a := strings.Replace(circle("a"), `"id":"a",`, "", 1)
	b := strings.Replace(a, "50", "60", 1)
	lines := ids(a + "\n" + b + "\n" + a + "\n" + circle("named") + "\n")
	if sorted := slices.Compact(slices.Sorted(slices.Values(lines))); len(sorted) != 4 || lines[3] != "named" || len(lines[0]) != 33 {
		t.Fatalf("got %v, want four ids, two of them for equal geofences", lines)
	}
	for name, give := range map[string]string{
		"again":        a + "\n" + b + "\n" + a + "\n",
		"spaced":       strings.ReplaceAll(a+"\n"+b+"\n"+a, ":", " : "),
		"a collection": `{"type":"FeatureCollection","features":[` + a + "," + b + "," + a + "]}",
		"a table":      "lat,lng,radius_m\n38.711,-9.137,50\n38.711,-9.137,60\n38.711,-9.137,50\n",
	} {
		if got := ids(give); !slices.Equal(got, lines[:3]) {
			t.Errorf("%s: got %v, want %v", name, got, lines[:3])
		}
	}
	if got := ids(b + "\n" + a + "\n"); !slices.Equal(got, []string{lines[1], lines[0]}) {
		t.Errorf("in another order: got %v, want %v", got, []string{lines[1], lines[0]})
	}
}
