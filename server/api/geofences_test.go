package api

import "testing"

// TestNamedFeature holds that the versions of a geofence tell its name, as it was or by default.
func TestNamedFeature(t *testing.T) {
	t.Parallel()
	const before = `{"type":"Feature","id":"a","geometry":null,"properties":`
	for _, tc := range []struct{ name, give, want string }{
		{"of its own", before + `{"name":"n","cells":[]}}`, before + `{"name":"n","cells":[]}}`},
		{"by default", before + `{"cells":[]}}`, before + `{"name":"a","cells":[]}}`},
		{"by default, alone", before + `{}}`, before + `{"name":"a"}}`},
		{"another name inside", before + `{"payload":{"name":"n"}}}`, before + `{"name":"a","payload":{"name":"n"}}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := string(namedFeature([]byte(tc.give), "a")); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}
