package api

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"satnav/context/who"
	"satnav/sdk-contract/wire"
	"satnav/server/diary"
	"satnav/server/identity"
	"satnav/server/store"
)

// The shopper's own page: the app trades its token for a ticket, the browser trades the ticket for a cookie, and each form
// carries a secret that belongs to the cookie. No token ever stands in an address.
const (
	ticketFor = time.Minute
	pageFor   = 15 * time.Minute
	pagePath  = "/me"
	pageTake  = 50 // entries of the diary, and uses, that the page shows
	formMIME  = fiber.MIMEApplicationForm
)

// pageCookie holds who looks at the page.
const pageCookie = "satnav_me"

//go:embed page.html
var pageTemplate string

var pageHTML = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{"wish": wishOf, "number": numberText, "when": func(zone *time.Location, t time.Time) string { return t.In(zone).Format("2 January 2006, 15:04 MST") }}).Parse(pageTemplate))
})

// pass says who may look at a page, and until when. It is signed, and says for what it was made: a ticket is no cookie.
type pass struct {
	Use      string `json:"u"`
	Retailer string `json:"r"`
	Shopper  string `json:"s"`
	Until    int64  `json:"t"` // Unix milliseconds
	Once     string `json:"n"`
}

// The uses of a pass.
const (
	passTicket = "ticket"
	passCookie = "cookie"
)

// pages knows the tickets that were used, for as long as they would be good, and signs passes.
type pages struct {
	key  []byte
	mu   sync.Mutex
	used map[string]time.Time
}

func newPages(key []byte) *pages { return &pages{key: key, used: map[string]time.Time{}} }

