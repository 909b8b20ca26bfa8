package command_test

import (
	"compress/gzip"
	"context"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"satnav/server/command"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"satnav": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		os.Exit(command.Run(ctx, os.Args[1:], command.IO{Out: os.Stdout, Err: os.Stderr, Environ: os.Environ()}))
	}})
}

// TestScripts runs the stories in testdata. $ADDRESS and $OPERATOR are free addresses on loopback; "ready URL"
// waits until a server answers 200, "zip FILE" makes FILE.gz, "cut FILE N" keeps the first N bytes, and "long FILE N"
// makes a file of N bad rows of stock.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("ADDRESS", freeAddress(t))
			env.Setenv("OPERATOR", freeAddress(t))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"ready": ready, "zip": zip, "cut": cut, "long": long,
		},
	})
}

func freeAddress(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func ready(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		response, err := http.Get(args[0])
		if err != nil {
			continue
		}
		ts.Check(response.Body.Close())
		if response.StatusCode == http.StatusOK {
			return
		}
	}
	ts.Fatalf("%s does not answer", args[0])
}

func zip(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	file, err := os.Create(ts.MkAbs(args[0] + ".gz"))
	ts.Check(err)
	w := gzip.NewWriter(file)
	_, err = w.Write([]byte(text))
	ts.Check(err)
	ts.Check(w.Close())
	ts.Check(file.Close())
}

func cut(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), size))
}

func long(ts *testscript.TestScript, _ bool, args []string) {
	rows, err := strconv.ParseInt(args[1], 0, 64)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte("item,store,stock\n"+strings.Repeat("p1,s1,many\n", int(rows))), 0o600))
}
