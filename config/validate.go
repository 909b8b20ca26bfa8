package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Algorithms lists the signature methods that may be allowed in
// identity.algorithms. All are asymmetric: with a shared secret every service
// that can check a token could also forge one.
var Algorithms = []string{"EdDSA", "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}

var regionName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

// Validate returns nil, or Problems with everything that is wrong.
func (c Config) Validate() error {
	if problems := c.problems(); len(problems) > 0 {
		return problems
	}
	return nil
}

func (c Config) problems() Problems {
	var v verdict
	v.address("listen", c.Listen)
	if c.OperatorListen != "" {
		v.address("operator_listen", c.OperatorListen)
		v.want(c.OperatorListen != c.Listen || strings.HasSuffix(c.Listen, ":0"),
			"operator_listen", c.OperatorListen, "an address other than listen")
	}
	v.want(c.Data != "", "data", quoted(c.Data), "a folder")
	v.want(c.Store == Embedded || isMongo(c.Store), "store", quoted(hideSecrets(c.Store)), "embedded or a mongodb:// URL")
	v.want(len(c.Roles) > 0, "roles", "none", "api, worker or both")
	for i, role := range c.Roles {
		v.oneOf("roles", role, RoleAPI, RoleWorker)
		v.want(slices.Index(c.Roles, role) == i, "roles", role+" twice", "each once")
	}
	v.want(c.Store != Embedded || len(c.Roles) != 1, "roles", strings.Join(c.Roles, ", "), "both, since the embedded store belongs to one process")
	v.want(c.Region == "" || regionName.MatchString(c.Region), "region", quoted(c.Region), "1 to 40 letters, digits, '-' and '_'")
	for _, told := range c.Elsewhere {
		region, address, _ := strings.Cut(told, "=")
		to, err := url.Parse(address)
		v.want(regionName.MatchString(region) && region != c.Region && err == nil && to.Host != "" && (to.Scheme == "https" || to.Scheme == "http"),
			"elsewhere", quoted(told), "another region, = and the URL of its deployment")
	}
	within(&v, "poll", c.Poll, 50*time.Millisecond, time.Second)
	within(&v, "drain", c.Drain, 0, 10*time.Second)

	v.name("identity.issuer", c.Identity.Issuer)
	v.name("identity.audience", c.Identity.Audience)
	v.jwks(c.Identity.JWKS, c.Listen)
	within(&v, "identity.jwks_refresh", c.Identity.JWKSRefresh, time.Second, 24*time.Hour)
	v.algorithms(c.Identity.Algorithms)
	within(&v, "identity.leeway", c.Identity.Leeway, 0, 30*time.Second)
	within(&v, "identity.token_cache", c.Identity.TokenCache, 100, 10_000_000)
	within(&v, "identity.token_cache_ttl", c.Identity.TokenCacheTTL, time.Second, time.Hour)

	within(&v, "limits.shopper_calls", c.Limits.ShopperCalls, 1, 1_000_000)
	within(&v, "limits.service_calls", c.Limits.ServiceCalls, 1, 10_000_000)
	within(&v, "limits.retailer_calls", c.Limits.RetailerCalls, 1, 100_000_000)
	within(&v, "limits.body", c.Limits.Body, 64<<10, 4<<20)
	within(&v, "limits.import", c.Limits.Import, 1<<20, 1<<40)
	within(&v, "limits.deadline", c.Limits.Deadline, 50*time.Millisecond, time.Minute)
	within(&v, "limits.in_flight", c.Limits.InFlight, 1, 1_000_000)
	within(&v, "limits.max_wait", c.Limits.MaxWait, 0, time.Second)

	within(&v, "cache.shoppers", c.Cache.Shoppers, 1<<20, 1<<40)
	if c.Cache.Blocks != 0 {
		within(&v, "cache.blocks", c.Cache.Blocks, 1<<20, 1<<40)
	}

	within(&v, "suggestions.explore", c.Suggestions.Explore, 0, 1)
	within(&v, "decisions.keep", c.Decisions.Keep, time.Hour, 90*24*time.Hour)
	within(&v, "decisions.queue", c.Decisions.Queue, 1, 1_000_000)
	within(&v, "delivery.timeout", c.Delivery.Timeout, 100*time.Millisecond, time.Minute)
	within(&v, "delivery.give_up", c.Delivery.GiveUp, 24*time.Hour, 30*24*time.Hour)
	within(&v, "delivery.at_once", c.Delivery.AtOnce, 1, 1_000)
	for _, network := range c.Delivery.Allow {
		_, err := netip.ParsePrefix(network)
		v.want(err == nil, "delivery.allow", quoted(network), "a network such as 10.1.0.0/16 or 127.0.0.1/32")
	}
	for _, server := range strings.Split(c.Delivery.NATS, ",") {
		u, err := url.Parse(server)
		v.want(server == "" || err == nil && (u.Scheme == "nats" || u.Scheme == "tls") && u.Host != "", "delivery.nats", quoted(hideSecrets(server)), "nats://host:port or tls://host:port, or several with commas")
	}
	v.want(c.Delivery.Subject != "" && !strings.ContainsAny(c.Delivery.Subject, " \t*>"), "delivery.subject", quoted(c.Delivery.Subject), "a subject such as satnav, without * and >")

	v.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("log.format", c.Log.Format, "text", "json")
	return v.problems
}

// Loopback tells whether an address (host:port) can only be reached from this
// machine. A host name other than localhost is taken as reachable: what it
// resolves to may change after the check.
func Loopback(address string) bool {
	host, _, ok := splitAddress(address)
	if !ok {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// verdict collects problems, so that one check after the other reads as a list.
type verdict struct{ problems Problems }

func (v *verdict) want(ok bool, knob string, got any, want string) {
	if !ok {
		v.problems = append(v.problems, Problem{Knob: knob, Text: fmt.Sprintf("got %v, want %s", got, want)})
	}
}

// within checks a bound.
func within[T cmp.Ordered](v *verdict, knob string, got, low, high T) {
	v.want(got >= low && got <= high, knob, got, fmt.Sprintf("%v to %v", low, high))
}

func (v *verdict) oneOf(knob, got string, allowed ...string) {
	v.want(slices.Contains(allowed, got), knob, quoted(got), orList(allowed))
}

func (v *verdict) address(knob, got string) {
	_, port, ok := splitAddress(got)
	v.want(ok, knob, quoted(got), "host:port, such as 127.0.0.1:8080")
	if !ok {
		return
	}
	n, err := strconv.Atoi(port)
	v.want(err == nil && n >= 0 && n <= 65535, knob, quoted(got), "a port from 0 (any free one) to 65535")
}

// name checks a value that must equal a claim in every token.
func (v *verdict) name(knob, got string) {
	v.want(got != "" && len(got) <= 255 && strings.TrimSpace(got) == got, knob, quoted(got), "1 to 255 bytes without spaces around them")
}

func (v *verdict) jwks(jwks, listen string) {
	const knob = "identity.jwks"
	if jwks == "" {
		_, _, wellFormed := splitAddress(listen)
		v.want(Loopback(listen) || !wellFormed, knob, "nothing",
			fmt.Sprintf(`a JWKS file or URL, because listen is %s and the development key is for loopback only; make a key set with "satnav token --new-jwks DIR"`, listen))
		return
	}
	scheme, _, isURL := strings.Cut(jwks, "://")
	if !isURL {
		return // a path; whether it can be read is found when it is opened
	}
	u, err := url.Parse(jwks)
	v.want(err == nil && u.Host != "" && (scheme == "https" || scheme == "http" && (u.Hostname() == "localhost" || Loopback(u.Hostname()+":0"))),
		knob, quoted(hideSecrets(jwks)), "a path or an https:// URL (http:// only for loopback)")
}

func (v *verdict) algorithms(got []string) {
	const knob = "identity.algorithms"
	v.want(len(got) > 0, knob, "none", "some of "+strings.Join(Algorithms, ", "))
	for i, name := range got {
		v.want(slices.Contains(Algorithms, name), knob, quoted(name), "some of "+strings.Join(Algorithms, ", "))
		v.want(slices.Index(got, name) == i, knob, name+" twice", "each once")
	}
}

// splitAddress cuts host:port without resolving anything. An IPv6 host is
// returned without its brackets.
func splitAddress(address string) (host, port string, ok bool) {
	colon := strings.LastIndexByte(address, ':')
	if colon < 0 || strings.ContainsAny(address, " \t\r\n/@?#") {
		return "", "", false
	}
	host, port = address[:colon], address[colon+1:]
	if inner, bracketed := strings.CutPrefix(host, "["); bracketed {
		host, bracketed = strings.CutSuffix(inner, "]")
		_, err := netip.ParseAddr(host)
		return host, port, bracketed && err == nil && port != ""
	}
	return host, port, !strings.Contains(host, ":") && port != ""
}

func isMongo(store string) bool {
	return strings.HasPrefix(store, "mongodb://") || strings.HasPrefix(store, "mongodb+srv://")
}

// hideSecrets removes the user and password of a URL, so that a value can be
// shown in an error, a log or by satnav check.
func hideSecrets(text string) string {
	scheme, rest, isURL := strings.Cut(text, "://")
	if !isURL {
		return text
	}
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority = rest[:end]
	}
	// A password may hold an unescaped slash; whatever stands before the last @
	// is hidden then too.
	if at := max(strings.LastIndexByte(authority, '@'), strings.LastIndexByte(rest, '@')); at >= 0 {
		return scheme + "://…@" + rest[at+1:]
	}
	return text
}

func quoted(text string) string { return strconv.Quote(text) }

// orList writes "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
