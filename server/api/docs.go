package api

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"
	"go.yaml.in/yaml/v3"

	openapi "satnav/sdk-contract"
	"satnav/sdk-contract/wire"
)

//go:embed docs.html
var docsTemplate string

// page is a document that is the same for everybody until the program changes.
type page struct {
	mediaType string
	body      []byte
	etag      string
}

func newPage(mediaType string, body []byte) *page {
	sum := sha256.Sum256(body)
	return &page{mediaType, body, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// send answers with the page, or with 304 when the caller has it.
func (p *page) send(c *fiber.Ctx, ifNoneMatch string) error {
	c.Set(fiber.HeaderETag, p.etag)
	c.Set(fiber.HeaderCacheControl, "public, no-cache") // may be kept, and must be asked for again
	for _, known := range strings.Split(ifNoneMatch, ",") {
		if known = strings.TrimPrefix(strings.TrimSpace(known), "W/"); known == p.etag || known == "*" {
			c.Status(fiber.StatusNotModified)
			return nil
		}
	}
	c.Set(fiber.HeaderContentType, p.mediaType)
	if strings.HasPrefix(p.mediaType, "text/html") {
		c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	}
	return c.Send(p.body)
}

var (
	contractPage = sync.OnceValue(func() *page { return newPage("application/yaml", openapi.OpenAPI) })
	docsPage     = sync.OnceValue(func() *page { return newPage("text/html; charset=utf-8", renderDocs(readContract())) })
)

// GetContract answers with openapi.yaml.
func (a *API) GetContract(c *fiber.Ctx, params wire.GetContractParams) error {
	return contractPage().send(c, params.IfNoneMatch)
}

// GetRoot leads to the readable form of the contract. The way is relative, so that it holds behind a proxy that
// serves this under a path of its own.
func (a *API) GetRoot(c *fiber.Ctx) error { return c.Redirect("docs", fiber.StatusFound) }

// GetDocs answers with the readable form of the contract.
func (a *API) GetDocs(c *fiber.Ctx, params wire.GetDocsParams) error {
	return docsPage().send(c, params.IfNoneMatch)
}

// renderDocs makes the readable form of the contract: one page without scripts and without anything to load.
// The contract is part of the program, so a fault in it is a panic, which a test would meet.
func renderDocs(doc *document) []byte {
	d := docs{doc}
	t := template.Must(template.New("docs").Funcs(template.FuncMap{
		"prose": prose, "type": d.typeName, "bounds": d.bounds, "fields": d.fields, "shape": d.shape,
	}).Parse(docsTemplate))
	var b bytes.Buffer
	if err := t.Execute(&b, d.data()); err != nil {
		panic(fmt.Errorf("docs.html: %w", err))
	}
	return b.Bytes()
}

// docs is the contract, seen by the template.
type docs struct{ *document }

type docsGroup struct {
	Name, Anchor, Description string
	Operations                []docsOperation
}

type docsOperation struct {
	*operation
	Short    string
	Bodies   []docsBody
	Answers  []docsAnswer
	Failures []docsProblem
	Curl     string
}

type docsBody struct {
	MediaType string
	Schema    *schema
	Examples  []docsExample
}

type docsExample struct {
	Summary, Text string
	Open          bool
}

type docsAnswer struct {
	Status, Description string
	Headers             []string
	Schema              *schema
	Examples            []docsExample
}

type docsProblem struct {
	Status                                        int
	Type, Slug, Anchor, Title, About, Description string
}

type docsType struct {
	Name   string
	Schema *schema
}

func (d docs) data() any {
	data := struct {
		Info     any
		Groups   []docsGroup
		Problems []docsProblem
		Types    []docsType
	}{Info: d.Info}
	for _, tag := range d.Tags {
		group := docsGroup{Name: tag.Name, Anchor: "group-" + strings.ReplaceAll(strings.ToLower(tag.Name), " ", "-"), Description: tag.Description}
		for _, op := range d.operations {
			if op.Tags[0] == tag.Name {
				group.Operations = append(group.Operations, d.operationOf(op))
			}
		}
		data.Groups = append(data.Groups, group)
	}
	for _, k := range kinds {
		data.Problems = append(data.Problems, docsProblem{Status: k.status, Type: problemPrefix + k.slug, Anchor: "problem-" + k.slug, Title: k.title, About: k.about})
	}
	for _, s := range d.Components.Schemas {
		data.Types = append(data.Types, docsType{s.name, s.value})
	}
	return data
}

func (d docs) operationOf(op *operation) docsOperation {
	out := docsOperation{operation: op, Short: strings.TrimPrefix(op.Path, "/v1")}
	if op.Body != nil {
		for i, content := range op.Body.Content {
			out.Bodies = append(out.Bodies, docsBody{content.name, content.value.Schema, examples(content.value.Examples, content.name)})
			if i == 0 {
				out.Curl = curl(op, out.Bodies[0])
			}
		}
	} else if op.Method == "GET" {
		out.Curl = curl(op, docsBody{})
	}
	for _, r := range op.Responses {
		if status, err := strconv.Atoi(r.name); err == nil && status >= 400 {
			out.Failures = append(out.Failures, failures(status, r.value.Description)...)
			continue
		}
		answer := docsAnswer{Status: r.name, Description: r.value.Description}
		for _, h := range r.value.Headers {
			answer.Headers = append(answer.Headers, h.name)
		}
		for _, content := range r.value.Content {
			answer.Schema = content.value.Schema
			answer.Examples = examples(content.value.Examples, content.name)
			for i := range answer.Examples {
				answer.Examples[i].Open = false
			}
		}
		out.Answers = append(out.Answers, answer)
	}
	return out
}

// failures finds the problems of a status.
func failures(status int, description string) (found []docsProblem) {
	for _, k := range kinds {
		if k.status == status && !k.ofItem {
			found = append(found, docsProblem{Status: status, Slug: k.slug, Anchor: "problem-" + k.slug, Description: description})
		}
	}
	return found
}

func examples(given ordered[example], mediaType string) (shown []docsExample) {
	for i, e := range given {
		text := e.value.Value.Value
		if e.value.Value.Kind != yaml.ScalarNode || strings.HasSuffix(mediaType, "json") && !strings.Contains(mediaType, "ndjson") {
			text = string(appendJSON(nil, &e.value.Value, ""))
		}
		shown = append(shown, docsExample{Summary: e.value.Summary, Text: strings.TrimRight(text, "\n"), Open: i == 0})
	}
	return shown
}

// curl is the call as a command, with the first example.
func curl(op *operation, body docsBody) string {
	path := strings.NewReplacer("{id}", "ID", "{kind}", "stores").Replace(op.Path)
	b := "curl -s"
	if op.Method != "GET" && op.Method != "POST" {
		b += " -X " + op.Method
	}
	b += ` "$SATNAV` + path + `"`
	if len(op.Roles) > 0 {
		b += " \\\n  -H \"Authorization: Bearer $TOKEN\""
	}
	if len(body.Examples) > 0 {
		b += " \\\n  -H 'Content-Type: " + body.MediaType + "' \\\n  --data-binary '" + strings.ReplaceAll(body.Examples[0].Text, "'", `'\''`) + "'"
	}
	return b
}

// typeName is the type in words, with links to the types that have a name.
func (d docs) typeName(s *schema) template.HTML {
	switch {
	case s == nil:
		return "anything"
	case s.Ref != "":
		name := template.HTMLEscapeString(s.Ref[strings.LastIndexByte(s.Ref, '/')+1:])
		return template.HTML(`<a href="#type-` + name + `">` + name + `</a>`)
	case len(s.OneOf) > 0:
		var names []string
		for _, alternative := range s.OneOf {
			names = append(names, string(d.typeName(alternative)))
		}
		return template.HTML(strings.Join(names, " or "))
	case len(s.PrefixItems) > 0:
		var places []string
		for _, place := range s.PrefixItems {
			places = append(places, string(d.typeName(place)))
		}
		return template.HTML("pair of " + strings.Join(places, " and "))
	case s.is("array"):
		return "list of " + d.typeName(s.Items)
	case s.is("object") && s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil:
		return "map to " + d.typeName(s.AdditionalProperties.Schema)
	case s.Format == "date-time":
		return "time"
	case s.is("integer"):
		return "whole number"
	}
	return template.HTML(template.HTMLEscapeString(strings.Join(s.Type, " or ")))
}

// shape is the type of a schema that has a name.
func (d docs) shape(s *schema) template.HTML { return d.typeName(s) }

// bounds are the constraints in words.
func (d docs) bounds(s *schema) string {
	var parts []string
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	if len(s.Enum) > 0 {
		say("one of %s", strings.Join(s.Enum, ", "))
	}
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		say("%s to %s", number(*s.Minimum), number(*s.Maximum))
	case s.Minimum != nil:
		say("at least %s", number(*s.Minimum))
	case s.ExclusiveMinimum != nil:
		say("more than %s", number(*s.ExclusiveMinimum))
	}
	between := func(low, high int, what string) {
		switch {
		case low > 0 && low == high:
			say("%d %s", low, what)
		case low > 0 && high > 0:
			say("%d to %d %s", low, high, what)
		case high > 0:
			say("at most %d %s", high, what)
		case low > 0:
			say("at least %d %s", low, what)
		}
	}
	between(s.MinLength, s.MaxLength, "characters")
	between(s.MinItems, s.MaxItems, "elements")
	between(s.MinProperties, s.MaxProperties, "members")
	if s.Default != nil {
		say("default %v", s.Default)
	}
	return strings.Join(parts, "; ")
}

type docsField struct {
	Name        string
	Schema      *schema
	Description string
	Required    bool
}

// fields lists the members of an object, or of the objects that it may be.
func (d docs) fields(s *schema) (fields []docsField) {
	if s == nil {
		return nil
	}
	s = d.resolve(s)
	alternatives := append([]*schema{s}, s.OneOf...)
	for _, alternative := range alternatives {
		alternative = d.resolve(alternative)
		for _, property := range alternative.Properties {
			description := property.value.Description
			if description == "" && property.value.Ref != "" {
				description = d.resolve(property.value).Description
			}
			fields = append(fields, docsField{property.name, property.value, description, slices.Contains(alternative.Required, property.name)})
		}
	}
	return fields
}

// prose renders what descriptions use of Markdown: paragraphs, tables, code and bold.
func prose(text string) template.HTML {
	var b strings.Builder
	for _, block := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if block = strings.TrimSpace(block); block == "" {
			continue
		}
		if !strings.HasPrefix(block, "|") {
			b.WriteString("<p>" + inline(block) + "</p>")
			continue
		}
		b.WriteString(`<div class="scroll"><table>`)
		for i, line := range strings.Split(block, "\n") {
			if i == 1 { // the line of dashes
				continue
			}
			cell := "td"
			if i == 0 {
				cell = `th scope="col"`
			}
			b.WriteString("<tr>")
			for _, text := range strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|") {
				b.WriteString("<" + cell + ">" + inline(strings.TrimSpace(text)) + "</" + cell[:2] + ">")
			}
			b.WriteString("</tr>")
		}
		b.WriteString("</table></div>")
	}
	return template.HTML(b.String())
}

