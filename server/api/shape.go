package api

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"reflect"
	"strings"
	"time"

	"satnav/sdk-contract/wire"
)

// shape is how the decoder reads one type of wire: the Go type and the contract's schema, joined once at
// start. It is immutable.
type shape struct {
	kind   shapeKind
	want   string // in words: "a number", "an object"
	schema *schema

	fields   []field  // of an object
	branches []branch // of an object: the sets of fields that may stand together
	required uint64   // of an object that has one branch
	element  *shape   // of a list, a map and a pointer
	places   []*shape // of a pair
	min, max float64  // of a number
	open     bool     // exclusive minimum
	plain    bool     // a string that is an id: no control characters, which is checked without its pattern
}

type shapeKind uint8

const (
	objectShape  shapeKind = iota
	listShape              // a slice
	pairShape              // an array
	mapShape               // map[string]T
	pointerShape           // absent differs from zero
	stringShape
	enumShape
	timeShape
	numberShape
	integerShape
	boolShape
	rawShape // json.RawMessage: checked, and kept as it came
)

// field is one member of an object.
type field struct {
	name  string
	index int // in the Go struct
	shape *shape
}

// branch is one alternative of a oneOf, as bits over fields.
type branch struct{ allowed, required uint64 }

var (
	timeType = reflect.TypeFor[time.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
)

// shapes are the request bodies of our own schema. A new one is a line here.
var shapes = map[reflect.Type]*shape{
	reflect.TypeFor[wire.ContextRequest]():     shapeOf[wire.ContextRequest](),
	reflect.TypeFor[wire.EventsRequest]():      shapeOf[wire.EventsRequest](),
	reflect.TypeFor[wire.PermissionsRequest](): shapeOf[wire.PermissionsRequest](),
	reflect.TypeFor[wire.PreferencesRequest](): shapeOf[wire.PreferencesRequest](),
	reflect.TypeFor[wire.Correction]():         shapeOf[wire.Correction](),
	reflect.TypeFor[wire.ErasureRequest]():     shapeOf[wire.ErasureRequest](),
	reflect.TypeFor[wire.HoldRequest]():        shapeOf[wire.HoldRequest](),
	reflect.TypeFor[wire.AppealRequest]():      shapeOf[wire.AppealRequest](),
	reflect.TypeFor[wire.AppealDecision]():     shapeOf[wire.AppealDecision](),
	reflect.TypeFor[wire.BatchRequest]():       shapeOf[wire.BatchRequest](),
	reflect.TypeFor[wire.CardRequest]():        shapeOf[wire.CardRequest](),
	reflect.TypeFor[wire.MatchRequest]():       shapeOf[wire.MatchRequest](),
	reflect.TypeFor[wire.ReplayRequest]():      shapeOf[wire.ReplayRequest](),
	reflect.TypeFor[wire.Store]():              shapeOf[wire.Store](),
	reflect.TypeFor[wire.Product]():            shapeOf[wire.Product](),
	reflect.TypeFor[wire.Retailer]():           shapeOf[wire.Retailer](),
	reflect.TypeFor[wire.Rule]():               shapeOf[wire.Rule](),
	reflect.TypeFor[wire.RuleApproval]():       shapeOf[wire.RuleApproval](),
	reflect.TypeFor[wire.RulePublication]():    shapeOf[wire.RulePublication](),
	reflect.TypeFor[wire.RuleRollback]():       shapeOf[wire.RuleRollback](),
	reflect.TypeFor[wire.Offer]():              shapeOf[wire.Offer](),
	reflect.TypeFor[wire.NewCodes]():           shapeOf[wire.NewCodes](),
	reflect.TypeFor[wire.Experiment]():         shapeOf[wire.Experiment](),
	reflect.TypeFor[wire.ExperimentMove]():     shapeOf[wire.ExperimentMove](),
	reflect.TypeFor[wire.Webhook]():            shapeOf[wire.Webhook](),
	reflect.TypeFor[wire.RuleSimulation]():     shapeOf[wire.RuleSimulation](),
}

// shapeOf joins a type of wire with the schema of the same name. They are generated from one source, so a
// difference is a fault of the program: a panic at start.
func shapeOf[T any]() *shape {
	t := reflect.TypeFor[T]()
	return newShape(t.Name(), t, &schema{Ref: "#/components/schemas/" + t.Name()})
}

func newShape(at string, t reflect.Type, given *schema) *shape {
	contract := readContract()
	s := &shape{schema: contract.resolve(given), min: math.Inf(-1), max: math.Inf(1)}
	if t.Kind() == reflect.Pointer {
		element := newShape(at, t.Elem(), given)
		return &shape{kind: pointerShape, want: element.want, schema: element.schema, element: element}
	}
	switch {
	case t == rawType:
		s.kind, s.want = rawShape, "a JSON value"
		if s.schema.is("object") {
			s.want = "an object"
		}
	case t == timeType && s.schema.Format == "date-time":
		s.kind, s.want = timeShape, `a time such as "2026-11-22T09:14:03Z"`
	case t.Kind() == reflect.Struct:
		s.kind, s.want = objectShape, "an object"
		s.object(at, t)
	case t.Kind() == reflect.Slice && s.schema.is("array"):
		s.kind, s.want, s.element = listShape, "an array", newShape(at+"[]", t.Elem(), s.schema.Items)
	case t.Kind() == reflect.Array && s.schema.is("array"):
		s.kind, s.want = pairShape, fmt.Sprintf("an array of %d", t.Len())
		if len(s.schema.PrefixItems) != t.Len() {
			panic(fmt.Errorf("openapi.yaml: %s: %d prefixItems, want %d", at, len(s.schema.PrefixItems), t.Len()))
		}
		for _, place := range s.schema.PrefixItems {
			s.places = append(s.places, newShape(at+"[]", t.Elem(), place))
		}
	case t.Kind() == reflect.Map && s.schema.is("object"):
		s.kind, s.want, s.element = mapShape, "an object", newShape(at+".*", t.Elem(), s.schema.AdditionalProperties.Schema)
	case t.Kind() == reflect.String && s.schema.is("string"):
		s.kind, s.want = stringShape, "a string"
		s.plain = s.schema == contract.Components.Schemas.must("ID")
		if s.schema.Enum != nil {
			s.kind, s.want = enumShape, "one of "+strings.Join(s.schema.Enum, ", ")
		}
	case t.Kind() == reflect.Float64 && s.schema.is("number"):
		s.kind, s.want = numberShape, "a number"
		s.bounds()
	case (t.Kind() == reflect.Int || t.Kind() == reflect.Int64) && s.schema.is("integer"):
		s.kind, s.want = integerShape, "a whole number"
		s.bounds()
	case t.Kind() == reflect.Bool && s.schema.is("boolean"):
		s.kind, s.want = boolShape, "true or false"
	default:
		panic(fmt.Errorf("openapi.yaml: %s: the type %v of wire does not fit its schema", at, t))
	}
	return s
}

func (s *shape) bounds() {
	if s.schema.Minimum != nil {
		s.min = *s.schema.Minimum
	}
	if s.schema.ExclusiveMinimum != nil {
		s.min, s.open = *s.schema.ExclusiveMinimum, true
	}
	if s.schema.Maximum != nil {
		s.max = *s.schema.Maximum
	}
}

// object reads the fields of a struct. A oneOf of objects is one struct with the fields of all of them.
func (s *shape) object(at string, t reflect.Type) {
	contract := readContract()
	alternatives := []*schema{s.schema}
	if s.schema.OneOf != nil {
		alternatives = alternatives[:0]
		for _, given := range s.schema.OneOf {
			alternatives = append(alternatives, contract.resolve(given))
		}
	}
	indexes := map[string]int{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		indexes[name] = i
	}
	bit := map[string]uint64{}
	for _, alternative := range alternatives {
		var b branch
		for _, property := range alternative.Properties {
			name := property.name
			if bit[name] == 0 {
				index, ok := indexes[name]
				if !ok {
					panic(fmt.Errorf("openapi.yaml: %s.%s: wire has no such field", at, name))
				}
				bit[name] = 1 << len(s.fields)
				s.fields = append(s.fields, field{name, index, newShape(at+"."+name, t.Field(index).Type, property.value)})
			}
			b.allowed |= bit[name]
		}
		for _, name := range alternative.Required {
			b.required |= bit[name]
		}
		s.branches = append(s.branches, b)
	}
	if len(s.fields) != t.NumField() || len(s.fields) > 64 {
		panic(fmt.Errorf("openapi.yaml: %s: %d properties, %d fields in wire; want the same, at most 64", at, len(s.fields), t.NumField()))
	}
	if len(s.branches) == 1 {
		s.required = s.branches[0].required
	}
}

// names lists the fields of a set in words: "lat and lng".
func (s *shape) names(set uint64) string {
	var names []string
	for ; set != 0; set &= set - 1 {
		names = append(names, s.fields[bits.TrailingZeros64(set)].name)
	}
	return and(names)
}

// and joins words for people: "a, b and c".
func and(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// wants says in words which sets of fields may stand together: "lat and lng, or cell".
func (s *shape) wants() string {
	var alternatives []string
	for _, b := range s.branches {
		alternatives = append(alternatives, s.names(b.required))
	}
	return strings.Join(alternatives, ", or ")
}
