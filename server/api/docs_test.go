package api

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	openapi "satnav/sdk-contract"
)

// TestDocsAreWhole holds that the page has every operation, type and problem, and that every link has an end.
func TestDocsAreWhole(t *testing.T) {
	t.Parallel()
	html := string(renderDocs(readContract()))
	doc := readContract()
	var want []string
	for _, op := range doc.operations {
		want = append(want, `<article id="`+op.ID+`">`, "<code>"+op.Path+"</code>")
	}
	for _, s := range doc.Components.Schemas {
		want = append(want, `<article id="type-`+s.name+`">`)
	}
	for _, k := range kinds {
		want = append(want, "<code>"+problemPrefix+k.slug+"</code>")
	}
	for _, part := range want {
		if !strings.Contains(html, part) {
			t.Errorf("%s is not in the page", part)
		}
	}
	links := 0
	for rest := html; ; links++ {
		var found bool
		if _, rest, found = strings.Cut(rest, `href="#`); !found {
			break
		}
		if anchor, _, _ := strings.Cut(rest, `"`); !strings.Contains(html, `id="`+anchor+`"`) {
			t.Errorf("the link #%s leads nowhere", anchor)
		}
	}
	if links < 100 {
		t.Errorf("got %d links, want many", links)
	}
}

// TestDocsStandAlone holds that the page loads nothing and runs nothing, and that its elements are nested well.
func TestDocsStandAlone(t *testing.T) {
	t.Parallel()
	html := renderDocs(readContract())
	for _, foreign := range []string{"<script", "src=", "@import", "url(", "<link", "onclick", "{{"} {
		if strings.Contains(string(html), foreign) {
			t.Errorf("%s is in the page", foreign)
		}
	}
	decoder := xml.NewDecoder(strings.NewReader(string(html)))
	decoder.Strict, decoder.AutoClose, decoder.Entity = false, []string{"meta"}, xml.HTMLEntity
	var open []string
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			open = append(open, token.Name.Local)
		case xml.EndElement:
			if last := open[len(open)-1]; last != token.Name.Local {
				t.Fatalf("line %d: </%s> ends <%s>", 1+strings.Count(string(html[:decoder.InputOffset()]), "\n"), token.Name.Local, last)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("not closed: %v", open)
	}
}

func TestProse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, give, want string }{
		{"nothing", "", ""},
		{"paragraphs", "One.\nStill one.\n\nTwo.", "<p>One.\nStill one.</p><p>Two.</p>"},
		{"code and bold", "**a** and `**b**`", "<p><strong>a</strong> and <code>**b**</code></p>"},
		{"a table", "| a | b |\n|---|---|\n| 1 | `2` |", `<div class="scroll"><table><tr><th scope="col">a</th><th scope="col">b</th></tr><tr><td>1</td><td><code>2</code></td></tr></table></div>`},
		{"what HTML would take for a tag", "<script>&", "<p>&lt;script&gt;&amp;</p>"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := string(prose(tc.give)); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	p := contractPage()
	app := fiber.New()
	app.Get("/", func(c *fiber.Ctx) error { return p.send(c, c.Get("If-None-Match")) })
	for _, tc := range []struct {
		name, give string
		status     int
		body       string
	}{
		{"the first time", "", 200, string(openapi.OpenAPI)},
		{"an older version", `"older"`, 200, string(openapi.OpenAPI)},
		{"the same version", p.etag, 304, ""},
		{"one of several", `"older", W/` + p.etag, 304, ""},
		{"any", "*", 304, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			request := httptest.NewRequest("GET", "/", nil)
			request.Header.Set("If-None-Match", tc.give)
			response, err := app.Test(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != tc.status || string(body) != tc.body || response.Header.Get("ETag") != p.etag {
				t.Errorf("got %d, %d bytes, ETag %s; want %d, %d bytes", response.StatusCode, len(body), response.Header.Get("ETag"), tc.status, len(tc.body))
			}
		})
	}
}
