package deliver

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Guard keeps messages from going where only we can reach: a retailer chooses the addresses of webhooks, and could choose
// one inside our network. It judges the address that is really dialled, at each connection: a name may stand for another
// one than when it was saved. The zero Guard allows what the whole internet can reach, over https.
type Guard struct {
	// Allow are networks that are reached all the same, and the only ones over http.
	Allow []netip.Prefix
}

// ErrForbiddenAddress says that an address is not one that messages may be sent to.
var ErrForbiddenAddress = errors.New("the address is not a public one")

// reserved are networks that are no public ones, beyond those that netip knows of.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

// Address tells whether messages may be sent to an address.
func (g Guard) Address(ip netip.Addr) error {
	if g.allows(ip) {
		return nil
	}
	ip = ip.Unmap().WithZone("")
	holds := func(p netip.Prefix) bool { return p.Contains(ip) }
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || slices.ContainsFunc(reserved, holds) {
		return fmt.Errorf("%s: %w", ip, ErrForbiddenAddress)
	}
	return nil
}

// allows tells whether an address is in one of the networks that the configuration names.
func (g Guard) allows(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return slices.ContainsFunc(g.Allow, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// URL says what is wrong with the URL of a webhook, as far as that can be known without asking for names.
func (g Guard) URL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return fmt.Errorf("got %.100q, want a URL such as https://example.com/hook", text)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || len(g.Allow) == 0) {
		return fmt.Errorf("got the scheme %.20q, want https", u.Scheme)
	}
	if u.User != nil {
		return errors.New("got a name or password in it, want none: messages are signed")
	}
	if u.Fragment != "" {
		return errors.New("got a fragment (#…), want none: it is never sent")
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		if g.Address(ip) != nil {
			return fmt.Errorf("got %s, want a public address", ip)
		}
		if u.Scheme == "http" && !g.allows(ip) {
			return fmt.Errorf("got http to %s, want https", ip)
		}
		return nil
	}
	if (host == "localhost" || strings.HasSuffix(host, ".localhost")) && g.Address(netip.AddrFrom4([4]byte{127, 0, 0, 1})) != nil {
		return fmt.Errorf("got %s, want a public host", host)
	}
	return nil
}

// control refuses a connection before it is made, whatever name the address was found by. What is not encrypted goes to allowed networks alone.
func (g Guard) control(encrypted bool) func(_, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		dialled, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%s: %w", address, ErrForbiddenAddress)
		}
		if !encrypted && !g.allows(dialled.Addr()) {
			return fmt.Errorf("%s: %w", dialled.Addr(), errUnencrypted)
		}
		return g.Address(dialled.Addr())
	}
}

// errUnencrypted says that an address is reached over https only.
var errUnencrypted = fmt.Errorf("http is for the networks of delivery.allow: %w", ErrForbiddenAddress)

// byScheme keeps connections of http and https apart, for another control judges each.
type byScheme struct{ http, https *http.Transport }

// RoundTrip implements http.RoundTripper.
func (b byScheme) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "https" {
		return b.https.RoundTrip(r)
	}
	return b.http.RoundTrip(r)
}

// client posts messages: through no proxy, which would dial for us, and following nobody elsewhere.
func (g Guard) client(timeout time.Duration, atOnce int) *http.Client {
	transport := func(encrypted bool) *http.Transport {
		dialer := &net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second, Control: g.control(encrypted)}
		return &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: timeout, ResponseHeaderTimeout: timeout,
			MaxIdleConns: 1_000, MaxIdleConnsPerHost: atOnce, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		}
	}
	return &http.Client{
		Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: byScheme{transport(false), transport(true)},
	}
}
