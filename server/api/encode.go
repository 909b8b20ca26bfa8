package api

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"satnav/recommend"
	"satnav/sdk-contract/wire"
	"satnav/server/money"
)

// encode writes a value of wire as the answer.
func encode(c *fiber.Ctx, value any) error { return encodeAs(c, fiber.MIMEApplicationJSON, value) }

// encodeAs writes a value of wire as the answer, under a media type.
func encodeAs(c *fiber.Ctx, mediaType string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %T: %w", value, err)
	}
	c.Response().Header.SetContentType(mediaType)
	c.Response().SetBodyRaw(body)
	return nil
}

var answers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// encodeContext writes the answer of /v1/context, without reflection: what replyFrom makes of it, and its suggestions.
func encodeContext(c *fiber.Ctx, answer *wire.ContextResponse, list []recommend.Suggestion, words words) error {
	buffer := answers.Get().(*[]byte)
	defer answers.Put(buffer)
	body, err := appendContext((*buffer)[:0], answer, list, words)
	if err != nil {
		return err
	}
	*buffer = body
	c.Response().Header.SetContentType(fiber.MIMEApplicationJSON)
	c.Response().SetBody(body) // copies
	return nil
}

// appendContext appends the answer as JSON, with a list of suggestions in place of its own. It means the same
// as encoding/json's after suggestionsFrom, which a test holds, in a tenth of the time: this one answer is
// written for every call, and reflection, and a map for each reason, would cost more than its place in the
// budget. All other answers go through encoding/json.
func appendContext(b []byte, answer *wire.ContextResponse, list []recommend.Suggestion, words words) ([]byte, error) {
	var err error
	b = append(b, `{"suggestions":[`...)
	for i := range list {
		if b, err = appendSuggestion(comma(b, i), &list[i], words); err != nil {
			return nil, err
		}
	}
	b = append(b, `],"triggers":[`...)
	for i := range answer.Triggers {
		if b, err = appendTrigger(comma(b, i), &answer.Triggers[i]); err != nil {
			return nil, err
		}
	}
	b = append(b, ']')
	for i := range answer.Messages {
		if i == 0 {
			b = append(b, `,"messages":[`...)
		}
		m := &answer.Messages[i]
		b = appendText(append(comma(b, i), `{"rule":`...), m.Rule)
		b = appendText(append(b, `,"text":`...), m.Text)
		if !m.RemindAt.IsZero() {
			b = appendTime(append(b, `,"remind_at":`...), m.RemindAt)
		}
		b = append(b, '}')
		if i == len(answer.Messages)-1 {
			b = append(b, ']')
		}
	}
	b = append(b, `,"place":`...)
	if b, err = appendPlace(b, &answer.Place); err != nil {
		return nil, err
	}
	b = append(b, `,"moment":{"local_time":`...)
	b = appendTime(b, answer.Moment.LocalTime)
	b = append(b, `,"daypart":`...)
	b = appendText(b, answer.Moment.Daypart)
	b = appendOptional(b, `,"holiday":`, answer.Moment.Holiday)
	b = append(b, `},"next":{"check_again_s":`...)
	b = strconv.AppendInt(b, int64(answer.Next.CheckAgainS), 10)
	if answer.Next.SafeRadiusM != nil {
		b = append(b, `,"safe_radius_m":`...)
		if b, err = appendNumber(b, *answer.Next.SafeRadiusM); err != nil {
			return nil, err
		}
	}
	if len(answer.Next.Regions) > 0 {
		if b, err = appendRegions(b, answer.Next.At, answer.Next.Regions); err != nil {
			return nil, err
		}
	}
	b = append(b, `},"used":`...)
	return append(appendUsed(b, &answer.Used), '}'), nil
}

// appendRegions writes the plan of a phone that asked for it: seldom, so without haste.
func appendRegions(b []byte, at wire.LatLng, regions []wire.Region) ([]byte, error) {
	place, err := json.Marshal(at)
	if err != nil {
		return nil, err
	}
	list, err := json.Marshal(regions)
	if err != nil {
		return nil, err
	}
	b = append(append(b, `,"at":`...), place...)
	return append(append(b, `,"regions":`...), list...), nil
}

