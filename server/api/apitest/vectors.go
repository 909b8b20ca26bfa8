package apitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
)

// Vector is one golden conversation, as sdk-contract/vectors/README.md describes it.
type Vector struct {
	Name  string `json:"-"` // folder and file, without the ending
	Why   string `json:"why"`
	Steps []Step `json:"steps"`
}

// Step is one request and what every correct server answers.
type Step struct {
	Role    string `json:"role"` // empty: no token
	Request struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Headers map[string]string `json:"headers"`
		Body    json.RawMessage   `json:"body"`
		Text    *string           `json:"text"`
	} `json:"request"`
	Response struct {
		Status  int             `json:"status"`
		Headers map[string]any  `json:"headers"`
		Body    json.RawMessage `json:"body"`
	} `json:"response"`
	Save map[string]string `json:"save"`
}

// Vectors reads all golden vectors below a folder, in the order of their names.
func Vectors(folder string) ([]Vector, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*", "*.json"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: there are no vectors", folder)
	}
	var vectors []Vector
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.DisallowUnknownFields()
		var v Vector
		if err := decoder.Decode(&v); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if v.Why == "" || len(v.Steps) == 0 {
			return nil, fmt.Errorf("%s: want why and steps", file)
		}
		relative, err := filepath.Rel(folder, file)
		if err != nil {
			return nil, err
		}
		v.Name = strings.TrimSuffix(filepath.ToSlash(relative), ".json")
		vectors = append(vectors, v)
	}
	return vectors, nil
}

// Target is a running server that vectors are replayed against.
type Target struct {
	URL    string
	Client *http.Client // Client(t) validates all exchanges against the contract, too
	// Token makes a token for a role; subject is the shopper, or the name of the client.
	Token func(t testing.TB, role, subject string) string
}

// Replay plays one vector and reports what differs.
func (v Vector) Replay(t testing.TB, target Target) {
	t.Helper()
	unique := "v-" + strings.ToLower(ulid.Make().String())
	saved := map[string]string{"unique": unique}
	for i, step := range v.Steps {
		at := fmt.Sprintf("%s, step %d: %s %s", v.Name, i+1, step.Request.Method, step.Request.Path)
		request, err := step.request(t, target, saved)
		if err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		response, err := target.Client.Do(request)
		if err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		body, err := io.ReadAll(response.Body)
		if closeErr := response.Body.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		if differences := step.compare(response, body, saved); len(differences) > 0 {
			t.Fatalf("%s (%s)\n%s\ngot %d %.2000s", at, v.Why, strings.Join(differences, "\n"), response.StatusCode, body)
		}
		for name, from := range step.Save {
			value, err := saveFrom(from, response, body)
			if err != nil {
				t.Fatalf("%s: save %s: %v", at, name, err)
			}
			saved[name] = value
		}
	}
}

// request makes the request of a step.
func (s Step) request(t testing.TB, target Target, saved map[string]string) (*http.Request, error) {
	var body io.Reader
	if s.Request.Text != nil {
		body = strings.NewReader(fillIn(*s.Request.Text, saved))
	} else if s.Request.Body != nil {
		body = strings.NewReader(fillInJSON(string(s.Request.Body), saved))
	}
	request, err := http.NewRequestWithContext(t.Context(), s.Request.Method, target.URL+fillIn(s.Request.Path, saved), body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if s.Role != "" {
		subject := saved["unique"]
		if s.Role != "shopper" {
			subject = "vectors"
		}
		request.Header.Set("Authorization", "Bearer "+target.Token(t, s.Role, subject))
	}
	for name, value := range s.Request.Headers {
		request.Header.Set(name, fillIn(value, saved))
	}
	return request, nil
}

// compare lists what differs from the answer that is wanted.
func (s Step) compare(response *http.Response, body []byte, saved map[string]string) (differences []string) {
	if response.StatusCode != s.Response.Status {
		differences = append(differences, fmt.Sprintf("status: got %d, want %d", response.StatusCode, s.Response.Status))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Response.Headers)) {
		want := s.Response.Headers[name]
		if text, ok := want.(string); ok {
			want = fillIn(text, saved)
		}
		differences = append(differences, match(name, want, response.Header.Get(name), true)...)
	}
	if s.Response.Body == nil || len(differences) > 0 {
		return differences
	}
	var want, got any
	if err := json.Unmarshal([]byte(fillInJSON(string(s.Response.Body), saved)), &want); err != nil {
		return append(differences, fmt.Sprintf("the vector's body: %v", err))
	}
	if err := json.Unmarshal(body, &got); err != nil {
		return append(differences, fmt.Sprintf("body: %v", err))
	}
	return append(differences, match("", want, got, true)...)
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// fillIn replaces the placeholders of a text; what was never saved stays.
func fillIn(text string, saved map[string]string) string {
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		if value, ok := saved[strings.Trim(name, "{}")]; ok {
			return value
		}
		return name
	})
}

