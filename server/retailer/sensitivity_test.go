package retailer

import (
	"testing"

	"satnav/context/who"
)

// TestSensitivity holds that a product is sensitive only where its retailer says so, in the words that products.csv takes.
func TestSensitivity(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		give string
		want bool
	}{
		{"", false}, {"no", false}, {"No", false}, {"false", false}, {"0", false},
		{"yes", true}, {"TRUE", true}, {"1", true}, {"health", true}, {"nothing", true},
	} {
		t.Run("said "+tc.give, func(t *testing.T) {
			t.Parallel()
			built, err := Product{Item: "p", Sensitive: tc.give}.Build(who.NewNames(), Defaults())
			if err != nil || built.Sensitive != tc.want {
				t.Errorf("got %v, %v, want %v", built.Sensitive, err, tc.want)
			}
		})
	}
}
