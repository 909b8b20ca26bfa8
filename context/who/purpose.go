package who

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Purpose is what a shopper's data may be used for. Data is collected for a declared purpose and read
// through Access, which asks for one.
type Purpose string

const (
	// Loyalty keeps purchases and what is done in the app, and uses them for suggestions.
	Loyalty Purpose = "loyalty"
	// Location uses where the device is for suggestions and for geofence triggers.
	Location Purpose = "location"
	// Analytics counts what is kept for the other two together with what many others did. Nothing is collected for it, and it opens nothing
	// that the purpose for which something was collected does not: both must be granted.
	Analytics Purpose = "analytics"
)

// Basis is the legal basis on which data is used for a purpose.
type Basis string

const (
	Consent         Basis = "consent"
	ExplicitConsent Basis = "explicit_consent" // for what is sensitive
	Contract        Basis = "contract"
	LegalObligation Basis = "legal_obligation"
	Interest        Basis = "legitimate_interest"
)

// Bases lists every basis.
var Bases = []Basis{Consent, ExplicitConsent, Contract, LegalObligation, Interest}

// Asks tells whether the basis holds only once the shopper said yes.
func (b Basis) Asks() bool { return b == Consent || b == ExplicitConsent }

// Resolution caps how finely a place is known for a purpose, as H3 resolutions; 0: the purpose has no places.
type Resolution struct {
	Suggest   int `json:"suggest,omitempty"`   // to answer a call, never kept
	Stored    int `json:"stored,omitempty"`    // beside what the crossing machine remembers of a visit under way
	Analytics int `json:"analytics,omitempty"` // in counts over many shoppers
}

// Keep says how long data is kept for a purpose.
type Keep struct {
	Age       time.Duration // since it happened; 0: no limit
	Withdrawn time.Duration // since the purpose was withdrawn
	Visit     time.Duration // where the shopper is, since they were last seen and no visit is under way; 0: it is not known
}

// Defaults of Keep. Where somebody was is of use while they are out; a withdrawal may have been a mistake, and is not used meanwhile.
const (
	keepVisit     = 24 * time.Hour
	keepWithdrawn = 30 * 24 * time.Hour
)

// Caps are the finest resolutions that any purpose may have: a declaration only makes them coarser.
var Caps = Resolution{Suggest: 10, Stored: 9, Analytics: 8}

// Notice is what a shopper reads, in one language, before deciding about a purpose.
type Notice struct {
	Language string `json:"language"` // BCP 47
	Title    string `json:"title"`    // a few words
	Text     string `json:"text"`
}

// Hash names the words of a notice: SHA-256 over language, title and text, a newline between them, in hexadecimal. A grant
// keeps it, so that what was read can be proved.
func (n Notice) Hash() string {
	sum := sha256.Sum256([]byte(n.Language + "\n" + n.Title + "\n" + n.Text))
	return hex.EncodeToString(sum[:])
}

// Declaration is what is promised about a purpose before any data is collected for it.
type Declaration struct {
	Purpose    Purpose
	Use        string   // of the Fides taxonomy of data uses: "personalize.content"
	Version    string   // of the notices; a grant remembers which one was read
	Notices    []Notice // one for each language, at least one; the first serves whoever reads none of the others
	Basis      Basis
	Categories []string    // of data, Fides taxonomy: "user.behavior.purchase_history"
	Kinds      []EventKind // of events that are collected for it
	Resolution Resolution
	Keep       Keep
	Recipients []string // who gets data besides the retailer, by name
	Own        bool     // a retailer declared it: Satnav keeps its events for the shopper to see, and reads them for nothing else
}

// Notice is the notice in the first of the languages that there is one of, exactly or by its first part, else the first.
func (d *Declaration) Notice(languages ...string) Notice {
	for _, wanted := range languages {
		base, _, _ := strings.Cut(wanted, "-")
		for _, same := range []func(string) bool{
			func(have string) bool { return strings.EqualFold(have, wanted) },
			func(have string) bool { have, _, _ = strings.Cut(have, "-"); return strings.EqualFold(have, base) },
		} {
			if i := slices.IndexFunc(d.Notices, func(n Notice) bool { return same(n.Language) }); i >= 0 {
				return d.Notices[i]
			}
		}
	}
	return d.Notices[0]
}

