package privacy

import (
	"context"
	"errors"
	"strings"
	"time"

	"satnav/context/who"
	"satnav/server/retailer"
)

// ConsentSchema is the profile that consent records follow: ISO/IEC TS 27560:2023 in the words of the W3C's Data Privacy Vocabulary (DPV 2).
const ConsentSchema = "https://w3id.org/dpv/schema/dpv-27560#"

// jsonLD is an object of JSON-LD.
type jsonLD = map[string]any

// consentContext are the vocabularies that records use.
var consentContext = jsonLD{
	"dct": "http://purl.org/dc/terms/", "dpv": "https://w3id.org/dpv#", "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
	"dpv-27560": ConsentSchema, "xsd": "http://www.w3.org/2001/XMLSchema#", "satnav": "urn:satnav:",
}

// legalBases are the bases in DPV's words.
var legalBases = map[who.Basis]string{
	who.Consent: "eu-gdpr:A6-1-a", who.ExplicitConsent: "eu-gdpr:A9-2-a", who.Contract: "eu-gdpr:A6-1-b", who.LegalObligation: "eu-gdpr:A6-1-c",
	who.Interest: "eu-gdpr:A6-1-f",
}

// rightsOf are the rights that every shopper has, and where each is exercised.
var rightsOf = []jsonLD{
	{"@id": "eu-gdpr:A7-3", "dct:title": "withdraw", "dpv:isExercisedAt": "PUT /v1/me/permissions"},
	{"@id": "eu-gdpr:A15", "dct:title": "access", "dpv:isExercisedAt": "GET /v1/me"},
	{"@id": "eu-gdpr:A16", "dct:title": "rectification", "dpv:isExercisedAt": "PUT /v1/me/diary/{id}"},
	{"@id": "eu-gdpr:A17", "dct:title": "erasure", "dpv:isExercisedAt": "DELETE /v1/me"},
	{"@id": "eu-gdpr:A18", "dct:title": "restriction", "dpv:isExercisedAt": "PUT /v1/me/preferences"},
	{"@id": "eu-gdpr:A20", "dct:title": "portability", "dpv:isExercisedAt": "GET /v1/me/export"},
	{"@id": "eu-gdpr:A21", "dct:title": "objection", "dpv:isExercisedAt": "PUT /v1/me/preferences"},
}

// Receipt27560 is what a shopper keeps of their decisions, as JSON-LD: a receipt, and the record of each purpose that was ever decided with all
// that was decided about it, in order. purpose chooses one; empty: all. Nothing in it names the shopper but a pseudonym.
func (p *Permissions) Receipt27560(ctx context.Context, key who.Key, purpose who.Purpose, now time.Time) (map[string]any, error) {
	snapshot, err := p.retailers.Of(ctx, key.Retailer)
	if err != nil {
		return nil, err
	}
	decisions, err := p.shoppers.Decisions(ctx, key)
	if err != nil {
		return nil, err
	}
	if _, err := p.shoppers.Shopper(ctx, key); errors.Is(err, who.ErrUnknown) {
		decisions = snapshot.Scene.Defaults // they hold, and nothing is kept yet
	} else if err != nil {
		return nil, err
	}
	pseudonym := p.shoppers.Pseudonym(key)
	var records []any
	var names []string
	for _, d := range snapshot.Purposes.All() {
		var about []who.Grant
		for _, g := range decisions {
			if g.Purpose == d.Purpose {
				about = append(about, g)
			}
		}
		if len(about) == 0 || purpose != "" && purpose != d.Purpose {
			continue
		}
		id := "satnav:record:" + pseudonym + ":" + string(d.Purpose)
		names = append(names, id)
		records = append(records, recordOf(id, pseudonym, &d, about, snapshot))
	}
	receipt := jsonLD{
		"@id": "satnav:receipt:" + pseudonym + ":" + now.UTC().Format("20060102T150405Z"), "@type": "dpv:ConsentReceipt",
		"dct:conformsTo": jsonLD{"@id": "dpv-27560:receipt-record"}, "dct:issued": instant(now),
		"dpv:hasDataSubject": subjectOf(pseudonym), "dct:hasPart": refs(names),
	}
	return jsonLD{"@context": consentContext, "@graph": append([]any{receipt}, records...)}, nil
}

