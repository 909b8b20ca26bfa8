package importer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRejectedFileSpeaksOfTheLastImport(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "stock.csv")
	run := func(give string) {
		t.Helper()
		rejected := NewRejectedFile(path)
		if _, err := Run(t.Context(), KindStock, strings.NewReader(give), &memory{}, Options{Rejected: rejected}); err != nil {
			t.Fatal(err)
		}
		if err := rejected.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct{ give, want string }{
		{"item,store,stock\np1,s1,none\np2,s1,few\n", `{"line":2,"column":"stock","reason":"got \"none\", want a number from 0 to 1000000000","row":"p1,s1,none"}` + "\n" +
			`{"line":3,"column":"stock","reason":"got \"few\", want a number from 0 to 1000000000","row":"p2,s1,few"}` + "\n"},
		{"item,store,stock\np1,s1,0\np2,s1,few\n", `{"line":3,"column":"stock","reason":"got \"few\", want a number from 0 to 1000000000","row":"p2,s1,few"}` + "\n"},
		{"item,store,stock\np1,s1,0\n", ""},
		{"item,store,stock\np1,s1,0\n", ""},
	} {
		run(step.give)
		got, err := os.ReadFile(path + ".rejected.ndjson")
		if step.want == "" && !errors.Is(err, fs.ErrNotExist) || string(got) != step.want {
			t.Errorf("got %q, %v, want %q", got, err, step.want)
		}
	}
}

func TestRejectedFileStandsBesideTheFile(t *testing.T) {
	t.Parallel()
	for give, want := range map[string]string{
		"d/stock.csv": "d/stock.csv.rejected.ndjson", "d/stock.csv.gz": "d/stock.csv.rejected.ndjson", "fences": "fences.rejected.ndjson",
	} {
		if got := NewRejectedFile(give).Path; got != want {
			t.Errorf("%s: got %s, want %s", give, got, want)
		}
	}
}

// A list that cannot be kept stops no import.
func TestRejectedFileThatCannotBeKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "stock.csv")
	rejected := NewRejectedFile(path)
	if err := os.MkdirAll(filepath.Join(rejected.Path, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	var sink memory
	got, err := Run(t.Context(), KindStock, strings.NewReader("item,store,stock\np1,s1,none\np2,s1,4\n"), &sink, Options{Rejected: rejected})
	if err != nil || got.Stored != 1 || got.Refused != 1 {
		t.Errorf("a bad row: got %+v, %v", got, err)
	}
	if err := rejected.Close(); err == nil || rejected.Rows != 0 || !strings.Contains(err.Error(), "the refused rows could not be kept: open ") {
		t.Errorf("got %d rows written, %v", rejected.Rows, err)
	}
	if err := NewRejectedFile(path).Close(); err == nil || !strings.Contains(err.Error(), "of an earlier import are still there") {
		t.Errorf("no bad row: got %v", err)
	}
}
