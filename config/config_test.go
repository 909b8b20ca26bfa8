package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestReference holds config.yaml to Default: a reference that lies is worse
// than none. Every knob must stand in it, else a missing one would pass by
// falling back to its default.
func TestReference(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, origins, err := Load(Sources{FileName: "config.yaml", File: text})
	if err != nil {
		t.Fatal(err)
	}
	if want := Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("config.yaml says\n%+v, Default is\n%+v", got, want)
	}
	for _, k := range knobs {
		if origins[k.name] == "" {
			t.Errorf("config.yaml does not mention %s", k.name)
		}
	}
}

func TestDefaultIsValid(t *testing.T) {
	t.Parallel()
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}

// TestBadFiles loads every testdata/*.bad.yaml, which must give exactly the
// problems in the .txt beside it.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bad files: %v", err)
	}
	for _, path := range files {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(strings.TrimSuffix(path, ".yaml") + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = Load(Sources{FileName: name, File: text})
			if err == nil {
				t.Fatalf("accepted, want:\n%s", want)
			}
			if got := err.Error() + "\n"; got != string(want) {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}

func TestLoadOrder(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		give   Sources
		want   string // limits.body
		origin string
	}{
		{"nothing set", Sources{}, "4MiB", ""},
		{"file", Sources{FileName: "a.yaml", File: []byte("limits:\n  body: 3MiB")}, "3MiB", "a.yaml line 2"},
		{"dotted name", Sources{FileName: "a.yaml", File: []byte("limits.body: 3MiB")}, "3MiB", "a.yaml line 1"},
		{"environment over file", Sources{FileName: "a.yaml", File: []byte("limits: {body: 3MiB}"), Environ: []string{"SATNAV_LIMITS_BODY=2MiB"}}, "2MiB", "environment SATNAV_LIMITS_BODY"},
		{"flag over all", Sources{FileName: "a.yaml", File: []byte("limits: {body: 3MiB}"), Environ: []string{"SATNAV_LIMITS_BODY=2MiB"}, Flags: map[string]string{"limits.body": "1MiB"}}, "1MiB", "flag --limits.body"},
		{"empty variable is not set", Sources{Environ: []string{"SATNAV_LIMITS_BODY="}}, "4MiB", ""},
		{"other programs' variables", Sources{Environ: []string{"PATH=/bin", "SATNAVX=1", "SATNAV_TEST_MONGODB=mongodb://x", "SATNAV_CONFIG=f", "SATNAV_PORT=tcp://10.0.0.1:80", "SATNAV_PORT_80_TCP=x", "SATNAV_SERVICE_HOST=10.0.0.1"}}, "4MiB", ""},
		{"empty section", Sources{FileName: "a.yaml", File: []byte("limits:\n#  body: 3MiB\n")}, "4MiB", ""},
		{"only comments", Sources{FileName: "a.yaml", File: []byte("# nothing\n")}, "4MiB", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, origins, err := Load(test.give)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Limits.Body.String(); got != test.want || origins["limits.body"] != test.origin {
				t.Errorf("got %s from %q, want %s from %q", got, origins["limits.body"], test.want, test.origin)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		give Sources
		want string
	}{
		{"misspelt variable", Sources{Environ: []string{"SATNAV_LIMITS_BODDY=9"}}, `SATNAV_LIMITS_BODDY: no such knob, did you mean "SATNAV_LIMITS_BODY"? (environment)`},
		{"unknown variable", Sources{Environ: []string{"SATNAV_TEAPOT_SPOUT=black"}}, `SATNAV_TEAPOT_SPOUT: no such knob (environment)`},
		{"unknown flag", Sources{Flags: map[string]string{"listne": "x"}}, `listne: no such knob, did you mean "listen"? (flag)`},
		{"variable of a wrong type", Sources{Environ: []string{"SATNAV_DRAIN=soon"}}, `drain: got "soon", want a duration such as 500ms, 10s or 5m (environment SATNAV_DRAIN)`},
		{"flag out of range", Sources{Flags: map[string]string{"operator_listen": "9090"}}, `operator_listen: got "9090", want host:port, such as 127.0.0.1:8080 (flag --operator-listen)`},
		{"wrong below a right one", Sources{FileName: "a.yaml", File: []byte("drain: soon"), Flags: map[string]string{"drain": "5s"}}, `drain: got "soon", want a duration such as 500ms, 10s or 5m (a.yaml line 1)`},
		{"open to the world without keys", Sources{Flags: map[string]string{"listen": "0.0.0.0:80"}}, `identity.jwks: got nothing, want a JWKS file or URL, because listen is 0.0.0.0:80 and the development key is for loopback only; make a key set with "satnav token --new-jwks DIR"`},
		{"password in a bad store", Sources{Flags: map[string]string{"store": "postgres://anna:secret@db/x"}}, `store: got "postgres://…@db/x", want embedded or a mongodb:// URL (flag --store)`},
		{"everything at once", Sources{Environ: []string{"SATNAV_LIMITS_IN_FLIGHT=0", "SATNAV_LOG_LEVEL=loud"}}, "limits.in_flight: got 0, want 1 to 1000000 (environment SATNAV_LIMITS_IN_FLIGHT)\n" +
			`log.level: got "loud", want debug, info, warn or error (environment SATNAV_LOG_LEVEL)`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := Load(test.give)
			var problems Problems
			if !errors.As(err, &problems) || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		give func(*Config)
		want string // empty: valid
	}{
		{"leeway too long", func(c *Config) { c.Identity.Leeway = 45 * time.Second }, "identity.leeway: got 45s, want 0s to 30s"},
		{"drain too long", func(c *Config) { c.Drain = time.Minute }, "drain: got 1m0s, want 0s to 10s"},
		{"token cache too long", func(c *Config) { c.Identity.TokenCacheTTL = 2 * time.Hour }, "identity.token_cache_ttl: got 2h0m0s, want 1s to 1h0m0s"},
		{"more than the contract promises", func(c *Config) { c.Limits.Body = 8 << 20 }, "limits.body: got 8MiB, want 64KiB to 4MiB"},
		{"imports too small", func(c *Config) { c.Limits.Import = 1 << 19 }, "limits.import: got 512KiB, want 1MiB to 1TiB"},
		{"shared secret", func(c *Config) { c.Identity.Algorithms = []string{"HS256"} }, `identity.algorithms: got "HS256", want some of EdDSA, ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512`},
		{"none", func(c *Config) { c.Identity.Algorithms = []string{"none"} }, `identity.algorithms: got "none", want some of EdDSA, ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512`},
		{"no algorithm", func(c *Config) { c.Identity.Algorithms = nil }, `identity.algorithms: got none, want some of EdDSA, ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512`},
		{"algorithm twice", func(c *Config) { c.Identity.Algorithms = []string{"ES256", "ES256"} }, `identity.algorithms: got ES256 twice, want each once`},
		{"keys over plain HTTP", func(c *Config) { c.Identity.JWKS = "http://id.example/jwks.json" }, `identity.jwks: got "http://id.example/jwks.json", want a path or an https:// URL (http:// only for loopback)`},
		{"keys over loopback HTTP", func(c *Config) { c.Identity.JWKS = "http://127.0.0.1:9/jwks.json" }, ""},
		{"keys from a file", func(c *Config) { c.Identity.JWKS, c.Listen = "/keys/jwks.json", ":8080" }, ""},
		{"any interface without keys", func(c *Config) { c.Listen = ":8080" }, `identity.jwks: got nothing, want a JWKS file or URL, because listen is :8080 and the development key is for loopback only; make a key set with "satnav token --new-jwks DIR"`},
		{"issuer empty", func(c *Config) { c.Identity.Issuer = "" }, `identity.issuer: got "", want 1 to 255 bytes without spaces around them`},
		{"port out of range", func(c *Config) { c.Listen = "localhost:70000" }, `listen: got "localhost:70000", want a port from 0 (any free one) to 65535`},
		{"no port", func(c *Config) { c.Listen = "localhost" }, `listen: got "localhost", want host:port, such as 127.0.0.1:8080`},
		{"IPv6", func(c *Config) { c.Listen = "[::1]:8080" }, ""},
		{"IPv6 without brackets", func(c *Config) { c.Listen = "::1:8080" }, `listen: got "::1:8080", want host:port, such as 127.0.0.1:8080`},
		{"same address twice", func(c *Config) { c.OperatorListen = c.Listen }, "operator_listen: got 127.0.0.1:8080, want an address other than listen"},
		{"free ports", func(c *Config) { c.Listen, c.OperatorListen = "127.0.0.1:0", "127.0.0.1:0" }, ""},
		{"no folder", func(c *Config) { c.Data = "" }, `data: got "", want a folder`},
		{"half a house", func(c *Config) { c.Roles = []string{"worker"} }, "roles: got worker, want both, since the embedded store belongs to one process"},
		{"a worker on a database", func(c *Config) { c.Store, c.Roles = "mongodb://db1/", []string{"worker"} }, ""},
		{"an unknown role", func(c *Config) { c.Roles = []string{"api", "cook"} }, `roles: got "cook", want api or worker`},
		{"a network that is none", func(c *Config) { c.Delivery.Allow = []string{"10.0.0.0/8", "10.0.0.1"} }, `delivery.allow: got "10.0.0.1", want a network such as 10.1.0.0/16 or 127.0.0.1/32`},
		{"a region", func(c *Config) { c.Region, c.Elsewhere = "EU", []string{"CN=https://cn.example.com"} }, ""},
		{"a region with a space", func(c *Config) { c.Region = "the EU" }, `region: got "the EU", want 1 to 40 letters, digits, '-' and '_'`},
		{"elsewhere is here", func(c *Config) { c.Region, c.Elsewhere = "EU", []string{"EU=https://eu.example.com"} }, `elsewhere: got "EU=https://eu.example.com", want another region, = and the URL of its deployment`},
		{"elsewhere without an address", func(c *Config) { c.Elsewhere = []string{"CN"} }, `elsewhere: got "CN", want another region, = and the URL of its deployment`},
		{"MongoDB", func(c *Config) { c.Store = "mongodb://db1,db2/?replicaSet=rs" }, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := Default()
			test.give(&c)
			got := ""
			if err := c.Validate(); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// TestZeroSaysEverything holds "everything wrong at once" to its word.
func TestZeroSaysEverything(t *testing.T) {
	t.Parallel()
	var problems Problems
	if err := (Config{}).Validate(); !errors.As(err, &problems) {
		t.Fatalf("got %v", err)
	}
	for _, k := range knobs {
		mayBeZero := []string{"operator_listen", "keys", "region", "elsewhere", "drain", "identity.jwks", "identity.leeway", "delivery.allow", "delivery.nats", "cache.blocks", "suggestions.explore", "limits.max_wait"}
		named := slices.ContainsFunc(problems, func(p Problem) bool { return p.Knob == k.name })
		if named == slices.Contains(mayBeZero, k.name) {
			t.Errorf("%s: named is %v", k.name, named)
		}
	}
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	tests := []struct {
		give string
		want bool
	}{
		{"127.0.0.1:1", true},
		{"127.9.9.9:1", true},
		{"[::1]:1", true},
		{"localhost:1", true},
		{":1", false},
		{"0.0.0.0:1", false},
		{"[::]:1", false},
		{"192.168.0.1:1", false},
		{"localhost.example:1", false},
		{"nonsense", false},
	}
	for _, test := range tests {
		if got := Loopback(test.give); got != test.want {
			t.Errorf("Loopback(%q) = %v", test.give, got)
		}
	}
}

func TestSettingsHidePasswords(t *testing.T) {
	t.Parallel()
	c := Default()
	c.Store = "mongodb://anna:pass/wo@rd@db/satnav"
	settings := c.Settings(Origins{"store": "flag --store"})
	if len(settings) != len(knobs) {
		t.Fatalf("got %d settings for %d knobs", len(settings), len(knobs))
	}
	want := Setting{Knob: "store", Value: "mongodb://…@db/satnav", Origin: "flag --store"}
	if !slices.Contains(settings, want) {
		t.Errorf("got %+v, want %+v among them", settings, want)
	}
	if want := (Setting{Knob: "limits.body", Value: "4MiB", Origin: "default"}); !slices.Contains(settings, want) {
		t.Errorf("got %+v, want %+v among them", settings, want)
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	tests := []struct {
		give string
		want Size
		bad  bool
	}{
		{give: "4MiB", want: 4 << 20},
		{give: "1 GiB", want: 1 << 30},
		{give: "65_536", want: 65536},
		{give: "7B", want: 7},
		{give: "0", want: 0},
		{give: "4MB", bad: true},
		{give: "-1KiB", bad: true},
		{give: "1.5GiB", bad: true},
		{give: "", bad: true},
		{give: "MiB", bad: true},
		{give: "9999999TiB", bad: true},
	}
	for _, test := range tests {
		got, err := ParseSize(test.give)
		if got != test.want || (err != nil) != test.bad {
			t.Errorf("ParseSize(%q) = %d, %v", test.give, got, err)
		}
	}
}

func TestSizeRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := Size(rapid.Int64Min(0).Draw(t, "size"))
		if back, err := ParseSize(size.String()); back != size || err != nil {
			t.Fatalf("%d is written %s and read as %d, %v", size, size, back, err)
		}
	})
}

// FuzzLoad holds that no file and no variable makes the loader panic, and that
// whatever it accepts is valid.
func FuzzLoad(f *testing.F) {
	reference, err := os.ReadFile("config.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(reference, "1MiB")
	f.Add([]byte("a: &x [*x]"), "")
	f.Add([]byte("<<: {listen: x}\n? [a]\n: 1"), "1")
	bad, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range bad {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.TrimSpace(text), "x")
	}
	f.Fuzz(func(t *testing.T, file []byte, variable string) {
		c, _, err := Load(Sources{FileName: "fuzz.yaml", File: file, Environ: []string{"SATNAV_LIMITS_BODY=" + variable}})
		if err == nil {
			err = c.Validate()
		} else if err.Error() == "" {
			t.Fatal("refused without a word")
		} else {
			return
		}
		if err != nil {
			t.Fatalf("accepted, yet invalid: %v", err)
		}
	})
}