func refs(names []string) []any {
	out := make([]any, len(names))
	for i, name := range names {
		out[i] = jsonLD{"@id": name}
	}
	return out
}

func subjectOf(pseudonym string) jsonLD {
	return jsonLD{"@id": "satnav:subject:" + pseudonym, "@type": "dpv:DataSubject"}
}

func instant(at time.Time) jsonLD {
	return jsonLD{"@type": "xsd:dateTime", "@value": at.UTC().Format(time.RFC3339)}
}

// recordOf is the record of one purpose: what holds now, and every decision in order. about has at least one.
func recordOf(id, pseudonym string, d *who.Declaration, about []who.Grant, snapshot *retailer.Snapshot) jsonLD {
	last := about[len(about)-1]
	basis := legalBases[d.Basis]
	if last.Basis != "" { // an import named it
		basis = "satnav:basis:" + strings.ReplaceAll(last.Basis, " ", "_")
	}
	notice := func(g *who.Grant) jsonLD {
		told := jsonLD{"@type": "dpv:ConsentNotice", "dct:hasVersion": g.Notice}
		if g.Language != "" {
			told["dct:language"], told["satnav:sha256"] = g.Language, g.Hash
		}
		if words := d.Notice(g.Language); words.Hash() == g.Hash { // those that were read, not those of today
			told["dct:title"], told["dct:description"] = words.Title, words.Text
		}
		return told
	}
	events := make([]any, len(about))
	for i := range about {
		g := &about[i]
		status := "dpv:ConsentGiven"
		switch {
		case !g.Given && g.Source == who.ByShopper:
			status = "dpv:ConsentWithdrawn"
		case !g.Given:
			status = "dpv:ConsentInvalidated" // by a hold or a restriction: it is not used
		case g.Source != who.ByShopper:
			status = "dpv:ConsentUnknown" // presumed: no decision of the shopper
		}
		events[i] = jsonLD{
			"@type": "dpv:ConsentStatus", "dpv:hasStatus": jsonLD{"@id": status}, "dpv:isIndicatedAtTime": instant(g.At),
			"dpv:isIndicatedBy": jsonLD{"@id": "satnav:source:" + string(g.Source)}, "dpv:hasNotice": notice(g),
		}
	}
	return jsonLD{
		"@id": id, "@type": "dpv:ConsentRecord", "dct:identifier": id, "dct:conformsTo": jsonLD{"@id": "dpv-27560:record"},
		"dct:created": instant(about[0].At), "dct:modified": instant(last.At), "dpv:hasDataSubject": subjectOf(pseudonym),
		"dpv:hasDataController": jsonLD{"@id": "satnav:retailer:" + snapshot.Retailer, "@type": "dpv:DataController", "dct:title": snapshot.Settings.Name},
		"dpv:hasProcess": jsonLD{
			"@type": "dpv:Process", "dpv:hasPurpose": jsonLD{"@id": "satnav:purpose:" + string(d.Purpose), "dct:title": d.Notice().Title, "satnav:use": d.Use},
			"dpv:hasLegalBasis": jsonLD{"@id": basis}, "dpv:hasPersonalData": texts(d.Categories), "dpv:hasRecipient": texts(d.Recipients),
			"dpv:hasJurisdiction": snapshot.Settings.Jurisdiction, "dpv:hasStorageCondition": storageOf(d.Keep, snapshot.Settings.Region),
		},
		"satnav:holds": last.Given, "dpv:hasConsentStatus": events, "dpv:hasRight": rightsOf,
	}
}

func storageOf(k who.Keep, region string) jsonLD {
	told := jsonLD{"satnav:withdrawn_days": int(k.Withdrawn / (24 * time.Hour))}
	if k.Age > 0 {
		told["satnav:keep_days"] = int(k.Age / (24 * time.Hour))
	}
	if k.Visit > 0 {
		told["satnav:visit_hours"] = int(k.Visit / time.Hour)
	}
	if region != "" {
		told["dpv:hasLocation"] = region
	}
	return told
}

func texts(words []string) []any {
	out := make([]any, len(words))
	for i, word := range words {
		out[i] = word
	}
	return out
}
