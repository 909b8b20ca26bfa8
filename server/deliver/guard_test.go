package deliver

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestGuardURL(t *testing.T) {
	t.Parallel()
	inside := Guard{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("127.0.0.1/32")}}
	for _, tc := range []struct {
		name  string
		guard Guard
		give  string
		want  string // "": it may be saved
	}{
		{"a public name", Guard{}, "https://example.com/hook?x=1", ""},
		{"a port", Guard{}, "https://example.com:8443/", ""},
		{"a public address", Guard{}, "https://93.184.216.34/", ""},
		{"http", Guard{}, "http://example.com/", "want https"},
		{"another scheme", inside, "ftp://example.com/", "want https"},
		{"no host", Guard{}, "https:///x", "want a URL"},
		{"no URL", Guard{}, "example.com", "want a URL"},
		{"a password", Guard{}, "https://u:p@example.com/", "want none"},
		{"a fragment", Guard{}, "https://example.com/#x", "want none"},
		{"loopback", Guard{}, "https://127.0.0.1/", "want a public address"},
		{"loopback by name", Guard{}, "https://LocalHost./", "want a public host"},
		{"loopback in IPv6", Guard{}, "https://[::1]/", "want a public address"},
		{"loopback in disguise", Guard{}, "https://[::ffff:127.0.0.1]/", "want a public address"},
		{"a private network", Guard{}, "https://192.168.1.1/", "want a public address"},
		{"metadata of a cloud", Guard{}, "https://169.254.169.254/latest/meta-data", "want a public address"},
		{"carrier's network", Guard{}, "https://100.64.0.1/", "want a public address"},
		{"unique local", Guard{}, "https://[fd00::1]/", "want a public address"},
		{"translated", Guard{}, "https://[64:ff9b::7f00:1]/", "want a public address"},
		{"allowed", inside, "http://10.1.2.3:8080/", ""},
		{"http beside what is allowed", inside, "http://93.184.216.34/", "want https"},
		{"https beside what is allowed", inside, "https://93.184.216.34/", ""},
		{"beside what is allowed", inside, "http://10.2.2.3/", "want a public address"},
		{"allowed loopback by name", inside, "http://localhost:1/", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := tc.guard.URL(tc.give)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// What a name stands for is judged when it is dialled, not when it was saved, and nobody is followed elsewhere.
func TestGuardJudgesWhatIsDialled(t *testing.T) {
	t.Parallel()
	reached := false
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer inner.Close()
	byName := strings.Replace(inner.URL, "127.0.0.1", "localhost", 1)
	post := func(g Guard, url string) (*http.Response, error) {
		return g.client(5*time.Second, 1).Post(url, "text/plain", strings.NewReader("x"))
	}
	for _, url := range []string{inner.URL, byName} {
		response, err := post(Guard{}, url)
		if err == nil {
			_ = response.Body.Close()
		}
		if !errors.Is(err, ErrForbiddenAddress) || reached {
			t.Errorf("%s: got %v, reached %v; want it refused", url, err, reached)
		}
	}
	outer := httptest.NewServer(http.RedirectHandler(inner.URL, http.StatusTemporaryRedirect))
	defer outer.Close()
	response, err := post(Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}, outer.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusTemporaryRedirect || reached {
		t.Errorf("got %d, reached %v, %v; want the redirect itself", response.StatusCode, reached, err)
	}
}

// Networks that are allowed open http to themselves alone: what is dialled elsewhere, by whatever name, must be encrypted.
func TestGuardWantsEncryptionElsewhere(t *testing.T) {
	t.Parallel()
	g := Guard{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	for _, tc := range []struct {
		name, address string
		encrypted     bool
		want          error // nil: it is dialled
	}{
		{"https to a public address", "93.184.216.34:443", true, nil},
		{"http to a public address", "93.184.216.34:80", false, errUnencrypted},
		{"http to an allowed one", "10.1.2.3:80", false, nil},
		{"https to an allowed one", "10.1.2.3:443", true, nil},
		{"http to another private one", "10.2.2.3:80", false, ErrForbiddenAddress},
		{"https to another private one", "10.2.2.3:443", true, ErrForbiddenAddress},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if err := g.control(tc.encrypted)("tcp", tc.address, nil); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
	transport, ok := g.client(time.Second, 1).Transport.(byScheme)
	if !ok || transport.http == transport.https {
		t.Error("http and https share connections")
	}
}