// Collects tells whether events of a kind are collected for the purpose.
func (d *Declaration) Collects(kind EventKind) bool { return slices.Contains(d.Kinds, kind) }

var declarations = []Declaration{
	{
		Purpose: Loyalty, Use: "personalize.content", Version: "2026-11", Basis: Consent,
		Notices: []Notice{
			{"en", "Suggestions from your purchases", "We keep what you buy, look at and save, and use it to suggest what may help you. You can see it, correct it and delete it at any time."},
			{"de", "Vorschläge aus Ihren Einkäufen", "Wir merken uns, was Sie kaufen, ansehen und speichern, und schlagen Ihnen damit vor, was Ihnen helfen kann. Sie können es jederzeit ansehen, berichtigen und löschen."},
			{"fr", "Des suggestions d'après vos achats", "Nous gardons ce que vous achetez, regardez et enregistrez, pour vous suggérer ce qui peut vous aider. Vous pouvez à tout moment le voir, le corriger et l'effacer."},
			{"pt", "Sugestões a partir das suas compras", "Guardamos o que compra, vê e guarda, e usamo-lo para sugerir o que o pode ajudar. Pode vê-lo, corrigi-lo e apagá-lo quando quiser."},
		},
		Categories: []string{"user.behavior.purchase_history", "user.behavior"}, Kinds: EventKinds, Resolution: Resolution{Stored: Caps.Stored, Analytics: Caps.Analytics},
		Keep: Keep{Withdrawn: keepWithdrawn},
	},
	{
		Purpose: Location, Use: "functional.service.location", Version: "2026-11", Basis: Consent,
		Notices: []Notice{
			{"en", "Suggestions for where you are", "We use the place your phone tells us, to suggest what is useful there and to tell you when you reach or leave a place that the shop has marked."},
			{"de", "Vorschläge für den Ort, an dem Sie sind", "Wir verwenden den Ort, den Ihr Telefon uns nennt, um vorzuschlagen, was dort nützlich ist, und um Ihnen zu sagen, wenn Sie einen Ort erreichen oder verlassen, den das Geschäft markiert hat."},
			{"fr", "Des suggestions pour l'endroit où vous êtes", "Nous utilisons le lieu que votre téléphone nous indique, pour suggérer ce qui y est utile et pour vous dire quand vous atteignez ou quittez un lieu que le magasin a marqué."},
			{"pt", "Sugestões para o lugar onde está", "Usamos o lugar que o seu telefone nos diz, para sugerir o que é útil aí e para lhe dizer quando chega a um lugar que a loja marcou, ou sai dele."},
		},
		Categories: []string{"user.location.precise", "user.location.imprecise"}, Resolution: Caps,
		Keep: Keep{Withdrawn: keepWithdrawn, Visit: keepVisit},
	},
	{
		Purpose: Analytics, Use: "analytics.reporting", Version: "2026-11", Basis: Consent,
		Notices: []Notice{
			{"en", "Counted among many", "Once a week we count what shoppers do together: how many come to a shop at what time, and what is bought. Each number is of at least twenty people, and none says who they were."},
			{"de", "Unter vielen gezählt", "Einmal in der Woche zählen wir, was viele zusammen tun: wie viele wann in ein Geschäft kommen und was gekauft wird. Jede Zahl ist von mindestens zwanzig Menschen, und keine sagt, wer sie waren."},
			{"fr", "Compté parmi beaucoup d'autres", "Une fois par semaine, nous comptons ce que font beaucoup de personnes ensemble : combien viennent dans un magasin et à quelle heure, et ce qui est acheté. Chaque chiffre porte sur vingt personnes au moins, et aucun ne dit qui elles étaient."},
			{"pt", "Contado entre muitos", "Uma vez por semana contamos o que muitas pessoas fazem em conjunto: quantas vêm a uma loja e a que horas, e o que se compra. Cada número é de pelo menos vinte pessoas, e nenhum diz quem eram."},
		},
		Categories: []string{"user.behavior.purchase_history", "user.behavior", "user.location.imprecise"}, Resolution: Resolution{Analytics: Caps.Analytics},
	},
}

// Purposes lists the purposes that Satnav itself declares, in the order in which a shopper reads them. A retailer's registry
// may say more of them, and have more.
func Purposes() []Declaration { return slices.Clone(declarations) }

