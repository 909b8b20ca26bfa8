package api

import (
	"slices"
	"testing"
)

func TestStrongVersions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, give string
		want       []int64
	}{
		{"one", `"7"`, []int64{7}},
		{"several", `"7", "1","3"`, []int64{7, 1, 3}},
		{"a weak one", `W/"1"`, nil},
		{"a weak one among others", `"2", W/"1", "3"`, []int64{2, 3}},
		{"somebody else's with a comma", `"a,4", "5"`, []int64{5}},
		{"without quotes", "7, 8", []int64{7, 8}},
		{"empty members", ` , "7",, `, []int64{7}},
		{"never closed", `"7`, []int64{7}},
		{"no version", `"0", "-1", "x", nonsense, ""`, nil},
		{"nothing", "", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := strongVersions(tc.give); !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
