package command_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"satnav/server/command"
)

// TestStoppedImportTellsWhatItDid holds that an import that is stopped half way says what is stored, also while it waits
// for a pipe.
func TestStoppedImportTellsWhatItDid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "stock.csv")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var feeding sync.WaitGroup
	feeding.Go(func() {
		file, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer file.Close()
		var text strings.Builder
		text.WriteString("item,store,stock\n")
		for i := range 100_000 { // more than is read ahead, so that the first rows are stored when the last are written
			fmt.Fprintf(&text, "i%d,s1,%d\n", i, i%100)
		}
		if _, err := io.WriteString(file, text.String()); err != nil {
			t.Error(err)
		}
		cancel()
		<-ctx.Done()
	})
	var out, errs bytes.Buffer
	code := command.Run(ctx, []string{"import", "stock", name, "--data", filepath.Join(dir, "d")}, command.IO{Out: &out, Err: &errs})
	feeding.Wait()
	if code != 1 || !strings.Contains(errs.String(), "rows read in") || !strings.Contains(errs.String(), "stopped after") {
		t.Errorf("got exit code %d and %q", code, errs.String())
	}
	if !strings.Contains(out.String(), `"kind":"stock"`) || strings.Contains(out.String(), `"stored":0`) {
		t.Errorf("got %q, want how many rows are stored", out.String())
	}
}

// stopAt cancels once it is told a word.
type stopAt struct {
	bytes.Buffer
	word string
	stop func()
}

func (s *stopAt) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(s.word)) {
		s.stop()
	}
	return s.Buffer.Write(p)
}

// TestImportThatCannotLearn holds that rows are told as stored, and count, when learning from them fails.
func TestImportThatCannotLearn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "purchases.csv")
	if err := os.WriteFile(name, []byte("shopper,at,item\nu1,2026-10-01,p1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	errs := stopAt{word: "learning from", stop: cancel}
	code := command.Run(ctx, []string{"import", "purchases", name, "--data", filepath.Join(dir, "d")}, command.IO{Out: &out, Err: &errs})
	if code != 0 || !strings.Contains(out.String(), `"stored":1`) {
		t.Errorf("got exit code %d and %q", code, out.String())
	}
	if got := errs.String(); !strings.Contains(got, "1 stored") || !strings.Contains(got, "warning: the rows are stored, but learning from them") {
		t.Errorf("got %q", got)
	}
}
