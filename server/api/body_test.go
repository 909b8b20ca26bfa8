package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"satnav/sdk-contract/wire"
)

// echo is a server with one call, which answers with the body that it read. As the real one does for the sake
// of imports, it hands bodies over as streams.
func echo(most int) *fiber.App {
	a := &API{Parts: Parts{Limits: Limits{Body: most}}}
	app := fiber.New(fiber.Config{
		BodyLimit: most, StreamRequestBody: true, DisableStartupMessage: true,
		ErrorHandler: failer(slog.New(slog.DiscardHandler)),
	})
	app.Post("/", func(c *fiber.Ctx) error {
		var in wire.MatchRequest
		if err := a.decode(c, &in); err != nil {
			return err
		}
		return encode(c, in)
	})
	return app
}

func compressed(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBody(t *testing.T) {
	t.Parallel()
	body := []byte(`{"points":[[1,2]]}`)
	packed := compressed(t, body)
	bomb := compressed(t, bytes.Repeat([]byte(" "), 64<<20))
	damaged := bytes.Clone(packed)
	damaged[len(damaged)-5] ^= 0xff // the checksum
	for _, tc := range []struct {
		name               string
		mediaType, packing string
		give               []byte
		status             int
		detail             string
	}{
		{"as described", "application/json", "", body, 200, ""},
		{"with a charset", "application/json; charset=UTF-8", "", body, 200, ""},
		{"without a type", "", "", body, 200, ""},
		{"gzip", "application/json", "gzip", packed, 200, ""},
		{"two members of gzip", "application/json", "gzip", append(compressed(t, body[:5]), compressed(t, body[5:])...), 200, ""},
		{"identity", "application/json", "identity", body, 200, ""},
		{"as large as may be", "application/json", "", padded(body, MaxBody), 200, ""},
		{"inflated as large as may be", "application/json", "gzip", compressed(t, padded(body, MaxBody)), 200, ""},

		{"a form", "application/x-www-form-urlencoded", "", body, 415, `Content-Type: got "application/x-www-form-urlencoded", want application/json`},
		{"another charset", "application/json; charset=latin1", "", body, 415, `Content-Type: got charset "latin1", want utf-8`},
		{"an unknown packing", "application/json", "br", body, 415, `Content-Encoding: got "br", want gzip`},
		{"not gzip", "application/json", "gzip", body, 400, "the body is not gzip, though Content-Encoding says so"},
		{"gzip cut off", "application/json", "gzip", packed[:len(packed)-9], 400, "the gzip body is cut off"},
		{"gzip damaged", "application/json", "gzip", damaged, 400, "the gzip body is damaged"},
		{"a gzip bomb", "application/json", "gzip", bomb, 413, "the body inflates to more than 4 MiB"},
		{"too large", "application/json", "", padded(body, MaxBody+1), 413, ""},
		{"10 MB", "application/json", "", padded(body, 10_000_000), 413, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			address := serve(t, echo(MaxBody))
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewReader(tc.give))
			if err != nil {
				t.Fatal(err)
			}
			if tc.mediaType != "" {
				request.Header.Set("Content-Type", tc.mediaType)
			}
			if tc.packing != "" {
				request.Header.Set("Content-Encoding", tc.packing)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			answer, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != tc.status {
				t.Fatalf("got %d %s, want %d", response.StatusCode, answer, tc.status)
			}
			if tc.status == 200 {
				if string(answer) != string(body) {
					t.Errorf("got %s, want %s", answer, body)
				}
				return
			}
			var p wire.Problem
			if err := json.Unmarshal(answer, &p); err != nil {
				t.Fatal(err)
			}
			if got := response.Header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("Content-Type: got %q", got)
			}
			if p.Status != tc.status || !strings.HasPrefix(p.Type, problemPrefix) || p.TraceID == "" {
				t.Errorf("got %+v", p)
			}
			if tc.detail != "" && p.Detail != tc.detail {
				t.Errorf("got  %s\nwant %s", p.Detail, tc.detail)
			}
		})
	}
}

