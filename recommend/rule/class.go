package rule

import (
	"cmp"
	"slices"
	"strings"
)

// Class is what may go wrong with a rule, and so who must agree to it.
type Class string

const (
	Ordering     Class = "ordering"     // it moves, includes or leaves out, or speaks within an answer
	Interrupting Class = "interrupting" // it speaks without being asked
	Pricing      Class = "price"
	Sensitive    Class = "sensitive" // it reads what tells more about a person than shopping
)

// Classes lists all classes, the least risky first.
var Classes = []Class{Ordering, Interrupting, Pricing, Sensitive}

// Classes are those of a rule, the least risky first. A condition that cannot be read is sensitive.
func (r *Rule) Classes() []Class {
	var all []Class
	if slices.ContainsFunc(r.Then, func(a Action) bool { return a.Kind == Price }) {
		all = append(all, Pricing)
	}
	f, problems := compile(r.When)
	if len(problems) > 0 || slices.ContainsFunc(f.uses, func(n int) bool { return attributes[n].Sensitive != "" }) {
		all = append(all, Sensitive)
	}
	if cmp.Or(r.Trigger.Kind, OnAnswer) != OnAnswer {
		all = append([]Class{Interrupting}, all...)
	}
	if len(all) == 0 {
		all = []Class{Ordering}
	}
	return all
}

// Dependency is a thing outside of a rule that decides what the rule does.
type Dependency struct{ Kind, ID string }

// Kinds of dependencies.
const (
	OnItem     = "item"
	OnGeofence = "geofence"
	OnStore    = "store"
	OnPurpose  = "purpose"
	OnOffer    = "offer"
)

// Depends lists what a rule names outside of itself, each once, in order.
func (r *Rule) Depends() []Dependency {
	var all []Dependency
	if r.Trigger.Geofence != "" {
		all = append(all, Dependency{OnGeofence, r.Trigger.Geofence})
	}
	for _, p := range r.Uses {
		all = append(all, Dependency{OnPurpose, string(p)})
	}
	for _, id := range r.Names() {
		all = append(all, Dependency{OnOffer, id})
	}
	for i := range r.Then {
		for _, item := range r.Then[i].Items {
			all = append(all, Dependency{OnItem, item})
		}
	}
	if f, problems := compile(r.When); len(problems) == 0 {
		for _, p := range f.pairs {
			_, field, _ := strings.Cut(attributes[p.attribute].Name, ".")
			kind := map[string]string{"item": OnItem, "items": OnItem, "geofence": OnGeofence, "geofences": OnGeofence, "store": OnStore}[field]
			if kind != "" && p.text != "" && !p.prefix {
				all = append(all, Dependency{kind, p.text})
			}
		}
	}
	slices.SortFunc(all, func(a, b Dependency) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID)) })
	return slices.Compact(all)
}
