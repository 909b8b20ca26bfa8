package retailer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/currency"
	"golang.org/x/text/language"

	"satnav/context/who"
	"satnav/recommend/rule"
	"satnav/server/money"
)

// Settings are what holds for a whole retailer.
type Settings struct {
	Name          string        `json:"name"`     // empty: the id
	Zone          string        `json:"zone"`     // IANA name; stores may have their own
	Currency      string        `json:"currency"` // ISO 4217; empty: none, amounts have two decimals
	Languages     []string      `json:"languages"`
	Region        string        `json:"region"`             // where data is kept and served; empty: anywhere
	Jurisdiction  string        `json:"jurisdiction"`       // one of Jurisdictions
	DefaultGrants []who.Purpose `json:"default_grants"`     // purposes that hold until the shopper decides otherwise
	Purposes      []Purpose     `json:"purposes,omitempty"` // what the retailer says of purposes, see who.NewRegistry
	Sources       []string      `json:"sources,omitempty"`  // partners whose data is taken, see who.PartnerSource; all others are off
	// FloorMargin is the least share of a price lowered by a rule that must be left over the cost, 0 to under 1.
	FloorMargin float64 `json:"floor_margin,omitempty"`
	// Approve are the risk classes of rules that a second person approves; nil: DefaultApprove.
	Approve []rule.Class `json:"approve,omitzero"`
	// Holdout is the share of shoppers for whom rules, offers and experiments do nothing, so that what they do can be told; nil:
	// DefaultHoldout.
	Holdout *float64 `json:"holdout,omitempty"`
	// InterruptionsDay is how often a day rules may speak to a shopper who did not ask; 0: DefaultInterruptions.
	InterruptionsDay int `json:"interruptions_day,omitempty"`
	// Insights is the noise in what is counted of many shoppers together; nil: none.
	Insights *InsightNoise `json:"insights,omitempty"`
}

// InsightNoise is the noise of differential privacy, and how much of it a month may use up.
type InsightNoise struct {
	Epsilon float64 `json:"epsilon"` // of each table
	Budget  float64 `json:"budget"`  // sum of the epsilons of a month
}

// check says what is wrong.
func (n *InsightNoise) check() (faults []Fault) {
	if n == nil {
		return nil
	}
	if !(n.Epsilon >= 0.01 && n.Epsilon <= 10) {
		faults = append(faults, Fault{"/insights/epsilon", fmt.Sprintf("got %v, want 0.01 to 10", n.Epsilon)})
	}
	if !(n.Budget >= n.Epsilon && n.Budget <= 300) {
		faults = append(faults, Fault{"/insights/budget", fmt.Sprintf("got %v, want at least the epsilon of one table, and at most 300", n.Budget)})
	}
	return faults
}

// Jurisdictions are the profiles of law that a retailer may be under. Those that want a decision before
// any processing start without default grants.
var Jurisdictions = []string{"EU", "CN", "US-CA", "US-NY", "minors", "other"}

var decidesFirst = []string{"EU", "CN", "minors"}

// Defaults are the settings of a retailer who has set nothing.
func Defaults() Settings {
	return Settings{
		Zone:          "UTC",
		Languages:     []string{"en"},
		Jurisdiction:  "other",
		DefaultGrants: []who.Purpose{who.Loyalty, who.Location},
	}
}

// DefaultGrantsFor are the default grants that a jurisdiction starts with.
func DefaultGrantsFor(jurisdiction string) []who.Purpose {
	if slices.Contains(decidesFirst, jurisdiction) {
		return []who.Purpose{}
	}
	return Defaults().DefaultGrants
}

// Complete fills what was left out with defaults.
func (s Settings) Complete() Settings {
	d := Defaults()
	if s.Zone == "" {
		s.Zone = d.Zone
	}
	if len(s.Languages) == 0 {
		s.Languages = d.Languages
	}
	if s.Jurisdiction == "" {
		s.Jurisdiction = d.Jurisdiction
	}
	if s.DefaultGrants == nil {
		s.DefaultGrants = DefaultGrantsFor(s.Jurisdiction)
	}
	return s
}

// DefaultInterruptions is how often a day a shopper may be interrupted where the retailer says nothing.
const DefaultInterruptions = 3

