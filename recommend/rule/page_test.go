package rule

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write attributes.gen.md anew")

// page is the page of all attributes for product teams.
func page() string {
	var b strings.Builder
	b.WriteString(`# What a rule may ask

A rule's condition is written in [CEL](https://cel.dev) over the attributes below, for example:

    shopper.tier == "gold" && place.distance_m < 500 && candidate.category.startsWith("dairy/")

It is built with ` + "`&& || ! ?: == != < <= > >= + - * / % in`, `size()`, `startsWith()`, `endsWith()`, `contains()`, `int()`, `double()`" + `,
and with ` + "`list.exists(x, …)`" + ` and ` + "`list.all(x, …)`" + `. A number may be compared with a whole number; to calculate with both, write 2.0 for 2.

A value that may be unknown makes what depends on it neither true nor false, and the rule does not match. ` + "`has(shopper.points)`" + ` asks whether it is known.
Parts that ask for the candidate decide for each one; all others are decided once for an answer.
An attribute with a purpose can be used by rules that name that purpose, and has a value only for shoppers who granted it.
`)
	object := ""
	for _, a := range Attributes() {
		if of, _, _ := strings.Cut(a.Name, "."); of != object {
			object = of
			fmt.Fprintf(&b, "\n## %s\n\n| attribute | is | what | purpose |\n|---|---|---|---|\n", object)
		}
		is := string(a.Type)
		if a.Values != nil {
			is += ": " + strings.Join(a.Values, ", ")
		}
		if a.Optional {
			is += "; may be unknown"
		}
		purpose := string(a.Purpose)
		if a.Sensitive != "" {
			purpose += " (" + a.Sensitive + ")"
		}
		doc := a.Doc
		if a.Unfed {
			doc += " **Nothing tells it yet**: a condition about it does not hold."
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", a.Name, is, doc, purpose)
	}
	b.WriteString("\n## Templates\n\n| template | for what | condition |\n|---|---|---|\n")
	for _, t := range Templates() {
		fmt.Fprintf(&b, "| %s | %s | `%s` |\n", t.Title, t.Rule.Purpose, strings.ReplaceAll(t.Rule.When, "|", `\|`))
	}
	return b.String()
}

// TestAttributesPage holds the page to the code; go generate writes it.
func TestAttributesPage(t *testing.T) {
	const name = "attributes.gen.md"
	want := page()
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: run go generate ./recommend/rule", name)
	}
}
