package sensitive_test

import (
	"testing"

	"satnav/server/sensitive"
)

func TestOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		give string
		want sensitive.Category
	}{
		{"", sensitive.NoCategory}, {"no", sensitive.NoCategory}, {"No", sensitive.NoCategory}, {"FALSE", sensitive.NoCategory}, {"0", sensitive.NoCategory},
		{"yes", sensitive.Unnamed}, {"True", sensitive.Unnamed}, {"1", sensitive.Unnamed},
		{"health", sensitive.Health}, {" Pregnancy ", sensitive.Pregnancy}, {"Clinic", sensitive.Health}, {"gambling", "gambling"},
	} {
		if got := sensitive.Of(c.give); got != c.want {
			t.Errorf("%q is %q, want %q", c.give, got, c.want)
		}
	}
	for _, category := range sensitive.Categories {
		if got, known := sensitive.Known(string(category)); !known || got != category || sensitive.Of(string(category)) != category {
			t.Errorf("%s is %q, %t", category, got, known)
		}
	}
	for _, ordinary := range []string{"bakery", "food", "yes", "no", ""} {
		if got, known := sensitive.Known(ordinary); known {
			t.Errorf("%q is taken for %s", ordinary, got)
		}
	}
}
