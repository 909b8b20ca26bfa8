package command

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCheckReady(t *testing.T) {
	t.Parallel()
	nobody := httptest.NewServer(http.NotFoundHandler())
	nobody.Close()
	for _, test := range []struct {
		name   string
		status int // 0: nobody answers
		suffix string
		code   int
		says   string
	}{
		{"ready", 200, "", 0, ""},
		{"with a slash", 200, "/", 0, ""},
		{"not ready", 503, "", 1, "is not ready: 503 Service Unavailable: keys: none was read yet"},
		{"not there", 0, "", 1, "connection refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.URL.Path != "/readyz" {
					t.Errorf("got %s %s", r.Method, r.URL)
				}
				w.WriteHeader(test.status)
				if test.status != http.StatusOK {
					_, _ = w.Write([]byte("keys: none was read yet\n")) // a client that went away is told nothing
				}
			}))
			defer server.Close()
			url := server.URL
			if test.status == 0 {
				url = nobody.URL
			}
			var out, said bytes.Buffer
			code := Run(t.Context(), []string{"check", "--ready", url + test.suffix}, IO{Out: &out, Err: &said})
			if code != test.code || !strings.Contains(said.String(), test.says) || out.Len() > 0 || code == 0 && said.Len() > 0 {
				t.Errorf("got %d, %q and %q, want %d and %q", code, out.String(), said.String(), test.code, test.says)
			}
		})
	}
}