// inline renders `code` and **bold** of text that is made safe first.
func inline(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(template.HTMLEscapeString(text), "`") {
		if i%2 == 1 {
			b.WriteString("<code>" + part + "</code>")
			continue
		}
		for j, words := range strings.Split(part, "**") {
			if j%2 == 1 {
				words = "<strong>" + words + "</strong>"
			}
			b.WriteString(words)
		}
	}
	return b.String()
}

// appendJSON writes an example as JSON in the order of the file. What is short stands on one line.
func appendJSON(b []byte, n *yaml.Node, indent string) []byte {
	const oneLine = 76
	switch n.Kind {
	case yaml.AliasNode:
		return appendJSON(b, n.Alias, indent)
	case yaml.ScalarNode:
		switch n.Tag {
		case "!!int", "!!float", "!!bool", "!!null":
			return append(b, n.Value...)
		}
		text, err := json.Marshal(n.Value)
		if err != nil {
			panic(err) // a string always has a form in JSON
		}
		return append(b, text...)
	}
	if flat := appendFlat(nil, n); len(flat)+len(indent) <= oneLine {
		return append(b, flat...)
	}
	deeper := indent + "  "
	open, end, step := byte('{'), byte('}'), 2
	if n.Kind == yaml.SequenceNode {
		open, end, step = '[', ']', 1
	}
	b = append(b, open)
	for i := 0; i < len(n.Content); i += step {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, '\n'), deeper...)
		if step == 2 {
			b = append(appendJSON(b, n.Content[i], ""), ": "...)
		}
		b = appendJSON(b, n.Content[i+step-1], deeper)
	}
	return append(append(append(b, '\n'), indent...), end)
}

// appendFlat writes an example on one line.
func appendFlat(b []byte, n *yaml.Node) []byte {
	switch n.Kind {
	case yaml.MappingNode:
		b = append(b, '{')
		for i := 0; i < len(n.Content); i += 2 {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = append(appendFlat(b, n.Content[i]), ": "...)
			b = appendFlat(b, n.Content[i+1])
		}
		return append(b, '}')
	case yaml.SequenceNode:
		b = append(b, '[')
		for i, element := range n.Content {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendFlat(b, element)
		}
		return append(b, ']')
	}
	return appendJSON(b, n, "")
}
