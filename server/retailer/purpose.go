package retailer

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"golang.org/x/text/language"

	"satnav/context/who"
)

// Purpose is what a retailer says of a purpose: of one of Satnav's own, or a new one.
type Purpose struct {
	Purpose       who.Purpose     `json:"purpose"`
	Use           string          `json:"use,omitempty"`
	Version       string          `json:"version,omitempty"`
	Notices       []who.Notice    `json:"notices,omitempty"`
	Basis         who.Basis       `json:"basis,omitempty"`
	Categories    []string        `json:"categories,omitempty"`
	Kinds         []who.EventKind `json:"kinds,omitempty"`
	Resolution    who.Resolution  `json:"resolution,omitzero"`
	Recipients    []string        `json:"recipients,omitempty"`
	KeepDays      int             `json:"keep_days,omitempty"`      // 0: no limit
	WithdrawnDays int             `json:"withdrawn_days,omitempty"` // 0: as long as a withdrawal may be taken back
}

const day = 24 * time.Hour

// Registry is every purpose that the retailer declares.
func (s Settings) Registry() who.Registry {
	said := make([]who.Declaration, len(s.Purposes))
	for i, p := range s.Purposes {
		said[i] = who.Declaration{
			Purpose: p.Purpose, Use: p.Use, Version: p.Version, Notices: p.Notices, Basis: p.Basis, Categories: p.Categories, Kinds: p.Kinds,
			Resolution: p.Resolution, Recipients: p.Recipients,
			Keep: who.Keep{Age: time.Duration(p.KeepDays) * day, Withdrawn: time.Duration(p.WithdrawnDays) * day},
		}
	}
	return who.NewRegistry(said)
}

// places is how finely the device's place is known.
func places(r who.Registry) who.Resolution {
	location, _ := r.Of(who.Location)
	return location.Resolution
}

// taxonomy is the form of names of the Fides taxonomy, and of purposes.
var taxonomy = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$`)

const (
	maxPurposeName   = 64
	maxKeepDays      = 36_500
	maxWithdrawnDays = 30
)

// checkPurposes says everything that is wrong with what a retailer says of purposes.
func checkPurposes(said []Purpose) (faults []Fault) {
	for i, p := range said {
		fault := func(field, format string, args ...any) {
			faults = append(faults, Fault{fmt.Sprintf("/purposes/%d/%s", i, field), fmt.Sprintf(format, args...)})
		}
		if !taxonomy.MatchString(string(p.Purpose)) || len(p.Purpose) > maxPurposeName {
			fault("purpose", "got %.80q, want small letters, digits and underscores, in parts with a dot between them, at most %d", p.Purpose, maxPurposeName)
		}
		if slices.IndexFunc(said, func(o Purpose) bool { return o.Purpose == p.Purpose }) != i {
			fault("purpose", "%q is declared twice", p.Purpose)
		}
		if p.Basis != "" && !slices.Contains(who.Bases, p.Basis) {
			fault("basis", "got %q, want one of %v", p.Basis, who.Bases)
		}
		if p.KeepDays < 0 || p.KeepDays > maxKeepDays {
			fault("keep_days", "got %d, want 1 to %d, or nothing for no limit", p.KeepDays, maxKeepDays)
		}
		if p.WithdrawnDays < 0 || p.WithdrawnDays > maxWithdrawnDays {
			fault("withdrawn_days", "got %d, want 1 to %d, or nothing for %d", p.WithdrawnDays, maxWithdrawnDays, maxWithdrawnDays)
		}
		for _, r := range []struct {
			name      string
			got, most int
		}{{"suggest", p.Resolution.Suggest, who.Caps.Suggest}, {"stored", p.Resolution.Stored, who.Caps.Stored}, {"analytics", p.Resolution.Analytics, who.Caps.Analytics}} {
			if r.got < 0 || r.got > r.most {
				fault("resolution/"+r.name, "got %d, want 1 to %d, or nothing for %d", r.got, r.most, r.most)
			}
		}
		checkNotices(p, fault)
		if _, satnavs := who.Declared(p.Purpose); satnavs {
			checkShared(p, fault)
		} else {
			checkOwn(p, fault)
		}
	}
	return faults
}

func checkNotices(p Purpose, fault func(field, format string, args ...any)) {
	for n, notice := range p.Notices {
		at := fmt.Sprintf("notices/%d/", n)
		if _, err := language.Parse(notice.Language); err != nil {
			fault(at+"language", "got %q, want a tag of BCP 47 such as \"en\" or \"pt-BR\"", notice.Language)
		}
		if slices.IndexFunc(p.Notices, func(o who.Notice) bool { return o.Language == notice.Language }) != n {
			fault(at+"language", "there are two notices in %q", notice.Language)
		}
		if notice.Title == "" {
			fault(at+"title", "it is missing: a shopper reads it before deciding")
		}
		if notice.Text == "" {
			fault(at+"text", "it is missing: a shopper reads it before deciding")
		}
	}
	if len(p.Notices) > 0 && p.Version == "" {
		fault("notice_version", "it is missing: a grant remembers which notice was read")
	}
}

// checkShared checks what is said of one of Satnav's purposes: what the program does is not for a retailer to say.
func checkShared(p Purpose, fault func(field, format string, args ...any)) {
	for _, f := range []struct {
		name string
		said bool
	}{{"use", p.Use != ""}, {"categories", len(p.Categories) > 0}, {"kinds", len(p.Kinds) > 0}} {
		if f.said {
			fault(f.name, "of the purpose %q it is what Satnav does: leave it out, or declare a purpose of your own", p.Purpose)
		}
	}
	if p.Version != "" && len(p.Notices) == 0 {
		fault("notices", "they are missing: a version is one of notices")
	}
}

// checkOwn checks a purpose that only the retailer declares.
func checkOwn(p Purpose, fault func(field, format string, args ...any)) {
	if !taxonomy.MatchString(p.Use) {
		fault("use", "got %q, want a data use of the Fides taxonomy such as \"functional.service\"", p.Use)
	}
	if len(p.Notices) == 0 {
		fault("notices", "they are missing: a shopper reads one before deciding")
	}
	if p.Basis == "" {
		fault("basis", "it is missing, want one of %v", who.Bases)
	}
	if len(p.Categories) == 0 {
		fault("categories", "they are missing, want data categories of the Fides taxonomy such as \"user.behavior\"")
	}
	for n, category := range p.Categories {
		if !taxonomy.MatchString(category) {
			fault(fmt.Sprintf("categories/%d", n), "got %q, want a data category of the Fides taxonomy such as \"user.behavior\"", category)
		}
	}
	if len(p.Kinds) == 0 {
		fault("kinds", "they are missing, want the kinds of events that are collected for it")
	}
	for n, kind := range p.Kinds {
		if !slices.Contains(who.EventKinds, kind) {
			fault(fmt.Sprintf("kinds/%d", n), "got %q, want one of %v", kind, who.EventKinds)
		}
	}
}
