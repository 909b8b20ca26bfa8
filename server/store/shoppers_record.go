package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"satnav/context/who"
	"satnav/geo"
	"satnav/recommend"
	"satnav/recommend/rule"
)

// DecisionRecord is what one answer was made of: it tells a shopper why something was suggested and what their data was used
// for, and lets a rule be tried on the moment again. It holds nothing that the purposes it was made for do not cover.
type DecisionRecord struct {
	ID      string    `bson:"id"`      // the answer's: the ids of its suggestions begin with it, see recommend.SuggestionID
	At      time.Time `bson:"at"`      // "now" for everything in the answer
	Arrived time.Time `bson:"arrived"` // when the call came, by the server's clock

	Key   who.Key   `bson:"-"` // the partition says whose it is
	Since time.Time `bson:"-"` // when the shopper was first seen, as the answer knew it; zero: a stranger

	Scene       SceneFacts   `bson:"scene"`
	Versions    Versions     `bson:"versions"`
	Used        UsedFacts    `bson:"used"`
	Arms        []Arm        `bson:"arms,omitempty"`
	Suggestions []Suggested  `bson:"suggestions,omitempty"` // in the answer's order; without the purpose who.Loyalty they are not kept
	Trace       rule.Trace   `bson:"-"`                     // what every live rule came to
	Rules       []RuleTrace  `bson:"rules,omitempty"`       // the same as it is stored; nil while the record waits
	Triggers    []string     `bson:"triggers,omitempty"`    // ids of the crossings that were told
	Candidates  int          `bson:"candidates,omitempty"`
	Considered  []Considered `bson:"considered,omitempty"` // best first; only where somebody allowed that rules are tried on it
}

// SceneFacts are the scene of an answer, as far as it may be kept.
type SceneFacts struct {
	Digest  int64    `bson:"digest"`            // of all that the scene held: equal scenes have equal ones
	Cell    geo.Cell `bson:"-"`                 // 0: the place was not used. It is stored with resolution 9 at most, as
	Spelt   string   `bson:"cell,omitempty"`    // text; empty while the record waits
	Store   string   `bson:"store,omitempty"`   // where the shopper was
	Daypart string   `bson:"daypart,omitempty"` // at the place
	Holiday string   `bson:"holiday,omitempty"`
	Basket  int      `bson:"basket,omitempty"` // products in the basket under way, and on the list
	List    int      `bson:"list,omitempty"`
	Limit   int      `bson:"limit,omitempty"` // suggestions that were wanted
	Explore bool     `bson:"explore,omitempty"`
}

// Versions name the configuration that an answer was made of. Times say: with every edit up to then.
type Versions struct {
	Model     string    `bson:"model,omitempty"`
	Crowd     int64     `bson:"crowd,omitempty"`
	Rules     string    `bson:"rules,omitempty"`
	Catalogue time.Time `bson:"catalogue,omitempty"`
	Geofences time.Time `bson:"geofences,omitempty"`
	Stores    time.Time `bson:"stores,omitempty"`
}

// UsedFacts are what the receipt of the answer said.
type UsedFacts struct {
	Permissions []string      `bson:"permissions,omitempty"`
	Purposes    []who.Purpose `bson:"purposes,omitempty"`
	Location    string        `bson:"location,omitempty"` // how precisely the position was used
	History     bool          `bson:"history,omitempty"`
	Degraded    []string      `bson:"degraded,omitempty"`
	Distrust    []string      `bson:"distrust,omitempty"`
}

// Arm is the side of an experiment that the answer was on.
type Arm struct {
	Experiment string `bson:"experiment"`
	Arm        string `bson:"arm"`
}

// Suggested is one suggestion of an answer.
type Suggested struct {
	Kind  recommend.Kind `bson:"kind,omitempty"`
	Item  string         `bson:"item"`
	Score float64        `bson:"score"`
	// Propensity is how likely it was that this stood here, 1 where nothing was left to chance.
	Propensity float64            `bson:"propensity,omitempty"`
	OneSided   string             `bson:"one_sided,omitempty"` // the kind of sign that decided alone; empty: none did
	Reasons    []recommend.Reason `bson:"-"`
	Why        string             `bson:"why,omitempty"` // the reasons as they are stored, see appendReasons; empty while the record waits
	Ruled      *recommend.Ruled   `bson:"-"`
	Rules      []string           `bson:"rules,omitempty"` // ids of the rules in Ruled, as they are stored
}

