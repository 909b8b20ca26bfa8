package who

import (
	"strings"
	"testing"
	"time"

	"satnav/geo"
)

// TestWishesReduce is the gate as a table: what a shopper said, against what may be read. Nothing that is said gives more than the grants.
func TestWishesReduce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name              string
		wishes            *Preferences
		grants            []Grant
		loyalty, location bool
	}{
		{"nothing said", nil, []Grant{gave(Loyalty), gave(Location)}, true, true},
		{"neutral", &Preferences{Neutral: true}, []Grant{gave(Loyalty), gave(Location)}, false, true},
		{"paused", &Preferences{Paused: noon}, []Grant{gave(Loyalty), gave(Location)}, false, false},
		{"paused once", &Preferences{Pauses: []Pause{{noon, noon}}}, []Grant{gave(Loyalty), gave(Location)}, true, true},
		{"neutral, and nothing granted", &Preferences{Neutral: true}, nil, false, false},
		{"said, and nothing granted", &Preferences{Quiet: true, Muted: []string{"a"}}, nil, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var in Grants
			for _, g := range c.grants {
				in = in.With(g)
			}
			shopper := New(Record{Grants: in, History: &History{}, Wishes: c.wishes})
			subject := NewSubject(shopper, Permissions{Location: geo.Precise})
			if _, ok := Access(Loyalty, subject); ok != c.loyalty {
				t.Errorf("loyalty: got %v, want %v", ok, c.loyalty)
			}
			if _, ok := Access(Location, subject); ok != c.location {
				t.Errorf("location: got %v, want %v", ok, c.location)
			}
			if got := Counted(shopper) != nil; got != in.Holds(Loyalty) {
				t.Errorf("counted: got %v, want what the grant says", got)
			}
		})
	}
	if Counted(nil) != nil || (*Shopper)(nil).Preferences() == nil {
		t.Error("nobody has something counted, and no preferences that can be asked")
	}
}

func TestPausesAreKept(t *testing.T) {
	t.Parallel()
	var p Preferences
	for i := range MaxPauses + 3 {
		p = p.Pause(true, noon.Add(time.Duration(2*i)*time.Hour)).Pause(true, noon.Add(time.Duration(2*i)*time.Hour+time.Minute))
		p = p.Pause(false, noon.Add(time.Duration(2*i+1)*time.Hour)).Pause(false, noon.Add(time.Duration(2*i+9)*time.Hour))
	}
	if len(p.Pauses) != MaxPauses || !p.Paused.IsZero() {
		t.Fatalf("got %d pauses, since %v", len(p.Pauses), p.Paused)
	}
	if last := p.Pauses[MaxPauses-1]; last.Until.Sub(last.From) != time.Hour || !last.From.Equal(noon.Add(2*(MaxPauses+2)*time.Hour)) {
		t.Errorf("the last: got %+v", last)
	}
}

func TestMutesCategory(t *testing.T) {
	t.Parallel()
	p := &Preferences{Muted: []string{"dairy", "food/sweets"}}
	for category, want := range map[string]bool{
		"dairy": true, "dairy/milk": true, "dairyland": false, "": false, "food": false, "food/sweets": true, "food/sweets/gum": true, "sweets": false,
	} {
		if got := p.MutesCategory(category); got != want {
			t.Errorf("%q: got %v, want %v", category, got, want)
		}
	}
}

func TestPreferencesCheck(t *testing.T) {
	t.Parallel()
	many := make([]string, MaxWishes+1)
	for i := range many {
		many[i] = "a"
	}
	for _, c := range []struct {
		name string
		give Preferences
		want string // field; empty: none
	}{
		{"nothing", Preferences{}, ""},
		{"some", Preferences{Muted: []string{"a/b"}, Less: []string{"p"}, NotForMe: []string{"q"}}, ""},
		{"too many", Preferences{Less: many}, "less"},
		{"an empty one", Preferences{Muted: []string{"a", ""}}, "muted_categories/1"},
		{"too long", Preferences{NotForMe: []string{strings.Repeat("x", MaxName+1)}}, "not_for_me/0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			faults := c.give.Check()
			if c.want == "" && len(faults) > 0 || c.want != "" && (len(faults) != 1 || faults[0].Field != c.want) {
				t.Errorf("got %v, want %q", faults, c.want)
			}
		})
	}
}