// Declared finds Satnav's own declaration of a purpose.
func Declared(p Purpose) (Declaration, bool) {
	i := slices.IndexFunc(declarations, func(d Declaration) bool { return d.Purpose == p })
	if i < 0 {
		return Declaration{}, false
	}
	return declarations[i], true
}

// Registry is every purpose that one retailer declares, in the order in which a shopper reads them: data is collected for
// none that is not in it. It is immutable.
type Registry struct{ declared []Declaration }

// NewRegistry makes a registry of Satnav's own purposes and what a retailer says. What it says of one of Satnav's replaces
// its notices, basis and recipients, and makes its resolutions coarser; the rest is of what the program does and stays.
func NewRegistry(said []Declaration) Registry {
	all := Purposes()
	for _, s := range said {
		i := slices.IndexFunc(all, func(d Declaration) bool { return d.Purpose == s.Purpose })
		if i < 0 {
			s.Own = true
			s.Resolution = Resolution{Stored: coarser(s.Resolution.Stored, Caps.Stored)}
			s.Keep.Withdrawn, s.Keep.Visit = shorter(s.Keep.Withdrawn, keepWithdrawn), 0
			all = append(all, s)
			continue
		}
		d := &all[i]
		if len(s.Notices) > 0 {
			d.Notices, d.Version = s.Notices, s.Version
		}
		if s.Basis != "" {
			d.Basis = s.Basis
		}
		d.Recipients = s.Recipients
		d.Keep = Keep{Age: s.Keep.Age, Withdrawn: shorter(s.Keep.Withdrawn, d.Keep.Withdrawn), Visit: d.Keep.Visit}
		d.Resolution = Resolution{coarser(s.Resolution.Suggest, d.Resolution.Suggest), coarser(s.Resolution.Stored, d.Resolution.Stored), coarser(s.Resolution.Analytics, d.Resolution.Analytics)}
	}
	return Registry{all}
}

// coarser is the cap that a retailer says, never above the one that holds anyway.
func coarser(said, most int) int {
	if said <= 0 {
		return most
	}
	return min(said, most)
}

// shorter is the time that a retailer says, never above the one that holds anyway; 0: nothing was said.
func shorter(said, most time.Duration) time.Duration {
	if said <= 0 {
		return most
	}
	return min(said, most)
}

// Keeps is how long data is kept for each purpose.
func (r Registry) Keeps() map[Purpose]Keep {
	keeps := make(map[Purpose]Keep, len(r.declared))
	for i := range r.declared {
		keeps[r.declared[i].Purpose] = r.declared[i].Keep
	}
	return keeps
}

// Shared are the purposes whose data others than the retailer receive.
func (r Registry) Shared() (shared []Purpose) {
	for i := range r.declared {
		if len(r.declared[i].Recipients) > 0 {
			shared = append(shared, r.declared[i].Purpose)
		}
	}
	return shared
}

// All lists the declarations. Nobody may change them.
func (r Registry) All() []Declaration { return r.declared }

// Of finds the declaration of a purpose.
func (r Registry) Of(p Purpose) (Declaration, bool) {
	i := slices.IndexFunc(r.declared, func(d Declaration) bool { return d.Purpose == p })
	if i < 0 {
		return Declaration{}, false
	}
	return r.declared[i], true
}

// Names are the purposes in a text, for whoever named another one.
func (r Registry) Names() string {
	names := make([]string, len(r.declared))
	for i := range r.declared {
		names[i] = string(r.declared[i].Purpose)
	}
	return strings.Join(names, ", ")
}

// Decide makes the record of a decision: which notice was read, in which of the languages, and its hash.
func (d *Declaration) Decide(given bool, languages ...string) Grant {
	n := d.Notice(languages...)
	return Grant{Purpose: d.Purpose, Given: given, Notice: d.Version, Language: n.Language, Hash: n.Hash()}
}

// Collection says why an event may not be kept for its purpose, or nothing: data is collected for what was declared before.
func (r Registry) Collection(e *Event) string {
	d, ok := r.Of(e.For())
	switch {
	case !ok:
		return fmt.Sprintf("the purpose %.64q is not declared, want one of %s", e.For(), r.Names())
	case !d.Collects(e.Kind):
		return fmt.Sprintf("no events of the kind %q are collected for the purpose %q", e.Kind, d.Purpose)
	}
	return ""
}