// RuleTrace is what one rule came to in an answer.
type RuleTrace struct {
	Rule    string       `bson:"rule"`
	Outcome rule.Outcome `bson:"outcome"`        // what it came to
	Hold    rule.Hold    `bson:"hold,omitempty"` // why it was held back
	Part    string       `bson:"part,omitempty"` // of its condition, that did not hold
}

// maxTraces bounds the rules that a record tells of: those that matched, were held back or failed, then the others.
const maxTraces = 24

// tracesOf is what a record keeps of a trace.
func tracesOf(trace *rule.Trace) []RuleTrace {
	var near, far []RuleTrace
	for t := range trace.All {
		kept := RuleTrace{Rule: t.Rule.ID, Outcome: t.Outcome, Hold: t.Hold, Part: t.Part}
		switch t.Outcome {
		case rule.Matched, rule.HeldBack, rule.Faulted:
			near = append(near, kept)
		case rule.NotAsked: // it is about something else
		default:
			far = append(far, kept)
		}
		if len(near) == maxTraces {
			break
		}
	}
	return append(near, far[:min(len(far), maxTraces-len(near))]...)
}

// Considered is a candidate of an answer, shown or not.
type Considered struct {
	Item    string  `bson:"item"`
	LogOdds float64 `bson:"log_odds"`
	Sources int64   `bson:"sources"` // a set, see recommend.Source
}

// Where records stand in a shopper's partition. A document holds what one commit brought. Its id is a slot that the
// partition's revision chooses, so that each commit costs one put and the number of documents is bounded without looking:
// what a call was answered stays for as many commits of the shopper as there are slots, or until its time is over.
// Calls that suggested and told nothing (fixes alone) have few slots of their own, or they would crowd out the others.
//
// They carry no marks, so that a put needs no look at what stood in its slot: that look cost as much as the rest of the
// record. One document a shopper, answeredID, carries the mark instead; it says when the first record is to go, or earlier.
const (
	recordFrom, recordTo = "answers/", "answers0"
	recordSuggested      = recordFrom + "suggested-"
	recordQuiet          = recordFrom + "quiet-"
	suggestedSlots       = 256
	quietSlots           = 64
	recordsPerDocument   = 64
)

// Records go up to a hundredth of their time early, so that a shopper's are looked at once in a while and not one by one.
const early = 100

// The mark of documents that have to go at a time, by what they are.
const (
	RetentionMark   = "retention"
	RecordRetention = "decisions"
)

// allowed tells whether a record may be kept of a shopper with these grants: whatever it was made for is still granted, and
// was when it was made.
func (r *DecisionRecord) allowed(grants who.Grants) bool {
	for _, purpose := range r.Used.Purposes {
		i := slices.IndexFunc(grants, func(g who.Grant) bool { return g.Purpose == purpose })
		if i < 0 || !grants[i].Given || grants[i].At.After(r.Arrived) {
			return false
		}
	}
	return len(r.Used.Purposes) > 0
}

// fits tells whether a record is of the shopper that is known now, and not of one who was erased since.
func (r *DecisionRecord) fits(k *known) bool {
	return r.Since.IsZero() || k.shopper != nil && k.record.Since.Equal(r.Since)
}

// KeepRecords keeps the records of one shopper that their grants still allow, decided on the same revision that is written,
// and drops the others. They are not synced: a power cut may lose the last second. defaults are for a shopper of whom
// nothing is stored yet, keep is for how long.
func (s *Shoppers) KeepRecords(ctx context.Context, key who.Key, defaults who.Grants, keep time.Duration, records []*DecisionRecord) error {
	partition := s.Partition(key)
	for len(records) > 0 {
		part := records[:min(len(records), recordsPerDocument)]
		if err := s.keepRecords(ctx, key, partition, defaults, keep, part); err != nil {
			return err
		}
		records = records[len(part):]
	}
	return nil
}

