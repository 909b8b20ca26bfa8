package api

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	contract "satnav/sdk-contract"
)

// document is the contract as far as this package uses it. It is read once and never changed.
type document struct {
	Info struct {
		Title, Version, Summary, Description string
	}
	Tags []struct {
		Name, Description string
	}
	Paths      ordered[*pathItem]
	Components struct {
		Schemas    ordered[*schema]
		Parameters ordered[*parameter]
		Headers    ordered[*header]
		Responses  ordered[*response]
	}

	operations []*operation // in the order of the file
}

// readContract reads the embedded contract. It is part of the program, so a fault in it is a panic,
// which the first test that runs would meet.
var readContract = sync.OnceValue(func() *document {
	doc := new(document)
	if err := yaml.Unmarshal(contract.OpenAPI, doc); err != nil {
		panic(fmt.Errorf("openapi.yaml: %w", err))
	}
	for _, path := range doc.Paths {
		for _, method := range path.value.methods() {
			op := method.value
			op.Method, op.Path = method.name, path.name
			op.Parameters = append(slices.Clone(path.value.Parameters), op.Parameters...)
			for i, p := range op.Parameters {
				if p.Ref != "" {
					op.Parameters[i] = doc.Components.Parameters.must(p.Ref)
				}
			}
			op.once = slices.ContainsFunc(op.Parameters, func(p *parameter) bool { return p.Name == idempotencyKey })
			for i, r := range op.Responses {
				if r.value.Ref != "" {
					op.Responses[i].value = doc.Components.Responses.must(r.value.Ref)
				}
			}
			doc.operations = append(doc.operations, op)
		}
	}
	return doc
})

// resolve follows references to the schema that describes something.
func (d *document) resolve(s *schema) *schema {
	for s.Ref != "" {
		s = d.Components.Schemas.must(s.Ref)
	}
	return s
}

type pathItem struct {
	Parameters             []*parameter
	Get, Put, Post, Delete *operation
}

func (p *pathItem) methods() ordered[*operation] {
	all := ordered[*operation]{{"GET", p.Get}, {"PUT", p.Put}, {"POST", p.Post}, {"DELETE", p.Delete}}
	return slices.DeleteFunc(all, func(m named[*operation]) bool { return m.value == nil })
}

type operation struct {
	Method      string `yaml:"-"`
	Path        string `yaml:"-"`
	ID          string `yaml:"operationId"`
	Tags        []string
	Summary     string
	Description string
	Roles       []string `yaml:"x-roles"`    // empty: no token is needed
	Streamed    bool     `yaml:"x-streamed"` // the body has no limit
	Parameters  []*parameter
	Body        *struct {
		Required bool
		Content  ordered[mediaType]
	} `yaml:"requestBody"`
	Responses ordered[*response]

	once bool // a call may have an Idempotency-Key
}

type parameter struct {
	Ref         string `yaml:"$ref"`
	Name, In    string
	Required    bool
	Description string
	Schema      *schema
	Example     any
}

type header struct {
	Ref         string `yaml:"$ref"`
	Description string
	Schema      *schema
}

type response struct {
	Ref         string `yaml:"$ref"`
	Description string
	Headers     ordered[*header]
	Content     ordered[mediaType]
}

type mediaType struct {
	Schema   *schema
	Examples ordered[example]
}

type example struct {
	Summary string
	Value   yaml.Node
}

// schema is the part of JSON Schema that the contract uses. A test holds that it uses no other.
type schema struct {
	Ref         string `yaml:"$ref"`
	Description string
	Type        oneOrMore
	Format      string
	Enum        []string
	Default     any
	Examples    []any

	Properties           ordered[*schema]
	Required             []string
	AdditionalProperties *additional `yaml:"additionalProperties"`
	Items                *schema
	PrefixItems          []*schema `yaml:"prefixItems"` // of a pair: one for each place
	OneOf                []*schema `yaml:"oneOf"`

	Minimum          *float64
	Maximum          *float64
	ExclusiveMinimum *float64       `yaml:"exclusiveMinimum"`
	MinLength        int            `yaml:"minLength"`
	MaxLength        int            `yaml:"maxLength"` // 0: unbounded
	Pattern          *regexpPattern `yaml:"pattern"`
	MinItems         int            `yaml:"minItems"`
	MaxItems         int            `yaml:"maxItems"` // 0: unbounded
	MinProperties    int            `yaml:"minProperties"`
	MaxProperties    int            `yaml:"maxProperties"` // 0: unbounded
}

// is tells whether the schema allows this type.
func (s *schema) is(kind string) bool { return slices.Contains(s.Type, kind) }

// additional is additionalProperties: a schema, true or false.
type additional struct {
	Allowed bool
	Schema  *schema // nil: anything
}

// UnmarshalYAML reads a boolean or a schema.
func (a *additional) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		return node.Decode(&a.Allowed)
	}
	a.Allowed = true
	return node.Decode(&a.Schema)
}

// oneOrMore is a JSON Schema type: a name or a list of names.
type oneOrMore []string

// UnmarshalYAML reads a name or a list of names.
func (o *oneOrMore) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*o = oneOrMore{node.Value}
		return nil
	}
	return node.Decode((*[]string)(o))
}

type regexpPattern struct{ *regexp.Regexp }

// UnmarshalYAML compiles the pattern.
func (p *regexpPattern) UnmarshalYAML(node *yaml.Node) (err error) {
	p.Regexp, err = regexp.Compile(node.Value)
	return err
}

// ordered is a mapping in the order of the file, which is the order in which people read it.
type ordered[T any] []named[T]

type named[T any] struct {
	name  string
	value T
}

// UnmarshalYAML reads a mapping.
func (o *ordered[T]) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: want a mapping", node.Line)
	}
	*o = make(ordered[T], len(node.Content)/2)
	for i := range *o {
		(*o)[i].name = node.Content[2*i].Value
		if err := node.Content[2*i+1].Decode(&(*o)[i].value); err != nil {
			return fmt.Errorf("%s: %w", (*o)[i].name, err)
		}
	}
	return nil
}

// get finds a member; false when there is none.
func (o ordered[T]) get(name string) (value T, ok bool) {
	for _, member := range o {
		if member.name == name {
			return member.value, true
		}
	}
	return value, false
}

// must finds what a reference points at.
func (o ordered[T]) must(ref string) T {
	value, ok := o.get(ref[strings.LastIndexByte(ref, '/')+1:])
	if !ok {
		panic(fmt.Errorf("openapi.yaml: %s is not there", ref))
	}
	return value
}
