package e2e

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"satnav/sdk-contract/wire"
	"satnav/server/api/apitest"
)

// browser looks at the page of one shopper, and remembers cookies as a browser does.
type browser struct {
	t   *testing.T
	ask func(*http.Request) (*http.Response, error)
}

// browse opens the page by a ticket.
func browse(t *testing.T, token string) (b browser, path string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	path = read[wire.MyPage](city.call(t, token, "POST", "/v1/me/page", nil).wants(200)).Path
	client := apitest.Client(t)
	client.Jar = jar
	return browser{t, client.Do}, path
}

func (b browser) do(request *http.Request, err error) (status int, body string, header http.Header) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	response, err := b.ask(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return response.StatusCode, html.UnescapeString(string(text)), response.Header
}

func (b browser) get(path string) string {
	b.t.Helper()
	status, body, header := b.do(http.NewRequestWithContext(b.t.Context(), "GET", city.url+path, nil))
	if status != 200 || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") || !strings.Contains(header.Get("Cache-Control"), "no-store") || strings.Contains(body, "<script") {
		b.t.Fatalf("GET %s: got %d %v %.300s", path, status, header, body)
	}
	return body
}

// send sends a form with the secret of the page that is seen.
func (b browser) send(secret string, fields ...string) string {
	b.t.Helper()
	form := url.Values{"secret": {secret}}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	request, err := http.NewRequestWithContext(b.t.Context(), "POST", city.url+"/me", strings.NewReader(form.Encode()))
	if err == nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	status, body, _ := b.do(request, err)
	if status != 200 {
		b.t.Fatalf("POST %v: got %d %.300s", fields, status, body)
	}
	return body
}

var formSecret = regexp.MustCompile(`name="secret" value="([^"]+)"`)

func secretOf(t *testing.T, body string) string {
	t.Helper()
	found := formSecret.FindStringSubmatch(body)
	if found == nil {
		t.Fatalf("no form in %.500s", body)
	}
	return found[1]
}

const closed = "This page is closed"

// TestPage does on the page, without scripts, all that a shopper may do: see, take back, delete one entry, take along, and
// delete all.
func TestPage(t *testing.T) {
	t.Parallel()
	token := city.shopper(t, canary("reader-8018"))
	city.record(t, token, wire.Event{ID: "1", Kind: "purchase", Item: "p0001<b>"}, wire.Event{ID: "2", Kind: "view", Item: "p0002"})
	viewed := "view " + city.Products()[1].Title // p0002, as people call it
	city.ask(t, token, wire.ContextRequest{})
	b, path := browse(t, token)
	if got := b.get("/me"); !strings.Contains(got, closed) {
		t.Errorf("without a ticket: got %.300s", got)
	}
	body := b.get(path)
	for _, want := range []string{"reader-8018", "Things that you bought", "purchase p0001<b>", viewed, "Suggestions from your purchases: allowed", "10 suggestions"} {
		if !strings.Contains(strings.NewReplacer("<b>Suggestions", "Suggestions", "purchases</b>", "purchases").Replace(body), want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	secret := secretOf(t, body)
	if got := b.send(secret, "do", "take", "format", "json"); !strings.Contains(got, `"exported_at"`) {
		t.Errorf("taken along: got %.300s", got)
	}
	if got := b.send(secret, "do", "take", "format", "csv"); !strings.HasPrefix(got, "shopper,id,kind") {
		t.Errorf("taken along as a table: got %.300s", got)
	}
	if got := b.send(secret, "do", "remove", "id", "2"); strings.Contains(got, viewed) || !strings.Contains(got, "The entry is deleted") {
		t.Errorf("one entry deleted: got %s", got)
	}
	if got := b.send(secret, "do", "decide", "purpose", "loyalty", "give", "no"); !strings.Contains(got, "not allowed") || !strings.Contains(got, "taken back: loyalty") {
		t.Errorf("taken back: got %s", got)
	}
	if used := city.ask(t, token, wire.ContextRequest{}).Used; used.History {
		t.Errorf("after it was taken back: used %+v", used)
	}
	if got := b.send(secret, "do", "delete"); !strings.Contains(got, "Nothing was deleted") {
		t.Errorf("without the tick: got %s", got)
	}
	if got := b.send(secret, "do", "delete", "sure", "yes"); !strings.Contains(got, "All is deleted") || !strings.Contains(got, "Secret:") {
		t.Errorf("all deleted: got %s", got)
	}
	if got := b.get("/me"); !strings.Contains(got, closed) {
		t.Errorf("afterwards: got %.300s", got)
	}
	if me := read[wire.Me](city.call(t, token, "GET", "/v1/me", nil).wants(200)); !me.Since.IsZero() {
		t.Errorf("still known: %+v", me)
	}
}

// TestPageKeepsOthersOut tries a ticket twice, forged ones, forms without the secret or with another's, and a ticket in the place of the cookie.
func TestPageKeepsOthersOut(t *testing.T) {
	t.Parallel()
	token := city.shopper(t, canary("careful-8019"))
	city.record(t, token, wire.Event{ID: "1", Kind: "purchase", Item: "p0001"})
	b, path := browse(t, token)
	secret := secretOf(t, b.get(path))
	stranger, other := browse(t, city.shopper(t, canary("stranger-8020")))
	if got := stranger.get(path); !strings.Contains(got, closed) {
		t.Error("a ticket works twice")
	}
	for _, forged := range []string{"x", "x.y", path[len("/me?ticket="):] + "x", strings.Replace(path[len("/me?ticket="):], ".", "", 1)} {
		if got := stranger.get("/me?ticket=" + url.QueryEscape(forged)); !strings.Contains(got, closed) {
			t.Errorf("the forged ticket %q works", forged)
		}
	}
	if got := stranger.send(secret, "do", "delete", "sure", "yes"); !strings.Contains(got, closed) {
		t.Error("a form works without the cookie")
	}
	if got := b.send("", "do", "delete", "sure", "yes"); !strings.Contains(got, closed) {
		t.Error("a form works without its secret")
	}
	if got := b.send(secretOf(t, stranger.get(other)), "do", "delete", "sure", "yes"); !strings.Contains(got, closed) {
		t.Error("a form works with the secret of another")
	}
	request, err := http.NewRequestWithContext(t.Context(), "GET", city.url+"/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	unused := read[wire.MyPage](city.call(t, token, "POST", "/v1/me/page", nil).wants(200)).Path
	request.AddCookie(&http.Cookie{Name: "satnav_me", Value: unused[len("/me?ticket="):]})
	if response, err := apitest.Client(t).Do(request); err != nil {
		t.Error(err)
	} else if body, _ := io.ReadAll(response.Body); response.Body.Close() != nil || !strings.Contains(string(body), closed) {
		t.Error("a ticket works as a cookie")
	}
	if me := read[wire.Me](city.call(t, token, "GET", "/v1/me", nil).wants(200)); len(me.Facts) == 0 {
		t.Error("somebody deleted everything")
	}
}