// TestBodyOfLessThanPromised holds an operator's own limit, for what is sent and what it inflates to.
func TestBodyOfLessThanPromised(t *testing.T) {
	t.Parallel()
	body := []byte(`{"points":[[1,2]]}`)
	const most = 64 << 10
	for _, tc := range []struct {
		name, packing string
		give          []byte
		status        int
		detail        string
	}{
		{"as large as may be", "", padded(body, most), 200, ""},
		{"larger", "", padded(body, most+1), 413, ""},
		{"packed", "gzip", compressed(t, padded(body, most)), 200, ""},
		{"packed, and larger", "gzip", compressed(t, padded(body, most+1)), 413, "the body inflates to more than 64 KiB"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, serve(t, echo(most)), bytes.NewReader(tc.give))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Encoding", tc.packing)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			answer, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != tc.status || !strings.Contains(string(answer), tc.detail) {
				t.Errorf("got %d %s, want %d %s", response.StatusCode, answer, tc.status, tc.detail)
			}
		})
	}
}

func TestSizeText(t *testing.T) {
	t.Parallel()
	for want, give := range map[string]int{"4 MiB": 4 << 20, "100 KiB": 100 << 10, "100001 bytes": 100_001} {
		if got := sizeText(give); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// padded makes a body longer with space.
func padded(body []byte, size int) []byte {
	return append(bytes.Clone(body), bytes.Repeat([]byte(" "), size-len(body))...)
}

// serve runs an app on loopback until the test ends.
func serve(t *testing.T, app *fiber.App) (address string) {
	t.Helper()
	listener := httptest.NewUnstartedServer(nil).Listener
	done := make(chan error, 1)
	go func() { done <- app.Listener(listener) }()
	t.Cleanup(func() {
		if err := app.Shutdown(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + listener.Addr().String()
}

func TestDecodeEvents(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, give string
		bad        map[int]string // code of the first fault of each bad event
		refused    string         // the whole call, with this
	}{
		{"all good", `{"events":[{"id":"a","kind":"view"},{"id":"b","kind":"like"}]}`, map[int]string{}, ""},
		{"bad ones among good ones", `{"events":[{"id":"a","kind":"veiw"},{"id":"b","kind":"like"},7,{"id":"c","kind":"view","prise":1}]}`,
			map[int]string{0: codeUnknownValue, 2: codeWrongType, 3: codeUnknownField}, ""},
		{"a field that the call does not have", `{"events":[{"id":"a","kind":"veiw"}],"more":1}`, nil, "(and 1 more)"},
		{"broken JSON inside an event", `{"events":[{"id":"a","kind":}]}`, nil, "/events/0/kind: line 1, column 29"},
		{"too many", `{"events":[` + strings.Repeat(`{"id":"a","kind":"view"},`, 500) + `{}]}`, nil, "/events: got 501 elements, want at most 500"},
		{"none", `{"events":[]}`, nil, "/events: got 0 elements, want at least 1"},
		{"more faults than are kept", `{"events":[` + strings.Repeat(`{"a":1,"b":1,"c":1},`, 499) + `{}]}`, nil, "(and 999 more)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var in wire.EventsRequest
			var bad map[int]Faults
			a := &API{Parts: Parts{Limits: Limits{Body: MaxBody}}}
			app := fiber.New()
			app.Post("/", func(c *fiber.Ctx) (err error) {
				if bad, err = a.decodeEvents(c, &in); err != nil {
					return c.Status(400).SendString(err.Error())
				}
				return nil
			})
			response, err := app.Test(httptest.NewRequest("POST", "/", strings.NewReader(tc.give)))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			text, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if tc.refused == "" && len(text) > 0 || !strings.Contains(string(text), tc.refused) {
				t.Fatalf("got %s, want %q", text, tc.refused)
			}
			if len(bad) != len(tc.bad) {
				t.Errorf("got %v, want %v", bad, tc.bad)
			}
			for n, code := range tc.bad {
				if len(bad[n]) == 0 || bad[n][0].Code != code {
					t.Errorf("event %d: got %v, want %s", n, bad[n], code)
				}
			}
		})
	}
}
