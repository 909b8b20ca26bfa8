// Ferret is the MongoDB-compatible server that the tests of the store speak to when no real one is named: FerretDB over
// SQLite, embedded. It is a module of its own, so that nothing of it is ever linked into satnav.
//
// FerretDB shows what a server must not rely on: it has no transactions, change streams or expiry. Its updates are not
// atomic when several connections ask at once, though, as those of MongoDB are. So clients reach it through a relay that
// passes one command and its answer at a time, over all connections; behind it, it is exact. The relay also gives each
// collection the index of keys that FerretDB's own queries can use: without it every update looks at all documents. And it
// asks for one key after the other where a find names several (see keys.go): FerretDB uses the index for one key alone.
//
// It prints the URL of the relay on a line of its own and serves until its standard input ends, as it does when the
// process that started it dies.
package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"

	"github.com/FerretDB/FerretDB/ferretdb"
	_ "modernc.org/sqlite" // FerretDB's own
)

func main() {
	debug.SetGCPercent(800) // it holds little, and makes much garbage of every document that it looks at
	folder, err := os.MkdirTemp("", "satnav-ferret-")
	if err == nil {
		err = serve(folder)
		err = errors.Join(err, os.RemoveAll(folder))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ferret:", err)
		os.Exit(1)
	}
}

func serve(folder string) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Handler:   "sqlite",
		SQLiteURL: "file:" + folder + "/?_pragma=synchronous(off)&_pragma=wal_autocheckpoint(0)", // what a killed test server loses is nobody's
		Logger:    log,
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	url := server.MongoDBURI() // waits until it listens
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		stop()
		return err
	}
	relay := relay{folder: folder, target: url[len("mongodb://") : len(url)-1]}
	go relay.accept(listener)
	fmt.Printf("mongodb://%s/\n", listener.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	stop()
	return errors.Join(err, listener.Close(), <-ended)
}

// relay passes one command and its answer at a time.
type relay struct {
	folder string // of the databases, a file each
	target string
	turn   sync.Mutex
}

func (r *relay) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go r.pass(client)
	}
}

// pass relays one connection until either side ends it.
func (r *relay) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", r.target)
	if err != nil {
		return
	}
	defer server.Close()
	for {
		command, err := message(client)
		if err != nil {
			return
		}
		if err := r.ask(client, server, command); err != nil {
			return
		}
	}
}

// ask hands one command over and its answer back, when it is its turn.
func (r *relay) ask(client, server net.Conn, command []byte) error {
	answer, err := func() ([]byte, error) {
		if !greets(command) {
			r.turn.Lock()
			defer r.turn.Unlock()
		}
		if find, ok := byKeys(command); ok {
			return find.ask(server)
		}
		answer, err := exchange(server, command)
		if err == nil && bytes.Contains(command[:min(len(command), 64)], []byte("createIndexes")) {
			err = r.index()
		}
		return answer, err
	}()
	if err != nil {
		return err
	}
	_, err = client.Write(answer)
	return err
}

// exchange sends one message and reads the next.
func exchange(server net.Conn, command []byte) ([]byte, error) {
	if _, err := server.Write(command); err != nil {
		return nil, err
	}
	return message(server)
}

// greets reports whether a command only asks who is there. It need not wait its turn: a driver takes silence for death.
func greets(command []byte) bool {
	begin := command[:min(len(command), 64)]
	return bytes.Contains(begin, []byte("hello")) || bytes.Contains(begin, []byte("isMaster")) || bytes.Contains(begin, []byte("ismaster"))
}

// message reads one message of the wire: its length, itself included, in four bytes, then the rest.
func message(from io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n < 16 || n > 48<<20 {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	whole := make([]byte, n)
	copy(whole, length[:])
	_, err := io.ReadFull(from, whole[4:])
	return whole, err
}

// index makes the index of keys in every database.
func (r *relay) index() error {
	files, err := filepath.Glob(filepath.Join(r.folder, "*.sqlite"))
	for _, file := range files {
		err = errors.Join(err, indexFile(file))
	}
	return err
}

func indexFile(file string) (err error) {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var tables []string
	rows, err := db.Query(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\_ferretdb%' ESCAPE '\'`)
	if err != nil {
		return err
	}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return errors.Join(err, rows.Close())
		}
		tables = append(tables, name)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, name := range tables {
		if _, err := db.Exec(fmt.Sprintf(`CREATE INDEX IF NOT EXISTS %q ON %q (_ferretdb_sjson->'$._id')`, name+" keys", name)); err != nil {
			return err
		}
	}
	return nil
}