func (p *pages) sign(what, text string) string {
	mac := hmac.New(sha256.New, p.key)
	mac.Write([]byte(what + "\n" + text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (p *pages) seal(use string, key who.Key, until time.Time) (string, error) {
	text, err := json.Marshal(pass{use, key.Retailer, key.Shopper, until.UnixMilli(), rand.Text()})
	if err != nil {
		return "", err
	}
	body := base64.RawURLEncoding.EncodeToString(text)
	return body + "." + p.sign("pass", body), nil
}

// open reads a pass that was made for a use and is still good.
func (p *pages) open(use, sealed string, now time.Time) (of pass, ok bool) {
	body, signature, _ := strings.Cut(sealed, ".")
	if !hmac.Equal([]byte(signature), []byte(p.sign("pass", body))) {
		return of, false
	}
	text, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(text, &of) != nil {
		return of, false
	}
	return of, of.Use == use && now.UnixMilli() < of.Until
}

// redeem opens a ticket, the first time.
func (p *pages) redeem(sealed string, now time.Time) (of pass, ok bool) {
	if of, ok = p.open(passTicket, sealed, now); !ok {
		return of, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for once, until := range p.used {
		if now.After(until) {
			delete(p.used, once)
		}
	}
	if _, again := p.used[of.Once]; again {
		return of, false
	}
	p.used[of.Once] = time.UnixMilli(of.Until)
	return of, true
}

// PostMyPage makes a ticket for the shopper's page.
func (a *API) PostMyPage(c *fiber.Ctx) error {
	until := a.Now().Add(ticketFor)
	ticket, err := a.pages.seal(passTicket, me(c), until)
	if err != nil {
		return err
	}
	return encodePrivate(c, wire.MyPage{Path: pagePath + "?ticket=" + ticket, ExpiresAt: until})
}

// GetPage shows the shopper's page, or makes a cookie of a ticket first.
func (a *API) GetPage(c *fiber.Ctx, params wire.GetPageParams) error {
	if params.Ticket != "" {
		of, ok := a.pages.redeem(params.Ticket, a.Now())
		if !ok {
			return a.showPage(c, sheet{Closed: true})
		}
		until := a.Now().Add(pageFor)
		cookie, err := a.pages.seal(passCookie, who.Key{Retailer: of.Retailer, Shopper: of.Shopper}, until)
		if err != nil {
			return err
		}
		c.Cookie(&fiber.Cookie{Name: pageCookie, Value: cookie, Path: pagePath, HTTPOnly: true, Secure: c.Protocol() == "https", SameSite: fiber.CookieSameSiteLaxMode, Expires: until})
		return a.backToPage(c, "")
	}
	if _, ok := a.enterPage(c); !ok {
		return a.showPage(c, sheet{Closed: true})
	}
	return a.fillPage(c, sheet{Done: pageWords[c.Query("done")]})
}

// enterPage finds who looks, by the cookie, and returns the secret of the page's forms.
func (a *API) enterPage(c *fiber.Ctx) (secret string, ok bool) {
	cookie := c.Cookies(pageCookie)
	of, ok := a.pages.open(passCookie, cookie, a.Now())
	if !ok {
		return "", false
	}
	c.Locals(callerLocal, &identity.Claims{Retailer: of.Retailer, Role: identity.Shopper, Subject: of.Shopper})
	return a.pages.sign("form", cookie), true
}

// backToPage ends a form, so that reloading the page does not send it again.
func (a *API) backToPage(c *fiber.Ctx, done string) error {
	private(c)
	path := "me" // relative, as / leads to docs
	if done != "" {
		path += "?done=" + done
	}
	return c.Redirect(path, fiber.StatusFound)
}

// pageWords say what a form did.
var pageWords = map[string]string{
	"decided":   "Your decision is kept. It holds from now on.",
	"preferred": "Your wish is kept. It holds from now on.",
	"appealed":  "Somebody of the shop will look at it. What they decide is told here.",
	"corrected": "The entry is put right, and what we knew by it.",
	"wrong":     "That cannot be so: nothing was changed. A number of things is not 0, and a name has at most 128 letters.",
	"removed":   "The entry is deleted, and what we knew by it.",
	"gone":      "This entry was not there any more.",
	"proof":     "What you allowed and took back is kept as its proof. It goes when you delete everything.",
	"held":      "A law obliges the shop to keep your data for now. It is not used meanwhile.",
}

// PostPage does what a form of the page asks for.
func (a *API) PostPage(c *fiber.Ctx) error {
	body, err := a.body(c, formMIME)
	if err != nil {
		return err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return problem(invalidRequest, "the form cannot be read: %v", err)
	}
	secret, ok := a.enterPage(c)
	if !ok || !hmac.Equal([]byte(secret), []byte(form.Get("secret"))) {
		return a.showPage(c, sheet{Closed: true})
	}
	ctx, key := c.UserContext(), me(c)
	switch form.Get("do") {
	case "decide":
		purpose := who.Purpose(form.Get("purpose"))
		snapshot, err := a.Retailers.Of(ctx, key.Retailer)
		if err != nil {
			return err
		}
		if _, declared := snapshot.Purposes.Of(purpose); !declared {
			return problem(invalidRequest, "the purpose %s is not declared", quote(string(purpose)))
		}
		if _, err := a.Permissions.Decide(ctx, key, map[who.Purpose]bool{purpose: form.Get("give") == "yes"}, "", a.Now()); err != nil {
			return err
		}
		return a.backToPage(c, "decided")
	case "prefer":
		if err := a.preferOnPage(c, form); err != nil {
			return err
		}
		return a.backToPage(c, "preferred")
	case "correct":
		err := a.correctOnPage(c, form)
		var fault *diary.Problem
		switch {
		case errors.Is(err, store.ErrNotFound):
			return a.backToPage(c, "gone")
		case errors.As(err, &fault):
			return a.backToPage(c, "wrong")
		case err != nil:
			return err
		}
		return a.backToPage(c, "corrected")
	case "appeal":
		if text := strings.TrimSpace(form.Get("text")); text != "" && utf8.ValidString(text) {
			if err := a.Appeals.Ask(ctx, key, string([]rune(text)[:min(utf8.RuneCountInString(text), maxAppeal)])); err != nil && !errors.Is(err, who.ErrUnknown) {
				return err
			}
		}
		return a.backToPage(c, "appealed")
	case "remove":
		removed, proof, err := a.removeEntry(c, form.Get("id"))
		switch {
		case err != nil:
			return err
		case removed > 0:
			return a.backToPage(c, "removed")
		case proof:
			return a.backToPage(c, "proof")
		}
		return a.backToPage(c, "gone")
	case "take":
		return a.GetMyExport(c, wire.GetMyExportParams{Format: wire.GetMyExportParamsFormat(form.Get("format"))})
	case "delete":
		if form.Get("sure") != "yes" {
			return a.fillPage(c, sheet{Unsure: true})
		}
		receipt, err := a.Erasures.Erase(ctx, key, actor(c), "")
		if err != nil {
			return err
		}
		c.Cookie(&fiber.Cookie{Name: pageCookie, Path: pagePath, HTTPOnly: true, SameSite: fiber.CookieSameSiteLaxMode, Expires: a.Now().Add(-time.Hour)})
		return a.showPage(c, sheet{Erased: true, Receipt: receipt.ID, Secret: receipt.Secret})
	}
	return problem(invalidRequest, "got the action %s, want decide, prefer, correct, appeal, remove, take or delete", quote(form.Get("do")))
}

// sheet is what the template shows.
type sheet struct {
	Closed, Erased, Unsure bool
	Done                   string
	Receipt, Secret        string // of an erasure; else Secret is that of the forms

	Shop, Shopper string
	Zone          *time.Location // the shop's
	Since         time.Time
	Grants        []wire.Grant
	Given, Drawn  []wire.Fact // given, and inferred
	Card          wire.Card
	Uses          []wire.Use
	KeptDays      int
	Entries       []pageEntry
	Doubts        wire.Doubts
	Wishes        wire.Preferences
	Categories    []string // that can be muted
	More          bool
}

type pageEntry struct {
	wire.DiaryEntry
	Text  string
	Fast  bool // it cannot be deleted by itself
	Event bool // it can be put right
}

// fillPage shows the page of the shopper who looks.
func (a *API) fillPage(c *fiber.Ctx, p sheet) error {
	ctx, key := c.UserContext(), me(c)
	snapshot, err := a.Retailers.Of(ctx, key.Retailer)
	if err != nil {
		return err
	}
	grants, err := a.Permissions.Grants(ctx, key)
	if err != nil {
		return err
	}
	file, err := a.Files.Of(ctx, key)
	if err != nil {
		return err
	}
	records, err := a.Decisions.Records(ctx, key)
	if err != nil {
		return err
	}
	entries, next, err := a.Shoppers.Diary(ctx, key, "", pageTake)
	if err != nil {
		return err
	}
	wishes, restricted, err := a.Permissions.Preferences(ctx, key)
	if err != nil {
		return err
	}
	doubts, err := a.Appeals.Of(ctx, key)
	if err != nil {
		return err
	}
	p.Doubts = doubtsFrom(&doubts)
	p.Wishes = preferencesFrom(wishes, restricted)
	p.Categories = slices.DeleteFunc(snapshot.Suggest.Catalogue.Tops(), wishes.MutesCategory)
	p.Secret, _ = a.enterPage(c)
	p.Shop, p.Shopper, p.Since, p.More = cmp.Or(snapshot.Settings.Name, key.Retailer), key.Shopper, file.Since, next != ""
	p.Zone = snapshot.Scene.Zone
	words := wordsFor("", snapshot)
	p.Grants, p.KeptDays = permissionsFrom(grants, snapshot).Grants, int(a.Decisions.Keep.Hours()/24)
	p.Card = cardFrom(file.Card)
	for _, f := range factsFrom(file.Facts) {
		if f.Inferred {
			f.Item = words.title(f.Item)
			p.Drawn = append(p.Drawn, f)
		} else {
			p.Given = append(p.Given, f)
		}
	}
	for i := range records[:min(len(records), pageTake)] {
		p.Uses = append(p.Uses, useFrom(&records[i]))
	}
	for _, e := range entries {
		told := diaryEntryFrom(e, snapshot.Settings.Exponent())
		p.Entries = append(p.Entries, pageEntry{told, entryText(words, e, told), e.Grant != nil, e.Event != nil})
	}
	return a.showPage(c, p)
}

// entryText says in a few words what an entry is.
func entryText(w words, e store.DiaryEntry, told wire.DiaryEntry) string {
	switch {
	case e.Grant != nil && e.Grant.Given:
		return "allowed: " + told.Purpose
	case e.Grant != nil:
		return "taken back: " + told.Purpose
	case e.Crossing != nil:
		return told.Kind + " of " + told.Geofence
	case e.Late != nil:
		return "a position that came too late"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", told.Kind, w.title(told.Item), w.store(told.Store)))
}

// showPage writes the page. It loads nothing, runs nothing, and is shown in no frame.
func (a *API) showPage(c *fiber.Ctx, p sheet) error {
	var b bytes.Buffer
	if err := pageHTML().Execute(&b, p); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	private(c)
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Response().Header.SetContentType(fiber.MIMETextHTMLCharsetUTF8)
	c.Response().SetBodyRaw(b.Bytes())
	return nil
}