func appendSuggestion(b []byte, s *recommend.Suggestion, words words) ([]byte, error) {
	b = append(b, `{"id":`...)
	b = appendText(b, s.ID)
	b = append(b, `,"kind":`...)
	b = appendText(b, string(s.Kind))
	b = append(b, `,"item":`...)
	b = appendText(b, s.Item)
	b = appendOptional(b, `,"title":`, words.called(s))
	b = append(b, `,"score":`...)
	b, err := appendNumber(b, s.Score)
	if err != nil {
		return nil, err
	}
	b = appendOptional(b, `,"price":`, money.Format(s.Price, words.exponent))
	b = append(b, `,"reasons":[`...)
	for i := range s.Reasons {
		if b, err = appendReason(comma(b, i), &s.Reasons[i], words); err != nil {
			return nil, err
		}
	}
	b = append(b, ']')
	if terms := words.terms(s); terms != (wire.OfferTerms{}) {
		if b, err = appendTerms(b, &terms); err != nil {
			return nil, err
		}
	}
	if s.Ruled != nil {
		if offer := words.offer(s); offer.ID != "" {
			b = appendText(append(b, `,"offer":{"id":`...), offer.ID)
			b = appendText(append(b, `,"was":`...), offer.Was)
			b = appendOptional(b, `,"disclosure":`, offer.Disclosure)
			b = append(appendOptional(b, `,"neutral":`, offer.Neutral), '}')
		}
		b = appendOptional(b, `,"message":`, words.message(s))
	}
	if !s.ValidUntil.IsZero() {
		b = append(b, `,"valid_until":`...)
		b = appendTime(b, s.ValidUntil)
	}
	return append(b, '}'), nil
}

// appendTerms appends the terms of an offer, of which at least one is said.
func appendTerms(b []byte, t *wire.OfferTerms) ([]byte, error) {
	b = append(b, `,"terms":`...)
	start := len(b)
	b = appendOptional(b, `,"text":`, t.Text)
	if t.PercentOff != 0 {
		var err error
		if b, err = appendNumber(append(b, `,"percent_off":`...), t.PercentOff); err != nil {
			return nil, err
		}
	}
	b = appendOptional(b, `,"off":`, t.Off)
	b = appendOptional(b, `,"price":`, t.Price)
	if t.Points != 0 {
		b = strconv.AppendInt(append(b, `,"points":`...), t.Points, 10)
	}
	if t.Code {
		b = append(b, `,"code":true`...)
	}
	b = appendOptional(b, `,"disclosure":`, t.Disclosure)
	b = appendOptional(b, `,"neutral":`, t.Neutral)
	b[start] = '{' // in the place of the first comma
	return append(b, '}'), nil
}

func appendReason(b []byte, r *recommend.Reason, words words) ([]byte, error) {
	b = append(b, `{"code":`...)
	b = appendText(b, string(r.Code))
	told, n := words.slots(r)
	var text [256]byte
	b = append(b, `,"text":`...)
	b = appendText(b, words.appendPhrase(text[:0], r, told[:n]))
	for i := range n {
		if i == 0 {
			b = append(b, `,"values":{`...)
		} else {
			b = append(b, ',')
		}
		b = append(appendText(b, told[i].name), ':')
		if told[i].id != "" {
			b = appendText(b, told[i].id)
			continue
		}
		var err error
		if b, err = appendNumber(b, told[i].number); err != nil {
			return nil, err
		}
	}
	if n > 0 {
		b = append(b, '}')
	}
	return append(b, '}'), nil
}

func appendTrigger(b []byte, t *wire.Trigger) ([]byte, error) {
	b = append(b, `{"id":`...)
	b = appendText(b, t.ID)
	b = append(b, `,"geofence":`...)
	b = appendText(b, t.Geofence)
	b = append(b, `,"kind":`...)
	b = appendText(b, string(t.Kind))
	b = append(b, `,"at":`...)
	b = appendTime(b, t.At)
	if !t.DecidedAt.IsZero() {
		b = append(b, `,"decided_at":`...)
		b = appendTime(b, t.DecidedAt)
	}
	b = appendOptional(b, `,"reason":`, t.Reason)
	if len(t.Payload) > 0 {
		if !json.Valid(t.Payload) {
			return nil, fmt.Errorf("encode: payload of geofence %q is not JSON", t.Geofence)
		}
		b = append(b, `,"payload":`...)
		b = append(b, t.Payload...)
	}
	if t.Suggestion.Rule != "" { // few triggers have one
		told, err := json.Marshal(&t.Suggestion)
		if err != nil {
			return nil, fmt.Errorf("encode: suggestion of trigger %q: %w", t.ID, err)
		}
		b = append(append(b, `,"suggestion":`...), told...)
	}
	return append(b, '}'), nil
}

