package apitest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const folder = "../../../sdk-contract/vectors"

// TestVectorsAreWellFormed holds the vectors to their own description, and each request that is to be accepted
// to the contract.
func TestVectorsAreWellFormed(t *testing.T) {
	t.Parallel()
	vectors, err := Vectors(folder)
	if err != nil {
		t.Fatal(err)
	}
	validator, err := New()
	if err != nil {
		t.Fatal(err)
	}
	var matchersIn func(value any) []string
	matchersIn = func(value any) (names []string) {
		switch value := value.(type) {
		case map[string]any:
			for name, member := range value {
				if strings.HasPrefix(name, "$") {
					names = append(names, name)
				}
				names = append(names, matchersIn(member)...)
			}
		case []any:
			for _, element := range value {
				names = append(names, matchersIn(element)...)
			}
		}
		return names
	}
	saved := map[string]string{"unique": "v-1", "first": `"1"`}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			for i, step := range v.Steps {
				var want any
				if step.Response.Body != nil {
					if err := json.Unmarshal(step.Response.Body, &want); err != nil {
						t.Fatal(err)
					}
				}
				for _, name := range matchersIn(want) {
					if matchers[name] == nil && name != "$absent" {
						t.Errorf("step %d: matcher %s is unknown", i+1, name)
					}
				}
				target := Target{URL: "http://satnav.test", Token: func(testing.TB, string, string) string { return "token" }}
				request, err := step.request(t, target, saved)
				if err != nil {
					t.Fatal(err)
				}
				if step.Response.Status >= 400 || step.Request.Text != nil {
					continue
				}
				// The answer that is wanted is no answer, but the request is looked at first.
				err = validator.Check(request, []byte(fillInJSON(string(step.Request.Body), saved)), &http.Response{StatusCode: step.Response.Status}, step.Response.Body)
				if err != nil && strings.Contains(err.Error(), "request") {
					t.Errorf("step %d: %v", i+1, err)
				}
			}
		})
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, want, got string
		differences     string
	}{
		{"the same", `{"a":[1,"x",null,true]}`, `{"a":[1,"x",null,true]}`, ""},
		{"more than was named", `{"a":1}`, `{"a":1,"b":2}`, ""},
		{"a list that is longer", `[1]`, `[1,2]`, ": got [1 2], want 1 elements"},
		{"another number", `{"a":{"b":1}}`, `{"a":{"b":2}}`, "/a/b: got 2, want 1"},
		{"a number as text", `1`, `"1"`, ": got 1, want 1"},
		{"a missing member", `{"a":1}`, `{}`, "/a: is missing, want 1"},
		{"null is not missing", `{"a":null}`, `{}`, "/a: is missing, want <nil>"},
		{"a type", `{"a":{"$is":"time"}}`, `{"a":"2026-11-22T09:14:03Z"}`, ""},
		{"another type", `{"a":{"$is":"time"}}`, `{"a":"noon"}`, "/a: got noon, want a time"},
		{"a type that nobody knows", `{"$is":"thing"}`, `{}`, ": got map[], want a thing"},
		{"an expression", `{"$matches":"^cell-[0-9]+$"}`, `"cell-9"`, ""},
		{"an expression that finds nothing", `{"$matches":"^cell-"}`, `"fix"`, ": got fix, want what matches ^cell-"},
		{"a range", `{"$between":[0,1]}`, `1`, ""},
		{"out of the range", `{"$between":[0,1]}`, `1.1`, ": got 1.1, want [0 1]"},
		{"an element", `{"$contains":{"a":1}}`, `[{"a":2},{"a":1,"b":1}]`, ""},
		{"no such element", `{"$contains":1}`, `[2]`, ": got [2], want an element like 1"},
		{"every element", `{"$each":{"$is":"number"}}`, `[1,2]`, ""},
		{"not every element", `{"$each":{"$is":"number"}}`, `[1,"2"]`, "/1: got 2, want a number"},
		{"nothing there", `{"a":{"$absent":true}}`, `{}`, ""},
		{"something there", `{"a":{"$absent":true}}`, `{"a":1}`, "/a: got 1, want nothing"},
		{"a matcher for what is missing", `{"a":{"$is":"string"}}`, `{}`, "/a: is missing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var want, got any
			if err := json.Unmarshal([]byte(tc.want), &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(tc.got), &got); err != nil {
				t.Fatal(err)
			}
			if differences := strings.Join(match("", want, got, true), "\n"); differences != tc.differences {
				t.Errorf("got %q, want %q", differences, tc.differences)
			}
		})
	}
}

// TestReplay plays a vector against a small server: placeholders, tokens, and what was saved reach it.
func TestReplay(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in map[string]string
		if r.Method == "PUT" {
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
				t.Error(err)
			}
			w.Header().Set("ETag", `"7"`)
		}
		answer := map[string]any{"id": strings.TrimPrefix(r.URL.Path, "/things/"), "token": r.Header.Get("Authorization"), "match": r.Header.Get("If-Match"), "name": in["name"]}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	var v Vector
	err := json.Unmarshal([]byte(`{"why": "an example", "steps": [
		{"role": "admin", "request": {"method": "PUT", "path": "/things/{unique}", "body": {"name": "{unique}"}},
		 "response": {"status": 200, "body": {"id": "{unique}", "name": "{unique}", "token": "Bearer admin/vectors"}}, "save": {"version": "header ETag", "id": "/id"}},
		{"role": "shopper", "request": {"method": "GET", "path": "/things/{id}", "headers": {"If-Match": "{version}"}},
		 "response": {"status": 200, "headers": {"Content-Type": {"$matches": "."}}, "body": {"id": "{unique}", "match": "{version}", "token": "Bearer shopper/{unique}"}}}]}`), &v)
	if err != nil {
		t.Fatal(err)
	}
	v.Replay(t, Target{URL: server.URL, Client: server.Client(), Token: func(_ testing.TB, role, subject string) string { return role + "/" + subject }})
}