// fillInJSON is fillIn inside of JSON, where quotes are escaped.
func fillInJSON(text string, saved map[string]string) string {
	escaped := map[string]string{}
	for name, value := range saved {
		quoted, err := json.Marshal(value)
		if err != nil {
			panic(err) // text always has a form in JSON
		}
		escaped[name] = string(quoted[1 : len(quoted)-1])
	}
	return fillIn(text, escaped)
}

// saveFrom reads a value that a later step needs: "header ETag" or a JSON Pointer.
func saveFrom(from string, response *http.Response, body []byte) (string, error) {
	if name, ok := strings.CutPrefix(from, "header "); ok {
		if value := response.Header.Get(name); value != "" {
			return value, nil
		}
		return "", fmt.Errorf("there is no header %s", name)
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return "", err
	}
	for _, part := range strings.Split(from, "/")[1:] {
		switch container := value.(type) {
		case map[string]any:
			value = container[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(container) {
				return "", fmt.Errorf("%s: there is no element %s", from, part)
			}
			value = container[i]
		default:
			return "", fmt.Errorf("%s: nothing is there", from)
		}
	}
	if value == nil {
		return "", fmt.Errorf("%s: nothing is there", from)
	}
	return fmt.Sprint(value), nil
}

// match lists what differs between a value and what is wanted; there tells whether the value is there at all.
func match(at string, want, got any, there bool) []string {
	differ := func(format string, args ...any) []string { return []string{at + ": " + fmt.Sprintf(format, args...)} }
	object, isObject := want.(map[string]any)
	if name, argument, ok := matcherOf(object); ok {
		if name == "$absent" {
			if there {
				return differ("got %v, want nothing", got)
			}
			return nil
		}
		if !there {
			return differ("is missing")
		}
		return matchers[name](at, argument, got)
	}
	if !there {
		return differ("is missing, want %v", want)
	}
	if isObject {
		members, ok := got.(map[string]any)
		if !ok {
			return differ("got %v, want an object", got)
		}
		var differences []string
		for _, name := range slices.Sorted(maps.Keys(object)) {
			value, there := members[name]
			differences = append(differences, match(at+"/"+name, object[name], value, there)...)
		}
		return differences
	}
	if list, ok := want.([]any); ok {
		elements, ok := got.([]any)
		if !ok || len(elements) != len(list) {
			return differ("got %v, want %d elements", got, len(list))
		}
		var differences []string
		for i := range list {
			differences = append(differences, match(fmt.Sprintf("%s/%d", at, i), list[i], elements[i], true)...)
		}
		return differences
	}
	if !reflect.DeepEqual(want, got) {
		return differ("got %v, want %v", got, want)
	}
	return nil
}

// matcherOf finds the matcher that an object stands for.
func matcherOf(object map[string]any) (name string, argument any, ok bool) {
	if len(object) != 1 {
		return "", nil, false
	}
	for name, argument = range object {
		break // there is but one
	}
	return name, argument, strings.HasPrefix(name, "$")
}

// matchers by name. $absent is not among them: it looks at what is not there.
var matchers map[string]func(at string, argument, got any) []string

func init() { // it refers to itself through match
	matchers = map[string]func(at string, argument, got any) []string{
		"$is": func(at string, argument, got any) []string {
			ok := false
			switch argument {
			case "string":
				_, ok = got.(string)
			case "number":
				_, ok = got.(float64)
			case "boolean":
				_, ok = got.(bool)
			case "object":
				_, ok = got.(map[string]any)
			case "list":
				_, ok = got.([]any)
			case "time":
				text, _ := got.(string)
				_, err := time.Parse(time.RFC3339, text)
				ok = err == nil
			}
			return unless(ok, "%s: got %v, want a %v", at, got, argument)
		},
		"$matches": func(at string, argument, got any) []string {
			text, isText := got.(string)
			expression, err := regexp.Compile(fmt.Sprint(argument))
			return unless(err == nil && isText && expression.MatchString(text), "%s: got %v, want what matches %v", at, got, argument)
		},
		"$between": func(at string, argument, got any) []string {
			bounds, _ := argument.([]any)
			number, isNumber := got.(float64)
			ok := isNumber && len(bounds) == 2 && number >= bounds[0].(float64) && number <= bounds[1].(float64)
			return unless(ok, "%s: got %v, want %v", at, got, argument)
		},
		"$contains": func(at string, argument, got any) []string {
			elements, _ := got.([]any)
			found := slices.ContainsFunc(elements, func(element any) bool { return len(match(at, argument, element, true)) == 0 })
			return unless(found, "%s: got %v, want an element like %v", at, got, argument)
		},
		"$each": func(at string, argument, got any) []string {
			elements, ok := got.([]any)
			if !ok {
				return unless(false, "%s: got %v, want a list", at, got)
			}
			var differences []string
			for i, element := range elements {
				differences = append(differences, match(fmt.Sprintf("%s/%d", at, i), argument, element, true)...)
			}
			return differences
		},
	}
}

func unless(ok bool, format string, args ...any) []string {
	if ok {
		return nil
	}
	return []string{fmt.Sprintf(format, args...)}
}
