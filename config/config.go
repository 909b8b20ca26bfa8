// Package config holds every knob of Satnav: one struct, one Default, one
// Validate, and loading from a file, the environment and flags, each later
// source winning over the earlier ones.
//
// A wrong value is found before anything starts, and everything that is wrong
// is said at once: who mends a configuration in a container should need one
// restart, not five. Unknown names are refused, since a misspelt limit that is
// silently ignored is worse than a process that does not start.
//
// The package reads no disk and no environment by itself: its caller passes the
// bytes in. So the loader can be fuzzed, and the floors below server stay free
// of I/O. Floors other than server never see a Config; they take plain values.
//
// Decided against: the resolutions in which places are kept (what a permission
// leaves of a place is a promise to shoppers, the same in every installation),
// reloading while running (a restart drains in ≤ 10 s and is
// easier to reason about), includes and anchors in the file, and knobs that can
// only be set by a flag.
package config

import (
	"path/filepath"
	"time"
)

// Config is the whole configuration of one process. The zero value is not
// valid; start from Default. The comments in config.yaml tell an operator what
// each knob does; the ones here tell why its bounds are where they are.
type Config struct {
	Listen         string        `koanf:"listen"`          // host:port of the API
	OperatorListen string        `koanf:"operator_listen"` // host:port of metrics, health and profiles; empty: none
	Data           string        `koanf:"data"`            // folder of the embedded store and of the development key
	Store          string        `koanf:"store"`           // Embedded, or a mongodb:// URL
	Keys           string        `koanf:"keys"`            // folder of the keys that sign the audit log and seal backups; empty: "keys" in Data
	Roles          []string      `koanf:"roles"`           // what this process does, some of Roles
	Poll           time.Duration `koanf:"poll"`            // how often edits of other replicas are looked for; they must be live within 1 s
	Region         string        `koanf:"region"`          // where this deployment keeps data; empty: it is the only one, and serves everybody
	Elsewhere      []string      `koanf:"elsewhere"`       // deployments of other regions, REGION=URL: who is pinned there is told to go there
	Drain          time.Duration `koanf:"drain"`           // how long calls under way may take to end when the process is told to stop
	Identity       Identity      `koanf:"identity"`
	Limits         Limits        `koanf:"limits"`
	Cache          Cache         `koanf:"cache"`
	Suggestions    Suggestions   `koanf:"suggestions"`
	Decisions      Decisions     `koanf:"decisions"`
	Delivery       Delivery      `koanf:"delivery"`
	Log            Log           `koanf:"log"`
}

// KeyFolder is where the keys lie that sign the audit log and seal backups. It is never within the store: who
// can only write to the store, or has a backup of it, has none of them.
func (c Config) KeyFolder() string {
	if c.Keys != "" {
		return c.Keys
	}
	return filepath.Join(c.Data, "keys")
}

// Embedded is the value of Store that keeps everything in the data folder.
const Embedded = "embedded"

// What a process may do. Workers share the work by leases: any number may run.
const (
	RoleAPI    = "api"    // answers calls
	RoleWorker = "worker" // delivers, settles visits, learns
)

// Identity says whose tokens are believed.
type Identity struct {
	Issuer        string        `koanf:"issuer"`
	Audience      string        `koanf:"audience"`
	JWKS          string        `koanf:"jwks"` // path or URL of the key set; empty: development key, loopback only
	JWKSRefresh   time.Duration `koanf:"jwks_refresh"`
	Algorithms    []string      `koanf:"algorithms"`
	Leeway        time.Duration `koanf:"leeway"`          // clocks that differ by more are broken, and a stolen token should die on time
	TokenCache    int           `koanf:"token_cache"`     // verified tokens kept, about 400 bytes each
	TokenCacheTTL time.Duration `koanf:"token_cache_ttl"` // for how long, unless the key set changes before
}