func (s *Shoppers) keepRecords(ctx context.Context, key who.Key, partition string, defaults who.Grants, keep time.Duration, records []*DecisionRecord) error {
	buffer := buffers.Get().(*[]byte)
	for range recordTries {
		k, err := s.find(ctx, key, partition)
		if errors.Is(err, ErrErasing) {
			return nil
		}
		if err != nil {
			return err
		}
		grants := k.record.Grants
		if k.shopper == nil {
			grants = defaults
		}
		body, newest, suggested := appendRecords((*buffer)[:0], records, func(r *DecisionRecord) bool { return r.allowed(grants) && r.fits(k) })
		if newest.IsZero() {
			return nil
		}
		slots, slot := int64(quietSlots), recordQuiet
		if suggested {
			slots, slot = suggestedSlots, recordSuggested
		}
		change := Change{At: newest, Defaults: defaults, Lazy: true, Documents: []Document{
			{ID: slot + strconv.FormatInt(int64(k.revision+1)%slots, 16), Body: body, Known: true},
		}}
		if !k.answered {
			change.Documents = append(change.Documents, answeredUntil(newest, keep))
		}
		_, err = s.commit(ctx, key, partition, k, change)
		if err == nil {
			if cap(body) <= maxPooledBytes {
				*buffer = body
				buffers.Put(buffer)
			}
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
		buffer = new([]byte) // the engine may not be done with the other one
	}
	return fmt.Errorf("partition %q: records after %d tries: %w", partition, recordTries, ErrConflict)
}

// Records lists the records of a shopper, the newest first, as far as the grants in force allow: those that are stored, and
// those that wait to be. An answer that was asked for again is there once. defaults are the grants of a stranger.
func (s *Shoppers) Records(ctx context.Context, key who.Key, defaults who.Grants, waiting []DecisionRecord) ([]DecisionRecord, error) {
	partition := s.Partition(key)
	k, err := s.find(ctx, key, partition)
	if err != nil {
		return nil, err
	}
	grants := k.record.Grants
	if k.shopper == nil {
		grants = defaults
	}
	records := slices.DeleteFunc(waiting, func(r DecisionRecord) bool { return !r.allowed(grants) || !r.fits(k) })
	err = s.eachRecords(ctx, partition, func(_ string, found []DecisionRecord) {
		for i := range found {
			if found[i].allowed(grants) {
				found[i].Key = key
				records = append(records, found[i])
			}
		}
	})
	for i := range records {
		records[i].settle()
	}
	return newestFirst(records), err
}

// settle makes of a record that waits what would be read of it once it is stored.
func (r *DecisionRecord) settle() {
	r.Scene.Spelt, r.Scene.Cell = r.Scene.spell(), 0
	r.Rules, r.Trace = r.rules(), rule.Trace{}
	for i := range r.Suggestions {
		s := &r.Suggestions[i]
		s.Rules, s.Ruled = s.ruledBy(), nil
	}
}

// newestFirst orders records and leaves out earlier ones of the same answer.
func newestFirst(records []DecisionRecord) []DecisionRecord {
	slices.SortStableFunc(records, func(a, b DecisionRecord) int {
		return cmp.Or(b.Arrived.Compare(a.Arrived), cmp.Compare(a.ID, b.ID))
	})
	seen := make(map[string]bool, len(records))
	return slices.DeleteFunc(records, func(r DecisionRecord) bool {
		again := seen[r.ID]
		seen[r.ID] = true
		return again
	})
}

// eachRecords calls f with each document of records of a partition.
func (s *Shoppers) eachRecords(ctx context.Context, partition string, f func(id string, records []DecisionRecord)) error {
	for from := recordFrom; from != ""; {
		page, err := s.documents.Scan(ctx, partition, from, recordTo, 0)
		if err != nil {
			return err
		}
		for _, d := range page.Documents {
			records, err := readRecords(d.Body)
			if err != nil {
				return fmt.Errorf("partition %q: document %q: %w", partition, d.ID, err)
			}
			f(d.ID, records)
		}
		from = page.Next
	}
	return nil
}

// withdrawn lists the documents of records that were made for a purpose which is now withdrawn: they go with it, but under a legal hold.
func (s *Shoppers) withdrawn(ctx context.Context, partition string, decisions []who.Grant) (ids []string, err error) {
	gone := func(p who.Purpose) bool {
		return slices.ContainsFunc(decisions, func(g who.Grant) bool { return g.Purpose == p && g.Withdraws() })
	}
	if !slices.ContainsFunc(decisions, func(g who.Grant) bool { return g.Withdraws() }) {
		return nil, nil
	}
	if err := s.held(ctx, partition); errors.Is(err, ErrHeld) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	err = s.eachRecords(ctx, partition, func(id string, records []DecisionRecord) {
		if slices.ContainsFunc(records, func(r DecisionRecord) bool { return slices.ContainsFunc(r.Used.Purposes, gone) }) {
			ids = append(ids, id)
		}
	})
	return ids, err
}

// answeredUntil is the document that says when the first record is to go.
func answeredUntil(first time.Time, keep time.Duration) Document {
	return Document{
		ID:    answeredID,
		Body:  document(nil, func(b []byte) []byte { return bsoncore.AppendDateTimeElement(b, "from", first.UnixMilli()) }),
		Marks: []Mark{{Kind: RetentionMark, Key: RecordRetention, At: first.Add(keep)}},
	}
}

// ExpireRecords removes records that have been kept for their time, of any shopper but those whose data must stay, and returns how many documents it removed.
func (s *Shoppers) ExpireRecords(ctx context.Context, now time.Time, keep time.Duration) (removed int, err error) {
	after := Position{}
	for {
		found, more, err := s.documents.Marked(ctx, RetentionMark, RecordRetention, after, now, 0)
		if err != nil {
			return removed, err
		}
		for _, m := range found {
			n, err := s.expire(ctx, m.Partition, m.ID, now, keep)
			if err != nil {
				return removed, err
			}
			removed += n
		}
		if !more {
			return removed, nil
		}
		after = found[len(found)-1].Position()
	}
}

// expire removes the records of one shopper whose time is over, and notes when the first of those that stay is to go.
func (s *Shoppers) expire(ctx context.Context, partition, found string, now time.Time, keep time.Duration) (removed int, err error) {
	before := s.cache.moves(partition)
	revision, err := s.documents.Revision(ctx, partition)
	if err != nil {
		return 0, err
	}
	if stays, err := s.stays(ctx, partition); err != nil || stays {
		return 0, err
	}
	over := now.Add(keep/early - keep)
	batch, first := Batch{Partition: partition, Expect: &revision, Lazy: true}, time.Time{}
	err = s.eachRecords(ctx, partition, func(id string, records []DecisionRecord) {
		newest := time.Time{}
		for i := range records {
			if records[i].Arrived.After(newest) {
				newest = records[i].Arrived
			}
		}
		switch {
		case newest.Before(over):
			batch.Delete = append(batch.Delete, id)
		case first.IsZero() || newest.Before(first):
			first = newest
		}
	})
	if err != nil {
		return 0, err
	}
	if found != answeredID { // records of an older layout have their own marks
		batch.Delete = append(batch.Delete, found)
	}
	removed = len(batch.Delete)
	if first.IsZero() {
		batch.Delete = append(batch.Delete, answeredID)
	} else {
		batch.Put = []Document{answeredUntil(first, keep)}
	}
	revision, err = s.documents.Commit(ctx, batch)
	if errors.Is(err, ErrConflict) { // the next sweep looks again
		return 0, nil
	}
	if err != nil || first.IsZero() {
		s.cache.forget(partition)
		return removed, err
	}
	s.cache.attached(partition, revision, before)
	return removed, nil
}

type recordDocument struct {
	Answers []DecisionRecord `bson:"answers"`
}

// readRecords reads what appendRecords wrote. It is for shoppers who look, not for the path, so it may be slow.
func readRecords(body []byte) ([]DecisionRecord, error) {
	var d recordDocument
	if err := bson.Unmarshal(body, &d); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	for i := range d.Answers {
		for n := range d.Answers[i].Suggestions {
			told := &d.Answers[i].Suggestions[n]
			told.Kind = cmp.Or(told.Kind, recommend.KindProduct)
			told.Propensity = cmp.Or(told.Propensity, 1)
			var err error
			if told.Reasons, err = readReasons(told.Why); err != nil {
				return nil, err
			}
			told.Why = ""
		}
	}
	return d.Answers, nil
}

// appendRecords appends the records that may be kept as one document, and tells when the newest of them arrived (zero: there
// are none) and whether any suggested or told something. It is written by hand, for each answer pays for it.
func appendRecords(b []byte, records []*DecisionRecord, may func(*DecisionRecord) bool) (_ []byte, newest time.Time, suggested bool) {
	start, b := bsoncore.AppendDocumentStart(b)
	list, b := bsoncore.AppendArrayElementStart(b, "answers")
	n := 0
	for _, r := range records {
		if !may(r) {
			continue
		}
		if r.Arrived.After(newest) {
			newest = r.Arrived
		}
		suggested = suggested || len(r.Suggestions) > 0 || len(r.Triggers) > 0
		at, next := bsoncore.AppendDocumentElementStart(b, index(n))
		b, _ = bsoncore.AppendDocumentEnd(r.append(next), at)
		n++
	}
	b, _ = bsoncore.AppendArrayEnd(b, list)
	b, _ = bsoncore.AppendDocumentEnd(b, start)
	return b, newest, suggested
}

func (r *DecisionRecord) append(b []byte) []byte {
	b = bsoncore.AppendStringElement(b, "id", r.ID)
	b = bsoncore.AppendDateTimeElement(b, "at", r.At.UnixMilli())
	b = bsoncore.AppendDateTimeElement(b, "arrived", r.Arrived.UnixMilli())
	at, b := bsoncore.AppendDocumentElementStart(b, "scene")
	b = r.Scene.append(b)
	b, _ = bsoncore.AppendDocumentEnd(b, at)
	at, b = bsoncore.AppendDocumentElementStart(b, "versions")
	b = r.Versions.append(b)
	b, _ = bsoncore.AppendDocumentEnd(b, at)
	at, b = bsoncore.AppendDocumentElementStart(b, "used")
	b = r.Used.append(b)
	b, _ = bsoncore.AppendDocumentEnd(b, at)
	if len(r.Arms) > 0 {
		b = array(b, "arms", len(r.Arms), func(b []byte, i int) []byte {
			b = bsoncore.AppendStringElement(b, "experiment", r.Arms[i].Experiment)
			return bsoncore.AppendStringElement(b, "arm", r.Arms[i].Arm)
		})
	}
	if len(r.Suggestions) > 0 {
		b = array(b, "suggestions", len(r.Suggestions), func(b []byte, i int) []byte { return r.Suggestions[i].append(b) })
	}
	if rules := r.rules(); len(rules) > 0 {
		b = array(b, "rules", len(rules), func(b []byte, i int) []byte { return rules[i].append(b) })
	}
	b = appendTexts(b, "triggers", r.Triggers)
	b = appendInt(b, "candidates", int64(r.Candidates))
	if len(r.Considered) > 0 {
		b = array(b, "considered", len(r.Considered), func(b []byte, i int) []byte {
			b = bsoncore.AppendStringElement(b, "item", r.Considered[i].Item)
			b = bsoncore.AppendDoubleElement(b, "log_odds", r.Considered[i].LogOdds)
			return bsoncore.AppendInt64Element(b, "sources", r.Considered[i].Sources)
		})
	}
	return b
}

// keptResolution is the finest H3 resolution in which the place of an answer is kept.
const keptResolution = 9

func (f *SceneFacts) spell() string {
	cell := f.Cell
	switch {
	case cell == 0:
		return f.Spelt
	case cell.Resolution() > keptResolution:
		cell = cell.Parent(keptResolution)
	}
	return cell.String()
}

func (f *SceneFacts) append(b []byte) []byte {
	b = bsoncore.AppendInt64Element(b, "digest", f.Digest)
	b = appendText(b, "cell", f.spell())
	b = appendText(b, "store", f.Store)
	b = appendText(b, "daypart", f.Daypart)
	b = appendText(b, "holiday", f.Holiday)
	b = appendInt(b, "basket", int64(f.Basket))
	b = appendInt(b, "list", int64(f.List))
	b = appendInt(b, "limit", int64(f.Limit))
	return appendTrue(b, "explore", f.Explore)
}

func (v *Versions) append(b []byte) []byte {
	b = appendText(b, "model", v.Model)
	b = appendInt(b, "crowd", v.Crowd)
	b = appendText(b, "rules", v.Rules)
	b = appendTime(b, "catalogue", v.Catalogue)
	b = appendTime(b, "geofences", v.Geofences)
	return appendTime(b, "stores", v.Stores)
}

func (u *UsedFacts) append(b []byte) []byte {
	b = appendTexts(b, "permissions", u.Permissions)
	b = appendTexts(b, "purposes", u.Purposes)
	b = appendText(b, "location", u.Location)
	b = appendTrue(b, "history", u.History)
	b = appendTexts(b, "degraded", u.Degraded)
	return appendTexts(b, "distrust", u.Distrust)
}

func (s *Suggested) append(b []byte) []byte {
	if s.Kind != recommend.KindProduct {
		b = appendText(b, "kind", string(s.Kind))
	}
	b = bsoncore.AppendStringElement(b, "item", s.Item)
	b = bsoncore.AppendDoubleElement(b, "score", s.Score)
	if s.Propensity != 1 {
		b = appendFloat(b, "propensity", s.Propensity)
	}
	b = appendText(b, "one_sided", s.OneSided)
	if s.Ruled != nil || len(s.Rules) > 0 {
		b = appendTexts(b, "rules", s.ruledBy())
	}
	if len(s.Reasons) == 0 {
		return b
	}
	b = append(append(append(b, byte(bsoncore.TypeString)), "why"...), 0)
	length := len(b)
	b = appendReasons(append(b, 0, 0, 0, 0), s.Reasons)
	b = append(b, 0)
	binary.LittleEndian.PutUint32(b[length:], uint32(len(b)-length-4))
	return b
}

// ruledBy are the ids of the rules that did something with it, waiting or stored.
func (s *Suggested) ruledBy() []string {
	if s.Ruled == nil {
		return s.Rules
	}
	ids := make([]string, len(s.Ruled.Matched))
	for i, r := range s.Ruled.Matched {
		ids[i] = r.ID
	}
	return ids
}

// appendReasons spells reasons as one readable text, a third of what a document of them takes, and as many documents are
// written as there are answers:
//
//	due_again 1.21 every_days=7.2 last_days=8.1 times=12; popular_here 0.4 store=opera
//
// Four digits of a number are enough for all that is made of it. Ids are escaped as in a query.
func appendReasons(b []byte, reasons []recommend.Reason) []byte {
	number := func(name string, value float64) {
		if value != 0 {
			b = strconv.AppendFloat(append(b, name...), value, 'g', 4, 64)
		}
	}
	text := func(name, value string) {
		if value != "" {
			b = append(append(b, name...), url.QueryEscape(value)...)
		}
	}
	for i := range reasons {
		reason := &reasons[i]
		if i > 0 {
			b = append(b, "; "...)
		}
		b = append(b, reason.Code...)
		b = strconv.AppendFloat(append(b, ' '), reason.Contribution, 'g', 4, 64)
		v := &reason.Values
		number(" every_days=", v.EveryDays)
		number(" last_days=", v.LastDays)
		number(" times=", float64(v.Times))
		text(" with=", v.With)
		text(" store=", v.Store)
		number(" meters=", v.Meters)
		text(" when=", v.When)
	}
	return b
}

// readReasons reads what appendReasons wrote.
func readReasons(text string) (reasons []recommend.Reason, err error) {
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, "; ") {
		words := strings.Split(part, " ")
		if len(words) < 2 {
			return nil, fmt.Errorf("reason %q: %w", part, errDamaged)
		}
		reason := recommend.Reason{Code: recommend.Code(words[0])}
		if reason.Contribution, err = strconv.ParseFloat(words[1], 64); err != nil {
			return nil, fmt.Errorf("reason %q: %w", part, errDamaged)
		}
		for _, word := range words[2:] {
			if err := readValue(&reason.Values, word); err != nil {
				return nil, fmt.Errorf("reason %q: %w: %w", part, errDamaged, err)
			}
		}
		reasons = append(reasons, reason)
	}
	return reasons, nil
}

