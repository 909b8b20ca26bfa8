package mongodb

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"satnav/server/store"
	"satnav/server/store/mongodb/mongotest"
	"satnav/server/store/storetest"
)

// TestMain walks fewer random walks than on the embedded engine: the test server answers some hundred commands a second.
func TestMain(m *testing.M) {
	if os.Getenv("SATNAV_TEST_LONG") == "" {
		if err := flag.Set("rapid.checks", "6"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// databases are the databases of the places that the suite names.
type databases struct {
	mu   sync.Mutex
	urls map[string]string
}

func (d *databases) url(t testing.TB, place string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.urls[place] == "" {
		d.urls[place] = mongotest.URL(t)
	}
	return d.urls[place]
}

func open(t testing.TB, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), url, Options{Timeout: 10 * time.Minute}) // the test server is slow, and a busy machine slower
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStoreKeepsThePort(t *testing.T) {
	places := databases{urls: map[string]string{}}
	storetest.Run(t, func(t testing.TB, place string) store.Documents { return open(t, places.url(t, place)) })
}