// Limits bounds what one caller, one retailer and one call may cost.
type Limits struct {
	ShopperCalls  int           `koanf:"shopper_calls"`  // calls per second and shopper token
	ServiceCalls  int           `koanf:"service_calls"`  // calls per second and token of a backend, manager, product or admin
	RetailerCalls int           `koanf:"retailer_calls"` // calls per second and retailer, all tokens together
	Body          Size          `koanf:"body"`           // of a call, as sent and inflated; the contract promises clients no more than 4 MiB
	Import        Size          `koanf:"import"`         // of an import over HTTP, as sent and inflated; it is streamed, never held whole
	Deadline      time.Duration `koanf:"deadline"`       // of a call; imports have none
	InFlight      int           `koanf:"in_flight"`      // calls at once; more are refused at once with 503
	MaxWait       time.Duration `koanf:"max_wait"`       // of the median call for a processor; from there on calls are refused early with 503
}

// Cache bounds the memory that is spent to spare the disk.
type Cache struct {
	Shoppers Size `koanf:"shoppers"` // decoded shoppers
	Blocks   Size `koanf:"blocks"`   // blocks of the embedded store; 0: an eighth of what the machine or container has
}

// Suggestions says how they are made.
type Suggestions struct {
	Explore float64 `koanf:"explore"` // share of the answers whose last place is left to chance, 0 to 1
}

// Decisions bounds what is kept of answers, see store.DecisionRecord.
type Decisions struct {
	Keep  time.Duration `koanf:"keep"`  // a shopper who asks why does so soon; what was bought is in the diary
	Queue int           `koanf:"queue"` // records that may wait to be written, about 4 KB each
}

// Delivery says how triggers reach the systems of retailers.
type Delivery struct {
	Timeout time.Duration `koanf:"timeout"` // of one try
	GiveUp  time.Duration `koanf:"give_up"` // a message is tried for at least so long; receivers are promised a day
	AtOnce  int           `koanf:"at_once"` // messages under way at once, of one webhook
	Allow   []string      `koanf:"allow"`   // networks that are not public and are reached all the same, also over http
	NATS    string        `koanf:"nats"`    // URL of a NATS server with JetStream, or several; empty: none
	Subject string        `koanf:"subject"` // beginning of the subjects there
}

// Log says how much is written to stderr, and in which form.
type Log struct {
	Level  string `koanf:"level"`  // debug, info, warn or error
	Format string `koanf:"format"` // text or json
}

// Default returns the configuration that a newcomer starts with: an embedded
// store in ./satnav-data, served on loopback with a development key.
func Default() Config {
	return Config{
		Listen: "127.0.0.1:8080",
		Data:   "satnav-data",
		Store:  Embedded,
		Roles:  []string{RoleAPI, RoleWorker},
		Poll:   500 * time.Millisecond,
		Drain:  10 * time.Second,

		Elsewhere: []string{},
		Identity: Identity{
			Issuer:        "satnav",
			Audience:      "satnav",
			JWKSRefresh:   5 * time.Minute,
			Algorithms:    []string{"EdDSA", "ES256", "ES384", "RS256", "PS256"},
			Leeway:        time.Second,
			TokenCache:    100_000,
			TokenCacheTTL: 15 * time.Minute,
		},
		Limits: Limits{
			ShopperCalls:  1_000,
			ServiceCalls:  20_000,
			RetailerCalls: 100_000,
			Body:          4 << 20,
			Import:        1 << 30,
			Deadline:      5 * time.Second,
			InFlight:      4_096,
			MaxWait:       2 * time.Millisecond,
		},
		Cache: Cache{
			Shoppers: 512 << 20,
		},
		Suggestions: Suggestions{
			Explore: 0.1,
		},
		Decisions: Decisions{
			Keep:  14 * 24 * time.Hour,
			Queue: 16_384,
		},
		Delivery: Delivery{
			Timeout: 10 * time.Second,
			GiveUp:  72 * time.Hour,
			AtOnce:  32,
			Allow:   []string{},
			Subject: "satnav",
		},
		Log: Log{Level: "info", Format: "text"},
	}
}