// readValue reads one name=value. A name that a later version wrote says nothing to this one.
func readValue(v *recommend.Values, word string) (err error) {
	name, value, _ := strings.Cut(word, "=")
	number := func(to *float64) { *to, err = strconv.ParseFloat(value, 64) }
	switch name {
	case "every_days":
		number(&v.EveryDays)
	case "last_days":
		number(&v.LastDays)
	case "meters":
		number(&v.Meters)
	case "times":
		var times float64
		number(&times)
		v.Times = int(times)
	case "with":
		v.With, err = url.QueryUnescape(value)
	case "store":
		v.Store, err = url.QueryUnescape(value)
	case "when":
		v.When, err = url.QueryUnescape(value)
	}
	return err
}

// rules are what the record says of rules, waiting or stored.
func (r *DecisionRecord) rules() []RuleTrace {
	if r.Rules != nil {
		return r.Rules
	}
	return tracesOf(&r.Trace)
}

func (t *RuleTrace) append(b []byte) []byte {
	b = bsoncore.AppendStringElement(b, "rule", t.Rule)
	b = bsoncore.AppendStringElement(b, "outcome", string(t.Outcome))
	b = appendText(b, "hold", string(t.Hold))
	return appendText(b, "part", t.Part)
}

func appendTexts[T ~string](b []byte, name string, texts []T) []byte {
	if len(texts) == 0 {
		return b
	}
	at, b := bsoncore.AppendArrayElementStart(b, name)
	for i, text := range texts {
		b = bsoncore.AppendStringElement(b, index(i), string(text))
	}
	b, _ = bsoncore.AppendArrayEnd(b, at)
	return b
}