// Interruptions is how often a day a shopper may be interrupted.
func (s Settings) Interruptions() int { return cmp.Or(s.InterruptionsDay, DefaultInterruptions) }

// Check says everything that is wrong with the settings.
func (s Settings) Check() []Fault {
	var faults []Fault
	if _, err := time.LoadLocation(s.Zone); err != nil || s.Zone == "Local" {
		faults = append(faults, Fault{"/zone", fmt.Sprintf("got %q, want a time zone of the IANA list such as \"Europe/Lisbon\"", s.Zone)})
	}
	if s.Currency != "" {
		if _, err := currency.ParseISO(s.Currency); err != nil {
			faults = append(faults, Fault{"/currency", fmt.Sprintf("got %q, want a code of ISO 4217 such as \"EUR\"", s.Currency)})
		}
	}
	for i, tag := range s.Languages {
		if _, err := language.Parse(tag); err != nil {
			faults = append(faults, Fault{fmt.Sprintf("/languages/%d", i), fmt.Sprintf("got %q, want a tag of BCP 47 such as \"en\" or \"pt-BR\"", tag)})
		}
	}
	if !slices.Contains(Jurisdictions, s.Jurisdiction) {
		faults = append(faults, Fault{"/jurisdiction", fmt.Sprintf("got %q, want one of %s", s.Jurisdiction, strings.Join(Jurisdictions, ", "))})
	}
	if !(s.FloorMargin >= 0 && s.FloorMargin < 1) {
		faults = append(faults, Fault{"/floor_margin", fmt.Sprintf("got %v, want 0 to less than 1", s.FloorMargin)})
	}
	if share := s.HoldoutShare(); !(share >= 0 && share <= 0.5) {
		faults = append(faults, Fault{"/holdout", fmt.Sprintf("got %v, want 0 to 0.5", share)})
	}
	for i, c := range s.Approve {
		if !slices.Contains(rule.Classes, c) {
			faults = append(faults, Fault{fmt.Sprintf("/approve/%d", i), fmt.Sprintf("got %q, want one of %v", c, rule.Classes)})
		}
	}
	registry := s.Registry()
	for i, p := range s.DefaultGrants {
		pointer := fmt.Sprintf("/default_grants/%d", i)
		switch declared, ok := registry.Of(p); {
		case !ok:
			faults = append(faults, Fault{pointer, fmt.Sprintf("purpose %q is not declared, want one of %s", p, registry.Names())})
		case declared.Own && declared.Basis.Asks() || declared.Basis == who.ExplicitConsent:
			faults = append(faults, Fault{pointer, fmt.Sprintf("purpose %q has the basis %q: it holds once the shopper said yes, and by no default", p, declared.Basis)})
		}
	}
	for i, source := range s.Sources {
		if !who.ValidPartner(source) || slices.Index(s.Sources, source) != i {
			faults = append(faults, Fault{fmt.Sprintf("/sources/%d", i), fmt.Sprintf("got %.80q, want %s, each once", source, who.PartnerWanted)})
		}
	}
	faults = append(faults, s.Insights.check()...)
	return append(faults, checkPurposes(s.Purposes)...)
}

// Exponent is the number of decimals of the retailer's currency: 2 for EUR, 0 for JPY, 3 for KWD.
func (s Settings) Exponent() int { return money.Exponent(s.Currency) }

// Fault is one thing wrong with what a retailer sent.
type Fault struct {
	Pointer string // JSON pointer into what was sent
	Problem string // what was found and what would be right
}

func (f Fault) String() string { return strings.TrimPrefix(f.Pointer, "/") + ": " + f.Problem }

// Invalid is the error of an entry that cannot be stored as it is.
type Invalid struct{ Faults []Fault }

func (e *Invalid) Error() string {
	texts := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		texts[i] = f.String()
	}
	return strings.Join(texts, "; ")
}

func invalid(faults []Fault) error {
	if len(faults) == 0 {
		return nil
	}
	return &Invalid{faults}
}

// checkID says what is wrong with an id that a retailer gave, or nil.
func checkID(pointer, id string) []Fault {
	if problem := who.NameProblem(id, true); problem != "" {
		return []Fault{{pointer, fmt.Sprintf("got %.40q: %s; want 1 to 128 characters, none of them a control character", id, problem)}}
	}
	return nil
}