func appendPlace(b []byte, p *wire.Place) ([]byte, error) {
	start := len(b)
	b = appendOptional(b, `,"cell":`, p.Cell)
	b = appendOptional(b, `,"store":`, p.Store)
	if p.DistanceM != nil {
		var err error
		if b, err = appendNumber(append(b, `,"distance_m":`...), *p.DistanceM); err != nil {
			return nil, err
		}
	}
	if p.Open != nil {
		b = strconv.AppendBool(append(b, `,"open":`...), *p.Open)
	}
	if len(b) == start {
		return append(b, `{}`...), nil
	}
	b[start] = '{' // in the place of the first comma
	return append(b, '}'), nil
}

func appendUsed(b []byte, u *wire.Used) []byte {
	b = append(b, `{"permissions":`...)
	b = appendTexts(b, u.Permissions)
	b = append(b, `,"purposes":`...)
	b = appendTexts(b, u.Purposes)
	b = append(b, `,"location":`...)
	b = appendText(b, u.Location)
	b = append(b, `,"history":`...)
	b = strconv.AppendBool(b, u.History)
	b = appendOptional(b, `,"rules":`, u.Rules)
	b = appendOptional(b, `,"model":`, u.Model)
	if len(u.Arms) > 0 {
		b = append(b, `,"arms":{`...)
		first := true
		for _, name := range sorted(u.Arms) {
			if !first {
				b = append(b, ',')
			}
			first = false
			b = append(appendText(b, name), ':')
			b = appendText(b, u.Arms[name])
		}
		b = append(b, '}')
	}
	if len(u.Degraded) > 0 {
		b = appendTexts(append(b, `,"degraded":`...), u.Degraded)
	}
	if len(u.Distrust) > 0 {
		b = appendTexts(append(b, `,"distrust":`...), u.Distrust)
	}
	return append(b, '}')
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, 8)
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// comma separates the i-th element from the one before.
func comma(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

// appendOptional appends a member unless its text is empty. The name comes with its comma and colon.
func appendOptional(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	return appendText(append(b, name...), text)
}

func appendTexts(b []byte, texts []string) []byte {
	b = append(b, '[')
	for i, text := range texts {
		b = appendText(comma(b, i), text)
	}
	return append(b, ']')
}

func appendTime(b []byte, t time.Time) []byte {
	return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

// appendNumber appends a double so that it reads back the same. JSON has no infinity and no NaN.
func appendNumber(b []byte, number float64) ([]byte, error) {
	if math.IsNaN(number) || math.IsInf(number, 0) {
		return nil, fmt.Errorf("encode: %v is no JSON number", number)
	}
	format := byte('f')
	if abs := math.Abs(number); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, number, format, -1, 64), nil
}

// appendText appends a JSON string. What HTML could take for a tag is escaped, and what is not UTF-8 becomes
// U+FFFD, as encoding/json does.
func appendText[T string | []byte](b []byte, text T) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0 // of what is not appended yet
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
				i++
				continue
			}
			b = append(b, text[start:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			default:
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(string(text[i:min(len(text), i+utf8.UTFMax)])) // so short that it stays on the stack
		if r == utf8.RuneError && size == 1 || r == '\u2028' || r == '\u2029' {
			b = append(b, text[start:i]...)
			switch r {
			case utf8.RuneError:
				b = append(b, `\ufffd`...)
			default:
				b = append(b, `\u202`...)
				b = append(b, hex[r&15])
			}
			start = i + size
		}
		i += size
	}
	return append(append(b, text[start:]...), '"')
}
