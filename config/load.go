package config

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v3"
)

// Sources is what a configuration is read from, the weakest first. All may be
// empty.
type Sources struct {
	FileName string            // for messages only
	File     []byte            // YAML
	Environ  []string          // NAME=value, as os.Environ returns them; only names of ours are looked at
	Flags    map[string]string // by knob, such as "operator_listen"; only those that were given
	Said     []string          // of these, the ones that were given as --set
}

// Origins says for each knob that was set where its value came from:
// "satnav.yaml line 3", "environment SATNAV_LISTEN", "flag --listen" or "flag --set drain". A knob
// that is not in it has its default.
type Origins map[string]string

// prefix begins the name of every environment variable of ours.
const prefix = "SATNAV_"

// Load lays the sources over Default and validates the outcome. The error is
// Problems, with everything that is wrong in any source, also in a value that a
// stronger source replaces.
//
// An environment variable is named after its knob: SATNAV_LIMITS_BODY for
// limits.body; an empty one counts as not set, lists are separated by commas.
// Names beginning SATNAV_TEST_ belong to tests, SATNAV_CONFIG is the command
// line's, and what Kubernetes makes up for a service called satnav
// (SATNAV_SERVICE_HOST, SATNAV_PORT_8080_TCP, …) is nobody's: these are ignored.
func Load(from Sources) (Config, Origins, error) {
	l := loader{merged: koanf.New("."), origins: Origins{}}
	l.layer(values(Default()))
	l.file(from.FileName, from.File)
	l.environment(from.Environ)
	l.flags(from.Flags, from.Said)

	// Every value was converted to the type of its field, so that this cannot
	// fail for what an operator wrote.
	var c Config
	if err := l.merged.Unmarshal("", &c); err != nil {
		return Config{}, nil, fmt.Errorf("merge configuration: %w", err)
	}
	for _, p := range c.problems() {
		p.Origin = l.origins[p.Knob]
		// A value that could not be read left its default behind; what is wrong
		// with it has been said.
		if !slices.ContainsFunc(l.problems, func(said Problem) bool { return said.Knob == p.Knob }) {
			l.problems = append(l.problems, p)
		}
	}
	if len(l.problems) > 0 {
		return Config{}, nil, l.problems
	}
	return c, l.origins, nil
}

// Setting is one knob as satnav check shows it.
type Setting struct {
	Knob, Value, Origin string
}

// Settings lists every knob with its value and origin, in the order of the
// struct. Passwords in URLs are hidden.
func (c Config) Settings(origins Origins) []Setting {
	settings := make([]Setting, len(knobs))
	byKnob := values(c)
	for i, k := range knobs {
		text := fmt.Sprint(byKnob[k.name])
		if list, isList := byKnob[k.name].([]string); isList {
			text = strings.Join(list, ", ")
		}
		settings[i] = Setting{Knob: k.name, Value: hideSecrets(text), Origin: origins[k.name]}
		if settings[i].Origin == "" {
			settings[i].Origin = "default"
		}
	}
	return settings
}

// knob is one leaf of Config.
type knob struct {
	name  string // such as limits.body
	kind  reflect.Type
	index []int // of the field, for reflect
}

// variable returns the name of the environment variable that sets the knob.
func (k knob) variable() string {
	return prefix + strings.ToUpper(strings.ReplaceAll(k.name, ".", "_"))
}

// knobs lists the leaves of Config in the order of the struct, sections the
// structs between.
var knobs, sections = leaves(reflect.TypeFor[Config](), "", nil)

func leaves(t reflect.Type, path string, index []int) (found []knob, groups []string) {
	for field := range t.Fields() {
		name := path + field.Tag.Get("koanf")
		at := append(slices.Clone(index), field.Index...)
		if field.Type.Kind() != reflect.Struct {
			found = append(found, knob{name: name, kind: field.Type, index: at})
			continue
		}
		groups = append(groups, name)
		more, deeper := leaves(field.Type, name+".", at)
		found, groups = append(found, more...), append(groups, deeper...)
	}
	return found, groups
}

// values returns the knobs of a configuration by name.
func values(c Config) map[string]any {
	all := make(map[string]any, len(knobs))
	for _, k := range knobs {
		all[k.name] = reflect.ValueOf(c).FieldByIndex(k.index).Interface()
	}
	return all
}

// loader gathers values and problems from one source after the other.
type loader struct {
	merged   *koanf.Koanf
	origins  Origins
	problems Problems
}

func (l *loader) refuse(knob, origin, format string, args ...any) {
	l.problems = append(l.problems, Problem{Knob: knob, Text: fmt.Sprintf(format, args...), Origin: origin})
}

// layer lays values, each of its knob's type, over those of weaker sources.
func (l *loader) layer(byKnob map[string]any) {
	// A provider of a map in memory has no way to fail.
	_ = l.merged.Load(confmap.Provider(byKnob, "."), nil)
}

// set converts the text of one knob and lays it over weaker sources.
func (l *loader) set(k knob, origin, text string) {
	value, ok := parse(k.kind, text)
	if !ok {
		l.refuse(k.name, origin, "got %q, want %s", hideSecrets(text), example(k.kind))
		return
	}
	l.origins[k.name] = origin
	l.layer(map[string]any{k.name: value})
}

// flagOf names the flag that a knob was set with.
func flagOf(knob string, said []string) string {
	if slices.Contains(said, knob) {
		return "flag --set " + knob
	}
	return "flag --" + strings.ReplaceAll(knob, "_", "-")
}

