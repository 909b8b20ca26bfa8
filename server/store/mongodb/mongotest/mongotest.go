// Package mongotest gives tests a MongoDB to speak to: the server that SATNAV_TEST_MONGODB names, or one of its own, FerretDB
// behind a relay (see ../ferret), which it builds and starts once for each test binary. Where there is neither, the test
// fails: a suite that silently did not run proves nothing.
package mongotest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Variable names the server that tests are to use instead of their own.
const Variable = "SATNAV_TEST_MONGODB"

// server returns the URL of the server, without a database, as a prefix and a suffix for its name.
var server = sync.OnceValues(func() (string, error) {
	if url := os.Getenv(Variable); url != "" {
		return url, nil
	}
	return start()
})

// URL returns the URL of an empty database of the test's own, which is dropped at its end.
func URL(t testing.TB) string {
	t.Helper()
	base, err := server()
	if err != nil {
		t.Fatalf("no MongoDB to test against, and %s names none: %v", Variable, err)
	}
	name := "satnav_test_" + bson.NewObjectID().Hex()
	url := within(base, name)
	t.Cleanup(func() {
		if err := drop(url, name); err != nil {
			t.Errorf("drop database %s: %v", name, err)
		}
	})
	return url
}

// within puts the name of a database into a URL: mongodb://hosts[/database][?options].
func within(url, database string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	rest, query, asked := strings.Cut(rest, "?")
	hosts, _, _ := strings.Cut(rest, "/")
	url = scheme + "://" + hosts + "/" + database
	if asked {
		url += "?" + query
	}
	return url
}

func drop(url, database string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	client, err := mongo.Connect(options.Client().SetServerSelectionTimeout(10 * time.Minute).ApplyURI(url))
	if err != nil {
		return err
	}
	return errors.Join(client.Database(database).Drop(ctx), client.Disconnect(ctx))
}

// lifeline is the standard input of the server: held open by this process, and so closed with it.
var lifeline io.Closer //nolint:unused // held, not used: dropped, it would be closed

// start builds and starts a server, which ends when this process does.
func start() (string, error) {
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("where this module lies: %w", err)
	}
	folder, err := os.MkdirTemp("", "satnav-mongotest-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(folder, "ferret")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = filepath.Join(strings.TrimSpace(string(module)), "server", "store", "mongodb", "ferret")
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the test server in %s: %w\n%s", build.Dir, err, said)
	}
	run := exec.Command(binary)
	run.Stderr = os.Stderr
	if lifeline, err = run.StdinPipe(); err != nil {
		return "", err
	}
	out, err := run.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := run.Start(); err != nil {
		return "", err
	}
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("the test server did not come up: %w", errors.Join(err, run.Wait()))
	}
	return strings.TrimSpace(url), os.RemoveAll(folder) // it runs on
}