func (l *loader) flags(flags map[string]string, said []string) {
	for _, k := range knobs {
		if text, given := flags[k.name]; given {
			l.set(k, flagOf(k.name, said), text)
		}
	}
	for name := range flags {
		if !slices.ContainsFunc(knobs, func(k knob) bool { return k.name == name }) {
			l.refuse(name, "flag", "no such knob%s", suggestion(name, names()))
		}
	}
}

func (l *loader) environment(environ []string) {
	variables := make([]string, len(knobs))
	for i, k := range knobs {
		variables[i] = k.variable()
	}
	for _, pair := range environ {
		name, text, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, prefix) || text == "" || foreign(name) {
			continue
		}
		if i := slices.Index(variables, name); i >= 0 {
			l.set(knobs[i], "environment "+name, text)
			continue
		}
		l.refuse("", "environment", "%s: no such knob%s", name, suggestion(name, variables))
	}
}

// foreign tells whether a variable begins as ours do, yet is not a knob; see Load.
func foreign(name string) bool {
	return name == prefix+"CONFIG" || name == prefix+"PORT" ||
		strings.HasPrefix(name, prefix+"TEST_") || strings.HasPrefix(name, prefix+"PORT_") || strings.HasPrefix(name, prefix+"SERVICE_")
}

func (l *loader) file(name string, text []byte) {
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return // nothing but comments
	case err != nil:
		l.refuse("", name, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
		return
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		l.refuse("", name, "got more than one document, want one: remove the line ---")
	}
	l.section(name, "", document.Content[0], map[string]int{})
}

// section reads one mapping of the file. seen holds the line of each name that
// was met, so that a knob cannot be set twice.
func (l *loader) section(file, path string, node *yaml.Node, seen map[string]int) {
	where := func(n *yaml.Node) string { return fmt.Sprintf("%s line %d", file, n.Line) }
	switch {
	case isNull(node):
		return // a section of which every line is commented out
	case node.Kind != yaml.MappingNode:
		l.refuse(strings.TrimSuffix(path, "."), where(node), "got %s, want names and values", describe(node))
		return
	}
	for i := 0; i < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		name := path + key.Value
		if key.Kind != yaml.ScalarNode || key.Value == "" || key.Value == "<<" {
			l.refuse(strings.TrimSuffix(path, "."), where(key), "got %s as a name, want a plain word", describe(key))
			continue
		}
		if line, twice := seen[name]; twice {
			l.refuse(name, where(key), "got it twice, want it once: it also stands in line %d", line)
			continue
		}
		seen[name] = key.Line
		if slices.Contains(sections, name) {
			l.section(file, name+".", value, seen)
			continue
		}
		if i := slices.IndexFunc(knobs, func(k knob) bool { return k.name == name }); i >= 0 {
			l.value(knobs[i], where(value), value)
			continue
		}
		l.refuse(name, where(key), "no such knob%s", suggestion(name, names()))
	}
}

// value reads one knob of the file.
func (l *loader) value(k knob, origin string, node *yaml.Node) {
	switch {
	case isNull(node):
		l.refuse(k.name, origin, "got nothing, want %s; remove the line to keep the default", example(k.kind))
	case node.Kind == yaml.ScalarNode:
		l.set(k, origin, node.Value)
	case node.Kind == yaml.SequenceNode && k.kind == reflect.TypeFor[[]string]():
		list := make([]string, 0, len(node.Content))
		for _, item := range node.Content {
			if item.Kind != yaml.ScalarNode || isNull(item) {
				l.refuse(k.name, origin, "got %s in the list, want words", describe(item))
				return
			}
			list = append(list, item.Value)
		}
		l.origins[k.name] = origin
		l.layer(map[string]any{k.name: list})
	default:
		l.refuse(k.name, origin, "got %s, want %s", describe(node), example(k.kind))
	}
}

func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}

func describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a section"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	default:
		return quoted(node.Value)
	}
}

// parse converts text to the type of a knob.
func parse(kind reflect.Type, text string) (value any, ok bool) {
	var err error
	switch kind {
	case reflect.TypeFor[int]():
		value, err = parseInt(text)
	case reflect.TypeFor[time.Duration]():
		value, err = time.ParseDuration(text)
	case reflect.TypeFor[Size]():
		value, err = ParseSize(text)
	case reflect.TypeFor[[]string]():
		list := strings.Split(text, ",")
		for i := range list {
			list[i] = strings.TrimSpace(list[i])
		}
		value = list
	default:
		value = text
	}
	return value, err == nil
}

// example says what a value of a kind looks like.
func example(kind reflect.Type) string {
	switch kind {
	case reflect.TypeFor[int]():
		return "a whole number"
	case reflect.TypeFor[time.Duration]():
		return "a duration such as 500ms, 10s or 5m"
	case reflect.TypeFor[Size]():
		return "a size such as 512KiB, 4MiB or 1GiB"
	case reflect.TypeFor[[]string]():
		return "a list"
	default:
		return "a value"
	}
}

func names() []string {
	all := slices.Clone(sections)
	for _, k := range knobs {
		all = append(all, k.name)
	}
	return all
}

// suggestion returns `, did you mean "limits.body"?` for a name that is close
// to a known one, or is one that stands in another section; else nothing.
func suggestion(name string, known []string) string {
	best, distance := "", 1+len(name)/4
	for _, candidate := range known {
		d := edits(strings.ToLower(name), strings.ToLower(candidate))
		if last := candidate[strings.LastIndexByte(candidate, '.')+1:]; last == name {
			d = 0
		}
		if d <= distance {
			best, distance = candidate, d-1
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}

// edits counts the single-byte insertions, deletions and replacements between
// two words (Levenshtein). Long names are cut: nothing of ours is longer.
func edits(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
